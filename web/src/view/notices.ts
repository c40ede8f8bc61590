/** What the person has to be told. */

import type { Farewell } from '../session/close-codes.ts'
import { byId, make } from './dom.ts'

const PASSING_MILLISECONDS = 5000

export class Notices {
  readonly #list = byId('notices', HTMLElement)
  readonly #denial = make('p', 'notice-words')
  #denied: HTMLElement | null = null

  /** Words that go away by themselves. */
  pass(words: string): void {
    const isShown = [...this.#list.children].some((shown) => shown.textContent === words)
    if (isShown) return
    const notice = make('div', 'notice', make('p', 'notice-words', words))
    this.#list.append(notice)
    setTimeout(() => notice.remove(), PASSING_MILLISECONDS)
  }

  /** An edit was refused; stays until dismissed, the latest reason only. */
  deny(reason: string): void {
    this.#denial.textContent =
      `Not accepted: ${reason}. Should you now see something else than the others, reload.`
    if (this.#denied !== null) return
    const reload = make('button', 'wide', 'Reload')
    reload.addEventListener('click', () => location.reload())
    const dismiss = make('button', 'wide', 'Dismiss')
    this.#denied = make('div', 'notice denied', this.#denial, reload, dismiss)
    dismiss.addEventListener('click', () => {
      this.#denied?.remove()
      this.#denied = null
    })
    this.#list.append(this.#denied)
  }

  /** It is over: in place of everything else. */
  leave({ title, advice }: Farewell, reason: string): void {
    byId('farewell-title', HTMLElement).textContent = title
    byId('farewell-advice', HTMLElement).textContent = advice
    byId('farewell-reason', HTMLElement).textContent = reason
    byId('farewell', HTMLElement).hidden = false
  }
}
