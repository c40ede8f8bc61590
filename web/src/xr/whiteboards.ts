/** All whiteboards of the room: what is on them, who points at them, and writing on them. */

import type { Object3D } from 'three'
import { isAt } from '../board/objects.ts'
import type { Point } from '../geometry.ts'
import { byId } from '../view/dom.ts'
import type { Notices } from '../view/notices.ts'
import type { Boxes } from './boxes.ts'
import type { JoinedSession } from './joined-session.ts'
import type { JoinedSessions } from './joined-sessions.ts'
import { NoteField } from './note-field.ts'
import { listenToPointer, type Place } from './pointing.ts'
import type { Furniture, Names, RoomObject } from './room-objects.ts'
import type { Stage } from './stage.ts'
import { Whiteboard } from './whiteboard.ts'

/** Each is a picture of several megabytes; further ones are boards with nothing on them. */
const MOST = 12

/** A place on a board: which session's, and where on it. */
interface Spot {
  readonly session: JoinedSession
  readonly point: Point
}

/** What whiteboards need of the room. */
export interface Surroundings {
  readonly furniture: Furniture
  readonly boxes: Boxes
  readonly stage: Stage
  readonly sessions: JoinedSessions
  readonly notices: Notices
}

export class Whiteboards {
  readonly #around: Surroundings
  readonly #scene = byId('scene', HTMLCanvasElement)
  readonly #field = new NoteField()
  readonly #shown = new Map<string, Whiteboard>()
  #pointed: JoinedSession | null = null

  constructor(around: Surroundings) {
    this.#around = around
    const hover = (place: Place | null): void => this.#point(place)
    listenToPointer(this.#scene, hover, (place) => void this.#press(place))
  }

  show(now: number): void {
    const { furniture, sessions } = this.#around
    const boards = [...furniture.all.values()].filter(isWhiteboard).slice(0, MOST)
    const named = boards.map(({ whiteboard }) => whiteboard.session).filter(isGiven)
    sessions.keep(new Set(named), now)
    for (const board of boards) this.#show(board, now)
    const ids = new Set(boards.map(({ id }) => id))
    for (const id of this.#shown.keys()) if (!ids.has(id)) this.#remove(id)
    this.#field.check((session) => sessions.has(session))
  }

  /** Writes where one looks, without a pointer. */
  writeAhead(): void {
    const place = { clientX: innerWidth / 2, clientY: innerHeight / 2 }
    if (!this.#press(place)) this.#around.notices.pass('Look at a whiteboard to write on it')
  }

  #show(object: RoomObject & { whiteboard: Names }, now: number): void {
    const board = this.#shown.get(object.id) ?? this.#add(object.id)
    const { session } = object.whiteboard
    const joined = session === null ? null : this.#around.sessions.of(session)
    board?.show(object, object.whiteboard, joined, now)
  }

  #add(id: string): Whiteboard | null {
    const body = this.#around.boxes.meshOf(id)
    if (body === null) return null
    const board = new Whiteboard(body)
    this.#scene.append(board.canvas)
    this.#shown.set(id, board)
    return board
  }

  #remove(id: string): void {
    this.#shown.get(id)?.dispose()
    this.#shown.delete(id)
  }

  /** Others on the board see where somebody in the room points. */
  #point(place: Place | null): void {
    const spot = place === null ? null : this.#spotAt(place)
    if (this.#pointed !== spot?.session) this.#pointed?.presence.moveCursor(null)
    this.#pointed = spot?.session ?? null
    spot?.session.presence.moveCursor(spot.point)
  }

  /** Writes a note there, or in the one that is there; false: there is no whiteboard. */
  #press(place: Place): boolean {
    const spot = this.#spotAt(place)
    if (spot === null) return false
    const { session, point } = spot
    const { kind } = session.standing
    if (kind === 'over') this.#around.sessions.renew(session.id)
    else if (kind !== 'there') this.#around.notices.pass('The board is not connected')
    else this.#write(session, point)
    return true
  }

  #write(session: JoinedSession, point: Point): void {
    const { board } = session
    const under = board.all().findLast((object) => isAt(object, point))
    if (under !== undefined && this.#field.open(session, under.id, { isNew: false })) return
    this.#field.open(session, board.createSticky(point), { isNew: true })
  }

  #spotAt({ clientX, clientY }: Place): Spot | null {
    const hit = this.#around.stage.hit(clientX, clientY)
    const board = hit && this.#boardOf(hit.object)
    if (board?.session == null || hit?.uv === undefined) return null
    return { session: board.session, point: board.pointAt(hit.uv) }
  }

  #boardOf(object: Object3D): Whiteboard | null {
    return [...this.#shown.values()].find(({ face }) => face === object) ?? null
  }
}

function isWhiteboard(object: RoomObject): object is RoomObject & { whiteboard: Names } {
  return object.whiteboard !== null
}

function isGiven<T>(value: T | null): value is T {
  return value !== null
}
