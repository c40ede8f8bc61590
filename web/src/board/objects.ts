/**
 * What is on the board, read from shared maps that anybody may have written anything into.
 *
 * Root map `objects`: id -> map {object_type, position {x,y}, size {width,height}, rotation,
 * properties: map {text, color, kind?}, layer, is_locked, created_by}. Only `object_type` is
 * required; what is missing or malformed is shown with a default and left as it is.
 */

import * as Y from 'yjs'
import { clamp, type Point, type Size } from '../geometry.ts'

interface Placed {
  readonly id: string
  readonly position: Point
  readonly size: Size
  /** Degrees, clockwise. */
  readonly rotation: number
  readonly layer: number
  readonly isLocked: boolean
  readonly color: string
  readonly text: string
}

export interface Sticky extends Placed {
  readonly type: 'sticky'
}

export interface Shape extends Placed {
  readonly type: 'shape'
  readonly kind: ShapeKind
}

/** An object of a type that this page cannot draw; others can. */
export interface Unfamiliar extends Placed {
  readonly type: 'unfamiliar'
  readonly typeName: string
}

export type BoardObject = Sticky | Shape | Unfamiliar
export type ShapeKind = 'rectangle' | 'ellipse'

export const STICKY_SIZE: Size = { width: 180, height: 180 }
export const SHAPE_SIZE: Size = { width: 200, height: 130 }
export const SMALLEST = 40
export const LARGEST = 4000
const FARTHEST = 1e6

export const PALETTE: readonly { readonly name: string; readonly value: string }[] = [
  { name: 'Yellow', value: '#fde68a' },
  { name: 'Orange', value: '#fdba74' },
  { name: 'Pink', value: '#f9a8d4' },
  { name: 'Violet', value: '#c4b5fd' },
  { name: 'Blue', value: '#93c5fd' },
  { name: 'Green', value: '#86efac' }
]
export const STICKY_COLOR = '#fde68a'
export const SHAPE_COLOR = '#93c5fd'

/** The object that a value of the `objects` map describes; null if it is none. */
export function readObject(id: string, value: unknown): BoardObject | null {
  if (!(value instanceof Y.Map)) return null
  const typeName: unknown = value.get('object_type')
  if (typeof typeName !== 'string' || typeName === '') return null
  const properties = readProperties(value.get('properties'))
  const isSticky = typeName === 'sticky'
  const placed: Placed = {
    id,
    position: readPosition(value.get('position')),
    size: readSize(value.get('size'), isSticky ? STICKY_SIZE : SHAPE_SIZE),
    rotation: finite(value.get('rotation')) ?? 0,
    layer: finite(value.get('layer')) ?? 0,
    isLocked: value.get('is_locked') === true,
    color: readColor(properties('color'), isSticky ? STICKY_COLOR : SHAPE_COLOR),
    text: readText(properties('text'))
  }
  if (isSticky) return { ...placed, type: 'sticky' }
  if (typeName !== 'shape') return { ...placed, type: 'unfamiliar', typeName }
  const kind = properties('kind') === 'ellipse' ? 'ellipse' : 'rectangle'
  return { ...placed, type: 'shape', kind }
}

/** Whose is above whom: by layer, and by id where that is equal, so that everybody sees the same. */
export function byLayer(a: BoardObject, b: BoardObject): number {
  return a.layer - b.layer || (a.id < b.id ? -1 : 1)
}

/** Whether a point of the board is on the object, as it is turned. */
export function isAt({ position, size, rotation }: BoardObject, point: Point): boolean {
  const angle = (-rotation * Math.PI) / 180
  const x = point.x - position.x - size.width / 2
  const y = point.y - position.y - size.height / 2
  const across = x * Math.cos(angle) - y * Math.sin(angle)
  const down = x * Math.sin(angle) + y * Math.cos(angle)
  return Math.abs(across) <= size.width / 2 && Math.abs(down) <= size.height / 2
}

function readProperties(value: unknown): (name: string) => unknown {
  if (value instanceof Y.Map) return (name) => value.get(name)
  return (name) => (isPlainObject(value) ? value[name] : undefined)
}

function readPosition(value: unknown): Point {
  if (!isPlainObject(value)) return { x: 0, y: 0 }
  return { x: coordinate(value['x']), y: coordinate(value['y']) }
}

function coordinate(value: unknown): number {
  return clamp(finite(value) ?? 0, -FARTHEST, FARTHEST)
}

function readSize(value: unknown, otherwise: Size): Size {
  if (!isPlainObject(value)) return otherwise
  const width = finite(value['width']) ?? otherwise.width
  const height = finite(value['height']) ?? otherwise.height
  return { width: clamp(width, SMALLEST, LARGEST), height: clamp(height, SMALLEST, LARGEST) }
}

function readColor(value: unknown, otherwise: string): string {
  return typeof value === 'string' && /^#[0-9a-f]{6}$/i.test(value) ? value : otherwise
}

function readText(value: unknown): string {
  if (value instanceof Y.Text) return value.toString()
  return typeof value === 'string' ? value : ''
}

function finite(value: unknown): number | null {
  return typeof value === 'number' && Number.isFinite(value) ? value : null
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
