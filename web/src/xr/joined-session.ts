/** An OCW session that hangs in the room: its document, on a socket of its own. */

import * as Y from 'yjs'
import { Board } from '../board/board.ts'
import type { Claims } from '../session/claims.ts'
import { farewell, type Farewell } from '../session/close-codes.ts'
import { Connection } from '../session/connection.ts'
import type { Invitation } from '../session/link.ts'
import { Presence } from '../session/presence.ts'

/** Who joins, and what happens when something is refused. */
export interface Joining {
  /** Address of the sessions' sockets. */
  readonly sockets: string
  readonly token: string
  readonly claims: Claims
  /** Which animal and colour one is in the room. */
  readonly number: number
}

/** Whether its contents are here: all, not yet, all but what is new, or never again. */
export type Standing =
  | { readonly kind: 'there' }
  | { readonly kind: 'joining' | 'away'; readonly trouble: string }
  | { readonly kind: 'over'; readonly farewell: Farewell }

export class JoinedSession {
  readonly id: string
  readonly board: Board
  readonly presence: Presence
  readonly #doc = new Y.Doc()
  readonly #connection: Connection
  #farewell: Farewell | null = null
  #wasThere = false
  #trouble = ''
  #version = 0

  /** @param onDenied what was written here was refused: this copy is not the server's any more. */
  constructor(id: string, joining: Joining, onDenied: (reason: string) => void) {
    this.id = id
    const invitation: Invitation = { session: id, token: joining.token }
    const changed = (): void => void (this.#version += 1)
    this.#connection = new Connection(this.#doc, invitation, joining.sockets, {
      onStatus: () => {
        if (this.#connection.isSynced) this.#trouble = ''
      },
      onDenied,
      onTrouble: (words) => void (this.#trouble = words),
      onClosed: (code) => void (this.#farewell = farewell(code))
    })
    this.board = new Board(this.#doc, joining.claims.userId)
    this.presence = new Presence(this.#connection.awareness, joining.claims, joining.number)
    this.board.onChange(changed)
    this.presence.onChange(changed)
    this.#connection.onceSynced(() => void (this.#wasThere = true))
    this.#connection.connect()
  }

  /** Another number whenever there is something else on the board. */
  get version(): number {
    return this.#version
  }

  get standing(): Standing {
    if (this.#farewell !== null) return { kind: 'over', farewell: this.#farewell }
    if (this.#connection.isSynced) return { kind: 'there' }
    return { kind: this.#wasThere ? 'away' : 'joining', trouble: this.#trouble }
  }

  get hasUnstored(): boolean {
    return this.#connection.hasUnstored
  }

  leave(): void {
    this.#connection.leave()
    this.#doc.destroy()
  }
}
