import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as Y from 'yjs'
import { COLOR, Furniture, nearest, readRoomObject } from '../src/xr/room-objects.ts'
import { readRoom } from '../src/xr/room-info.ts'
import { EYES, Walker } from '../src/xr/walker.ts'

const LEVEL = { x: 0, y: 0, z: 0, w: 1 }
const FLOOR = { width: 12, depth: 8 }

function isNear(actual: number, expected: number): void {
  assert.ok(Math.abs(actual - expected) < 1e-9, `${actual} is not ${expected}`)
}

// What stands there

test('what is missing or malformed is shown with a default', () => {
  const plain = { id: 'a', position: { x: 0, y: 0, z: 0 }, rotation: LEVEL, color: COLOR }
  const scale = { x: 1, y: 1, z: 1 }
  const usual = { ...plain, scale, isInteractive: true, whiteboard: null }
  assert.deepEqual(readRoomObject('a', { object_type: 'box' }), usual)
  const wrong = {
    object_type: 'box',
    transform: {
      position: { x: 1, y: NaN, z: 2 },
      rotation: { x: 0, y: 0, z: 0, w: 0 },
      scale: { x: 1, y: -1, z: 1 }
    },
    properties: { color: 'url(evil)' }
  }
  assert.deepEqual(readRoomObject('a', wrong), usual)
  for (const value of [null, 7, 'box', [], {}, { object_type: 7 }]) {
    assert.equal(readRoomObject('a', value), null)
  }
})

test('a rotation has length 1, whatever stands there', () => {
  const transform = { rotation: { x: 0, y: 0.6, z: 0, w: 0.6 } }
  const rotation = readRoomObject('a', { object_type: 'box', transform })?.rotation
  assert.ok(rotation)
  isNear(Math.hypot(rotation.x, rotation.y, rotation.z, rotation.w), 1)
})

test('furniture follows the document: new, moved, changed, deleted', () => {
  const doc = new Y.Doc()
  const furniture = new Furniture(doc, 'ada')
  furniture.addBox({ x: 1, y: 0.2, z: 2 }, '#ff0000')
  const [id] = [...furniture.all.keys()]
  assert.ok(id)
  assert.deepEqual(furniture.all.get(id)?.position, { x: 1, y: 0.2, z: 2 })
  const box = doc.getMap<Y.Map<unknown>>('objects').get(id)
  assert.equal(box?.get('created_by'), 'ada')
  box?.set('transform', { position: { x: 5, y: 0, z: 0 } })
  assert.equal(furniture.all.get(id)?.position.x, 5)
  ;(box?.get('properties') as Y.Map<unknown>).set('color', '#00ff00')
  assert.equal(furniture.all.get(id)?.color, '#00ff00')
  doc.getMap('objects').delete(id)
  assert.equal(furniture.all.size, 0)
})

test('furniture that was there before is there', () => {
  const doc = new Y.Doc()
  doc.getMap('objects').set('a', { object_type: 'box' })
  assert.deepEqual([...new Furniture(doc, '').all.keys()], ['a'])
})

test('the nearest thing in reach is taken, and not what may not be', () => {
  const head = { position: { x: 0, y: 1.6, z: 0 }, rotation: LEVEL }
  const at = (id: string, x: number, more = {}): NonNullable<ReturnType<typeof readRoomObject>> => {
    const transform = { position: { x, y: 1.6, z: 0 } }
    const object = readRoomObject(id, { object_type: 'box', transform, ...more })
    assert.ok(object)
    return object
  }
  assert.equal(nearest([], head), null)
  assert.equal(nearest([at('far', 3.1)], head), null)
  const locked = at('locked', 0.1, { is_locked: true })
  const fixed = at('fixed', 0.2, { is_interactive: false })
  assert.equal(nearest([at('b', 2), locked, at('a', -1), fixed], head)?.id, 'a')
})

// The room

test('a room has a size, whatever its dimensions say', () => {
  const usual = { name: 'Room', width: 12, depth: 9, height: 3.5 }
  for (const data of [null, {}, { name: '', dimensions: { width: '9', depth: -1 } }]) {
    assert.deepEqual(readRoom(data), usual)
  }
  const data = { name: 'Hall', dimensions: { width: 1e9, depth: 30, height: 0.1 } }
  assert.deepEqual(readRoom(data), { name: 'Hall', width: 500, depth: 30, height: 2 })
})

// Walking

test('everybody begins elsewhere, and looks at the middle', () => {
  for (let number = 0; number < 8; number++) {
    const walker = new Walker(FLOOR, number)
    const { x, z } = walker.head.position
    const middle = walker.ahead(Math.hypot(x, z))
    isNear(middle.x, 0)
    isNear(middle.z, 0)
    const other = new Walker(FLOOR, number + 1).head.position
    assert.ok(Math.hypot(other.x - x, other.z - z) > 1)
  }
})

test('one walks where one looks, and askew not faster', () => {
  const walker = new Walker(FLOOR, 0)
  const { z } = walker.head.position
  walker.walk({ forward: 1, right: 0 }, 400)
  isNear(walker.head.position.z, z - 1)
  walker.walk({ forward: 0, right: 1 }, 400)
  isNear(walker.head.position.x, 1)
  walker.walk({ forward: -1, right: -1 }, 400)
  isNear(walker.head.position.x, 1 - Math.SQRT1_2)
  assert.equal(walker.head.position.y, EYES)
})

test('turning left, one walks to the left', () => {
  const walker = new Walker(FLOOR, 0)
  walker.turn(Math.PI / 2, 0)
  walker.walk({ forward: 1, right: 0 }, 400)
  isNear(walker.head.position.x, -1)
  isNear(walker.head.rotation.y, Math.SQRT1_2)
})

test('walls are not walked through, nor does a head turn over', () => {
  const walker = new Walker(FLOOR, 0)
  for (let step = 0; step < 100; step++) walker.walk({ forward: -1, right: 1 }, 1000)
  assert.deepEqual([walker.head.position.x, walker.head.position.z], [5.7, 3.7])
  walker.turn(0, 100)
  assert.ok(walker.head.rotation.x < Math.SQRT1_2)
})
