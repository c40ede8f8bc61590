/** Typing into one object at a time. */

import type { Board } from '../board/board.ts'
import { TextMirror } from '../board/text-mirror.ts'
import type { Canvas } from './canvas.ts'
import { make } from './dom.ts'

interface Editing {
  readonly id: string
  readonly field: HTMLTextAreaElement
  readonly mirror: TextMirror
}

export class TextEditor {
  readonly #board: Board
  readonly #canvas: Canvas
  #editing: Editing | null = null

  constructor(board: Board, canvas: Canvas) {
    this.#board = board
    this.#canvas = canvas
    board.onChange((changed) => {
      const id = this.#editing?.id
      if (id === undefined || !changed.has(id)) return
      if (board.get(id) === null || board.get(id)?.isLocked === true) this.close()
    })
  }

  isIn(target: EventTarget | null): boolean {
    return target !== null && target === this.#editing?.field
  }

  /** Type into this object, the caret at the end; does nothing where that is not possible. */
  open(id: string): void {
    if (this.#editing?.id === id) return
    this.close()
    const frame = this.#canvas.frame(id)
    const text = this.#board.textOf(id)
    if (frame === null || text === null) return
    this.#board.separate()
    const field = make('textarea', 'object-field')
    field.setAttribute('aria-label', 'Text')
    field.spellcheck = false
    const mirror = new TextMirror(text, field)
    this.#editing = { id, field, mirror }
    this.#listen(field, mirror)
    frame.beginEdit(field)
    field.focus({ preventScroll: true })
    field.setSelectionRange(field.value.length, field.value.length)
  }

  /** @param isKeyboard whether the object gets the focus, so that the keyboard goes on there. */
  close({ isKeyboard = false } = {}): void {
    const editing = this.#editing
    if (editing === null) return
    this.#editing = null // first: removing the field makes it lose the focus, which closes, too
    editing.mirror.dispose()
    this.#board.separate()
    editing.field.remove()
    const frame = this.#canvas.frame(editing.id)
    frame?.endEdit()
    if (isKeyboard) frame?.element.focus({ preventScroll: true })
  }

  #listen(field: HTMLTextAreaElement, mirror: TextMirror): void {
    field.addEventListener('input', () => mirror.onInput())
    field.addEventListener('compositionstart', () => mirror.onCompositionStart())
    field.addEventListener('compositionend', () => mirror.onCompositionEnd())
    field.addEventListener('beforeinput', (event) => this.#onBeforeInput(event))
    field.addEventListener('blur', () => this.close())
  }

  /** The field's own undo knows nothing of what others typed; the board's does. */
  #onBeforeInput(event: InputEvent): void {
    if (event.inputType !== 'historyUndo' && event.inputType !== 'historyRedo') return
    event.preventDefault()
    if (event.inputType === 'historyUndo') this.#board.undo()
    else this.#board.redo()
  }
}
