import assert from 'node:assert/strict'
import { test } from 'node:test'
import { NotGranted } from '../client/lane.ts'
import { readPose, type Placed, type Pose, type Transform } from '../client/pose-codec.ts'
import { NOBODY, OWN, Wire } from './lane-wire.ts'

const LEVEL = { x: 0, y: 0, z: 0, w: 1 }

function at(x: number): Placed {
  return { position: { x, y: 1.7, z: 0 }, rotation: LEVEL }
}

function standing(x: number): { head: Placed; left: null; right: null } {
  return { head: at(x), left: null, right: null }
}

function poseOf(slot: number, generation: number, sequence: number, x: number): Pose {
  return { slot, generation, sequence, captured: sequence * 10, ...standing(x) }
}

function moved(objectSlot: number, sequence: number, x: number): Transform {
  return { objectSlot, sequence, ...at(x), scale: null }
}

function xOf(wire: Wire, slot: number): number | undefined {
  const participant = wire.lane.people.find((each) => each.slot === slot)
  return participant?.at(wire.now)?.head.position.x
}

// Being there

test('whoever is connected says hello, and who they are', () => {
  const wire = new Wire()
  wire.lane.opened()
  const hello = wire.of('hello')[0]
  assert.equal(hello?.getUint8(2), 1)
  assert.equal(hello?.getUint8(3), 1)
  assert.equal(hello?.getBigUint64(4, true), 77n)
  assert.equal(wire.lane.place, null)
  wire.welcome()
  assert.deepEqual(wire.lane.place, OWN)
  assert.deepEqual(wire.happened, ['welcome'])
})

test('nothing but hello is sent before the welcome', () => {
  const wire = new Wire()
  wire.lane.opened()
  wire.lane.show(standing(1), wire.now)
  wire.pass(3000)
  assert.equal(wire.sent.length, 1)
})

test('a pose says whose it is and when it was captured, and what was heard last', () => {
  const wire = Wire.welcomed()
  const tick = wire.frame()
  wire.lane.show(standing(2.5), 70_000)
  const sent = wire.of('pose')[0]
  assert.ok(sent)
  assert.equal(sent.getUint32(2, true), tick)
  const pose = readPose(sent, 6)
  assert.deepEqual([pose.slot, pose.generation], [OWN.slot, OWN.generation])
  assert.equal(pose.captured, 70_000 & 0xffff)
  assert.equal(pose.head.position.x, 2.5)
  assert.equal(sent.getUint8(sent.byteLength - 1), 0)
})

test('poses are sent as often as is welcome, and the last one always', () => {
  const wire = Wire.welcomed(30)
  const start = wire.now
  for (let step = 0; step < 90; step++) {
    wire.now = start + (step * 1000) / 90
    wire.lane.show(standing(step / 100), wire.now)
  }
  assert.ok(Math.abs(wire.of('pose').length - 30) <= 1, `${wire.of('pose').length} in a second`)
  wire.pass(50)
  const last = wire.of('pose').at(-1)
  assert.ok(last)
  assert.equal(readPose(last, 6).head.position.x, 0.89)
})

test('uneven pictures do not make it slower', () => {
  const wire = Wire.welcomed(30)
  const start = wire.now
  for (let step = 0; step < 120; step++) {
    wire.now = start + (step * 1000) / 60 + (step % 3)
    wire.lane.show(standing(step), wire.now)
  }
  assert.ok(Math.abs(wire.of('pose').length - 60) <= 2, `${wire.of('pose').length} in 2 s`)
})

test('who stands still beats, at least once a second', () => {
  const wire = Wire.welcomed()
  wire.lane.show(standing(1), wire.now)
  for (let step = 0; step < 300; step++) {
    wire.lane.show(standing(1.0001), wire.now) // less than a millimetre
    wire.pass(10)
  }
  assert.equal(wire.of('pose').length, 1)
  assert.equal(wire.of('beat').length, 3)
})

test('who stands still while others move acknowledges in a fifth of a second', () => {
  const wire = Wire.welcomed()
  let longest = 0
  let acked = wire.now
  for (let step = 0; step < 60; step++) {
    const tick = wire.frame()
    wire.pass(33)
    if (wire.of('beat').at(-1)?.getUint32(2, true) === tick) {
      longest = Math.max(longest, wire.now - acked)
      acked = wire.now
    }
  }
  assert.ok(longest > 0 && longest <= 270, `${longest} ms`)
})

test('a frame that comes is reason enough to beat, when timers do not run', () => {
  const wire = Wire.welcomed()
  wire.now += 1000
  const tick = wire.frame()
  assert.equal(wire.of('beat')[0]?.getUint32(2, true), tick)
})

test('a new socket is a new hello, and the pose that stands is told again', () => {
  const wire = Wire.welcomed()
  wire.lane.show(standing(1), wire.now)
  wire.lane.closed()
  wire.pass(2000)
  assert.equal(wire.sent.length, 1)
  wire.lane.opened()
  wire.welcome(30, { slot: 8, generation: 1 })
  wire.pass(50)
  assert.deepEqual(wire.of('hello').length, 1)
  const pose = wire.of('pose').at(-1)
  assert.ok(pose)
  assert.equal(readPose(pose, 6).slot, 8)
})

test('who left hears nothing more, also of what was on the way', () => {
  const wire = Wire.welcomed()
  wire.roster({ slot: 1 })
  wire.lane.leave()
  assert.equal(wire.of('bye').length, 1)
  assert.deepEqual(wire.happened, ['joined', 'gone'])
  wire.welcome()
  wire.roster({ slot: 1 })
  wire.pass(2000)
  assert.equal(wire.lane.place, null)
  assert.deepEqual(wire.happened, ['joined', 'gone'])
  assert.equal(wire.sent.length, 1)
})

test('what is no place is refused, and nothing is sent of it', () => {
  const wire = Wire.welcomed()
  assert.throws(() => wire.lane.show(standing(NaN), wire.now), RangeError)
  wire.pass(100)
  assert.equal(wire.of('pose').length, 0)
})

// The others

test('who is there is what the roster says; a pose makes nobody', () => {
  const wire = Wire.welcomed()
  wire.frame([poseOf(3, 1, 1, 4)])
  assert.equal(wire.lane.people.length, 0)
  wire.roster({ slot: 3, clientId: 2 ** 40 }, { ...OWN })
  const [ada] = wire.lane.people
  assert.equal(ada?.clientId, 2 ** 40)
  assert.equal(wire.lane.people.length, 1)
  assert.equal(ada?.at(wire.now), null)
  wire.frame([poseOf(3, 1, 2, 4), poseOf(OWN.slot, OWN.generation, 9, 9)])
  assert.equal(xOf(wire, 3), 4)
})

test('whoever has the slot now is not moved by who had it', () => {
  const wire = Wire.welcomed()
  wire.roster({ slot: 3, generation: 1 })
  wire.frame([poseOf(3, 1, 500, 4)])
  wire.roster({ slot: 3, generation: 1, state: 2 })
  assert.equal(wire.lane.people.length, 0)
  wire.roster({ slot: 3, generation: 2 })
  assert.equal(xOf(wire, 3), undefined)
  wire.frame([poseOf(3, 1, 501, 5)])
  assert.equal(xOf(wire, 3), undefined)
  wire.frame([poseOf(3, 2, 1, 6)])
  assert.equal(xOf(wire, 3), 6)
  assert.deepEqual(wire.happened, ['joined', 'gone', 'joined'])
})

test('somebody falls silent, and comes back, and that is not told twice', () => {
  const wire = Wire.welcomed()
  wire.roster({ slot: 3 })
  for (const state of [1, 1, 0, 0, 1]) wire.roster({ slot: 3, state })
  assert.deepEqual(wire.happened, ['joined', 'silent', 'back', 'silent'])
  assert.equal(wire.lane.people[0]?.isSilent, true)
})

test('a second welcome is everything anew', () => {
  const wire = Wire.welcomed()
  wire.roster({ slot: 3 }, { slot: 4 })
  wire.holds({ objectSlot: 0, sequence: 1, holder: 3, generation: 1, objectId: 'vase' })
  wire.welcome()
  assert.deepEqual(wire.happened.slice(3), ['gone', 'gone', 'put_down', 'welcome'])
  assert.deepEqual([wire.lane.people, wire.lane.held], [[], []])
})

test('who does not listen any more is told nothing', () => {
  const wire = Wire.welcomed()
  let told = 0
  const end = wire.lane.subscribe(() => { told += 1 })
  wire.roster({ slot: 1 })
  end()
  wire.roster({ slot: 2 })
  assert.equal(told, 1)
})

// Objects in hands

/** One who has been granted the vase. */
async function holding(): Promise<Wire> {
  const wire = Wire.welcomed()
  const claimed = wire.lane.claim('vase')
  wire.holds({ objectSlot: 4, sequence: 0x1_0005, holder: OWN.slot, objectId: 'vase' })
  await claimed
  return wire
}

test('a claim that is granted tells the numbers, and names the one that was known', async () => {
  const wire = await holding()
  const vase = wire.lane.heldObject('vase')
  assert.deepEqual([vase?.objectSlot, vase?.sequence, vase?.isOwn], [4, 0x1_0005, true])
  assert.equal(wire.of('claim')[0]?.getUint32(2, true), 0)
  wire.holds({ objectSlot: 4, sequence: 0x1_0006, holder: NOBODY, objectId: 'vase' })
  const again = wire.lane.claim('vase')
  assert.equal(wire.of('claim')[1]?.getUint32(2, true), 0x1_0006)
  wire.deny(1, 0x1_0009, 'vase')
  await assert.rejects(again, (error) => error instanceof NotGranted && error.reason === 'held')
  wire.lane.claim('vase').catch(() => undefined)
  assert.equal(wire.of('claim')[2]?.getUint32(2, true), 0x1_0009)
})

test('what is asked twice is asked once, and what is held is granted at once', async () => {
  const wire = Wire.welcomed()
  const both = [wire.lane.claim('vase'), wire.lane.claim('vase')]
  assert.equal(wire.of('claim').length, 1)
  wire.holds({ objectSlot: 4, sequence: 1, holder: OWN.slot, objectId: 'vase' })
  const [one, other] = await Promise.all(both)
  assert.equal(one, other)
  assert.equal(await wire.lane.claim('vase'), one)
  assert.equal(wire.of('claim').length, 1)
})

test('somebody else getting it is no answer yet: the denial is', async () => {
  const wire = Wire.welcomed()
  wire.roster({ slot: 3 })
  const claimed = wire.lane.claim('vase')
  wire.holds({ objectSlot: 4, sequence: 1, holder: 3, generation: 1, objectId: 'vase' })
  wire.deny(1, 1, 'vase')
  await assert.rejects(claimed, NotGranted)
  assert.equal(wire.lane.heldObject('vase')?.isOwn, false)
})

test('a hold of the same slot and another generation is not ours', async () => {
  const wire = Wire.welcomed()
  wire.holds({ objectSlot: 4, sequence: 1, holder: OWN.slot, generation: 9, objectId: 'vase' })
  assert.equal(wire.lane.heldObject('vase')?.isOwn, false)
  assert.equal(wire.sent.length, 0)
})

test('whoever loses the connection is granted nothing', async () => {
  const wire = Wire.welcomed()
  const claimed = wire.lane.claim('vase')
  wire.lane.closed()
  const isLost = (error: unknown): boolean =>
    error instanceof NotGranted && error.reason === 'disconnected'
  await assert.rejects(claimed, isLost)
  await assert.rejects(wire.lane.force('vase'), isLost)
  assert.equal(wire.of('force').length, 0)
})

test('a grant that nobody waits for any more is put down at once', () => {
  const wire = Wire.welcomed()
  wire.lane.claim('vase').catch(() => undefined)
  wire.welcome()
  wire.holds({ objectSlot: 4, sequence: 3, holder: OWN.slot, objectId: 'vase' })
  const release = wire.of('release')[0]
  assert.deepEqual([release?.getUint16(2, true), release?.getUint32(4, true)], [4, 3])
})

test('a hold that is told again is the same hold', async () => {
  const wire = await holding()
  const vase = wire.lane.heldObject('vase')
  wire.holds({ objectSlot: 4, sequence: 0x1_0005, holder: OWN.slot, objectId: 'vase' })
  assert.equal(wire.lane.heldObject('vase'), vase)
  assert.equal(wire.of('release').length, 0)
  assert.deepEqual(wire.happened, ['held'])
})

test('what is in the hand moves with the poses, and only when it moves', async () => {
  const wire = await holding()
  wire.lane.show(standing(0), wire.now)
  const transforms = (): (readonly [number, number] | null)[] =>
    wire.of('pose').map((sent) => {
      const count = sent.getUint8(29)
      return count === 0 ? null : [sent.getUint16(30, true), sent.getUint16(32, true)]
    })
  assert.deepEqual(transforms(), [null])
  wire.lane.move('vase', at(1))
  wire.pass(100)
  wire.lane.move('vase', at(1.0001))
  wire.pass(100)
  // The object moves and its holder does not: a pose all the same.
  assert.deepEqual(transforms(), [null, [4, 5]])
  assert.equal(wire.lane.heldObject('vase')?.at(wire.now)?.position.x, 1.0001)
})

test('a scale is sent when it changed, and not again', async () => {
  const wire = await holding()
  wire.lane.show(standing(0), wire.now)
  const scaled = (): boolean[] =>
    wire.of('pose').filter((sent) => sent.getUint8(29) > 0).map((sent) => sent.getUint8(34) === 1)
  const two = { x: 2, y: 2, z: 2 }
  for (const [x, scale] of [[1, two], [2, two], [3, null], [3, { ...two, y: 3 }]] as const) {
    wire.lane.move('vase', at(x), scale)
    wire.pass(100)
  }
  assert.deepEqual(scaled(), [true, false, false, true])
  assert.deepEqual(wire.lane.heldObject('vase')?.scale, { x: 2, y: 3, z: 2 })
})

test('it is put down where it was moved last, and that is told when the server says so', async () => {
  const wire = await holding()
  wire.lane.show(standing(0), wire.now)
  wire.sent.length = 0
  wire.lane.move('vase', at(7))
  let isDone = false
  const released = wire.lane.release('vase', wire.now).then(() => { isDone = true })
  const twice = wire.lane.release('vase', wire.now)
  assert.deepEqual(wire.sent.map((each) => each[1]), [2, 5]) // its last place, and one release
  await Promise.resolve()
  assert.equal(isDone, false)
  wire.holds({ objectSlot: 4, sequence: 0x1_0006, holder: NOBODY, objectId: 'vase' })
  await Promise.all([released, twice])
  assert.equal(wire.lane.heldObject('vase'), undefined)
  assert.throws(() => wire.lane.move('vase', at(8)), RangeError)
  await wire.lane.release('vase', wire.now)
})

test('who claims what they are letting go waits for that', async () => {
  const wire = await holding()
  void wire.lane.release('vase', wire.now)
  const again = wire.lane.claim('vase')
  assert.equal(wire.of('claim').length, 1)
  wire.holds({ objectSlot: 4, sequence: 0x1_0006, holder: NOBODY, objectId: 'vase' })
  await new Promise(setImmediate)
  assert.equal(wire.of('claim')[1]?.getUint32(2, true), 0x1_0006)
  wire.holds({ objectSlot: 6, sequence: 0x1_0007, holder: OWN.slot, objectId: 'vase' })
  assert.equal((await again).objectSlot, 6)
})

test('whoever is forced to let go is told, and moves nothing any more', async () => {
  const wire = await holding()
  wire.roster({ slot: 3 })
  wire.holds({ objectSlot: 4, sequence: 0x1_0006, holder: NOBODY, objectId: 'vase' })
  wire.holds({ objectSlot: 9, sequence: 0x1_0007, holder: 3, generation: 1, objectId: 'vase' })
  assert.deepEqual(wire.happened, ['held', 'joined', 'put_down', 'held'])
  assert.throws(() => wire.lane.move('vase', at(1)), RangeError)
  assert.equal(wire.lane.heldObject('vase')?.isOwn, false)
})

test('what others carry is played a little later, and only under their hold', () => {
  const wire = Wire.welcomed()
  wire.roster({ slot: 3 })
  wire.holds({ objectSlot: 4, sequence: 0x2_0001, holder: 3, generation: 1, objectId: 'vase' })
  const vase = wire.lane.heldObject('vase')
  assert.equal(vase?.at(wire.now), null)
  for (let step = 0; step <= 10; step++) {
    wire.frame([], [moved(4, 1, step / 10), moved(7, 1, 50)])
    wire.now += 33
  }
  const x = vase?.at(wire.now)?.position.x
  assert.ok(x !== undefined && x > 0.7 && x < 0.9, `${x}`)
  wire.frame([], [moved(4, 2, 99)]) // of another hold of that slot
  wire.now += 1000
  assert.equal(vase?.at(wire.now)?.position.x, 1)
})

test('a scale that others give it stays', () => {
  const wire = Wire.welcomed()
  wire.roster({ slot: 3 })
  wire.holds({ objectSlot: 4, sequence: 1, holder: 3, generation: 1, objectId: 'vase' })
  wire.frame([], [{ ...moved(4, 1, 0), scale: { x: 2, y: 1, z: 1 } }])
  wire.frame([], [moved(4, 1, 1)])
  assert.deepEqual(wire.lane.heldObject('vase')?.scale, { x: 2, y: 1, z: 1 })
})

test('what is malformed is thrown, and the lane goes on', () => {
  const wire = Wire.welcomed()
  assert.throws(() => wire.lane.receive(Uint8Array.of(112, 66, 0), wire.now), /Malformed|fit/)
  wire.roster({ slot: 3 })
  assert.deepEqual(wire.happened, ['joined'])
})

// Looking on

test('who is welcomed without a place sees everybody, beats, and shows nothing', async () => {
  const wire = new Wire()
  wire.lane.opened()
  wire.welcome(30, { slot: NOBODY, generation: 0 })
  assert.equal(wire.lane.isLookingOn, true)
  assert.equal(wire.lane.place, null)
  wire.roster({ slot: 3 })
  wire.frame([poseOf(3, 1, 1, 2)])
  wire.holds({ objectSlot: 4, sequence: 1, holder: 3, generation: 1, objectId: 'vase' })
  wire.frame([], [moved(4, 1, 7)])
  wire.lane.show(standing(1), wire.now)
  wire.pass(2000)
  assert.equal(xOf(wire, 3), 2)
  assert.equal(wire.lane.heldObject('vase')?.at(wire.now)?.position.x, 7)
  assert.equal(wire.lane.heldObject('vase')?.isOwn, false)
  assert.deepEqual([wire.of('pose').length, wire.of('beat').length > 0], [0, true])
  const isRefused = (error: unknown): boolean =>
    error instanceof NotGranted && error.reason === 'may_not_edit'
  await assert.rejects(wire.lane.claim('vase'), isRefused)
  wire.holds({ objectSlot: 4, sequence: 2, holder: NOBODY, generation: 0, objectId: 'vase' })
  assert.deepEqual(wire.happened, ['welcome', 'joined', 'held', 'put_down'])
})

test('who is shown again has a place, and says at once where it is', () => {
  const wire = new Wire()
  wire.lane.opened()
  wire.welcome(30, { slot: NOBODY, generation: 0 })
  wire.lane.show(standing(1), wire.now)
  wire.welcome()
  wire.pass(100)
  assert.equal(wire.lane.isLookingOn, false)
  assert.deepEqual(wire.lane.place, OWN)
  assert.equal(wire.of('pose').length, 1)
})
