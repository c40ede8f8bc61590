/** The few bytes of the wire that this page reads itself (y-protocols, and the server's own). */

import type { Sent } from './saved.ts'

/** Acknowledgement: `[113][varUint n]`, "your first n step 2 and update messages are stored". */
export const ACKNOWLEDGED = 113
/** Denial: `[2][0][varString reason]`. */
export const AUTH = 2
export const PERMISSION_DENIED = 0

const SYNC = 0
const STEP2 = 1
const UPDATE = 2

/** Which message of those that the server counts a frame is; null for any other. */
export function countedKind(frame: Uint8Array): Sent | null {
  if (frame[0] !== SYNC) return null
  if (frame[1] === STEP2) return 'step2'
  return frame[1] === UPDATE ? 'update' : null
}
