/** The OCW sessions that hang in the room, each joined once, however many boards name it. */

import type { JoinedSession } from './joined-session.ts'

/** The server gives a person ten sockets at once, and the room and other tabs want some. */
const MOST = 4
/** Who edits the room says what is joined; it lets nobody's page use up what the server allows. */
const BETWEEN_JOINS_MS = 1000

/** Joins a session, and says why it took something not. */
export type Join = (id: string, onDenied: (reason: string) => void) => JoinedSession

export class JoinedSessions {
  readonly #join: Join
  readonly #tell: (words: string) => void
  readonly #joined = new Map<string, JoinedSession>()
  #joinedAt = -Infinity

  constructor(join: Join, tell: (words: string) => void) {
    this.#join = join
    this.#tell = tell
  }

  /** Leaves what is not named any more, and joins what now is: some, one after the other. */
  keep(named: ReadonlySet<string>, now: number): void {
    for (const id of this.#joined.keys()) if (!named.has(id)) this.#leave(id)
    for (const id of named) {
      if (this.#joined.size >= MOST || now - this.#joinedAt < BETWEEN_JOINS_MS) return
      if (this.#joined.has(id)) continue
      this.#joinedAt = now
      this.renew(id)
    }
  }

  leaveAll(): void {
    for (const id of this.#joined.keys()) this.#leave(id)
  }

  /** Null: it is not joined, or not yet. */
  of(id: string): JoinedSession | null {
    return this.#joined.get(id) ?? null
  }

  /** Whether somebody still is in this one. */
  has(session: JoinedSession): boolean {
    return this.of(session.id) === session
  }

  /** Joins it anew, with nothing of what was here. */
  renew(id: string): void {
    this.#leave(id)
    const session = this.#join(id, (reason) => {
      this.#tell(`The board does not take it: ${reason}`)
      if (this.has(session)) this.renew(id)
    })
    this.#joined.set(id, session)
  }

  /** Whether closing the page now would lose something. */
  get hasUnstored(): boolean {
    return [...this.#joined.values()].some((session) => session.hasUnstored)
  }

  #leave(id: string): void {
    this.#joined.get(id)?.leave()
    this.#joined.delete(id)
  }
}
