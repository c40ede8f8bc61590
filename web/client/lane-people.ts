/** Who is in the room, as the roster says, and where each of them is drawn. */

import { PoseBuffer, type Posture } from './interpolation.ts'
import type { Pose } from './pose-codec.ts'
import type { Device, Place, RosterEntry } from './pose-messages.ts'

/** Somebody else in the room. */
export interface Participant extends Place {
  /** By which they are present in awareness: name and colour are there. */
  readonly clientId: number
  readonly device: Device
  /** Not heard of for some seconds: fade them out. */
  readonly isSilent: boolean
  /** Where to draw them now; null before their first pose. */
  at(now: number): Posture | null
}

/** What became of somebody. */
export interface PersonEvent {
  readonly kind: 'joined' | 'silent' | 'back' | 'gone'
  readonly participant: Participant
}

export function isSamePlace(one: Place, other: Place): boolean {
  return one.slot === other.slot && one.generation === other.generation
}

class Somebody implements Participant {
  readonly slot: number
  readonly generation: number
  readonly clientId: number
  readonly device: Device
  readonly buffer = new PoseBuffer()
  isSilent: boolean

  constructor(entry: RosterEntry) {
    this.slot = entry.slot
    this.generation = entry.generation
    this.clientId = entry.clientId
    this.device = entry.device
    this.isSilent = entry.presence === 'silent'
  }

  at(now: number): Posture | null {
    return this.buffer.at(now)
  }
}

/** Everybody but ourselves. */
export class People {
  readonly #bySlot = new Map<number, Somebody>()

  get all(): readonly Participant[] {
    return [...this.#bySlot.values()]
  }

  /** Takes a line of the roster; says what is new. */
  note(entry: RosterEntry): PersonEvent[] {
    const known = this.#bySlot.get(entry.slot)
    if (known !== undefined && isSamePlace(known, entry)) return this.#update(known, entry)
    if (entry.presence === 'gone') return []
    const participant = new Somebody(entry)
    this.#bySlot.set(entry.slot, participant)
    const joined: PersonEvent = { kind: 'joined', participant }
    return known === undefined ? [joined] : [{ kind: 'gone', participant: known }, joined]
  }

  /** Takes a pose that has just arrived. One of nobody who is there makes nobody. */
  push(pose: Pose, now: number): void {
    const participant = this.#bySlot.get(pose.slot)
    if (participant !== undefined && isSamePlace(participant, pose)) {
      participant.buffer.push(pose, now)
    }
  }

  /** Everybody goes. */
  clear(): PersonEvent[] {
    const left = [...this.#bySlot.values()]
    this.#bySlot.clear()
    return left.map((participant) => ({ kind: 'gone', participant }))
  }

  #update(participant: Somebody, entry: RosterEntry): PersonEvent[] {
    if (entry.presence === 'gone') {
      this.#bySlot.delete(entry.slot)
      return [{ kind: 'gone', participant }]
    }
    const isSilent = entry.presence === 'silent'
    if (participant.isSilent === isSilent) return []
    participant.isSilent = isSilent
    return [{ kind: isSilent ? 'silent' : 'back', participant }]
  }
}
