/** The element of one object: where it is, how large, what it says. Its renderer draws the rest. */

import type { BoardObject } from '../board/objects.ts'
import type { Point, Size } from '../geometry.ts'
import { make } from './dom.ts'
import { rendererOf } from './renderers/index.ts'

export class ObjectFrame {
  readonly element: HTMLElement
  readonly #body = make('div', 'object-body')
  readonly #text = make('div', 'object-text')
  readonly #tag = make('span', 'object-tag')

  constructor(id: string) {
    this.element = make('div', 'object', this.#body, this.#tag)
    this.element.dataset['objectId'] = id
    this.element.tabIndex = 0
    this.element.setAttribute('role', 'group')
    this.#body.append(this.#text)
  }

  draw(object: BoardObject): void {
    const renderer = rendererOf(object)
    this.element.classList.remove('sticky', 'shape', 'unfamiliar')
    this.element.classList.add(renderer.className)
    this.element.classList.toggle('locked', object.isLocked)
    this.element.setAttribute('aria-label', renderer.describe(object))
    this.element.style.rotate = object.rotation === 0 ? '' : `${object.rotation}deg`
    this.place(object.position)
    this.resize(object.size)
    renderer.draw(object, this.#body)
    if (this.#text.textContent !== object.text) this.#text.textContent = object.text
  }

  place(position: Point): void {
    this.element.style.translate = `${position.x}px ${position.y}px`
  }

  resize(size: Size): void {
    this.element.style.width = `${size.width}px`
    this.element.style.height = `${size.height}px`
  }

  /** Show who else has it selected; null for nobody. */
  mark(holder: { readonly name: string; readonly color: string } | null): void {
    this.element.classList.toggle('held', holder !== null)
    this.#tag.textContent = holder?.name ?? ''
    if (holder !== null) this.element.style.setProperty('--holder', holder.color)
  }

  /** Let a text field take the place of the text. */
  beginEdit(field: HTMLElement): void {
    this.element.classList.add('editing')
    this.#body.append(field)
  }

  endEdit(): void {
    this.element.classList.remove('editing')
  }
}
