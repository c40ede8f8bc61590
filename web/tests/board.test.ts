import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as Y from 'yjs'
import { LOCAL } from '../src/board/board.ts'
import { SMALLEST } from '../src/board/objects.ts'
import { exchange, person } from './people.ts'

test('a new note has the shape that everybody agreed on', () => {
  const { doc, board } = person('ada')
  const id = board.createSticky({ x: 100, y: 200 })
  assert.deepEqual(doc.getMap('objects').toJSON()[id], {
    object_type: 'sticky',
    position: { x: 10, y: 110 },
    size: { width: 180, height: 180 },
    rotation: 0,
    properties: { text: '', color: '#fde68a' },
    layer: 1,
    is_locked: false,
    created_by: 'ada'
  })
  const shape = board.createShape('ellipse', { x: 0, y: 0 })
  const written = doc.getMap('objects').toJSON()[shape]
  assert.equal(written.object_type, 'shape')
  assert.equal(written.properties.kind, 'ellipse')
  assert.equal(written.layer, 2)
})

test('position and size are plain values: a map per axis would grow with every move', () => {
  const { doc, board } = person('ada')
  const id = board.createSticky({ x: 0, y: 0 })
  board.move(id, { x: 1.4, y: 2.6 })
  board.resize(id, { width: 300.4, height: 1 })
  const map = doc.getMap('objects').get(id) as Y.Map<unknown>
  assert.deepEqual(map.get('position'), { x: 1, y: 3 })
  assert.deepEqual(map.get('size'), { width: 300, height: SMALLEST })
})

test('every change is one transaction of local origin, and no change is none', () => {
  const { doc, board } = person('ada')
  const origins: unknown[] = []
  doc.on('update', (_update: Uint8Array, origin: unknown) => origins.push(origin))
  const id = board.createSticky({ x: 0, y: 0 })
  board.move(id, { x: 5, y: 5 })
  board.move(id, { x: 5.2, y: 4.9 })
  board.recolor(id, '#93c5fd')
  board.recolor(id, '#93c5fd')
  board.raise(id)
  board.remove(id)
  assert.deepEqual(origins, [LOCAL, LOCAL, LOCAL, LOCAL])
})

test('what is done to something gone or locked is not done', () => {
  const { doc, board } = person('ada')
  board.move('nothing', { x: 1, y: 1 })
  board.remove('nothing')
  const id = board.createSticky({ x: 0, y: 0 })
  ;(doc.getMap('objects').get(id) as Y.Map<unknown>).set('is_locked', true)
  board.move(id, { x: 500, y: 500 })
  board.remove(id)
  assert.equal(board.textOf(id), null)
  assert.deepEqual(board.get(id)?.position, { x: -90, y: -90 })
  assert.equal(board.get(id)?.isLocked, true)
})

test('objects are read with whatever is in them', () => {
  const { doc, board } = person('ada')
  const objects = doc.getMap<unknown>('objects')
  objects.set('plain', { object_type: 'sticky' })
  objects.set('number', 7)
  objects.set('text', new Y.Text('sticky'))
  objects.set('typeless', new Y.Map([['layer', 1]]))
  objects.set('wrong type', new Y.Map([['object_type', 3]]))
  assert.deepEqual(board.all(), [])
  objects.set('bare', new Y.Map([['object_type', 'sticky']]))
  objects.set(
    'odd',
    new Y.Map<unknown>([
      ['object_type', 'shape'],
      ['position', { x: 'left', y: Number.NaN }],
      ['size', [1, 2]],
      ['rotation', 'much'],
      ['layer', null],
      ['is_locked', 'yes'],
      ['properties', { text: 12, color: 'url(javascript:alert(1))', kind: 'hexagon' }]
    ])
  )
  objects.set(
    'huge',
    new Y.Map<unknown>([
      ['object_type', 'frame'],
      ['position', { x: 1e300, y: -1e300 }],
      ['size', { width: 1e300, height: -5 }],
      ['properties', new Y.Map([['text', 'a plain string']])]
    ])
  )
  const [bare, huge, odd] = ['bare', 'huge', 'odd'].map((id) => board.get(id))
  assert.deepEqual(bare, {
    id: 'bare',
    type: 'sticky',
    position: { x: 0, y: 0 },
    size: { width: 180, height: 180 },
    rotation: 0,
    layer: 0,
    isLocked: false,
    color: '#fde68a',
    text: ''
  })
  assert.deepEqual(odd, {
    id: 'odd',
    type: 'shape',
    kind: 'rectangle',
    position: { x: 0, y: 0 },
    size: { width: 200, height: 130 },
    rotation: 0,
    layer: 0,
    isLocked: false,
    color: '#93c5fd',
    text: ''
  })
  assert.equal(huge?.type === 'unfamiliar' && huge.typeName, 'frame')
  assert.deepEqual(huge?.position, { x: 1e6, y: -1e6 })
  assert.deepEqual(huge?.size, { width: 4000, height: SMALLEST })
  assert.equal(huge?.text, 'a plain string')
})

test('malformed objects can be moved, and typed into where that makes sense', () => {
  const { doc, board } = person('ada')
  const objects = doc.getMap<unknown>('objects')
  objects.set('bare', new Y.Map([['object_type', 'sticky']]))
  objects.set(
    'plain text',
    new Y.Map<unknown>([
      ['object_type', 'sticky'],
      ['properties', new Y.Map([['text', 'as a string']])]
    ])
  )
  board.move('bare', { x: 7, y: 8 })
  board.recolor('bare', '#93c5fd')
  assert.deepEqual(board.get('bare')?.position, { x: 7, y: 8 })
  assert.equal(board.textOf('bare'), null)
  assert.equal(board.textOf('plain text')?.toString(), 'as a string')
  assert.ok(board.textOf('plain text') instanceof Y.Text)
})

test('a text with things in it that are not characters is not typed into', () => {
  const { board } = person('ada')
  const id = board.createSticky({ x: 0, y: 0 })
  board.textOf(id)?.insertEmbed(0, { image: 'cat' })
  assert.equal(board.textOf(id), null)
})

test('everybody stacks objects in the same order', () => {
  const [ada, bob] = [person('ada'), person('bob')]
  const first = ada.board.createSticky({ x: 0, y: 0 })
  const second = bob.board.createSticky({ x: 0, y: 0 })
  exchange(ada, bob)
  const order = ada.board.all().map(({ id }) => id)
  assert.deepEqual(order, [first, second].sort())
  assert.deepEqual(bob.board.all().map(({ id }) => id), order)
  ada.board.raise(order[0] as string)
  exchange(ada, bob)
  assert.deepEqual(bob.board.all().map(({ id }) => id), order.reverse())
})

test('listeners hear which objects came, changed, were typed into, or went', () => {
  const { board } = person('ada')
  const heard: string[][] = []
  board.onChange((changed) => heard.push([...changed]))
  const id = board.createSticky({ x: 0, y: 0 })
  board.move(id, { x: 1, y: 1 })
  board.recolor(id, '#93c5fd')
  board.textOf(id)?.insert(0, 'x')
  board.remove(id)
  assert.deepEqual(heard, [[id], [id], [id], [id], [id]])
})

test('only what was done here is undone', () => {
  const [ada, bob] = [person('ada'), person('bob')]
  const note = ada.board.createSticky({ x: 0, y: 0 })
  exchange(ada, bob)
  bob.board.move(note, { x: 50, y: 50 })
  exchange(ada, bob)
  assert.equal(bob.board.canUndo, true)
  const own = ada.board.createShape('rectangle', { x: 0, y: 0 })
  ada.board.undo()
  assert.equal(ada.board.get(own), null)
  assert.deepEqual(ada.board.get(note)?.position, { x: 50, y: 50 })
  ada.board.redo()
  assert.notEqual(ada.board.get(own), null)
})

test('a drag is undone as one, and alone', () => {
  const { board } = person('ada')
  const id = board.createSticky({ x: 0, y: 0 })
  const start = board.get(id)?.position
  board.beginGesture()
  for (let step = 1; step <= 20; step++) board.move(id, { x: step, y: step })
  board.endGesture()
  board.recolor(id, '#93c5fd')
  board.undo()
  assert.equal(board.get(id)?.color, '#fde68a')
  assert.deepEqual(board.get(id)?.position, { x: 20, y: 20 })
  board.undo()
  assert.deepEqual(board.get(id)?.position, start)
})

test('a deleted object comes back with its text', () => {
  const { board } = person('ada')
  const id = board.createSticky({ x: 0, y: 0 })
  board.textOf(id)?.insert(0, 'keep me')
  board.separate()
  board.remove(id)
  assert.equal(board.get(id), null)
  board.undo()
  assert.equal(board.get(id)?.text, 'keep me')
})
