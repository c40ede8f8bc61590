/** Where somebody in the room writes: a field whose text is that of a note on a whiteboard. */

import { TextMirror } from '../board/text-mirror.ts'
import { button, byId } from '../view/dom.ts'
import type { JoinedSession } from './joined-session.ts'

interface Writing {
  readonly session: JoinedSession
  readonly id: string
  /** Made for this: if nothing is written, it goes. */
  readonly isNew: boolean
  readonly mirror: TextMirror
}

export class NoteField {
  readonly #frame = byId('note', HTMLElement)
  readonly #field = byId('note-text', HTMLTextAreaElement)
  #writing: Writing | null = null

  constructor() {
    this.#field.addEventListener('input', () => this.#writing?.mirror.onInput())
    this.#field.addEventListener('compositionstart', () => {
      this.#writing?.mirror.onCompositionStart()
    })
    this.#field.addEventListener('compositionend', () => this.#writing?.mirror.onCompositionEnd())
    this.#field.addEventListener('keydown', (event) => this.#onKey(event))
    this.#field.addEventListener('blur', () => this.close())
    button('note-done', () => this.close())
  }

  /** Write into an object; false: nobody can. */
  open(session: JoinedSession, id: string, { isNew }: { isNew: boolean }): boolean {
    this.close()
    const text = session.board.textOf(id)
    if (text === null) return false
    this.#writing = { session, id, isNew, mirror: new TextMirror(text, this.#field) }
    session.presence.select(id)
    this.#frame.hidden = false
    this.#field.focus()
    this.#field.setSelectionRange(this.#field.value.length, this.#field.value.length)
    return true
  }

  close(): void {
    const writing = this.#stop()
    if (writing === null) return
    const { session, id, isNew } = writing
    session.presence.select(null)
    if (isNew && this.#field.value.trim() === '') session.board.remove(id)
  }

  /** Closes when what is written in has gone, or `isOn` says that its session has. */
  check(isOn: (session: JoinedSession) => boolean): void {
    if (this.#writing === null) return
    const { session, id } = this.#writing
    if (!isOn(session)) this.#stop()
    else if (session.board.get(id)?.isLocked !== false) this.close()
  }

  #stop(): Writing | null {
    const writing = this.#writing
    this.#writing = null // first: the field loses the focus, which closes, too
    writing?.mirror.dispose()
    this.#field.blur() // browsers take the focus from what is hidden only with the next frame
    this.#frame.hidden = true
    return writing
  }

  #onKey(event: KeyboardEvent): void {
    if (event.isComposing) return
    const isDone = event.key === 'Escape' || (event.key === 'Enter' && !event.shiftKey)
    if (!isDone) return
    event.preventDefault()
    this.close()
  }
}
