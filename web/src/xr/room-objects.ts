/**
 * What stands in the room, read from a shared map that anybody may have written anything into.
 *
 * Root map `objects`: id -> {object_type, transform {position, rotation, scale}, properties {color,
 * session_id}, is_interactive, is_locked, created_by}. What is missing or malformed is shown with a
 * default and left as it is.
 */

import * as Y from 'yjs'
import type { Placed } from '../../client/pose-codec.ts'
import type { Quaternion, Vector } from '../../client/pose-numbers.ts'

export interface RoomObject extends Placed {
  readonly id: string
  readonly scale: Vector
  readonly color: string
  /** Whether it may be taken into a hand. */
  readonly isInteractive: boolean
  /** What it shows on its front, which looks along its z axis; null: it is no whiteboard. */
  readonly whiteboard: Names | null
}

/** The OCW session that a whiteboard names; null: none that could be. */
export interface Names {
  readonly session: string | null
}

export const COLOR = '#93c5fd'
/** Of the frame of a whiteboard. */
const FRAME = '#475569'
/** In metres, from the head. */
const REACH = 3
const FARTHEST = 8000
const LARGEST = 1000
const LEVEL: Quaternion = { x: 0, y: 0, z: 0, w: 1 }
const ORIGIN: Vector = { x: 0, y: 0, z: 0 }
const UNSCALED: Vector = { x: 1, y: 1, z: 1 }
const WHITEBOARD: Vector = { x: 2.4, y: 1.35, z: 0.05 }
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

/** The object that a value of the `objects` map describes; null if it is none. */
export function readRoomObject(id: string, value: unknown): RoomObject | null {
  const field = fieldsOf(value)
  const type = field('object_type')
  if (typeof type !== 'string' || type === '') return null
  const transform = fieldsOf(field('transform'))
  const properties = fieldsOf(field('properties'))
  const isWhiteboard = type === 'whiteboard'
  return {
    id,
    position: readVector(transform('position'), FARTHEST) ?? ORIGIN,
    rotation: readRotation(transform('rotation')),
    scale: readScale(transform('scale'), isWhiteboard ? WHITEBOARD : UNSCALED),
    color: readColor(properties('color'), isWhiteboard ? FRAME : COLOR),
    isInteractive: field('is_interactive') !== false && field('is_locked') !== true,
    whiteboard: isWhiteboard ? { session: readId(properties('session_id')) } : null
  }
}

function readColor(value: unknown, otherwise: string): string {
  return typeof value === 'string' && /^#[0-9a-f]{6}$/i.test(value) ? value : otherwise
}

/** As the server writes it, so that several who name one session mean one. */
function readId(value: unknown): string | null {
  const id = typeof value === 'string' ? value.toLowerCase() : ''
  return UUID.test(id) ? id : null
}

/** The nearest object that can be taken; null: none is in reach. */
export function nearest(
  objects: Iterable<RoomObject>,
  { position: from }: Placed
): RoomObject | null {
  let found: RoomObject | null = null
  let least = REACH
  for (const object of objects) {
    const { x, y, z } = object.position
    const distance = Math.hypot(x - from.x, y - from.y, z - from.z)
    if (!object.isInteractive || distance > least) continue
    found = object
    least = distance
  }
  return found
}

/** The fields of a shared map or a plain object; of anything else, none. */
export function fieldsOf(value: unknown): (name: string) => unknown {
  if (value instanceof Y.Map) return (name) => value.get(name)
  if (typeof value !== 'object' || value === null) return () => undefined
  return (name) => (Object.hasOwn(value, name) ? Reflect.get(value, name) : undefined)
}

function readNumber(value: unknown, farthest: number): number | null {
  return typeof value === 'number' && Math.abs(value) <= farthest ? value : null
}

/** Three numbers, none of them too large; null if it is anything else. */
export function readVector(value: unknown, farthest: number): Vector | null {
  const axis = fieldsOf(value)
  const [x, y, z] = ['x', 'y', 'z'].map((name) => readNumber(axis(name), farthest))
  return x == null || y == null || z == null ? null : { x, y, z }
}

/** A rotation of length 1, whatever stands there. */
export function readRotation(value: unknown): Quaternion {
  const vector = readVector(value, 1.01)
  const w = readNumber(fieldsOf(value)('w'), 1.01)
  if (vector === null || w === null) return LEVEL
  const length = Math.hypot(vector.x, vector.y, vector.z, w)
  if (length < 0.5) return LEVEL
  return { x: vector.x / length, y: vector.y / length, z: vector.z / length, w: w / length }
}

function readScale(value: unknown, otherwise: Vector): Vector {
  const scale = readVector(value, LARGEST)
  return scale !== null && scale.x > 0 && scale.y > 0 && scale.z > 0 ? scale : otherwise
}

/** The objects of a document's room, as long as they are there. */
export class Furniture {
  readonly #map: Y.Map<unknown>
  readonly #known = new Map<string, RoomObject>()
  readonly #userId: string

  constructor(doc: Y.Doc, userId: string) {
    this.#map = doc.getMap('objects')
    this.#userId = userId
    for (const id of this.#map.keys()) this.#read(id)
    this.#map.observeDeep((events) => {
      for (const event of events) for (const id of touched(event)) this.#read(id)
    })
  }

  get all(): ReadonlyMap<string, RoomObject> {
    return this.#known
  }

  /** Puts a box there. */
  addBox(position: Vector, color: string): void {
    const scale = { x: 0.4, y: 0.4, z: 0.4 }
    const box = new Y.Map<unknown>([
      ['object_type', 'box'],
      ['transform', { position, rotation: LEVEL, scale }],
      ['properties', new Y.Map([['color', color]])],
      ['created_by', this.#userId]
    ])
    this.#map.set(`box-${crypto.randomUUID()}`, box)
  }

  #read(id: string): void {
    const object = readRoomObject(id, this.#map.get(id))
    if (object === null) this.#known.delete(id)
    else this.#known.set(id, object)
  }
}

/** Ids of the objects that an event of the root map, or of something in it, is about. */
function touched(event: Y.YEvent<Y.AbstractType<unknown>>): Iterable<string> {
  const [id] = event.path
  return id === undefined ? event.changes.keys.keys() : [String(id)]
}
