/** Everything that is on the board, drawn and kept up to date. */

import type { Board } from '../board/board.ts'
import type { Point, Size } from '../geometry.ts'
import { byId, make } from './dom.ts'
import { ObjectFrame } from './object-frame.ts'
import type { Viewport } from './viewport.ts'

const GRID = 24

export class Canvas {
  readonly stage = byId('stage', HTMLElement)
  readonly #objects = byId('objects', HTMLElement)
  readonly #world = byId('world', HTMLElement)
  readonly #hint = byId('hint', HTMLElement)
  readonly #board: Board
  readonly #viewport: Viewport
  readonly #frames = new Map<string, ObjectFrame>()
  readonly #handle = make('span', 'resize-handle')

  constructor(board: Board, viewport: Viewport) {
    this.#board = board
    this.#viewport = viewport
    board.onChange((changed) => this.#redraw(changed))
    viewport.onChange(() => this.#look())
  }

  /** Size of the visible part, in screen pixels. */
  get size(): Size {
    return { width: this.stage.clientWidth, height: this.stage.clientHeight }
  }

  /** Where an event happened, on the screen and within the stage. */
  screenPoint(event: MouseEvent): Point {
    const bounds = this.stage.getBoundingClientRect()
    return { x: event.clientX - bounds.left, y: event.clientY - bounds.top }
  }

  /** The middle of what is visible, on the board. */
  get middle(): Point {
    return this.#viewport.toBoard({ x: this.size.width / 2, y: this.size.height / 2 })
  }

  frame(id: string): ObjectFrame | null {
    return this.#frames.get(id) ?? null
  }

  /** Id of the object that an event's target belongs to. */
  idAt(target: EventTarget | null): string | null {
    if (!(target instanceof Element)) return null
    const element = target.closest('[data-object-id]')
    return element instanceof HTMLElement ? (element.dataset['objectId'] ?? null) : null
  }

  isHandle(target: EventTarget | null): boolean {
    return target === this.#handle
  }

  showSelected(id: string | null): void {
    for (const [frameId, { element }] of this.#frames) {
      element.classList.toggle('selected', frameId === id)
    }
    const frame = id === null ? null : this.frame(id)
    const isFixed = id === null || this.#board.get(id)?.isLocked !== false
    if (frame === null || isFixed) this.#handle.remove()
    else frame.element.append(this.#handle)
  }

  /** Show what others have selected: who holds which id. */
  showHeld(held: ReadonlyMap<string, { name: string; color: string }>): void {
    for (const [id, frame] of this.#frames) frame.mark(held.get(id) ?? null)
  }

  /** Show everything that is there. */
  fit(): void {
    this.#viewport.fit(this.#board.all(), this.size)
  }

  #redraw(changed: ReadonlySet<string>): void {
    for (const id of changed) {
      const object = this.#board.get(id)
      if (object === null) this.#drop(id)
      else this.#frameFor(id).draw(object)
    }
    this.#stack()
    this.#hint.hidden = this.#frames.size > 0
  }

  #frameFor(id: string): ObjectFrame {
    const known = this.#frames.get(id)
    if (known !== undefined) return known
    const frame = new ObjectFrame(id)
    this.#frames.set(id, frame)
    this.#objects.append(frame.element)
    return frame
  }

  #drop(id: string): void {
    this.#frames.get(id)?.element.remove()
    this.#frames.delete(id)
  }

  /** By z-index: moving elements in the tree would take focus and pointer from them. */
  #stack(): void {
    for (const [rank, { id }] of this.#board.all().entries()) {
      const frame = this.#frames.get(id)
      if (frame !== undefined) frame.element.style.zIndex = String(rank)
    }
  }

  #look(): void {
    const { offset, scale } = this.#viewport
    this.#world.style.transform = `translate(${offset.x}px, ${offset.y}px) scale(${scale})`
    const step = GRID * scale * (scale < 0.5 ? 4 : 1)
    this.stage.style.setProperty('--grid', `${step}px`)
    this.stage.style.backgroundPosition = `${offset.x}px ${offset.y}px`
  }
}
