/** Which part of the board the screen shows: board to screen and back. */

import { clamp, type Point, type Size } from '../geometry.ts'

const SMALLEST_SCALE = 0.1
const LARGEST_SCALE = 4
const MARGIN = 80

export interface Box {
  readonly position: Point
  readonly size: Size
}

export class Viewport {
  #offset: Point = { x: 0, y: 0 }
  #scale = 1
  readonly #listeners = new Set<() => void>()

  onChange(listener: () => void): void {
    this.#listeners.add(listener)
  }

  get scale(): number {
    return this.#scale
  }

  /** Where the board's origin is on the screen. */
  get offset(): Point {
    return this.#offset
  }

  toBoard(screen: Point): Point {
    return {
      x: (screen.x - this.#offset.x) / this.#scale,
      y: (screen.y - this.#offset.y) / this.#scale
    }
  }

  toScreen(board: Point): Point {
    return {
      x: board.x * this.#scale + this.#offset.x,
      y: board.y * this.#scale + this.#offset.y
    }
  }

  panBy(dx: number, dy: number): void {
    this.#show({ x: this.#offset.x + dx, y: this.#offset.y + dy }, this.#scale)
  }

  /** Zoom by a factor; what is under `screen` stays there. */
  zoomAt(screen: Point, factor: number): void {
    const scale = clamp(this.#scale * factor, SMALLEST_SCALE, LARGEST_SCALE)
    const under = this.toBoard(screen)
    this.#show({ x: screen.x - under.x * scale, y: screen.y - under.y * scale }, scale)
  }

  /** Show all boxes in the middle, never enlarged; without any, the origin. */
  fit(boxes: readonly Box[], screen: Size): void {
    const left = Math.min(...boxes.map(({ position }) => position.x))
    const top = Math.min(...boxes.map(({ position }) => position.y))
    const right = Math.max(...boxes.map(({ position, size }) => position.x + size.width))
    const bottom = Math.max(...boxes.map(({ position, size }) => position.y + size.height))
    if (boxes.length === 0) {
      this.#show({ x: Math.round(screen.width / 2), y: Math.round(screen.height / 2) }, 1)
      return
    }
    const across = (screen.width - 2 * MARGIN) / (right - left)
    const down = (screen.height - 2 * MARGIN) / (bottom - top)
    const scale = clamp(Math.min(across, down, 1), SMALLEST_SCALE, LARGEST_SCALE)
    const x = Math.round(screen.width / 2 - ((left + right) / 2) * scale)
    const y = Math.round(screen.height / 2 - ((top + bottom) / 2) * scale)
    this.#show({ x, y }, scale)
  }

  #show(offset: Point, scale: number): void {
    this.#offset = offset
    this.#scale = scale
    for (const listener of this.#listeners) listener()
  }
}
