/**
 * Where others are for somebody without a place on the pose lane, as spectators are: the server
 * shows it as `xr` in presence, five times a second at most.
 */

import type { Awareness } from 'y-protocols/awareness'
import { PoseBuffer, type Posture } from '../../client/interpolation.ts'
import type { Participant } from '../../client/lane.ts'
import { DEVICES, type Device } from '../../client/pose-messages.ts'
import { fieldsOf, readRotation, readVector } from './room-objects.ts'

const FARTHEST = 8000

class Seen implements Participant {
  readonly slot: number
  readonly generation: number
  readonly clientId: number
  readonly device: Device
  readonly isSilent = false
  readonly #buffer = new PoseBuffer()
  #sequence = 0

  constructor(clientId: number, slot: number, generation: number, device: Device) {
    this.clientId = clientId
    this.slot = slot
    this.generation = generation
    this.device = device
  }

  /** There is no time of capture in presence: that of arrival has to do. */
  push(posture: Posture, now: number): void {
    this.#sequence = (this.#sequence + 1) & 0xffff
    const { slot, generation } = this
    const [sequence, captured] = [this.#sequence, Math.round(now) & 0xffff]
    this.#buffer.push({ slot, generation, sequence, captured, ...posture }, now)
  }

  at(now: number): Posture | null {
    return this.#buffer.at(now)
  }
}

export class SeenInPresence {
  readonly #awareness: Awareness
  readonly #clock: () => number
  #people = new Map<number, Seen>()

  constructor(awareness: Awareness, clock: () => number = () => performance.now()) {
    this.#awareness = awareness
    this.#clock = clock
    awareness.on('change', () => this.#read())
    this.#read()
  }

  get all(): readonly Participant[] {
    return [...this.#people.values()]
  }

  #read(): void {
    const people = new Map<number, Seen>()
    for (const [clientId, state] of this.#awareness.getStates()) {
      if (clientId === this.#awareness.clientID) continue
      const seen = this.#see(clientId, state['xr'])
      if (seen !== null) people.set(clientId, seen)
    }
    this.#people = people
  }

  #see(clientId: number, xr: unknown): Seen | null {
    const field = fieldsOf(xr)
    const [slot, generation, device] = [field('slot'), field('generation'), field('device')]
    if (typeof slot !== 'number' || typeof generation !== 'number') return null
    const known = this.#people.get(clientId)
    const isKnown = known?.slot === slot && known.generation === generation
    const kind = DEVICES.find((each) => each === device) ?? 'desktop'
    const seen = isKnown ? known : new Seen(clientId, slot, generation, kind)
    const position = readVector(field('position'), FARTHEST)
    const head = position && { position, rotation: readRotation(field('rotation')) }
    if (head !== null) seen.push({ head, left: null, right: null }, this.#clock())
    return seen
  }
}
