/** Keys and mouse: W A S D or arrows to walk, drag to look around, E, B and N to do something. */

import type { Walker, Wish } from './walker.ts'

const RADIANS_PER_PIXEL = 0.004

const FORWARD = ['KeyW', 'ArrowUp']
const BACK = ['KeyS', 'ArrowDown']
const LEFT = ['KeyA', 'ArrowLeft']
const RIGHT = ['KeyD', 'ArrowRight']

export class Steering {
  readonly #pressed = new Set<string>()

  /** @param acts what is done once for each press of a key, by its code. */
  constructor(canvas: HTMLElement, walker: Walker, acts: Readonly<Record<string, () => void>>) {
    addEventListener('keydown', (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return
      if (event.target instanceof HTMLTextAreaElement) return // somebody types
      const act = event.repeat ? undefined : acts[event.code]
      act?.()
      this.#pressed.add(event.code)
      // Arrows would scroll, and a letter be written where an act has put the focus.
      if (act !== undefined || event.code.startsWith('Arrow')) event.preventDefault()
    })
    addEventListener('keyup', (event) => this.#pressed.delete(event.code))
    // What is let go of while another window has the keys is told to nobody.
    addEventListener('blur', () => this.#pressed.clear())
    canvas.addEventListener('pointerdown', (event) => canvas.setPointerCapture(event.pointerId))
    canvas.addEventListener('pointermove', (event) => {
      if (!canvas.hasPointerCapture(event.pointerId)) return
      walker.turn(-event.movementX * RADIANS_PER_PIXEL, -event.movementY * RADIANS_PER_PIXEL)
    })
  }

  get wish(): Wish {
    return {
      forward: this.#any(FORWARD) - this.#any(BACK),
      right: this.#any(RIGHT) - this.#any(LEFT)
    }
  }

  #any(codes: readonly string[]): number {
    return codes.some((code) => this.#pressed.has(code)) ? 1 : 0
  }
}
