/**
 * The pose lane of one room, as a client sees it: who is there and where, and who holds what.
 *
 * Bytes go in and out, and time is an argument: milliseconds of any clock that does not jump, such
 * as `performance.now()`. `provider-lane.ts` puts it on the socket of a y-websocket provider. The
 * protocol is in docs/pose-lane.md.
 */

import type { Posture } from './interpolation.ts'
import { Holds, NotGranted, type HeldObject, type HoldEvent } from './lane-holds.ts'
import { isSamePlace, People, type Participant, type PersonEvent } from './lane-people.ts'
import { Voice } from './lane-voice.ts'
import type { Placed } from './pose-codec.ts'
import {
  beat,
  bye,
  hello,
  NOBODY,
  pose,
  readServerMessage,
  type Device,
  type Frame,
  type Place,
  type ServerMessage,
  type Welcome
} from './pose-messages.ts'
import type { Vector } from './pose-numbers.ts'

export { NotGranted, type HeldObject, type Participant }

/** We are welcome in the room, for the first time or anew. */
export interface WelcomeEvent {
  readonly kind: 'welcome'
  /** null: we look on, as spectators do. */
  readonly place: Place | null
}

export type LaneEvent = WelcomeEvent | PersonEvent | HoldEvent

export interface LaneOptions {
  readonly device: Device
  /** By which we are present in awareness. */
  readonly clientId: number
  /** Sends one binary frame; called only while the socket is open. */
  readonly send: (message: Uint8Array<ArrayBuffer>) => void
}

export class PoseLane {
  readonly #options: LaneOptions
  readonly #people = new People()
  readonly #holds: Holds
  readonly #voice = new Voice()
  readonly #listeners = new Set<(event: LaneEvent) => void>()
  #isOpen = false
  #isWelcome = false
  #place: Place | null = null

  constructor(options: LaneOptions) {
    this.#options = options
    this.#holds = new Holds(options.send)
  }

  // What there is to see

  /** Who we are; null while we are not welcomed, or look on. */
  get place(): Place | null {
    return this.#place
  }

  /** Whether we see everybody, and are seen by nobody. */
  get isLookingOn(): boolean {
    return this.#isWelcome && this.#place === null
  }

  /** Everybody else. */
  get people(): readonly Participant[] {
    return this.#people.all
  }

  /** Everything that somebody holds. */
  get held(): readonly HeldObject[] {
    return this.#holds.all
  }

  /** The object in somebody's hand; undefined: nobody holds it. */
  heldObject(objectId: string): HeldObject | undefined {
    return this.#holds.get(objectId)
  }

  /** Is told of everything that happens; returns what ends that. */
  subscribe(listener: (event: LaneEvent) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  // The socket

  /** The socket is open. */
  opened(): void {
    this.#isOpen = true
    this.#options.send(hello(this.#options.device, this.#options.clientId))
  }

  /** The socket is gone, and with it everybody, and everything that was held or asked for. */
  closed(): void {
    this.#isOpen = false
    this.#forget()
  }

  /** We leave the room; the socket stays, and `opened` comes back on it. */
  leave(): void {
    if (this.#isOpen) this.#options.send(bye())
    this.closed()
  }

  /** Takes a frame that begins with 112. @throws Malformed */
  receive(frame: Uint8Array, now: number): void {
    if (!this.#isOpen) return // we left, and the server had not heard of it
    this.#take(readServerMessage(frame), now)
    // Also here, because the timers of a hidden tab come late.
    this.advance(now)
  }

  /** Sends what is due: a pose, a beat, or nothing. To be called often, 60 times a second. */
  advance(now: number): void {
    if (!this.#isWelcome) return
    if (this.#place !== null && this.#voice.mayPose(now) && this.#hasNews) {
      this.#sendPose(this.#place, now)
    } else if (this.#voice.mustBeat(now)) {
      this.#voice.beaten(now)
      this.#options.send(beat(this.#voice.ackTick))
    }
  }

  // What we do

  /**
   * Tells where we are, as often as one likes: only the newest is sent, when it is time to.
   *
   * @throws RangeError: something is not finite or too far away.
   */
  show(posture: Posture, now: number): void {
    this.#voice.show(posture, now)
    this.advance(now)
  }

  /** Takes an object into our hand. @throws NotGranted */
  async claim(objectId: string): Promise<HeldObject> {
    this.#requirePlace(objectId)
    return this.#holds.claim(objectId)
  }

  /** Takes it from whoever holds it; hosts may. @throws NotGranted */
  async force(objectId: string): Promise<HeldObject> {
    this.#requirePlace(objectId)
    return this.#holds.force(objectId)
  }

  /**
   * Moves an object that is in our hand. It is sent with our poses: `show` has to be called, too.
   *
   * @param scale null: as it was.
   * @throws RangeError: it is not in our hand, or that is no place.
   */
  move(objectId: string, placed: Placed, scale: Vector | null = null): void {
    this.#holds.move(objectId, placed, scale)
  }

  /** Puts an object down where it was moved last; fulfilled when the server says so. */
  async release(objectId: string, now: number): Promise<void> {
    if (this.#place !== null && this.#holds.news.length > 0) this.#sendPose(this.#place, now)
    return this.#holds.release(objectId)
  }

  get #hasNews(): boolean {
    return this.#voice.hasMoved || this.#holds.news.length > 0
  }

  #requirePlace(objectId: string): void {
    if (this.isLookingOn) throw new NotGranted(objectId, 'may_not_edit')
    if (this.#place === null) throw new NotGranted(objectId, 'disconnected')
  }

  #sendPose(place: Place, now: number): void {
    const own = this.#voice.speak(place, now)
    if (own === null) return
    const moved = this.#holds.news
    this.#options.send(pose(this.#voice.ackTick, own, moved))
    this.#holds.said(moved)
  }

  // What comes

  #take(message: ServerMessage, now: number): void {
    switch (message.kind) {
      case 'welcome':
        return this.#welcomed(message, now)
      case 'frame':
        return this.#show(message, now)
      case 'deny':
        return this.#holds.denied(message)
      case 'roster':
        for (const entry of message.entries) {
          if (!this.#isOwn(entry)) this.#tell(this.#people.note(entry))
        }
        return
      case 'holds':
        for (const hold of message.entries) {
          if (this.#isWelcome) this.#tell(this.#holds.note(hold, this.#place))
        }
    }
  }

  /** Everything begins anew, also if we were here before. */
  #welcomed(welcome: Welcome, now: number): void {
    this.#forget()
    this.#isWelcome = true
    if (welcome.slot !== NOBODY) {
      this.#place = { slot: welcome.slot, generation: welcome.generation }
    }
    this.#voice.welcomed(welcome, now)
    this.#tell([{ kind: 'welcome', place: this.#place }])
  }

  #forget(): void {
    this.#isWelcome = false
    this.#place = null
    this.#tell([...this.#people.clear(), ...this.#holds.clear()])
  }

  #show(frame: Frame, now: number): void {
    this.#voice.heard(frame.tick)
    for (const each of frame.poses) this.#people.push(each, now)
    this.#holds.push(frame, now)
  }

  #isOwn(place: Place): boolean {
    return this.#place !== null && isSamePlace(this.#place, place)
  }

  #tell(events: readonly LaneEvent[]): void {
    for (const event of events) for (const listener of this.#listeners) listener(event)
  }
}
