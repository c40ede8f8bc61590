/** Where a mouse points, and what it or a finger presses without dragging. */

import { throttle } from '../throttle.ts'

const BETWEEN_LOOKS_MS = 50
/** Pixels that a pointer may tremble within a press. */
const TREMBLE = 5

/** A place on the page, in its pixels. */
export interface Place {
  readonly clientX: number
  readonly clientY: number
}

/**
 * Tells of both from now on.
 *
 * @param onHover null: the pointer has left.
 */
export function listenToPointer(
  element: HTMLElement,
  onHover: (place: Place | null) => void,
  onPress: (place: Place) => void
): void {
  let began: Place | null = null
  const hover = throttle<Place | null>(BETWEEN_LOOKS_MS, onHover)
  element.addEventListener('pointermove', ({ clientX, clientY }) => hover({ clientX, clientY }))
  element.addEventListener('pointerleave', () => hover(null))
  element.addEventListener('pointerdown', (event) => {
    began = event.isPrimary && event.button === 0 ? event : null
  })
  element.addEventListener('pointerup', (event) => {
    const { clientX: x, clientY: y } = event
    if (began !== null && Math.hypot(x - began.clientX, y - began.clientY) <= TREMBLE) onPress(event)
    began = null
  })
}
