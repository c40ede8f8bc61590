/** Keeps a text field and a shared text the same, each person's caret staying where it was. */

import type * as Y from 'yjs'
import { LOCAL } from './board.ts'
import { changeBetween, shifted, type DeltaStep, type TextChange } from './text-change.ts'

/** What is needed of a textarea. */
export interface TextSurface {
  value: string
  readonly selectionStart: number
  readonly selectionEnd: number
  setSelectionRange(start: number, end: number): void
}

export class TextMirror {
  readonly #text: Y.Text
  readonly #surface: TextSurface
  readonly #observe = (event: Y.YTextEvent): void => this.#onShared(event.delta)
  /** The shared text as the surface last showed it. */
  #shown: string
  /** What others did while the surface could not be touched. */
  #missed: DeltaStep[][] = []
  #isComposing = false
  #isWriting = false

  constructor(text: Y.Text, surface: TextSurface) {
    this.#text = text
    this.#surface = surface
    surface.value = text.toString()
    this.#shown = surface.value
    text.observe(this.#observe)
  }

  dispose(): void {
    this.#text.unobserve(this.#observe)
  }

  /** The person typed, deleted or pasted. */
  onInput(): void {
    if (!this.#isComposing) this.#share()
  }

  /** An input method is at work: the field must not be changed under it. */
  onCompositionStart(): void {
    this.#isComposing = true
  }

  onCompositionEnd(): void {
    this.#isComposing = false
    this.#share()
  }

  #share(): void {
    const { value, selectionEnd } = this.#surface
    const change = changeBetween(this.#shown, value, selectionEnd)
    const missed = this.#missed
    this.#missed = []
    if (change === null) {
      if (missed.length > 0) this.#show((place) => missed.reduce(shifted, place))
      return
    }
    const index = missed.reduce(shifted, change.index)
    const end = missed.reduce(shifted, change.index + change.removed)
    this.#write({ index, removed: end - index, inserted: change.inserted })
    if (missed.length > 0) {
      const caret = index + change.inserted.length
      this.#show(() => caret)
    } else if (value === this.#text.toString()) {
      this.#shown = value
    } else {
      this.#show((place) => place)
    }
  }

  #write({ index, removed, inserted }: TextChange): void {
    this.#isWriting = true
    try {
      this.#text.doc?.transact(() => {
        this.#unifyLineEnds()
        if (removed > 0) this.#text.delete(index, removed)
        if (inserted !== '') this.#text.insert(index, inserted)
      }, LOCAL)
    } finally {
      this.#isWriting = false
    }
  }

  /** Fields know only "\n"; a text from elsewhere is made so before positions in it are used. */
  #unifyLineEnds(): void {
    const text = this.#text.toString()
    for (let index = text.length - 1; index >= 0; index--) {
      if (text[index] !== '\r') continue
      this.#text.delete(index, 1)
      if (text[index + 1] !== '\n') this.#text.insert(index, '\n')
    }
  }

  #onShared(delta: readonly DeltaStep[]): void {
    if (this.#isWriting) return
    if (this.#isComposing) this.#missed.push([...delta])
    else this.#show((place) => shifted(place, delta))
  }

  #show(moved: (place: number) => number): void {
    const { selectionStart, selectionEnd } = this.#surface
    const start = moved(selectionStart)
    const end = moved(selectionEnd)
    this.#surface.value = this.#text.toString()
    this.#shown = this.#surface.value
    this.#surface.setSelectionRange(start, end)
  }
}
