/**
 * Which part of an endless board hangs on a wall. It follows from the board's contents alone, so
 * that everybody in the room sees the same place where somebody points.
 */

import { clamp, type Point, type Size } from '../geometry.ts'
import type { Box } from '../view/viewport.ts'

/** Always shown, around the origin, where people begin: what is in it moves nothing. */
const LEAST = 1200
/** What is farther from the origin than this is not shown: one stray note would hide all others. */
const FARTHEST = 8000
/** An area grows in steps, so that it does not follow every drag. */
const STEP = 400

export interface Area {
  readonly left: number
  readonly top: number
  /** Pixels of the picture for a unit of the board. */
  readonly scale: number
}

/** The part that a picture of this size shows. */
export function areaOf(boxes: readonly Box[], picture: Size): Area {
  const height = (LEAST * picture.height) / picture.width
  const across = extent(boxes.map((box) => [box.position.x, box.size.width]), LEAST / 2)
  const down = extent(boxes.map((box) => [box.position.y, box.size.height]), height / 2)
  const scale = Math.min(
    picture.width / (across.end - across.start),
    picture.height / (down.end - down.start)
  )
  return {
    left: (across.start + across.end - picture.width / scale) / 2,
    top: (down.start + down.end - picture.height / scale) / 2,
    scale
  }
}

/** @param at on the picture, from 0 to 1, downwards. */
export function pointIn(area: Area, picture: Size, at: Point): Point {
  return {
    x: area.left + (at.x * picture.width) / area.scale,
    y: area.top + (at.y * picture.height) / area.scale
  }
}

function extent(
  spans: readonly (readonly [number, number])[],
  half: number
): { start: number; end: number } {
  let [start, end] = [-half, half]
  for (const [from, length] of spans) {
    if (from < start) start = Math.floor(from / STEP) * STEP
    if (from + length > end) end = Math.ceil((from + length) / STEP) * STEP
  }
  return { start: clamp(start, -FARTHEST, -half), end: clamp(end, half, FARTHEST) }
}
