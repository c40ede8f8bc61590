/** The connection to one session: a stock provider, its acknowledgements, denials and farewells. */

import * as decoding from 'lib0/decoding'
import type { Awareness } from 'y-protocols/awareness'
import { WebsocketProvider } from 'y-websocket'
import type * as Y from 'yjs'
import { passingTrouble } from './close-codes.ts'
import { ACKNOWLEDGED, AUTH, countedKind, PERMISSION_DENIED } from './frames.ts'
import type { Invitation } from './link.ts'
import { SavedTracker, type SavedState, type Sent } from './saved.ts'

export type Link = 'connecting' | 'connected' | 'reconnecting' | 'closed'

/** Who wants to know. */
export interface ConnectionListener {
  /** Link or saved state may have changed. */
  onStatus(): void
  /** An edit was refused. */
  onDenied(reason: string): void
  /** The server sent us away for good. */
  onClosed(code: number, reason: string): void
  /** The connection was lost and is tried again. */
  onTrouble(words: string): void
}

export class Connection {
  readonly awareness: Awareness
  readonly #provider: WebsocketProvider
  readonly #saved = new SavedTracker()
  readonly #listener: ConnectionListener
  #link: Link = 'connecting'

  /**
   * @param sockets address of the sessions' sockets, `ws://host/api/ocw/sessions`.
   */
  constructor(
    doc: Y.Doc,
    invitation: Invitation,
    sockets: string,
    listener: ConnectionListener
  ) {
    this.#listener = listener
    const provider = new WebsocketProvider(sockets, `${invitation.session}/ws`, doc, {
      connect: false,
      params: { token: invitation.token, ack: '1' },
      // Tabs of one browser would otherwise exchange edits that the server has refused.
      disableBc: true,
      WebSocketPolyfill: countingSocket((kind) => this.#onSent(kind))
    })
    this.#provider = provider
    this.awareness = provider.awareness
    provider.messageHandlers[ACKNOWLEDGED] = (_reply, message) => {
      this.#saved.acknowledged(decoding.readVarUint(message))
      listener.onStatus()
    }
    provider.messageHandlers[AUTH] = (_reply, message) => this.#onAuth(message)
    provider.on('status', ({ status }) => this.#onStatus(status))
    provider.on('connection-close', (event) => {
      const words = event === null ? null : passingTrouble(event.code)
      if (words !== null) listener.onTrouble(words)
    })
    provider.on('closed', ({ code, reason }) => {
      this.#link = 'closed'
      listener.onStatus()
      listener.onClosed(code, reason)
    })
    doc.on('update', (_update: Uint8Array, origin: unknown) => {
      if (origin === provider) return
      this.#saved.edited()
      listener.onStatus()
    })
  }

  connect(): void {
    this.#provider.connect()
  }

  /** Leaves the session for good; the document is the caller's. */
  leave(): void {
    this.#provider.destroy()
  }

  /** For what else travels on its socket. */
  get provider(): WebsocketProvider {
    return this.#provider
  }

  /** Is told once, when everything that is on the server has arrived. */
  onceSynced(act: () => void): void {
    this.#provider.once('sync', act)
  }

  /** Whether everything that is on the server has arrived, and arrives. */
  get isSynced(): boolean {
    return this.#provider.synced
  }

  get link(): Link {
    return this.#link
  }

  get saved(): SavedState {
    return this.#saved.state
  }

  /** Whether closing the page now would lose something. */
  get hasUnstored(): boolean {
    return this.#saved.hasUnstored
  }

  #onSent(kind: Sent): void {
    this.#saved.sent(kind)
    this.#listener.onStatus()
  }

  #onStatus(status: 'connected' | 'connecting' | 'disconnected'): void {
    if (status === 'connected') this.#saved.opened()
    if (status === 'disconnected') this.#saved.closed()
    if (status === 'connected') this.#link = 'connected'
    else if (this.#link !== 'connecting') this.#link = 'reconnecting'
    this.#listener.onStatus()
  }

  #onAuth(message: decoding.Decoder): void {
    if (decoding.readVarUint(message) !== PERMISSION_DENIED) return
    this.#saved.refused()
    this.#listener.onStatus()
    this.#listener.onDenied(decoding.readVarString(message))
  }
}

/** A WebSocket that tells of every message the server counts, as it is sent. */
function countingSocket(onSent: (kind: Sent) => void): typeof WebSocket {
  return class extends WebSocket {
    override send(data: string | ArrayBufferLike | Blob | ArrayBufferView): void {
      super.send(data as string) // one of the overloads; they differ in type only
      const kind = data instanceof Uint8Array ? countedKind(data) : null
      if (kind !== null) onSent(kind)
    }
  }
}
