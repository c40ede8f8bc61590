/**
 * Where to draw somebody now: a little in the past, between two poses that have arrived.
 *
 * Poses arrive unevenly, but carry the time at which they were captured, by the sender's clock. How
 * that clock lies to ours is told by the pose that was least late lately. Playing about 100 ms behind
 * it leaves the others time to arrive. No clock, no timer: time is an argument, milliseconds of any
 * clock that does not jump, such as `performance.now()`.
 */

import { isNewer, type Placed, type Pose } from './pose-codec.ts'
import type { Quaternion, Vector } from './pose-numbers.ts'

/** What is drawn of a participant. */
export type Posture = Pick<Pose, 'head' | 'left' | 'right'>

/** How far behind the sender it plays, at least; poses that come seldom are played later. */
const LEAST_BEHIND_MS = 100
const MOST_BEHIND_MS = 1000
/** Of the usual time between two poses: so that the next one is there before it is needed. */
const BEHIND_INTERVALS = 1.5
/** A movement goes on for this long without a new pose. */
const EXTRAPOLATED_MS = 100
/** Longer than any sender waits that moves: before the next pose it stood still. */
const STILL_MS = 200
/** And longer than this nobody can be played behind. */
const LONGEST_GAP_MS = 2000
/** In which somebody who stood still gets to where the next pose is. */
const STARTING_MS = 100
/** For how long the least delay counts, at most; half of it at least. */
const DELAY_WINDOW_MS = 5000
/** After so long a silence any sequence number is news. */
const SILENCE_MS = 10_000
/** Poses kept while nobody draws, as in a hidden tab. */
const MOST_KEPT = 64

interface Sample {
  /** Milliseconds of the sender's clock, which do not wrap here. */
  readonly at: number
  readonly posture: Posture
}

interface Arrival {
  readonly sequence: number
  readonly capturedAt: number
  readonly receivedAt: number
}

/** The poses of one participant, that is of one slot and generation. */
export class PoseBuffer {
  #samples: Sample[] = []
  #delay = new LeastDelay(DELAY_WINDOW_MS)
  #newest: Arrival | null = null
  #interval = 0
  #played = -Infinity

  /**
   * Takes a pose that has just arrived.
   *
   * @returns whether it was news: one that is repeated or was overtaken is dropped.
   */
  push(pose: Pose, receivedAt: number): boolean {
    if (this.#completes(pose)) return true
    if (!this.#isNews(pose.sequence, receivedAt)) return false
    const capturedAt = this.#follow(pose, receivedAt)
    this.#samples.push({ at: capturedAt, posture: pose })
    if (this.#samples.length > MOST_KEPT) this.#samples.shift()
    this.#delay.note(receivedAt - capturedAt, receivedAt)
    this.#newest = { sequence: pose.sequence, capturedAt, receivedAt }
    return true
  }

  /** Where the participant is to be drawn; null before the first pose. */
  at(now: number): Posture | null {
    if (this.#newest === null) return null
    const behind = Math.max(LEAST_BEHIND_MS, BEHIND_INTERVALS * this.#interval)
    const due = now - this.#delay.least - Math.min(behind, MOST_BEHIND_MS)
    // Never backwards, whatever is found out about the sender's clock.
    this.#played = Math.max(this.#played, due)
    this.#forget()
    return this.#posture(this.#played)
  }

  /**
   * Whether it is the newest pose once more, with hands: from afar only the head is told, and who
   * stands still when one comes near says nothing newer.
   */
  #completes(pose: Pose): boolean {
    const last = this.#samples.at(-1)
    if (last === undefined || pose.sequence !== this.#newest?.sequence) return false
    const { left, right } = last.posture
    const isFuller = (left === null && pose.left !== null) || (right === null && pose.right !== null)
    if (isFuller) this.#samples[this.#samples.length - 1] = { at: last.at, posture: pose }
    return isFuller
  }

  #isNews(sequence: number, receivedAt: number): boolean {
    const newest = this.#newest
    if (newest === null || isNewer(sequence, newest.sequence)) return true
    return sequence !== newest.sequence && receivedAt - newest.receivedAt > SILENCE_MS
  }

  /** Makes the place for a new pose behind the others; returns when it was captured. */
  #follow(pose: Pose, receivedAt: number): number {
    const newest = this.#newest
    const last = this.#samples.at(-1)
    if (newest === null || last === undefined) return pose.captured
    const capturedAt = this.#unwrapped(pose.captured, newest, receivedAt)
    const gap = capturedAt - newest.capturedAt
    if (gap < 0) {
      // Newer, but captured before: the sender's clock was set back. All begins anew.
      this.#reset()
      return pose.captured
    }
    const sent = Math.max(1, (pose.sequence - newest.sequence) & 0xffff)
    if (gap === 0) this.#samples.pop()
    else if (gap / sent > STILL_MS || gap > LONGEST_GAP_MS) {
      this.#samples.push({ at: capturedAt - STARTING_MS, posture: last.posture })
    } else this.#interval += (gap - this.#interval) / 4
    return capturedAt
  }

  /** A capture time of 16 bits: the nearest to when it is expected, however long it was silent. */
  #unwrapped(captured: number, newest: Arrival, receivedAt: number): number {
    const expected = Math.round(newest.capturedAt + receivedAt - newest.receivedAt)
    return expected + ((((captured - expected) & 0xffff) ^ 0x8000) - 0x8000)
  }

  #reset(): void {
    this.#samples = []
    this.#delay = new LeastDelay(DELAY_WINDOW_MS)
    this.#interval = 0
    this.#played = -Infinity
  }

  /** Drops what will not be drawn again; two stay, to tell a movement by. */
  #forget(): void {
    while (this.#samples.length > 2) {
      const second = this.#samples[1]
      if (second === undefined || second.at > this.#played) return
      this.#samples.shift()
    }
  }

  #posture(at: number): Posture | null {
    let from: Sample | null = null
    for (const to of this.#samples) {
      if (at < to.at) {
        if (from === null) return to.posture
        return mixed(from.posture, to.posture, (at - from.at) / (to.at - from.at))
      }
      from = to
    }
    return from && extrapolated(this.#samples.at(-2), from, at - from.at)
  }
}

/** The least of what was noted in a sliding window, in two halves. */
class LeastDelay {
  readonly #half: number
  #since = -Infinity
  #current = Infinity
  #before = Infinity

  constructor(window: number) {
    this.#half = window / 2
  }

  get least(): number {
    return Math.min(this.#current, this.#before)
  }

  note(delay: number, now: number): void {
    const age = now - this.#since
    if (age >= this.#half) {
      this.#before = age < 2 * this.#half ? this.#current : Infinity
      this.#current = Infinity
      this.#since = now
    }
    this.#current = Math.min(this.#current, delay)
  }
}

/**
 * A movement that goes on for a while and then back to the last pose: where it is held, since that
 * is the last place in which somebody was.
 */
function extrapolated(before: Sample | undefined, last: Sample, late: number): Posture {
  const ahead = late <= EXTRAPOLATED_MS ? late : Math.max(0, 2 * EXTRAPOLATED_MS - late)
  if (before === undefined || ahead === 0) return last.posture
  return mixed(before.posture, last.posture, 1 + ahead / (last.at - before.at))
}

/** Between two postures, or beyond the second one. A hand is there if it is in both. */
function mixed(from: Posture, to: Posture, share: number): Posture {
  const nearer = share < 1 ? from : to
  return {
    head: mixedPlaces(from.head, to.head, share),
    left: from.left && to.left ? mixedPlaces(from.left, to.left, share) : nearer.left,
    right: from.right && to.right ? mixedPlaces(from.right, to.right, share) : nearer.right
  }
}

/** Between two places, or beyond the second one. */
export function mixedPlaces(from: Placed, to: Placed, share: number): Placed {
  return {
    position: lerp(from.position, to.position, share),
    rotation: slerp(from.rotation, to.rotation, share)
  }
}

function lerp(from: Vector, to: Vector, share: number): Vector {
  return {
    x: from.x + (to.x - from.x) * share,
    y: from.y + (to.y - from.y) * share,
    z: from.z + (to.z - from.z) * share
  }
}

/** Over the shorter way around; both are of length 1, and so is what comes out. */
export function slerp(from: Quaternion, to: Quaternion, share: number): Quaternion {
  const dot = from.x * to.x + from.y * to.y + from.z * to.z + from.w * to.w
  const sign = dot < 0 ? -1 : 1
  const angle = Math.acos(Math.min(1, Math.abs(dot)))
  const sine = Math.sin(angle)
  // Where they are nearly the same the sine says nothing, and a straight line is as good.
  const isNear = sine < 1e-6
  const a = isNear ? 1 - share : Math.sin((1 - share) * angle) / sine
  const b = sign * (isNear ? share : Math.sin(share * angle) / sine)
  return {
    x: a * from.x + b * to.x,
    y: a * from.y + b * to.y,
    z: a * from.z + b * to.z,
    w: a * from.w + b * to.w
  }
}
