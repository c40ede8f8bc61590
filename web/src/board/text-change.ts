/** Smallest changes of texts, in UTF-16 units like everything in JavaScript and in Yjs. */

export interface TextChange {
  readonly index: number
  readonly removed: number
  readonly inserted: string
}

/** One step of a Yjs text event. */
export interface DeltaStep {
  readonly retain?: number | undefined
  readonly insert?: unknown
  readonly delete?: number | undefined
}

/**
 * What turned `before` into `after`; null if nothing.
 *
 * @param caret where the caret is in `after`. Of "aa" and "aaa" it tells which "a" is the new one,
 *   without which two people typing in a run of equal letters would change places.
 */
export function changeBetween(before: string, after: string, caret: number): TextChange | null {
  if (before === after) return null
  const behind = after.slice(caret)
  let suffix = before.endsWith(behind) ? behind.length : 0
  const room = Math.min(before.length, after.length) - suffix
  let prefix = 0
  while (prefix < room && before[prefix] === after[prefix]) prefix++
  const rest = Math.min(before.length, after.length) - prefix
  while (
    suffix < rest &&
    before[before.length - 1 - suffix] === after[after.length - 1 - suffix]
  ) {
    suffix++
  }
  if (splitsPair(before, prefix) || splitsPair(after, prefix)) prefix--
  if (splitsPair(before, before.length - suffix) || splitsPair(after, after.length - suffix)) {
    suffix--
  }
  return {
    index: prefix,
    removed: before.length - prefix - suffix,
    inserted: after.slice(prefix, after.length - suffix)
  }
}

/** Where a place in a text is after somebody else's change. Text inserted just there comes after. */
export function shifted(place: number, delta: readonly DeltaStep[]): number {
  let position = 0
  let result = place
  for (const step of delta) {
    if (step.retain !== undefined) position += step.retain
    else if (step.delete !== undefined) {
      result -= Math.max(0, Math.min(step.delete, result - position))
    } else {
      const length = typeof step.insert === 'string' ? step.insert.length : 1
      if (position < result) result += length
      position += length
    }
  }
  return result
}

/** Whether a character of two units (an emoji) is cut in two here. */
function splitsPair(text: string, index: number): boolean {
  return isBetween(text.charCodeAt(index - 1), 0xd800, 0xdbff) &&
    isBetween(text.charCodeAt(index), 0xdc00, 0xdfff)
}

function isBetween(code: number, low: number, high: number): boolean {
  return code >= low && code <= high
}
