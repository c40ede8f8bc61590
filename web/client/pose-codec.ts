/**
 * Records of the pose lane: where somebody's head and hands are, and where a held object is.
 *
 * Little-endian, 23 to 47 bytes and 20 or 32. See docs/pose-lane.md, section 2.
 */

import {
  NEAR_POSITION_SIZE,
  POSITION_SIZE,
  ROTATION_SIZE,
  readNearPosition,
  readPosition,
  readRotation,
  writeNearPosition,
  writePosition,
  writeRotation,
  type Quaternion,
  type Vector
} from './pose-numbers.ts'

/** The bytes are not what the protocol says. */
export class Malformed extends Error {
  override readonly name = 'Malformed'
}

export interface Placed {
  readonly position: Vector
  readonly rotation: Quaternion
}

export interface Pose {
  /** Whose it is: as *welcome* and *roster* say. */
  readonly slot: number
  readonly generation: number
  /** Counts the sender's poses, modulo 65,536. */
  readonly sequence: number
  /** The sender's milliseconds, modulo 65,536. */
  readonly captured: number
  readonly head: Placed
  readonly left: Placed | null
  readonly right: Placed | null
}

export interface Transform extends Placed {
  /** As *holds* says. */
  readonly objectSlot: number
  /** The lowest 16 bits of the ownership sequence under which it is held. */
  readonly sequence: number
  /** Null: as it was. */
  readonly scale: Vector | null
}

const HEAD = 1
const LEFT = 2
const RIGHT = 4
const PARTS_AT = 3
const HEADER_SIZE = 8
const PLACED_SIZE = POSITION_SIZE + ROTATION_SIZE
const HAND_SIZE = NEAR_POSITION_SIZE + ROTATION_SIZE
const HEAD_ONLY_SIZE = HEADER_SIZE + PLACED_SIZE

const TRANSFORM_PARTS_AT = 4
const TRANSFORM_HEADER_SIZE = 5
const TRANSFORM_SIZE = TRANSFORM_HEADER_SIZE + PLACED_SIZE
const SCALE_SIZE = 12

/** Whether a 16-bit number that wraps comes after another, the shorter way around. */
export function isNewer(later: number, earlier: number): boolean {
  const distance = (later - earlier) & 0xffff
  return distance > 0 && distance < 0x8000
}

/** A view on exactly these bytes. */
export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

/** Whether there is something, and it is the same. */
export function isSameBytes(one: Uint8Array | null, other: Uint8Array): boolean {
  return one?.length === other.length && one.every((byte, index) => byte === other[index])
}

// Pose records.

/** Bytes that a pose takes. */
export function poseSize(pose: Pick<Pose, 'left' | 'right'>): number {
  return HEAD_ONLY_SIZE + (pose.left ? HAND_SIZE : 0) + (pose.right ? HAND_SIZE : 0)
}

/** @throws RangeError: something is not finite, too far away, or too large for its field. */
export function encodePose(pose: Pose): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(poseSize(pose))
  writePose(viewOf(bytes), 0, pose)
  return bytes
}

/** @throws Malformed: the bytes are not exactly one pose record. */
export function decodePose(bytes: Uint8Array): Pose {
  const view = viewOf(bytes)
  requireLength(view, poseLength(view, 0), 'pose')
  return readPose(view, 0)
}

/** Returns the position after it; throws as `encodePose` does. */
export function writePose(view: DataView, at: number, pose: Pose): number {
  view.setUint16(at, field(pose.slot, 0xffff), true)
  view.setUint8(at + 2, field(pose.generation, 0xff))
  view.setUint8(at + PARTS_AT, HEAD | (pose.left ? LEFT : 0) | (pose.right ? RIGHT : 0))
  view.setUint16(at + 4, field(pose.sequence, 0xffff), true)
  view.setUint16(at + 6, field(pose.captured, 0xffff), true)
  const headAt = at + HEADER_SIZE
  writePlaced(view, headAt, pose.head)
  let end = headAt + PLACED_SIZE
  if (pose.left) end = writeHand(view, end, pose.left, headAt)
  if (pose.right) end = writeHand(view, end, pose.right, headAt)
  return end
}

/**
 * How many bytes the pose record at a position takes.
 *
 * @throws Malformed: it has unknown parts, or the bytes end within it.
 */
export function poseLength(view: DataView, at: number): number {
  requireRoom(view, at, HEAD_ONLY_SIZE)
  const parts = view.getUint8(at + PARTS_AT)
  if ((parts & ~(LEFT | RIGHT)) !== HEAD) throw new Malformed(`a pose has no parts ${parts}`)
  const size = HEAD_ONLY_SIZE + (parts & LEFT ? HAND_SIZE : 0) + (parts & RIGHT ? HAND_SIZE : 0)
  requireRoom(view, at, size)
  return size
}

/** Reads a record whose length was checked. */
export function readPose(view: DataView, at: number): Pose {
  const parts = view.getUint8(at + PARTS_AT)
  const headAt = at + HEADER_SIZE
  const leftAt = headAt + PLACED_SIZE
  const rightAt = leftAt + (parts & LEFT ? HAND_SIZE : 0)
  return {
    slot: view.getUint16(at, true),
    generation: view.getUint8(at + 2),
    sequence: view.getUint16(at + 4, true),
    captured: view.getUint16(at + 6, true),
    head: readPlaced(view, headAt),
    left: parts & LEFT ? readHand(view, leftAt, headAt) : null,
    right: parts & RIGHT ? readHand(view, rightAt, headAt) : null
  }
}

function writeHand(view: DataView, at: number, hand: Placed, headAt: number): number {
  writeNearPosition(view, at, hand.position, headAt)
  writeRotation(view, at + NEAR_POSITION_SIZE, hand.rotation)
  return at + HAND_SIZE
}

function readHand(view: DataView, at: number, headAt: number): Placed {
  return {
    position: readNearPosition(view, at, headAt),
    rotation: readRotation(view, at + NEAR_POSITION_SIZE)
  }
}

// Transform records.

/** Bytes that a transform takes. */
export function transformSize(transform: Pick<Transform, 'scale'>): number {
  return TRANSFORM_SIZE + (transform.scale ? SCALE_SIZE : 0)
}

/** @throws RangeError: as `encodePose` does, and where a scale is not above 0. */
export function encodeTransform(transform: Transform): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(transformSize(transform))
  writeTransform(viewOf(bytes), 0, transform)
  return bytes
}

/** @throws Malformed: the bytes are not exactly one transform record. */
export function decodeTransform(bytes: Uint8Array): Transform {
  const view = viewOf(bytes)
  requireLength(view, transformLength(view, 0), 'transform')
  return readTransform(view, 0)
}

/** Returns the position after it; throws as `encodeTransform` does. */
export function writeTransform(view: DataView, at: number, transform: Transform): number {
  view.setUint16(at, field(transform.objectSlot, 0xffff), true)
  view.setUint16(at + 2, field(transform.sequence, 0xffff), true)
  view.setUint8(at + TRANSFORM_PARTS_AT, transform.scale ? 1 : 0)
  writePlaced(view, at + TRANSFORM_HEADER_SIZE, transform)
  const end = at + TRANSFORM_SIZE
  return transform.scale ? writeScale(view, end, transform.scale) : end
}

/**
 * How many bytes the transform record at a position takes.
 *
 * @throws Malformed: it has unknown parts, the bytes end within it, or its scale is not finite and
 *   above 0.
 */
export function transformLength(view: DataView, at: number): number {
  requireRoom(view, at, TRANSFORM_SIZE)
  const parts = view.getUint8(at + TRANSFORM_PARTS_AT)
  if (parts === 0) return TRANSFORM_SIZE
  if (parts !== 1) throw new Malformed(`a transform has no parts ${parts}`)
  requireRoom(view, at, TRANSFORM_SIZE + SCALE_SIZE)
  if (!isScale(readScale(view, at + TRANSFORM_SIZE))) {
    throw new Malformed('the numbers of a scale have to be finite and above 0')
  }
  return TRANSFORM_SIZE + SCALE_SIZE
}

/** Reads a record whose length was checked. */
export function readTransform(view: DataView, at: number): Transform {
  const hasScale = view.getUint8(at + TRANSFORM_PARTS_AT) === 1
  const placedAt = at + TRANSFORM_HEADER_SIZE
  return {
    objectSlot: view.getUint16(at, true),
    sequence: view.getUint16(at + 2, true),
    position: readPosition(view, placedAt),
    rotation: readRotation(view, placedAt + POSITION_SIZE),
    scale: hasScale ? readScale(view, at + TRANSFORM_SIZE) : null
  }
}

/** What is too small for 32 bits would be read as 0: it is refused, too. */
function writeScale(view: DataView, at: number, { x, y, z }: Vector): number {
  view.setFloat32(at, x, true)
  view.setFloat32(at + 4, y, true)
  view.setFloat32(at + 8, z, true)
  if (!isScale(readScale(view, at))) {
    throw new RangeError(`(${x}, ${y}, ${z}) is no scale: finite numbers above 0 are`)
  }
  return at + SCALE_SIZE
}

function readScale(view: DataView, at: number): Vector {
  return {
    x: view.getFloat32(at, true),
    y: view.getFloat32(at + 4, true),
    z: view.getFloat32(at + 8, true)
  }
}

function isScale({ x, y, z }: Vector): boolean {
  return x > 0 && y > 0 && z > 0 && isFinite(x) && isFinite(y) && isFinite(z)
}

// What both are made of.

function writePlaced(view: DataView, at: number, placed: Placed): void {
  writePosition(view, at, placed.position)
  writeRotation(view, at + POSITION_SIZE, placed.rotation)
}

function readPlaced(view: DataView, at: number): Placed {
  return { position: readPosition(view, at), rotation: readRotation(view, at + POSITION_SIZE) }
}

/** A whole number that fits its field; DataView would cut off what does not fit. */
export function field(value: number, most: number): number {
  if (!(Number.isInteger(value) && value >= 0 && value <= most)) {
    throw new RangeError(`${value} is no whole number from 0 to ${most}`)
  }
  return value
}

/** @throws Malformed: fewer bytes follow. */
export function requireRoom(view: DataView, at: number, size: number): void {
  const left = view.byteLength - at
  if (left < size) throw new Malformed(`${size} bytes do not fit in the ${left} that are left`)
}

function requireLength(view: DataView, length: number, name: string): void {
  if (length !== view.byteLength) {
    throw new Malformed(`${view.byteLength} bytes are more than one ${name} record`)
  }
}
