import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as Y from 'yjs'
import { isAt, readObject, type BoardObject } from '../src/board/objects.ts'
import { wrapped } from '../src/view/wrapping.ts'
import { areaOf, pointIn } from '../src/xr/board-area.ts'
import type { JoinedSession } from '../src/xr/joined-session.ts'
import { JoinedSessions, type Join } from '../src/xr/joined-sessions.ts'
import { readRoomObject } from '../src/xr/room-objects.ts'

// What a whiteboard names

const SESSION = '7a1f23d3-0663-4120-9eb6-cf6f822a5952'

test('a whiteboard names a session by its id, or none', () => {
  const named = (properties: unknown): unknown =>
    readRoomObject('a', { object_type: 'whiteboard', properties })?.whiteboard
  assert.deepEqual(named({ session_id: SESSION }), { session: SESSION })
  assert.deepEqual(named({ session_id: SESSION.toUpperCase() }), { session: SESSION })
  for (const wrong of [undefined, null, 7, '', '../7a1f23d3', `${SESSION}/ws`, [SESSION]]) {
    assert.deepEqual(named({ session_id: wrong }), { session: null })
  }
  assert.deepEqual(named(undefined), { session: null })
  const other = { object_type: 'screen', properties: { session_id: SESSION } }
  assert.equal(readRoomObject('a', other)?.whiteboard, null)
})

test('a whiteboard without a scale is a board and no cube', () => {
  const board = readRoomObject('a', { object_type: 'whiteboard' })
  assert.ok(board)
  assert.ok(board.scale.x > board.scale.y && board.scale.y > 10 * board.scale.z)
})

// Which part of the board hangs there

const PICTURE = { width: 1600, height: 900 }

function box(x: number, y: number, width = 100, height = 100): BoardObject {
  const value = new Y.Map<unknown>([
    ['object_type', 'sticky'],
    ['position', { x, y }],
    ['size', { width, height }]
  ])
  new Y.Doc().getMap('objects').set('a', value)
  return readObject('a', value) as BoardObject
}

test('what is around the origin moves nothing, what is farther out is shown as well', () => {
  const empty = areaOf([], PICTURE)
  assert.deepEqual(areaOf([box(-600, -300), box(450, 200)], PICTURE), empty)
  assert.deepEqual(pointIn(empty, PICTURE, { x: 0.5, y: 0.5 }), { x: 0, y: 0 })
  for (const far of [box(2000, 0), box(-2000, 0), box(0, 1500), box(0, -1500)]) {
    const area = areaOf([far], PICTURE)
    const [start, end] = [pointIn(area, PICTURE, { x: 0, y: 0 }), pointIn(area, PICTURE, { x: 1, y: 1 })]
    const { position, size } = far
    assert.ok(start.x <= position.x && start.y <= position.y)
    assert.ok(end.x >= position.x + size.width && end.y >= position.y + size.height)
    assert.ok(area.scale < empty.scale)
  }
})

test('a picture keeps the proportions of the board, whatever its own', () => {
  for (const picture of [PICTURE, { width: 100, height: 1600 }, { width: 1600, height: 100 }]) {
    const area = areaOf([box(3000, 900)], picture)
    const end = pointIn(area, picture, { x: 1, y: 1 })
    const [across, down] = [end.x - area.left, end.y - area.top]
    assert.ok(Math.abs(across / down - picture.width / picture.height) < 1e-9)
  }
})

test('a stray note does not make all others too small to be seen', () => {
  const stray = areaOf([box(1e6, -1e6)], PICTURE)
  assert.ok(stray.scale > 0.05)
})

test('a small drag at the edge does not zoom', () => {
  assert.deepEqual(areaOf([box(700, 0)], PICTURE), areaOf([box(640, 10)], PICTURE))
})

test('a point is on an object as it is turned', () => {
  const flat = box(0, 0, 200, 40)
  assert.ok(isAt(flat, { x: 190, y: 20 }))
  assert.ok(!isAt(flat, { x: 100, y: 60 }))
  const upright = { ...flat, rotation: 90 }
  assert.ok(!isAt(upright, { x: 190, y: 20 }))
  assert.ok(isAt(upright, { x: 100, y: 60 }))
  assert.ok(isAt({ ...flat, rotation: 45 }, { x: 150, y: 70 }))
  assert.ok(!isAt({ ...flat, rotation: -45 }, { x: 150, y: 70 }))
})

// Lines

const lines = (text: string, width: number, most = 100): string[] =>
  wrapped(text, width, most, (words) => words.length)

test('a text is broken between words, and at its own line ends', () => {
  assert.deepEqual(lines('to be or not to be', 6), ['to be', 'or not', 'to be'])
  assert.deepEqual(lines('one\ntwo\r\n\nthree', 10), ['one', 'two', '', 'three'])
  assert.deepEqual(lines('', 10), [''])
  assert.deepEqual(lines('  in  side', 20), ['  in  side'])
})

test('a word that is too long is broken, whatever is before it', () => {
  assert.deepEqual(lines('abcdefgh', 3), ['abc', 'def', 'gh'])
  assert.deepEqual(lines('a bcdefg h', 3), ['a', 'bcd', 'efg', 'h'])
  assert.deepEqual(lines('\u{1f600}\u{1f600}', 2), ['\u{1f600}', '\u{1f600}'])
  assert.deepEqual(lines('abc', 0), ['a', 'b', 'c'])
})

test('no more lines are made than are wanted, of a text of any length', () => {
  assert.deepEqual(lines('a b c d', 1, 2), ['a', 'b'])
  assert.deepEqual(lines('abcdef', 1, 2), ['a', 'b'])
  let asked = 0
  wrapped('x'.repeat(50_000), 10, 3, (words) => ((asked += 1), words.length))
  assert.ok(asked < 100)
})

// Sessions that are joined

interface Stage {
  readonly sessions: JoinedSessions
  readonly log: string[]
  readonly told: string[]
  readonly denials: Map<string, (reason: string) => void>
}

function stage(): Stage {
  const [log, told] = [[] as string[], [] as string[]]
  const denials = new Map<string, (reason: string) => void>()
  const join: Join = (id, onDenied) => {
    log.push(`join ${id}`)
    denials.set(id, onDenied)
    const session = { id, hasUnstored: id === 'unstored', leave: () => log.push(`leave ${id}`) }
    return session as unknown as JoinedSession
  }
  return { sessions: new JoinedSessions(join, (words) => told.push(words)), log, told, denials }
}

test('what is named is joined once, and left when it is not named any more', () => {
  const { sessions, log } = stage()
  sessions.keep(new Set(['a']), 0)
  const a = sessions.of('a')
  sessions.keep(new Set(['a', 'b']), 1000)
  sessions.keep(new Set(['a', 'c']), 2000)
  assert.equal(sessions.of('a'), a)
  assert.equal(sessions.of('b'), null)
  sessions.leaveAll()
  assert.deepEqual(log, ['join a', 'join b', 'leave b', 'join c', 'leave a', 'leave c'])
})

test('not more are joined than a person has sockets for; one that goes makes room', () => {
  const { sessions } = stage()
  const named = new Set(['a', 'b', 'c', 'd', 'e'])
  for (let second = 0; second < 9; second++) sessions.keep(named, 1000 * second)
  assert.equal(sessions.of('d')?.id, 'd')
  assert.equal(sessions.of('e'), null)
  named.delete('b')
  sessions.keep(named, 9000)
  assert.equal(sessions.of('e')?.id, 'e')
})

test('whoever changes names all the time makes nobody join all the time', () => {
  const { sessions, log } = stage()
  for (let frame = 0; frame < 180; frame++) sessions.keep(new Set([`s${frame}`]), frame * 16)
  const joins = log.filter((entry) => entry.startsWith('join'))
  assert.equal(joins.length, 3)
  assert.equal(log.length, 2 * joins.length)
})

test('after a refusal the session is joined anew, with what the server has', () => {
  const { sessions, log, told, denials } = stage()
  sessions.keep(new Set(['a']), 0)
  const before = sessions.of('a') as JoinedSession
  denials.get('a')?.('viewers only annotate')
  assert.ok(!sessions.has(before))
  assert.deepEqual(log, ['join a', 'leave a', 'join a'])
  assert.deepEqual(told, ['The board does not take it: viewers only annotate'])
  sessions.leaveAll()
  denials.get('a')?.('too late')
  assert.equal(sessions.of('a'), null)
})

test('the page says so if something on a whiteboard is not stored yet', () => {
  const { sessions } = stage()
  sessions.keep(new Set(['a']), 0)
  assert.equal(sessions.hasUnstored, false)
  sessions.keep(new Set(['a', 'unstored']), 1000)
  assert.equal(sessions.hasUnstored, true)
})
