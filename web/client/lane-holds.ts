/** Who holds which object, what we have asked for, and where held objects are drawn. */

import { PoseBuffer } from './interpolation.ts'
import { isSamePlace } from './lane-people.ts'
import { encodeTransform, isSameBytes, type Placed, type Transform } from './pose-codec.ts'
import {
  claim,
  force,
  release,
  type Denial,
  type Deny,
  type Frame,
  type Hold,
  type Place
} from './pose-messages.ts'
import type { Vector } from './pose-numbers.ts'

/** An object in somebody's hand. */
export interface HeldObject {
  readonly objectId: string
  readonly objectSlot: number
  /** The ownership sequence under which it is held. */
  readonly sequence: number
  readonly holder: Place
  /** Whether it is in our hand. */
  readonly isOwn: boolean
  /** The last that was said under this hold; null: none, it is as in the document. */
  readonly scale: Vector | null
  /** Where to draw it now; null: it was not moved yet, and is where the document says. */
  at(now: number): Placed | null
}

/** An object was taken into a hand, or is in none any more. */
export interface HoldEvent {
  readonly kind: 'held' | 'put_down'
  readonly object: HeldObject
}

/** An object was not granted. */
export class NotGranted extends Error {
  override readonly name = 'NotGranted'
  readonly objectId: string
  /** As the server says; or the connection was lost, or was none, before it answered. */
  readonly reason: Denial | 'disconnected'

  constructor(objectId: string, reason: Denial | 'disconnected') {
    super(`${objectId} was not granted: ${reason}`)
    this.objectId = objectId
    this.reason = reason
  }
}

type Send = (message: Uint8Array<ArrayBuffer>) => void

class Held implements HeldObject {
  readonly objectId: string
  readonly objectSlot: number
  readonly sequence: number
  readonly holder: Place
  readonly isOwn: boolean
  scale: Vector | null = null
  readonly #buffer = new PoseBuffer()
  #own: Placed | null = null
  #said: Uint8Array | null = null
  #saidScale: Vector | null = null

  constructor(hold: Hold, holder: Place, isOwn: boolean) {
    this.objectId = hold.objectId
    this.objectSlot = hold.objectSlot
    this.sequence = hold.sequence
    this.holder = holder
    this.isOwn = isOwn
  }

  at(now: number): Placed | null {
    return this.isOwn ? this.#own : (this.#buffer.at(now)?.head ?? null)
  }

  /** Takes where its holder has moved it; played by the server's clock, as poses are by theirs. */
  push(transform: Transform, frame: Frame, now: number): void {
    if (this.isOwn || transform.sequence !== (this.sequence & 0xffff)) return
    if (transform.scale !== null) this.scale = transform.scale
    const { slot, generation } = this.holder
    const [sequence, captured] = [frame.tick & 0xffff, frame.baseTime & 0xffff]
    const played = { slot, generation, sequence, captured, left: null, right: null }
    this.#buffer.push({ ...played, head: transform }, now)
  }

  /** @throws RangeError: what cannot be written moves nothing. */
  move({ position, rotation }: Placed, scale: Vector | null): void {
    encodeTransform({ ...this.#record, position, rotation, scale })
    this.#own = { position, rotation }
    this.scale = scale ?? this.scale
  }

  /** What the server does not know yet of where it is, if anything. */
  get news(): Transform | null {
    if (this.#own === null) return null
    const hasScale = this.scale !== null && !isSameVector(this.scale, this.#saidScale)
    const record = { ...this.#record, ...this.#own, scale: hasScale ? this.scale : null }
    if (!hasScale && isSameBytes(this.#said, encodeTransform(record))) return null
    return record
  }

  said(record: Transform): void {
    this.#said = encodeTransform({ ...record, scale: null })
    this.#saidScale = record.scale ?? this.#saidScale
  }

  get #record(): Pick<Transform, 'objectSlot' | 'sequence'> {
    return { objectSlot: this.objectSlot, sequence: this.sequence & 0xffff }
  }
}

/** Somebody waits for an answer about an object. */
interface Waiting<T> {
  readonly promise: Promise<T>
  readonly settle: (value: T) => void
  readonly fail: (error: Error) => void
}

export class Holds {
  readonly #send: Send
  readonly #byId = new Map<string, Held>()
  readonly #bySlot = new Map<number, Held>()
  readonly #sequences = new Map<string, number>()
  readonly #claims = new Map<string, Waiting<HeldObject>>()
  readonly #releases = new Map<string, Waiting<void>>()

  constructor(send: Send) {
    this.#send = send
  }

  get all(): readonly HeldObject[] {
    return [...this.#byId.values()]
  }

  get(objectId: string): HeldObject | undefined {
    return this.#byId.get(objectId)
  }

  /** @throws NotGranted */
  claim(objectId: string): Promise<HeldObject> {
    return this.#ask(objectId, () => claim(this.#sequences.get(objectId) ?? 0, objectId))
  }

  /** @throws NotGranted */
  force(objectId: string): Promise<HeldObject> {
    return this.#ask(objectId, () => force(objectId))
  }

  /** Asked only once at a time; and not for what is being let go, before that is done. */
  async #ask(objectId: string, message: () => Uint8Array<ArrayBuffer>): Promise<HeldObject> {
    const letting = this.#releases.get(objectId)
    if (letting !== undefined) return letting.promise.then(() => this.#ask(objectId, message))
    const held = this.#byId.get(objectId)
    if (held?.isOwn) return held
    const asked = this.#claims.get(objectId)
    if (asked !== undefined) return asked.promise
    this.#send(message())
    const waiting = waitingFor<HeldObject>()
    this.#claims.set(objectId, waiting)
    return waiting.promise
  }

  /** Is told when nobody holds it by us any more; of what we do not hold, at once. */
  async release(objectId: string): Promise<void> {
    const held = this.#byId.get(objectId)
    if (!held?.isOwn) return
    const letting = this.#releases.get(objectId) ?? this.#letGo(held)
    return letting.promise
  }

  #letGo(held: Held): Waiting<void> {
    const waiting = waitingFor<void>()
    this.#releases.set(held.objectId, waiting)
    this.#send(release(held.objectSlot, held.sequence))
    return waiting
  }

  /** @throws RangeError: it is not in our hand, or cannot be there. */
  move(objectId: string, placed: Placed, scale: Vector | null): void {
    const held = this.#byId.get(objectId)
    if (!held?.isOwn) throw new RangeError(`${objectId} is not in our hand`)
    held.move(placed, scale)
  }

  /** What the server does not know yet of where our objects are. */
  get news(): Transform[] {
    const news: Transform[] = []
    for (const held of this.#byId.values()) {
      const record = held.isOwn ? held.news : null
      if (record !== null) news.push(record)
    }
    return news
  }

  said(records: readonly Transform[]): void {
    for (const record of records) this.#bySlot.get(record.objectSlot)?.said(record)
  }

  /** Takes a line of the holds; `own`: who we are. Says what is new. */
  note(hold: Hold, own: Place | null): HoldEvent[] {
    this.#sequences.set(hold.objectId, hold.sequence)
    const before = this.#byId.get(hold.objectId)
    if (before !== undefined && isTheSame(before, hold)) return []
    const ended = before === undefined ? [] : [this.#end(before)]
    return hold.holder === null ? ended : [...ended, this.#begin(hold, hold.holder, own)]
  }

  denied({ objectId, sequence, reason }: Deny): void {
    this.#sequences.set(objectId, sequence)
    this.#claims.get(objectId)?.fail(new NotGranted(objectId, reason))
    this.#claims.delete(objectId)
  }

  /** Takes where others have moved what they hold. */
  push(frame: Frame, now: number): void {
    for (const each of frame.transforms) this.#bySlot.get(each.objectSlot)?.push(each, frame, now)
  }

  /** Nothing of what was known counts any more, and nobody answers what was asked. */
  clear(): HoldEvent[] {
    this.#sequences.clear()
    for (const [id, asked] of this.#claims) asked.fail(new NotGranted(id, 'disconnected'))
    this.#claims.clear()
    return [...this.#byId.values()].map((held) => this.#end(held))
  }

  #begin(hold: Hold, holder: Place, own: Place | null): HoldEvent {
    const held = new Held(hold, holder, own !== null && isSamePlace(holder, own))
    this.#byId.set(held.objectId, held)
    this.#bySlot.set(held.objectSlot, held)
    if (held.isOwn) this.#granted(held)
    return { kind: 'held', object: held }
  }

  #granted(held: Held): void {
    const asked = this.#claims.get(held.objectId)
    this.#claims.delete(held.objectId)
    // Asked for before the connection was lost, or before everything began anew: nobody would
    // ever put it down.
    if (asked === undefined) this.#letGo(held)
    else asked.settle(held)
  }

  #end(held: Held): HoldEvent {
    this.#byId.delete(held.objectId)
    this.#bySlot.delete(held.objectSlot)
    this.#releases.get(held.objectId)?.settle()
    this.#releases.delete(held.objectId)
    return { kind: 'put_down', object: held }
  }
}

function waitingFor<T>(): Waiting<T> {
  let settle: (value: T) => void = () => undefined
  let fail: (error: Error) => void = () => undefined
  const promise = new Promise<T>((resolve, reject) => {
    settle = resolve
    fail = reject
  })
  return { promise, settle, fail }
}

function isTheSame(held: Held, hold: Hold): boolean {
  return hold.holder !== null && hold.sequence === held.sequence &&
    hold.objectSlot === held.objectSlot && isSamePlace(hold.holder, held.holder)
}

function isSameVector(one: Vector, other: Vector | null): boolean {
  return other !== null && one.x === other.x && one.y === other.y && one.z === other.z
}
