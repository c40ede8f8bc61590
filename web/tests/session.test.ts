import assert from 'node:assert/strict'
import { mock, test } from 'node:test'
import { Awareness } from 'y-protocols/awareness'
import * as Y from 'yjs'
import { readClaims } from '../src/session/claims.ts'
import { farewell, passingTrouble } from '../src/session/close-codes.ts'
import { linkFor, readFragment, takeInvitation } from '../src/session/link.ts'
import { ANIMALS, choosePersona, COLORS, colorOr, type Persona } from '../src/session/persona.ts'
import { CURSOR_INTERVAL, Presence } from '../src/session/presence.ts'
import { Viewport } from '../src/view/viewport.ts'

function token(payload: unknown): string {
  return `head.${Buffer.from(JSON.stringify(payload)).toString('base64url')}.signature`
}

test('a link survives the way through the address bar', () => {
  const invitation = { session: '8a69-1', token: 'a.b-_c.d' }
  const link = linkFor(invitation, 'http://127.0.0.1:8000/?x=1#session=old')
  assert.equal(link, 'http://127.0.0.1:8000/?x=1#session=8a69-1&token=a.b-_c.d')
  assert.deepEqual(readFragment(new URL(link).hash), invitation)
  assert.deepEqual(readFragment(''), {})
  assert.deepEqual(readFragment('#session=&token='), {})
})

/** An address bar, its history and this tab's storage. */
function tab(fragment: string, kept = new Map<string, string>()) {
  const location = { hash: fragment }
  const history = {
    replaceState: (_state: unknown, _title: string, url: string) => (location.hash = url)
  }
  const storage = {
    getItem: (key: string) => kept.get(key) ?? null,
    setItem: (key: string, value: string) => kept.set(key, value)
  }
  const take = () =>
    takeInvitation(
      location as Location,
      history as unknown as History,
      storage as unknown as Storage
    )
  return { location, kept, take }
}

test('the token leaves the address bar at once and is there after a reload', () => {
  const opened = tab('#session=s1&token=secret')
  assert.deepEqual(opened.take(), { session: 's1', token: 'secret' })
  assert.equal(opened.location.hash, '#session=s1')
  const reloaded = tab(opened.location.hash, opened.kept)
  assert.deepEqual(reloaded.take(), { session: 's1', token: 'secret' })
  assert.equal(tab('#session=s2', opened.kept).take(), null, 'a token is for its session only')
  assert.equal(tab('').take(), null)
})

test('a token is read for its name, and anything else is a guest', () => {
  const ada = { sub: '1fdc6848-6e4a', name: ' Ada Lovelace 🚀 ' }
  assert.deepEqual(readClaims(token(ada)), { userId: '1fdc6848-6e4a', name: 'Ada Lovelace 🚀' })
  assert.deepEqual(readClaims(token({ sub: '1fdc6848-6e4a' })).name, 'Guest 1fdc')
  for (const odd of ['', 'x', 'a.b.c', 'a.!!.c', token(null), token([1]), token({ sub: 7 })]) {
    assert.deepEqual(readClaims(odd), { userId: '', name: 'Guest' })
  }
})

test('every close code of the server has words of its own', () => {
  const titles = [4400, 4401, 4403, 4404, 4410].map((code) => farewell(code).title)
  assert.equal(new Set([...titles, farewell(4499).title]).size, 6)
  assert.match(farewell(4410).title, /ended/)
  assert.match(passingTrouble(4503) ?? '', /busy/)
  assert.equal(passingTrouble(1006), null)
})

test('nobody gets a label or a colour that somebody has, as long as there are any', () => {
  const people: Persona[] = []
  for (let index = 0; index < ANIMALS.length; index++) people.push(choosePersona(5, people))
  assert.equal(new Set(people.map(({ label }) => label)).size, ANIMALS.length)
  assert.equal(new Set(people.slice(0, COLORS.length).map(({ color }) => color)).size, COLORS.length)
  assert.match(choosePersona(7, people).label, / 7$/)
})

test('a colour that is none is replaced', () => {
  assert.equal(colorOr('#12AB9f', 0), '#12AB9f')
  for (const odd of ['red', 'url(x)', '#12345', '#1234567', 7, null]) {
    assert.ok(COLORS.includes(colorOr(odd, 3)))
  }
})

function awareness(clientId: number): Awareness {
  const doc = new Y.Doc()
  doc.clientID = clientId
  return new Awareness(doc)
}

test('of two with the same label the one with the higher id takes another', (context) => {
  const shared = awareness(5)
  context.after(() => shared.destroy())
  const presence = new Presence(shared, { userId: 'u', name: 'Ada' })
  const own = () => presence.participants[0]
  const before = own()?.label as string
  const appear = (clientId: number, label: string, color: string): void => {
    shared.states.set(clientId, { user: { name: 'Ada', color }, label })
    shared.emit('change', [{ added: [clientId], updated: [], removed: [] }, 'remote'])
  }
  appear(9, before, '#000000')
  assert.equal(own()?.label, before, 'the lower id stays')
  appear(2, before, '#000000')
  assert.notEqual(own()?.label, before)
})

test('what others say of themselves is read with care', (context) => {
  const shared = awareness(5)
  context.after(() => shared.destroy())
  const presence = new Presence(shared, { userId: 'u', name: 'Ada' })
  const states: Record<string, unknown>[] = [
    {},
    { user: 'me', label: 7, cursor: 'here', selected: {} },
    { user: { name: 'x'.repeat(500), color: 'red' }, cursor: { x: 1, y: Number.NaN } },
    { user: { name: 'Bob', color: '#101010' }, label: 'Fox', cursor: { x: 1, y: 2 }, selected: 'o' }
  ]
  for (const [index, state] of states.entries()) shared.states.set(10 + index, state)
  const [blank, odd, long, bob] = presence.others
  assert.equal(blank?.name, 'Somebody')
  assert.deepEqual([odd?.name, odd?.label, odd?.cursor, odd?.selected], ['Somebody', '', null, null])
  assert.deepEqual([long?.name.length, long?.cursor], [40, null])
  assert.ok(COLORS.includes(long?.color ?? ''))
  assert.deepEqual(bob, {
    clientId: 13,
    isSelf: false,
    name: 'Bob',
    label: 'Fox',
    color: '#101010',
    cursor: { x: 1, y: 2 },
    selected: 'o'
  })
  assert.equal(presence.participants[0]?.isSelf, true)
})

test('the cursor is told 20 times a second at most, and its last place always', (context) => {
  mock.timers.enable({ apis: ['setTimeout', 'setInterval', 'Date'] })
  context.after(() => mock.timers.reset())
  const shared = awareness(5)
  context.after(() => shared.destroy())
  const presence = new Presence(shared, { userId: 'u', name: 'Ada' })
  let told = 0
  shared.on('update', () => told++)
  for (let millisecond = 0; millisecond < 1000; millisecond += 5) {
    presence.moveCursor({ x: millisecond, y: 0 })
    mock.timers.tick(5)
  }
  mock.timers.tick(CURSOR_INTERVAL)
  assert.ok(told >= 19 && told <= 21, `${told} times`)
  assert.deepEqual(shared.getLocalState()?.['cursor'], { x: 995, y: 0 })
  presence.moveCursor({ x: 995.2, y: 0.3 })
  mock.timers.tick(CURSOR_INTERVAL)
  const before = told
  presence.moveCursor(null)
  mock.timers.tick(CURSOR_INTERVAL)
  assert.equal(told, before + 1)
  assert.equal(shared.getLocalState()?.['cursor'], null)
})

test('a selection is told when it changes, not with every move of what is selected', (context) => {
  const shared = awareness(5)
  context.after(() => shared.destroy())
  const presence = new Presence(shared, { userId: 'u', name: 'Ada' })
  let told = 0
  shared.on('update', () => told++)
  for (const id of ['a', 'a', 'b', null, null]) presence.select(id)
  assert.equal(told, 3)
  assert.equal(shared.getLocalState()?.['selected'], null)
})

test('zooming keeps what is under the pointer under it', () => {
  const viewport = new Viewport()
  viewport.panBy(30, -20)
  const pointer = { x: 200, y: 100 }
  const under = viewport.toBoard(pointer)
  viewport.zoomAt(pointer, 1.7)
  const screen = viewport.toScreen(under)
  assert.ok(Math.hypot(screen.x - pointer.x, screen.y - pointer.y) < 1e-9)
  viewport.zoomAt(pointer, 1e9)
  assert.equal(viewport.scale, 4)
  viewport.zoomAt(pointer, 1e-9)
  assert.equal(viewport.scale, 0.1)
})

test('everything is shown, in the middle, and never enlarged', () => {
  const viewport = new Viewport()
  const screen = { width: 1000, height: 800 }
  viewport.fit([], screen)
  assert.deepEqual(viewport.toScreen({ x: 0, y: 0 }), { x: 500, y: 400 })
  viewport.fit([{ position: { x: 90, y: 90 }, size: { width: 20, height: 20 } }], screen)
  assert.equal(viewport.scale, 1)
  assert.deepEqual(viewport.toScreen({ x: 100, y: 100 }), { x: 500, y: 400 })
  const boxes = [
    { position: { x: -2000, y: 0 }, size: { width: 100, height: 100 } },
    { position: { x: 2000, y: 500 }, size: { width: 100, height: 100 } }
  ]
  viewport.fit(boxes, screen)
  assert.ok(viewport.toScreen({ x: -2000, y: 0 }).x >= 79)
  assert.ok(viewport.toScreen({ x: 2100, y: 600 }).x <= 921)
})
