import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  Malformed,
  decodePose,
  decodeTransform,
  encodePose,
  encodeTransform,
  isNewer,
  type Placed,
  type Pose,
  type Transform
} from '../client/pose-codec.ts'
import { readRotation, writeRotation } from '../client/pose-numbers.ts'
import { fromHex, poseOf, quaternionOf, toHex, transformOf, vectors } from './pose-vectors.ts'

const HERE: Placed = { position: { x: 0, y: 0, z: 0 }, rotation: { x: 0, y: 0, z: 0, w: 1 } }
const WHOLE: Pose = {
  slot: 1,
  generation: 2,
  sequence: 3,
  captured: 4,
  head: HERE,
  left: HERE,
  right: HERE
}
const MOVED: Transform = { objectSlot: 1, sequence: 2, ...HERE, scale: { x: 1, y: 1, z: 1 } }

/** 48 bits as they are told, the highest first. */
function viewOfBits(hex: string): DataView {
  return new DataView(fromHex(hex).reverse().buffer)
}

function at(x: number): Placed {
  return { ...HERE, position: { x, y: 0, z: 0 } }
}

test('rotations are written and read as the server does it, bit for bit', () => {
  for (const { name, rotation, bits, read } of vectors.rotations) {
    const bytes = new Uint8Array(6)
    writeRotation(new DataView(bytes.buffer), 0, quaternionOf(rotation))
    assert.equal(toHex(bytes.reverse()), bits, name)
    assert.deepEqual(readRotation(viewOfBits(bits), 0), quaternionOf(read), name)
  }
})

test('bits that nobody writes are read as the server reads them', () => {
  for (const { bits, read } of vectors.bits) {
    assert.deepEqual(readRotation(viewOfBits(bits), 0), quaternionOf(read), bits)
  }
})

test('poses are written and read as the server does it', () => {
  for (const { name, pose, record, read } of vectors.poses) {
    assert.equal(toHex(encodePose(poseOf(pose))), record, name)
    assert.deepEqual(decodePose(fromHex(record)), poseOf(read), name)
  }
})

test('transforms are written and read as the server does it', () => {
  for (const { name, transform, record, read } of vectors.transforms) {
    assert.equal(toHex(encodeTransform(transformOf(transform))), record, name)
    assert.deepEqual(decodeTransform(fromHex(record)), transformOf(read), name)
  }
})

test('a record is read from the middle of other bytes', () => {
  const bytes = new Uint8Array(100)
  bytes.set(encodePose(WHOLE), 13)
  assert.deepEqual(decodePose(bytes.subarray(13, 60)), WHOLE)
})

test('records have the sizes of the protocol', () => {
  assert.equal(encodePose({ ...WHOLE, left: null, right: null }).length, 23)
  assert.equal(encodePose({ ...WHOLE, left: null }).length, 35)
  assert.equal(encodePose(WHOLE).length, 47)
  assert.equal(encodeTransform({ ...MOVED, scale: null }).length, 20)
  assert.equal(encodeTransform(MOVED).length, 32)
})

test('what is no pose is malformed', () => {
  const whole = encodePose(WHOLE)
  for (let length = 0; length < whole.length; length++) {
    assert.throws(() => decodePose(whole.subarray(0, length)), Malformed)
  }
  assert.throws(() => decodePose(Uint8Array.of(...whole, 0)), Malformed)
  for (const parts of [0, 2, 4, 6, 8, 9, 15, 255]) {
    const wrong = encodePose(WHOLE)
    wrong[3] = parts
    assert.throws(() => decodePose(wrong), Malformed, `parts ${parts}`)
  }
})

test('what is no transform is malformed', () => {
  const whole = encodeTransform(MOVED)
  for (let length = 0; length < whole.length; length++) {
    assert.throws(() => decodeTransform(whole.subarray(0, length)), Malformed)
  }
  assert.throws(() => decodeTransform(Uint8Array.of(...whole, 0)), Malformed)
  for (const scale of [0, -0, -1, NaN, Infinity]) {
    const wrong = encodeTransform(MOVED)
    new DataView(wrong.buffer).setFloat32(24, scale, true)
    assert.throws(() => decodeTransform(wrong), Malformed, `scale ${scale}`)
  }
  const unknown = encodeTransform(MOVED)
  unknown[4] = 2
  assert.throws(() => decodeTransform(unknown), Malformed)
})

test('what does not fit is not written', () => {
  for (const x of [NaN, Infinity, -Infinity, 8388.6076, -8388.6086, 1e300]) {
    assert.throws(() => encodePose({ ...WHOLE, head: at(x), left: null }), RangeError, `${x}`)
    assert.throws(() => encodePose({ ...WHOLE, right: at(x) }), RangeError, `${x}`)
    assert.throws(() => encodeTransform({ ...MOVED, ...at(x) }), RangeError, `${x}`)
  }
  assert.throws(() => encodePose({ ...WHOLE, right: at(32.768) }), RangeError)
  for (const rotation of [
    { x: 0, y: 0, z: 0, w: 0 },
    { x: NaN, y: 0, z: 0, w: 1 },
    { x: 0, y: Infinity, z: 0, w: 1 }
  ]) {
    assert.throws(() => encodePose({ ...WHOLE, head: { ...HERE, rotation } }), RangeError)
  }
  for (const x of [0, -1, NaN, Infinity, 1e39, 1e-60]) {
    assert.throws(() => encodeTransform({ ...MOVED, scale: { x, y: 1, z: 1 } }), RangeError)
  }
  for (const wrong of [{ slot: 65_536 }, { generation: -1 }, { sequence: 0.5 }, { captured: NaN }]) {
    assert.throws(() => encodePose({ ...WHOLE, ...wrong }), RangeError)
  }
})

test('numbers that wrap are compared over the shorter way around', () => {
  for (const [later, earlier, expected] of vectors.sequences) {
    assert.equal(isNewer(later, earlier), expected, `${later} after ${earlier}`)
  }
})
