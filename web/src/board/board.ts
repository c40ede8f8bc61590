/** The board as a document: what is on it, and every change that can be made to it. No screen. */

import { uuidv4 } from 'lib0/random'
import * as Y from 'yjs'
import { clamp, isSamePoint, type Point, type Size } from '../geometry.ts'
import {
  byLayer,
  LARGEST,
  readObject,
  SHAPE_COLOR,
  SHAPE_SIZE,
  SMALLEST,
  STICKY_COLOR,
  STICKY_SIZE,
  type BoardObject,
  type ShapeKind
} from './objects.ts'

/** Origin of everything that is done here; what carries it can be undone here. */
export const LOCAL = Symbol('local')

/** Milliseconds within which changes are undone together. */
const TOGETHER = 500

export type BoardListener = (changed: ReadonlySet<string>) => void

export class Board {
  readonly #doc: Y.Doc
  readonly #author: string
  readonly #objects: Y.Map<unknown>
  readonly #undo: Y.UndoManager
  readonly #listeners = new Set<BoardListener>()

  /** @param author user id of whoever creates objects here. */
  constructor(doc: Y.Doc, author: string) {
    this.#doc = doc
    this.#author = author
    this.#objects = doc.getMap('objects')
    this.#undo = new Y.UndoManager(this.#objects, {
      trackedOrigins: new Set([LOCAL]),
      captureTimeout: TOGETHER
    })
    this.#objects.observeDeep((events) => {
      const changed = new Set(events.flatMap(touchedIds))
      for (const listener of this.#listeners) listener(changed)
    })
  }

  // Reading

  /** Is told the ids of objects that came, changed or went. */
  onChange(listener: BoardListener): void {
    this.#listeners.add(listener)
  }

  /** Is told whenever there is more or less to undo. */
  onUndoChange(listener: () => void): void {
    this.#undo.on('stack-item-added', listener)
    this.#undo.on('stack-item-popped', listener)
    this.#undo.on('stack-cleared', listener)
  }

  get(id: string): BoardObject | null {
    return readObject(id, this.#objects.get(id))
  }

  /** Everything that can be shown, lowest first. */
  all(): BoardObject[] {
    return [...this.#objects.keys()]
      .map((id) => this.get(id))
      .filter((object) => object !== null)
      .sort(byLayer)
  }

  // Changing. What is gone, locked or not ours to understand is left alone.

  /** @param centre where its middle will be. @returns its id. */
  createSticky(centre: Point): string {
    return this.#create('sticky', centre, STICKY_SIZE, { color: STICKY_COLOR })
  }

  /** @param centre where its middle will be. @returns its id. */
  createShape(kind: ShapeKind, centre: Point): string {
    return this.#create('shape', centre, SHAPE_SIZE, { color: SHAPE_COLOR, kind })
  }

  move(id: string, position: Point): void {
    this.#change(id, (map, object) => {
      const rounded = { x: Math.round(position.x), y: Math.round(position.y) }
      if (!isSamePoint(rounded, object.position)) map.set('position', rounded)
    })
  }

  resize(id: string, size: Size): void {
    this.#change(id, (map, object) => {
      const width = clamp(Math.round(size.width), SMALLEST, LARGEST)
      const height = clamp(Math.round(size.height), SMALLEST, LARGEST)
      if (width !== object.size.width || height !== object.size.height) {
        map.set('size', { width, height })
      }
    })
  }

  recolor(id: string, color: string): void {
    this.#change(id, (map, object) => {
      const properties = map.get('properties')
      if (properties instanceof Y.Map && color !== object.color) properties.set('color', color)
    })
  }

  /** Put it above everything else. */
  raise(id: string): void {
    this.#change(id, (map, object) => {
      const top = this.all().at(-1)
      if (top !== undefined && top.id !== object.id) map.set('layer', top.layer + 1)
    })
  }

  remove(id: string): void {
    this.#change(id, () => this.#objects.delete(id))
  }

  /**
   * The text of an object, for typing into; made a shared text first where it is a plain string.
   * Null if it cannot be typed into: gone, locked, of an unfamiliar type, or with things in it
   * that are not characters.
   */
  textOf(id: string): Y.Text | null {
    const object = this.get(id)
    if (object === null || object.isLocked || object.type === 'unfamiliar') return null
    const map = this.#objects.get(id)
    const properties: unknown = map instanceof Y.Map ? map.get('properties') : null
    if (!(properties instanceof Y.Map)) return null
    const text: unknown = properties.get('text')
    if (text instanceof Y.Text) return text.length === object.text.length ? text : null
    if (text !== undefined && typeof text !== 'string') return null
    const shared = new Y.Text(object.text)
    this.#doc.transact(() => properties.set('text', shared), LOCAL)
    return shared
  }

  // Undoing: own changes only

  /** What follows is not undone together with what was before, however soon it follows. */
  separate(): void {
    this.#undo.stopCapturing()
  }

  /** What follows, until `endGesture`, is undone as one. */
  beginGesture(): void {
    this.#undo.stopCapturing()
    this.#undo.captureTimeout = Number.POSITIVE_INFINITY
  }

  endGesture(): void {
    this.#undo.captureTimeout = TOGETHER
    this.#undo.stopCapturing()
  }

  undo(): void {
    this.#undo.undo()
  }

  redo(): void {
    this.#undo.redo()
  }

  get canUndo(): boolean {
    return this.#undo.canUndo()
  }

  get canRedo(): boolean {
    return this.#undo.canRedo()
  }

  #create(type: string, centre: Point, size: Size, properties: Record<string, string>): string {
    const id = uuidv4()
    const layer = (this.all().at(-1)?.layer ?? 0) + 1
    const x = Math.round(centre.x - size.width / 2)
    const y = Math.round(centre.y - size.height / 2)
    const shared = new Y.Map<unknown>(Object.entries({ text: new Y.Text(), ...properties }))
    const map = new Y.Map<unknown>(
      Object.entries({
        object_type: type,
        position: { x, y },
        size,
        rotation: 0,
        properties: shared,
        layer,
        is_locked: false,
        created_by: this.#author
      })
    )
    this.#undo.stopCapturing()
    this.#doc.transact(() => this.#objects.set(id, map), LOCAL)
    this.#undo.stopCapturing()
    return id
  }

  #change(id: string, change: (map: Y.Map<unknown>, object: BoardObject) => void): void {
    const map = this.#objects.get(id)
    const object = this.get(id)
    if (!(map instanceof Y.Map) || object === null || object.isLocked) return
    this.#doc.transact(() => change(map, object), LOCAL)
  }
}

/** Ids of the objects an event is about: the root's changed keys, or the first step of its path. */
function touchedIds(event: Y.YEvent<Y.AbstractType<unknown>>): string[] {
  const first = event.path[0]
  if (first !== undefined) return [String(first)]
  return [...event.changes.keys.keys()]
}
