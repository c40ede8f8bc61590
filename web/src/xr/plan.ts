/** The room from above, in a corner: where everybody and everything is. */

import type { Participant, PoseLane } from '../../client/lane.ts'
import type { Placed } from '../../client/pose-codec.ts'
import { byId, make } from '../view/dom.ts'
import type { Look } from './avatars.ts'
import type { Furniture } from './room-objects.ts'
import type { Dimensions } from './room-info.ts'

const LONGEST_SIDE = 180

interface Mark {
  readonly key: unknown
  readonly className: string
  readonly name: string
  readonly color: string
  readonly placed: Placed
}

export class Plan {
  readonly #element = byId('plan', HTMLElement)
  readonly #room: Dimensions
  readonly #scale: number
  readonly #lane: PoseLane
  readonly #furniture: Furniture
  readonly #lookOf: (clientId: number) => Look
  #marks = new Map<unknown, HTMLElement>()

  constructor(
    room: Dimensions,
    lane: PoseLane,
    furniture: Furniture,
    lookOf: (clientId: number) => Look
  ) {
    this.#room = room
    this.#lane = lane
    this.#furniture = furniture
    this.#lookOf = lookOf
    this.#scale = LONGEST_SIDE / Math.max(room.width, room.depth)
    this.#element.style.width = `${room.width * this.#scale}px`
    this.#element.style.height = `${room.depth * this.#scale}px`
  }

  /** @param own where we are ourselves, and what we look like. */
  show(people: readonly Participant[], own: Placed, look: Look, now: number): void {
    const self: Mark = { key: this, className: 'mark self', placed: own, ...look }
    const marks = [...this.#objects(now), ...this.#others(people, now), self]
    const shown = new Map(marks.map((mark) => [mark.key, this.#draw(mark)]))
    for (const [key, element] of this.#marks) if (!shown.has(key)) element.remove()
    this.#marks = shown
  }

  *#objects(now: number): Generator<Mark> {
    for (const object of this.#furniture.all.values()) {
      const held = this.#lane.heldObject(object.id)
      const className = held === undefined ? 'mark thing' : 'mark thing held'
      const placed = held?.at(now) ?? object
      yield { key: object.id, className, name: object.id, color: object.color, placed }
    }
  }

  *#others(people: readonly Participant[], now: number): Generator<Mark> {
    for (const participant of people) {
      const placed = participant.at(now)?.head
      const className = participant.isSilent ? 'mark person silent' : 'mark person'
      const look = this.#lookOf(participant.clientId)
      if (placed) yield { key: participant, className, placed, ...look }
    }
  }

  #draw({ key, className, name, color, placed }: Mark): HTMLElement {
    const element = this.#marks.get(key) ?? this.#element.appendChild(make('span', className))
    if (element.className !== className) element.className = className
    if (element.title !== name) element.title = name
    const x = (placed.position.x + this.#room.width / 2) * this.#scale
    const y = (placed.position.z + this.#room.depth / 2) * this.#scale
    element.style.setProperty('--color', color)
    element.style.translate = `${x.toFixed(1)}px ${y.toFixed(1)}px`
    return element
  }
}
