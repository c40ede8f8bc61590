/** When to say where we are: not more often than is welcome, nor anything that is no news. */

import type { Posture } from './interpolation.ts'
import { encodePose, isSameBytes, type Pose } from './pose-codec.ts'
import type { Place, Welcome } from './pose-messages.ts'

/** A frame is acknowledged after at most so long. */
const ACK_MS = 200
/** And where there is none to acknowledge, it is said that we are there. */
const BEAT_MS = 900

const NOWHERE: Pick<Pose, 'slot' | 'generation' | 'sequence' | 'captured'> = {
  slot: 0,
  generation: 0,
  sequence: 0,
  captured: 0
}

export class Voice {
  #interval = 0
  #due = -Infinity
  #spokeAt = -Infinity
  #sequence = 0
  #posture: Posture | null = null
  #capturedAt = 0
  #record: Uint8Array | null = null
  #said: Uint8Array | null = null
  #ackTick = 0
  #saidTick = 0

  /** From now on poses are sent so often, and the first one is news. */
  welcomed({ rate }: Welcome, now: number): void {
    this.#interval = 1000 / Math.max(1, rate)
    this.#due = this.#spokeAt = now
    this.#said = null
    this.#ackTick = this.#saidTick = 0
  }

  /** A frame came. */
  heard(tick: number): void {
    this.#ackTick = tick
  }

  /** Where we are. @throws RangeError: that is no place that a record has room for. */
  show(posture: Posture, now: number): void {
    this.#record = encodePose({ ...NOWHERE, ...posture })
    this.#posture = posture
    this.#capturedAt = now
  }

  get ackTick(): number {
    return this.#ackTick
  }

  /** Whether it is time to send where we are, if there is something to send. */
  mayPose(now: number): boolean {
    return this.#posture !== null && now >= this.#due
  }

  /** Whether the last posture differs from the last one that was sent, as it is written. */
  get hasMoved(): boolean {
    return this.#record !== null && !isSameBytes(this.#said, this.#record)
  }

  mustBeat(now: number): boolean {
    const silent = now - this.#spokeAt
    return silent >= BEAT_MS || (silent >= ACK_MS && this.#ackTick !== this.#saidTick)
  }

  /** The pose to send now, which is then said. */
  speak(place: Place, now: number): Pose | null {
    if (this.#posture === null) return null
    this.#sequence = (this.#sequence + 1) & 0xffff
    // Counted on from when it was due, so that uneven calls do not make it slower; at most one
    // pose is made up for.
    this.#due = Math.max(this.#due, now - this.#interval) + this.#interval
    this.#said = this.#record
    this.beaten(now)
    const { slot, generation } = place
    const captured = Math.round(this.#capturedAt) & 0xffff
    const { head, left, right } = this.#posture
    return { slot, generation, sequence: this.#sequence, captured, head, left, right }
  }

  /** What was heard was acknowledged. */
  beaten(now: number): void {
    this.#spokeAt = now
    this.#saidTick = this.#ackTick
  }
}
