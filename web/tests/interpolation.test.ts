import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PoseBuffer, slerp } from '../client/interpolation.ts'
import type { Placed, Pose } from '../client/pose-codec.ts'

const LEVEL = { x: 0, y: 0, z: 0, w: 1 }

function at(x: number): Placed {
  return { position: { x, y: 1.7, z: 0 }, rotation: LEVEL }
}

/** Somebody who walks along x at one metre a second, seen with the sender's clock. */
class Walker {
  #sequence = 0
  readonly #clock: number

  /** @param clock what the sender's says at the beginning of ours. */
  constructor(clock: number) {
    this.#clock = clock
  }

  /** The pose at a time of ours. */
  pose(now: number, metres = now / 1000, skipped = 0): Pose {
    this.#sequence = (this.#sequence + 1 + skipped) & 0xffff
    const captured = (now + this.#clock) & 0xffff
    return {
      slot: 1,
      generation: 1,
      sequence: this.#sequence,
      captured,
      head: at(metres),
      left: null,
      right: null
    }
  }
}

function x(buffer: PoseBuffer, now: number): number {
  const posture = buffer.at(now)
  assert.ok(posture !== null)
  return posture.head.position.x
}

function isNear(actual: number, expected: number, tolerance = 1e-9): void {
  assert.ok(Math.abs(actual - expected) <= tolerance, `${actual} is not ${expected}`)
}

test('nobody is drawn before the first pose, and then where it says', () => {
  const buffer = new PoseBuffer()
  assert.equal(buffer.at(0), null)
  buffer.push(new Walker(500).pose(1000), 1040)
  isNear(x(buffer, 1040), 1)
})

test('it plays 100 ms behind the sender, between two poses', () => {
  const buffer = new PoseBuffer()
  const walker = new Walker(12_345)
  for (let now = 1000; now <= 1300; now += 50) buffer.push(walker.pose(now), now)
  isNear(x(buffer, 1310), 1.21)
  isNear(x(buffer, 1325), 1.225)
})

test('poses that arrive unevenly are played evenly', () => {
  const buffer = new PoseBuffer()
  const walker = new Walker(65_000)
  const late = [20, 65, 30, 80, 20, 45]
  for (let now = 1000, step = 0; now <= 2000; now += 20, step++) {
    buffer.push(walker.pose(now), now + (late[step % late.length] ?? 0))
    if (now > 1200) isNear(x(buffer, now + 80), (now + 80 - 120) / 1000)
  }
})

test('capture times that wrap make no jump, also after minutes of silence', () => {
  const buffer = new PoseBuffer()
  const walker = new Walker(65_000)
  for (let now = 0; now <= 1000; now += 50) buffer.push(walker.pose(now), now)
  isNear(x(buffer, 1050), 0.95)
  for (let now = 400_000; now <= 400_500; now += 50) buffer.push(walker.pose(now), now)
  isNear(x(buffer, 400_550), 400.45)
})

test('a movement goes on for 100 ms without a pose, and then back to the last one', () => {
  const buffer = new PoseBuffer()
  const walker = new Walker(0)
  for (let now = 0; now <= 500; now += 50) buffer.push(walker.pose(now), now)
  isNear(x(buffer, 600), 0.5)
  isNear(x(buffer, 650), 0.55)
  isNear(x(buffer, 700), 0.6)
  isNear(x(buffer, 750), 0.55)
  isNear(x(buffer, 800), 0.5)
  isNear(x(buffer, 5000), 0.5)
})

test('who stood still and starts to walk does not drift there from long ago', () => {
  const buffer = new PoseBuffer()
  const walker = new Walker(0)
  buffer.push(walker.pose(0, 0), 0)
  buffer.push(walker.pose(50, 0), 50)
  buffer.push(walker.pose(1000, 0.2), 1000)
  isNear(x(buffer, 1000), 0)
  isNear(x(buffer, 1050), 0.1)
  isNear(x(buffer, 1100), 0.2)
})

test('poses of somebody far away come seldom and are played later, without standing still', () => {
  const buffer = new PoseBuffer()
  const walker = new Walker(0)
  let before = 0
  for (let now = 0; now <= 10_000; now += 50) {
    if (now % 350 === 0) buffer.push(walker.pose(now, now / 1000, 9), now)
    const drawn = x(buffer, now)
    if (now > 6000) isNear(drawn - before, 0.05, 0.005)
    before = drawn
  }
})

test('it never plays backwards, also when it is found out that the way has become longer', () => {
  const buffer = new PoseBuffer()
  const walker = new Walker(0)
  let before = 0
  for (let now = 0; now < 20_000; now += 30) {
    const late = now > 8000 ? 60 : 0
    buffer.push(walker.pose(now), now + late)
    const drawn = x(buffer, now + late)
    assert.ok(drawn >= before, `at ${now}: ${drawn} after ${before}`)
    before = drawn
  }
  isNear(before, 19.98 - 0.1, 0.001) // the last pose was made at 19,980
})

test('a pose that is repeated or was overtaken is dropped', () => {
  const buffer = new PoseBuffer()
  const walker = new Walker(0)
  const first = walker.pose(0)
  const second = walker.pose(50)
  assert.equal(buffer.push(second, 60), true)
  assert.equal(buffer.push(second, 61), false)
  assert.equal(buffer.push(first, 62), false)
})

test('hands that come later with the same pose are drawn', () => {
  const buffer = new PoseBuffer()
  const walker = new Walker(0)
  for (let now = 0; now <= 500; now += 50) buffer.push(walker.pose(now), now)
  const head = walker.pose(550)
  buffer.push(head, 550)
  const whole = { ...head, left: at(9), right: at(9) }
  assert.equal(buffer.push(whole, 900), true)
  assert.equal(buffer.push(whole, 910), false)
  assert.equal(buffer.push(head, 920), false)
  isNear(buffer.at(1000)?.left?.position.x ?? 0, 9)
  isNear(x(buffer, 1000), 0.55)
})

test('after long silence any other sequence is news', () => {
  const buffer = new PoseBuffer()
  const walker = new Walker(0)
  buffer.push(walker.pose(0), 0)
  assert.equal(buffer.push(walker.pose(2_000_000, 3, 40_000), 2_000_000), true)
  isNear(x(buffer, 2_000_100), 3)
})

test('of two poses with one capture time the later one counts', () => {
  const buffer = new PoseBuffer()
  const walker = new Walker(0)
  for (let now = 0; now <= 500; now += 50) buffer.push(walker.pose(now), now)
  assert.equal(buffer.push(walker.pose(500, 0.6), 510), true)
  isNear(x(buffer, 600), 0.6)
  isNear(x(buffer, 650), 0.75)
})

test('where the clock of a sender is set back, it begins anew', () => {
  const buffer = new PoseBuffer()
  const walker = new Walker(20_000)
  for (let now = 0; now <= 500; now += 50) buffer.push(walker.pose(now), now)
  isNear(x(buffer, 550), 0.45)
  for (let now = 550; now <= 1000; now += 50) {
    const pose = walker.pose(now)
    buffer.push({ ...pose, captured: pose.captured - 20_000 }, now)
  }
  isNear(x(buffer, 1025), 0.925)
})

test('the least delay counts for some seconds, however late the poses after it are', () => {
  const buffer = new PoseBuffer()
  const walker = new Walker(0)
  for (let now = 0; now <= 4000; now += 50) buffer.push(walker.pose(now), now + (now < 2000 ? 0 : 60))
  isNear(x(buffer, 4060), 3.96)
  for (let now = 4050; now <= 8000; now += 50) buffer.push(walker.pose(now), now + 60)
  isNear(x(buffer, 8060), 7.9)
})

test('a hand is drawn while both poses have it', () => {
  const buffer = new PoseBuffer()
  const walker = new Walker(0)
  buffer.push({ ...walker.pose(0), left: at(0) }, 0)
  buffer.push({ ...walker.pose(100), left: at(1), right: at(5) }, 100)
  buffer.push(walker.pose(200), 200)
  const posture = buffer.at(150)
  isNear(posture?.left?.position.x ?? NaN, 0.5)
  assert.equal(posture?.right, null)
  assert.equal(buffer.at(300)?.left, null)
})

test('it goes on where the sender is after nothing was drawn for long', () => {
  const buffer = new PoseBuffer()
  const walker = new Walker(0)
  for (let now = 0; now <= 60_000; now += 16) buffer.push(walker.pose(now), now)
  isNear(x(buffer, 60_050), 59.95)
})

test('rotations take the shorter way and stay of length 1', () => {
  const quarter = { x: 0, y: Math.SQRT1_2, z: 0, w: Math.SQRT1_2 }
  const eighth = slerp(LEVEL, quarter, 0.5)
  isNear(eighth.y, Math.sin(Math.PI / 8))
  isNear(eighth.w, Math.cos(Math.PI / 8))
  const opposite = { x: 0, y: -quarter.y, z: 0, w: -quarter.w }
  isNear(Math.abs(slerp(LEVEL, opposite, 0.5).y), Math.sin(Math.PI / 8))
  const beyond = slerp(LEVEL, quarter, 1.5)
  isNear(Math.hypot(beyond.x, beyond.y, beyond.z, beyond.w), 1)
  isNear(beyond.y, Math.sin((3 * Math.PI) / 8))
  const same = slerp(quarter, quarter, 0.3)
  isNear(same.y, quarter.y)
})
