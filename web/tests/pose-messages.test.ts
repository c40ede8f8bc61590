import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Malformed, decodePose, decodeTransform } from '../client/pose-codec.ts'
import {
  DENIALS,
  DEVICES,
  PRESENCES,
  beat,
  bye,
  claim,
  force,
  hello,
  pose,
  readServerMessage,
  release,
  type ServerMessage
} from '../client/pose-messages.ts'
import { fromHex, toHex, vectors, type ClientVector, type ServerVector } from './pose-vectors.ts'

const NOBODY = 65_535

function written(vector: ClientVector): Uint8Array {
  switch (vector.kind) {
    case 'hello': {
      const [, device, clientId] = vector.fields
      return hello(DEVICES[device] ?? 'desktop', clientId)
    }
    case 'pose': {
      const [ackTick, record, held] = vector.fields
      return pose(ackTick, decodePose(fromHex(record)), held.map(fromHex).map(decodeTransform))
    }
    case 'beat':
      return beat(...vector.fields)
    case 'claim':
      return claim(...vector.fields)
    case 'release':
      return release(...vector.fields)
    case 'force':
      return force(...vector.fields)
    case 'bye':
      return bye()
  }
}

/** The fields of a message of the server, in the order of the page. */
function fields(message: ServerMessage): unknown[] {
  switch (message.kind) {
    case 'welcome':
      return [1, message.slot, message.generation, message.rate, message.tick, message.baseTime]
    case 'frame':
      return [message.tick, message.baseTime, message.poses, message.transforms]
    case 'roster':
      return [
        message.entries.map((each) => [
          each.slot,
          each.generation,
          PRESENCES.indexOf(each.presence),
          DEVICES.indexOf(each.device),
          each.clientId
        ])
      ]
    case 'holds':
      return [
        message.entries.map((each) => [
          each.objectSlot,
          each.sequence,
          each.holder?.slot ?? NOBODY,
          each.holder?.generation ?? 0,
          each.objectId
        ])
      ]
    case 'deny':
      return [DENIALS.indexOf(message.reason) + 1, message.sequence, message.objectId]
  }
}

/** What a vector tells, with its records read. */
function expected(vector: ServerVector): unknown[] {
  if (vector.kind !== 'frame') return vector.fields
  const [tick, baseTime, poses, transforms] = vector.fields
  return [
    tick,
    baseTime,
    poses.map(fromHex).map(decodePose),
    transforms.map(fromHex).map(decodeTransform)
  ]
}

test('what a client sends are the bytes that the server reads', () => {
  for (const vector of vectors.from_client) {
    assert.equal(toHex(written(vector)), vector.frame, vector.kind)
  }
})

test('what the server sends is read', () => {
  for (const vector of vectors.from_server) {
    const message = readServerMessage(fromHex(vector.frame))
    assert.equal(message.kind, vector.kind)
    assert.deepEqual(fields(message), expected(vector), vector.frame)
  }
})

test('a message that is cut or goes on is malformed', () => {
  for (const { frame } of vectors.from_server) {
    const bytes = fromHex(frame)
    for (let length = 0; length < bytes.length; length++) {
      assert.throws(() => readServerMessage(bytes.subarray(0, length)), Malformed)
    }
    assert.throws(() => readServerMessage(Uint8Array.of(...bytes, 0)), Malformed)
  }
})

test('what the server does not send is malformed', () => {
  for (const { name, frame } of vectors.malformed_from_server) {
    assert.throws(() => readServerMessage(fromHex(frame)), Malformed, name)
  }
  for (const { frame } of vectors.from_client) {
    assert.throws(() => readServerMessage(fromHex(frame)), Malformed)
  }
})

test('any bytes are a message or malformed', () => {
  let seed = 1
  const next = (): number => (seed = (Math.imul(seed, 48_271) >>> 0) % 2_147_483_647)
  const frames = vectors.from_server.map(({ frame }) => fromHex(frame))
  for (let round = 0; round < 20_000; round++) {
    const bytes = Uint8Array.from(frames[round % frames.length] ?? [])
    for (let change = next() % 4; change >= 0; change--) bytes[2 + (next() % bytes.length)] = next()
    try {
      readServerMessage(bytes.subarray(0, bytes.length - (next() % 3)))
    } catch (error) {
      assert.ok(error instanceof Malformed, `${String(error)} of ${toHex(bytes)}`)
    }
  }
})

test('what does not fit is not written', () => {
  const own = decodePose(fromHex(vectors.poses[0]?.record ?? ''))
  const held = decodeTransform(fromHex(vectors.transforms[0]?.record ?? ''))
  assert.throws(() => hello('desktop', 2 ** 53), RangeError)
  assert.throws(() => hello('desktop', -1), RangeError)
  assert.throws(() => pose(2 ** 32, own), RangeError)
  assert.throws(() => pose(0, own, Array(256).fill(held)), RangeError)
  assert.throws(() => beat(-1), RangeError)
  assert.throws(() => claim(0, ''), RangeError)
  assert.throws(() => claim(2 ** 32, 'a'), RangeError)
  assert.throws(() => force('é'.repeat(65)), RangeError)
  assert.throws(() => force('\ud800'), RangeError)
  assert.throws(() => release(65_536, 0), RangeError)
})
