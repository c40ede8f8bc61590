/**
 * Whether everything done here is stored on the server.
 *
 * The server counts, per connection and from the first, the step 2 and update messages it receives,
 * and tells how many of them are stored. This counts the same messages as they are sent. It holds
 * no socket and no clock, so that every course of events can be tried.
 */

export type SavedState = 'offline' | 'saving' | 'saved' | 'refused'

/** What was sent: an answer to the server's question for all we have, or one edit. */
export type Sent = 'step2' | 'update'

export class SavedTracker {
  #isOpen = false
  #hasAnswered = false
  #sent = 0
  #stored = 0
  #hasUnstored = false
  #isRefused = false

  /** A connection opened; its counter starts at 0. */
  opened(): void {
    this.#isOpen = true
    this.#hasAnswered = false
    this.#sent = 0
    this.#stored = 0
  }

  /** The connection is gone; what it had not acknowledged may be lost. */
  closed(): void {
    this.#isOpen = false
  }

  /** Something was done here, whether or not there is a connection. */
  edited(): void {
    this.#hasUnstored = true
  }

  /** A message that the server counts was handed to the open connection. */
  sent(kind: Sent): void {
    this.#sent += 1
    if (kind === 'step2') this.#hasAnswered = true
  }

  /** The server has stored the first `count` of them. */
  acknowledged(count: number): void {
    this.#stored = Math.max(this.#stored, count)
    if (this.#isComplete) this.#hasUnstored = false
  }

  /**
   * The server refused an edit. The copy here differs from everybody's from now on, whatever is
   * acknowledged later: a refused edit counts as dealt with.
   */
  refused(): void {
    this.#isRefused = true
  }

  get state(): SavedState {
    if (this.#isRefused) return 'refused'
    if (!this.#isOpen) return 'offline'
    return this.#isComplete ? 'saved' : 'saving'
  }

  /** Whether something done here would be lost if the page were closed now. */
  get hasUnstored(): boolean {
    return this.#hasUnstored
  }

  /** Edits made while offline go out with the first step 2: before it, nothing is complete. */
  get #isComplete(): boolean {
    return this.#hasAnswered && this.#stored >= this.#sent
  }
}
