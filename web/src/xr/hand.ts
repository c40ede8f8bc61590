/** Takes the nearest object into the hand, carries it along, and puts it down. */

import type { Matrix4 } from 'three'
import type { Placed } from '../../client/pose-codec.ts'
import { NotGranted, type HeldObject, type PoseLane } from '../../client/lane.ts'
import { nearest, type Furniture, type RoomObject } from './room-objects.ts'
import { matrixOf, placedBy } from './placing.ts'

const WORDS: Readonly<Record<NotGranted['reason'], string>> = {
  held: 'Somebody else holds it',
  old_sequence: 'Somebody else was faster',
  no_object: 'It is gone',
  locked: 'It is locked',
  may_not_edit: 'You may look, but not move anything',
  too_many: 'You hold too many things',
  paused: 'The session is paused',
  disconnected: 'There is no connection'
}

export class Hand {
  readonly #lane: PoseLane
  readonly #furniture: Furniture
  readonly #tell: (words: string) => void
  #held: HeldObject | null = null
  /** Where it is, seen from the head. */
  #offset: Matrix4 | null = null
  #isReaching = false

  constructor(lane: PoseLane, furniture: Furniture, tell: (words: string) => void) {
    this.#lane = lane
    this.#furniture = furniture
    this.#tell = tell
  }

  /** Puts down what is held; else takes the nearest. */
  async takeOrPutDown(head: Placed): Promise<void> {
    const held = this.#current
    if (held !== null) return this.#lane.release(held.objectId, performance.now())
    const wanted = nearest(this.#furniture.all.values(), head)
    if (wanted === null) this.#tell('Nothing is in reach: go nearer')
    else if (!this.#isReaching) await this.#take(wanted, head)
  }

  async #take(wanted: RoomObject, head: Placed): Promise<void> {
    this.#isReaching = true
    try {
      this.#held = await this.#lane.claim(wanted.id)
      this.#offset = matrixOf(head).invert().multiply(matrixOf(wanted))
    } catch (error) {
      if (!(error instanceof NotGranted)) throw error
      this.#tell(WORDS[error.reason])
    } finally {
      this.#isReaching = false
    }
  }

  /** What is in the hand goes where the head goes. */
  carry(head: Placed): void {
    const held = this.#current
    if (held === null || this.#offset === null) return
    this.#lane.move(held.objectId, placedBy(matrixOf(head).multiply(this.#offset)))
  }

  /** What was granted, unless it was taken away since. */
  get #current(): HeldObject | null {
    const held = this.#held
    return held !== null && this.#lane.heldObject(held.objectId) === held ? held : null
  }
}
