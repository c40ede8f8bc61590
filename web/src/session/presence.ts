/** Who is here: the shared presence states, read with care, and our own. */

import type { Awareness } from 'y-protocols/awareness'
import { isSamePoint, type Point } from '../geometry.ts'
import { throttle } from '../throttle.ts'
import type { Claims } from './claims.ts'
import { choosePersona, colorOr, type Persona } from './persona.ts'

/** Milliseconds between two cursor positions that are sent: 20 a second at most. */
export const CURSOR_INTERVAL = 50

const LONGEST_SHOWN = 40

/** Somebody on the board, one for each open tab. */
export interface Participant {
  readonly clientId: number
  readonly isSelf: boolean
  /** What the token says: the server replaces whatever a client claims. */
  readonly name: string
  /** Tells tabs of the same person apart; chosen by the client. */
  readonly label: string
  readonly color: string
  readonly cursor: Point | null
  readonly selected: string | null
}

export class Presence {
  readonly #awareness: Awareness
  readonly #self: Claims
  readonly #listeners = new Set<() => void>()
  readonly #sendCursor = throttle<Point | null>(CURSOR_INTERVAL, (cursor) => {
    this.#awareness.setLocalStateField('cursor', cursor)
  })
  #cursor: Point | null = null
  #selected: string | null = null

  /** @param number which animal and colour are taken, unless others have them. */
  constructor(awareness: Awareness, self: Claims, number: number = awareness.clientID) {
    this.#awareness = awareness
    this.#self = self
    awareness.setLocalState({ cursor: null, selected: null })
    this.#take(choosePersona(number, []))
    awareness.on('change', () => {
      this.#avoidDoubles()
      for (const listener of this.#listeners) listener()
    })
  }

  onChange(listener: () => void): void {
    this.#listeners.add(listener)
  }

  /** Everybody, ourselves first. */
  get participants(): Participant[] {
    return [...this.#awareness.getStates()]
      .map(([clientId, state]) => this.#read(clientId, state))
      .sort((a, b) => Number(b.isSelf) - Number(a.isSelf) || a.clientId - b.clientId)
  }

  get others(): Participant[] {
    return this.participants.filter((participant) => !participant.isSelf)
  }

  /** Where our pointer is on the board; null when it left. */
  moveCursor(cursor: Point | null): void {
    const rounded = cursor === null ? null : { x: Math.round(cursor.x), y: Math.round(cursor.y) }
    if (rounded === this.#cursor) return
    if (rounded !== null && this.#cursor !== null && isSamePoint(rounded, this.#cursor)) return
    this.#cursor = rounded
    this.#sendCursor(rounded)
  }

  /** Which object we have selected. */
  select(id: string | null): void {
    if (id === this.#selected) return
    this.#selected = id
    this.#awareness.setLocalStateField('selected', id)
  }

  #take(persona: Persona): void {
    const state = this.#awareness.getLocalState() ?? {}
    const user = { id: this.#self.userId, name: this.#self.name, color: persona.color }
    this.#awareness.setLocalState({ ...state, user, label: persona.label })
  }

  /** Of two with the same label the one with the higher id takes another; so both never do. */
  #avoidDoubles(): void {
    const own = this.participants.find((participant) => participant.isSelf)
    if (own === undefined) return
    const others = this.others
    const mustYield = others.some(
      (other) =>
        other.clientId < own.clientId && (other.label === own.label || other.color === own.color)
    )
    if (!mustYield) return
    const persona = choosePersona(own.clientId, others)
    if (persona.label !== own.label || persona.color !== own.color) this.#take(persona)
  }

  #read(clientId: number, state: Record<string, unknown>): Participant {
    const isSelf = clientId === this.#awareness.clientID
    const user = isRecord(state['user']) ? state['user'] : {}
    return {
      clientId,
      isSelf,
      name: isSelf ? this.#self.name : shown(user['name'], 'Somebody'),
      label: shown(state['label'], ''),
      color: colorOr(user['color'], clientId),
      cursor: readPoint(state['cursor']),
      selected: typeof state['selected'] === 'string' ? state['selected'] : null
    }
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}

function shown(value: unknown, otherwise: string): string {
  return typeof value === 'string' && value.trim() !== '' ? value.slice(0, LONGEST_SHOWN) : otherwise
}

function readPoint(value: unknown): Point | null {
  if (!isRecord(value)) return null
  const { x, y } = value
  return Number.isFinite(x) && Number.isFinite(y) ? { x: x as number, y: y as number } : null
}
