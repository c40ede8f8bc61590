/**
 * Positions and rotations as the pose lane writes them: whole millimetres, the smallest three.
 *
 * Every step is one operation on 64-bit floats, in the order of the server's codec: both write the
 * same bytes, and read the same numbers from them. See docs/pose-lane.md, section 1.
 */

/** In metres: right-handed, +Y up. */
export interface Vector {
  readonly x: number
  readonly y: number
  readonly z: number
}

/** Of any length but 0 when it is written; of length 1 when it is read. */
export interface Quaternion {
  readonly x: number
  readonly y: number
  readonly z: number
  readonly w: number
}

/** Bytes of a position, a near position and a rotation. */
export const POSITION_SIZE = 9
export const NEAR_POSITION_SIZE = 6
export const ROTATION_SIZE = 6

const FARTHEST = 0x7fffff
const FARTHEST_NEAR = 0x7fff
/** The count that means 0; as many lie to each side of it. */
const ZERO = 16_383
const MOST = 2 * ZERO
const COUNTS_PER_UNIT = ZERO * Math.SQRT2
const UNITS_PER_COUNT = Math.SQRT1_2 / ZERO
const FIELD = 0x7fff

/** @throws RangeError: a coordinate is not finite, or farther away than there is room for. */
export function writePosition(view: DataView, at: number, { x, y, z }: Vector): void {
  writeInt24(view, at, toMillimetres(x, 0, FARTHEST))
  writeInt24(view, at + 3, toMillimetres(y, 0, FARTHEST))
  writeInt24(view, at + 6, toMillimetres(z, 0, FARTHEST))
}

export function readPosition(view: DataView, at: number): Vector {
  return {
    x: readInt24(view, at) / 1000,
    y: readInt24(view, at + 3) / 1000,
    z: readInt24(view, at + 6) / 1000
  }
}

/**
 * A position near another that is already written: counted from there, so that the errors of the
 * two do not add up.
 *
 * @throws RangeError: a coordinate is not finite, or more than 32 m away.
 */
export function writeNearPosition(
  view: DataView,
  at: number,
  { x, y, z }: Vector,
  originAt: number
): void {
  const origin = (axis: number): number => readInt24(view, originAt + 3 * axis)
  view.setInt16(at, toMillimetres(x, origin(0), FARTHEST_NEAR), true)
  view.setInt16(at + 2, toMillimetres(y, origin(1), FARTHEST_NEAR), true)
  view.setInt16(at + 4, toMillimetres(z, origin(2), FARTHEST_NEAR), true)
}

export function readNearPosition(view: DataView, at: number, originAt: number): Vector {
  return {
    x: (readInt24(view, originAt) + view.getInt16(at, true)) / 1000,
    y: (readInt24(view, originAt + 3) + view.getInt16(at + 2, true)) / 1000,
    z: (readInt24(view, originAt + 6) + view.getInt16(at + 4, true)) / 1000
  }
}

/** @throws RangeError: a component is not finite, or all are 0. */
export function writeRotation(view: DataView, at: number, { x, y, z, w }: Quaternion): void {
  if (!(isFinite(x) && isFinite(y) && isFinite(z) && isFinite(w))) {
    throw new RangeError(`(${x}, ${y}, ${z}, ${w}) is no rotation: a component is not finite`)
  }
  const size = Math.max(Math.abs(x), Math.abs(y), Math.abs(z), Math.abs(w))
  if (size === 0) throw new RangeError('a rotation with four zeros has no direction')
  // The first of several that are equally large.
  if (Math.abs(x) === size) writeSmallest(view, at, 0, x, y, z, w)
  else if (Math.abs(y) === size) writeSmallest(view, at, 1, y, x, z, w)
  else if (Math.abs(z) === size) writeSmallest(view, at, 2, z, x, y, w)
  else writeSmallest(view, at, 3, w, x, y, z)
}

/** The rotation that 48 bits mean; all of them mean one. */
export function readRotation(view: DataView, at: number): Quaternion {
  const low = view.getUint32(at, true)
  const high = view.getUint16(at + 4, true)
  let a = fromCount(((high & 0x1fff) << 2) | (low >>> 30))
  let b = fromCount((low >>> 15) & FIELD)
  let c = fromCount(low & FIELD)
  const squares = a * a + b * b + c * c
  let largest = squares < 1 ? Math.sqrt(1 - squares) : 0
  const length = Math.sqrt(squares + largest * largest)
  a /= length
  b /= length
  c /= length
  largest /= length
  const leftOut = (high >>> 13) & 3
  if (leftOut === 0) return { x: largest, y: a, z: b, w: c }
  if (leftOut === 1) return { x: a, y: largest, z: b, w: c }
  if (leftOut === 2) return { x: a, y: b, z: largest, w: c }
  return { x: a, y: b, z: c, w: largest }
}

/** Divided by the largest first: what is tiny or huge would not survive being squared. */
function writeSmallest(
  view: DataView,
  at: number,
  leftOut: number,
  largest: number,
  first: number,
  second: number,
  third: number
): void {
  const a = first / largest
  const b = second / largest
  const c = third / largest
  const length = Math.sqrt(1 + a * a + b * b + c * c)
  const high = toCount(a / length)
  view.setUint32(at, (high << 30) | (toCount(b / length) << 15) | toCount(c / length), true)
  view.setUint16(at + 4, (leftOut << 13) | (high >>> 2), true)
}

function toCount(component: number): number {
  return Math.floor(component * COUNTS_PER_UNIT + (ZERO + 0.5))
}

function fromCount(count: number): number {
  return (Math.min(count, MOST) - ZERO) * UNITS_PER_COUNT
}

/** The nearest whole millimetres from an origin, half away from zero. */
function toMillimetres(metres: number, origin: number, farthest: number): number {
  const distance = metres * 1000 - origin
  const nearest = Math.trunc(distance >= 0 ? distance + 0.5 : distance - 0.5)
  // Written so that what is no number at all fails, too.
  if (!(nearest >= -farthest - 1 && nearest <= farthest)) {
    throw new RangeError(`${metres} m is no coordinate that the record has room for`)
  }
  return nearest
}

function writeInt24(view: DataView, at: number, value: number): void {
  view.setUint16(at, value & 0xffff, true)
  view.setInt8(at + 2, value >> 16)
}

function readInt24(view: DataView, at: number): number {
  return view.getUint16(at, true) | (view.getInt8(at + 2) << 16)
}
