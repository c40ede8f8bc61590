/** The other end of a `PoseLane`: what it sent, and what a server would say to it. */

import { encodePose, encodeTransform, type Pose, type Transform } from '../client/pose-codec.ts'
import { PoseLane, type LaneEvent } from '../client/lane.ts'

export const KINDS = { hello: 1, pose: 2, beat: 3, claim: 4, release: 5, force: 6, bye: 7 } as const
export type Kind = keyof typeof KINDS

export const OWN = { slot: 5, generation: 2 }
export const NOBODY = 0xffff

interface Line {
  readonly slot: number
  readonly generation?: number
  readonly state?: number
  readonly clientId?: number
}

interface HoldLine {
  readonly objectSlot: number
  readonly sequence: number
  readonly holder: number
  readonly generation?: number
  readonly objectId: string
}

/** Numbers with their sizes in bytes, one after the other. */
function packed(...fields: [value: number | bigint, size: 1 | 2 | 4 | 8][]): number[] {
  return fields.flatMap(([value, size]) => {
    let left = BigInt(value)
    return Array.from({ length: size }, () => {
      const byte = Number(left & 0xffn)
      left >>= 8n
      return byte
    })
  })
}

function named(objectId: string): number[] {
  const text = new TextEncoder().encode(objectId)
  return [text.length, ...text]
}

export class Wire {
  readonly sent: Uint8Array[] = []
  readonly events: LaneEvent[] = []
  readonly lane: PoseLane
  now = 10_000
  #tick = 100

  constructor() {
    const send = (message: Uint8Array): unknown => this.sent.push(message)
    this.lane = new PoseLane({ device: 'vr_headset', clientId: 77, send })
    this.lane.subscribe((event) => this.events.push(event))
  }

  /** One that was welcomed, with nothing sent yet that a test would have to skip. */
  static welcomed(rate = 30): Wire {
    const wire = new Wire()
    wire.lane.opened()
    wire.welcome(rate)
    wire.sent.length = 0
    wire.events.length = 0
    return wire
  }

  /** What was sent of this kind. */
  of(kind: Kind): DataView[] {
    return this.sent
      .filter((each) => each[0] === 112 && each[1] === KINDS[kind])
      .map((each) => new DataView(each.buffer, each.byteOffset, each.byteLength))
  }

  get happened(): string[] {
    return this.events.map((event) => event.kind)
  }

  /** Milliseconds go by, in which it is looked every 15 whether something is due. */
  pass(milliseconds: number): void {
    const end = this.now + milliseconds
    for (; this.now < end; this.now = Math.min(end, this.now + 15)) this.lane.advance(this.now)
  }

  welcome(rate = 30, { slot, generation } = OWN): void {
    this.#say(65, packed([1, 1], [slot, 2], [generation, 1], [rate, 1], [this.#tick, 4], [0, 4]))
  }

  roster(...lines: Line[]): void {
    const entries = lines.flatMap(({ slot, generation = 1, state = 0, clientId = 900 + slot }) =>
      packed([slot, 2], [generation, 1], [state, 1], [1, 1], [clientId, 8])
    )
    this.#say(67, [...packed([lines.length, 2]), ...entries])
  }

  holds(...lines: HoldLine[]): void {
    const entries = lines.flatMap(({ objectSlot, sequence, holder, generation, objectId }) => [
      ...packed([objectSlot, 2], [sequence, 4], [holder, 2], [generation ?? OWN.generation, 1]),
      ...named(objectId)
    ])
    this.#say(68, [...packed([lines.length, 2]), ...entries])
  }

  deny(reason: number, sequence: number, objectId: string): void {
    this.#say(69, [...packed([reason, 1], [sequence, 4]), ...named(objectId)])
  }

  /** A frame of now; returns its tick. */
  frame(poses: Pose[] = [], transforms: Transform[] = []): number {
    this.#tick += 1
    this.#say(66, [
      ...packed([this.#tick, 4], [Math.round(this.now), 4], [poses.length, 2]),
      ...poses.flatMap((each) => [...encodePose(each)]),
      ...packed([transforms.length, 2]),
      ...transforms.flatMap((each) => [...encodeTransform(each)])
    ])
    return this.#tick
  }

  #say(kind: number, fields: number[]): void {
    this.lane.receive(Uint8Array.of(112, kind, ...fields), this.now)
  }
}
