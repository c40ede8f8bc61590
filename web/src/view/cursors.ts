/** Everybody else's pointer, with name and colour; as large at every zoom. */

import type { Participant } from '../session/presence.ts'
import { byId, make } from './dom.ts'
import { fullName } from './participants.ts'
import type { Viewport } from './viewport.ts'

const SVG = 'http://www.w3.org/2000/svg'
const ARROW = 'M2 1.5 15.5 8 9.5 10 7 16Z'

export class Cursors {
  readonly #layer = byId('cursors', HTMLElement)
  readonly #viewport: Viewport
  readonly #elements = new Map<number, HTMLElement>()
  #shown: readonly Participant[] = []

  constructor(viewport: Viewport) {
    this.#viewport = viewport
    viewport.onChange(() => this.#layer.classList.add('still'))
    viewport.onChange(() => this.show(this.#shown))
  }

  show(others: readonly Participant[]): void {
    this.#shown = others
    const gone = new Set(this.#elements.keys())
    for (const other of others) {
      if (other.cursor === null) continue
      gone.delete(other.clientId)
      this.#draw(other, this.#viewport.toScreen(other.cursor))
    }
    for (const clientId of gone) {
      this.#elements.get(clientId)?.remove()
      this.#elements.delete(clientId)
    }
  }

  /** Somebody moved: from here on cursors glide again, which they do not while we scroll. */
  glide(): void {
    this.#layer.classList.remove('still')
  }

  #draw(other: Participant, { x, y }: { x: number; y: number }): void {
    const element = this.#elements.get(other.clientId) ?? this.#make(other.clientId)
    element.style.translate = `${x}px ${y}px`
    element.style.setProperty('--color', other.color)
    const name = element.lastElementChild
    if (name !== null) name.textContent = fullName(other)
  }

  #make(clientId: number): HTMLElement {
    const arrow = document.createElementNS(SVG, 'svg')
    arrow.setAttribute('viewBox', '0 0 18 18')
    const path = document.createElementNS(SVG, 'path')
    path.setAttribute('d', ARROW)
    arrow.append(path)
    const element = make('div', 'cursor', arrow, make('span', 'cursor-name'))
    this.#elements.set(clientId, element)
    this.#layer.append(element)
    return element
  }
}
