/** The state of the connection, and whether everything is stored. */

import type { Link } from '../session/connection.ts'
import type { SavedState } from '../session/saved.ts'
import { byId } from './dom.ts'

const LINKS: Readonly<Record<Link, string>> = {
  connecting: 'Connecting…',
  connected: 'Connected',
  reconnecting: 'Reconnecting…',
  closed: 'Disconnected'
}

const SAVED: Readonly<Record<SavedState, string>> = {
  offline: 'Offline',
  saving: 'Saving…',
  saved: 'Saved',
  refused: 'Not accepted'
}

export class StatusView {
  readonly #link = byId('link-state', HTMLElement)
  readonly #saved = byId('saved-state', HTMLElement)

  show(link: Link, saved: SavedState, hasUnstored: boolean): void {
    set(this.#link, link, LINKS[link])
    const isWaiting = saved === 'offline' && hasUnstored
    set(this.#saved, saved, isWaiting ? 'Offline, changes wait' : SAVED[saved])
  }
}

/** Written only when different: a screen reader speaks every change. */
function set(element: HTMLElement, state: string, words: string): void {
  if (element.dataset['state'] !== state) element.dataset['state'] = state
  if (element.textContent !== words) element.textContent = words
}
