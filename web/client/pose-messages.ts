/**
 * Messages of the pose lane, as a client writes and reads them.
 *
 * A message is one binary WebSocket frame: type 112, a kind, its fields; nothing follows. See
 * docs/pose-lane.md, section 2.
 */

import {
  Malformed,
  field,
  poseLength,
  poseSize,
  readPose,
  readTransform,
  requireRoom,
  transformLength,
  transformSize,
  viewOf,
  writePose,
  writeTransform,
  type Pose,
  type Transform
} from './pose-codec.ts'

/** First byte of every message of the lane; other frames of the socket are those of Yjs. */
export const POSE_LANE = 112
export const VERSION = 1

/** In the order of their numbers, from 0. */
export const DEVICES = ['desktop', 'vr_headset', 'ar_glasses', 'mobile'] as const
export type Device = (typeof DEVICES)[number]

/** In the order of their numbers, from 0: there, silent for some seconds, gone. */
export const PRESENCES = ['there', 'silent', 'gone'] as const
export type Presence = (typeof PRESENCES)[number]

/** In the order of their numbers, from 1. */
export const DENIALS = [
  'held',
  'old_sequence',
  'no_object',
  'locked',
  'may_not_edit',
  'too_many',
  'paused'
] as const
export type Denial = (typeof DENIALS)[number]

/** Who somebody is in the room: a slot is taken by others later, with another generation. */
export interface Place {
  readonly slot: number
  readonly generation: number
}

export interface Welcome extends Place {
  readonly kind: 'welcome'
  /** Frames a second that the server means to send. */
  readonly rate: number
  readonly tick: number
  /** The server's milliseconds at that tick. */
  readonly baseTime: number
}

export interface Frame {
  readonly kind: 'frame'
  readonly tick: number
  readonly baseTime: number
  readonly poses: readonly Pose[]
  readonly transforms: readonly Transform[]
}

export interface RosterEntry extends Place {
  readonly presence: Presence
  readonly device: Device
  /** By which the participant is present in awareness. */
  readonly clientId: number
}

export interface Roster {
  readonly kind: 'roster'
  readonly entries: readonly RosterEntry[]
}

export interface Hold {
  readonly objectSlot: number
  readonly sequence: number
  /** Null: nobody holds it any more. */
  readonly holder: Place | null
  readonly objectId: string
}

export interface Holds {
  readonly kind: 'holds'
  readonly entries: readonly Hold[]
}

export interface Deny {
  readonly kind: 'deny'
  readonly reason: Denial
  /** The current one. */
  readonly sequence: number
  readonly objectId: string
}

export type ServerMessage = Welcome | Frame | Roster | Holds | Deny

const HELLO = 1
const POSE = 2
const BEAT = 3
const CLAIM = 4
const RELEASE = 5
const FORCE = 6
const BYE = 7
const WELCOME = 65
const FRAME = 66
const ROSTER = 67
const HOLDS = 68
const DENY = 69

const FIELDS_AT = 2
export const NOBODY = 0xffff
const MOST_ID_BYTES = 128
const ROSTER_ENTRY_SIZE = 13
const HOLD_SIZE = 9
const TWO_TO_32 = 2 ** 32
const U32 = TWO_TO_32 - 1

const encoder = new TextEncoder()
// With the byte order mark kept: it is a part of the id like any other character.
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

type Bytes = Uint8Array<ArrayBuffer>

// What clients send. They throw RangeError where something does not fit.

/** Asks for poses. `clientId` is the one of awareness. */
export function hello(device: Device, clientId: number): Bytes {
  const [bytes, view] = message(HELLO, 10)
  field(clientId, Number.MAX_SAFE_INTEGER)
  view.setUint8(2, VERSION)
  view.setUint8(3, DEVICES.indexOf(device))
  view.setUint32(4, clientId % TWO_TO_32, true)
  view.setUint32(8, Math.floor(clientId / TWO_TO_32), true)
  return bytes
}

/** Tells where its sender is, and the objects it holds. `ackTick`: of the last frame, or 0. */
export function pose(ackTick: number, own: Pose, held: readonly Transform[] = []): Bytes {
  const moved = held.reduce((size, each) => size + transformSize(each), 0)
  const [bytes, view] = message(POSE, 4 + poseSize(own) + 1 + moved)
  view.setUint32(2, field(ackTick, U32), true)
  const countAt = writePose(view, 6, own)
  view.setUint8(countAt, field(held.length, 0xff))
  let at = countAt + 1
  for (const each of held) at = writeTransform(view, at, each)
  return bytes
}

/** Tells that its sender is still there, though nothing moved. */
export function beat(ackTick: number): Bytes {
  const [bytes, view] = message(BEAT, 4)
  view.setUint32(2, field(ackTick, U32), true)
  return bytes
}

/** Asks to hold an object. `sequence`: the ownership sequence that is known of it, or 0. */
export function claim(sequence: number, objectId: string): Bytes {
  const id = idBytes(objectId)
  const [bytes, view] = message(CLAIM, 4 + id.length)
  view.setUint32(2, field(sequence, U32), true)
  bytes.set(id, 6)
  return bytes
}

/** Lets go of an object. */
export function release(objectSlot: number, sequence: number): Bytes {
  const [bytes, view] = message(RELEASE, 6)
  view.setUint16(2, field(objectSlot, 0xffff), true)
  view.setUint32(4, field(sequence, U32), true)
  return bytes
}

/** Takes an object from whoever holds it; hosts may. */
export function force(objectId: string): Bytes {
  const id = idBytes(objectId)
  const [bytes] = message(FORCE, id.length)
  bytes.set(id, FIELDS_AT)
  return bytes
}

export function bye(): Bytes {
  return message(BYE, 0)[0]
}

function message(kind: number, size: number): [Bytes, DataView] {
  const bytes = new Uint8Array(FIELDS_AT + size)
  bytes[0] = POSE_LANE
  bytes[1] = kind
  return [bytes, viewOf(bytes)]
}

/** The id with its length before it. */
function idBytes(objectId: string): Bytes {
  const text = encoder.encode(objectId)
  if (text.length < 1 || text.length > MOST_ID_BYTES) {
    throw new RangeError(`an object id has 1 to ${MOST_ID_BYTES} bytes, not ${text.length}`)
  }
  // The encoder puts U+FFFD for half a surrogate pair: that would be another object.
  if (decoder.decode(text) !== objectId) throw new RangeError('an object id is whole Unicode')
  return Uint8Array.of(text.length, ...text)
}

// What the server sends.

/** @throws Malformed: not exactly one message that the server sends, or of another version. */
export function readServerMessage(frame: Uint8Array): ServerMessage {
  if (frame.length < FIELDS_AT || frame[0] !== POSE_LANE) {
    throw new Malformed('a message of the pose lane begins with 112 and a kind')
  }
  const view = viewOf(frame)
  switch (frame[1]) {
    case WELCOME:
      return readWelcome(view)
    case FRAME:
      return readFrame(view)
    case ROSTER:
      return readRoster(view)
    case HOLDS:
      return readHolds(view)
    case DENY:
      return readDeny(view)
    default:
      throw new Malformed(`unknown pose message ${frame[1]}`)
  }
}

function readWelcome(view: DataView): Welcome {
  requireRoom(view, 2, 1)
  const version = view.getUint8(2)
  if (version !== VERSION) throw new Malformed(`unknown version ${version} of the pose lane`)
  requireRoom(view, 2, 13)
  requireEnd(view, 15)
  return {
    kind: 'welcome',
    slot: view.getUint16(3, true),
    generation: view.getUint8(5),
    rate: view.getUint8(6),
    tick: view.getUint32(7, true),
    baseTime: view.getUint32(11, true)
  }
}

function readFrame(view: DataView): Frame {
  requireRoom(view, 2, 10)
  const poses: Pose[] = []
  let at = 12
  for (let left = view.getUint16(10, true); left > 0; left--) {
    const end = at + poseLength(view, at)
    poses.push(readPose(view, at))
    at = end
  }
  const transforms: Transform[] = []
  let left = readCount(view, at)
  for (at += 2; left > 0; left--) {
    const end = at + transformLength(view, at)
    transforms.push(readTransform(view, at))
    at = end
  }
  requireEnd(view, at)
  const tick = view.getUint32(2, true)
  return { kind: 'frame', tick, baseTime: view.getUint32(6, true), poses, transforms }
}

function readRoster(view: DataView): Roster {
  const count = readCount(view, 2)
  requireRoom(view, 4, count * ROSTER_ENTRY_SIZE)
  requireEnd(view, 4 + count * ROSTER_ENTRY_SIZE)
  const entries: RosterEntry[] = []
  for (let at = 4; at < view.byteLength; at += ROSTER_ENTRY_SIZE) {
    entries.push({
      slot: view.getUint16(at, true),
      generation: view.getUint8(at + 2),
      presence: known(PRESENCES, view.getUint8(at + 3), 'state'),
      device: known(DEVICES, view.getUint8(at + 4), 'device'),
      clientId: readClientId(view, at + 5)
    })
  }
  return { kind: 'roster', entries }
}

function readHolds(view: DataView): Holds {
  const entries: Hold[] = []
  let at = 4
  for (let left = readCount(view, 2); left > 0; left--) {
    requireRoom(view, at, HOLD_SIZE)
    const slot = view.getUint16(at + 6, true)
    const [objectId, end] = readObjectId(view, at + HOLD_SIZE)
    entries.push({
      objectSlot: view.getUint16(at, true),
      sequence: view.getUint32(at + 2, true),
      holder: slot === NOBODY ? null : { slot, generation: view.getUint8(at + 8) },
      objectId
    })
    at = end
  }
  requireEnd(view, at)
  return { kind: 'holds', entries }
}

function readDeny(view: DataView): Deny {
  requireRoom(view, 2, 5)
  const [objectId, end] = readObjectId(view, 7)
  requireEnd(view, end)
  const reason = known(DENIALS, view.getUint8(2) - 1, 'reason')
  return { kind: 'deny', reason, sequence: view.getUint32(3, true), objectId }
}

function readCount(view: DataView, at: number): number {
  requireRoom(view, at, 2)
  return view.getUint16(at, true)
}

function readClientId(view: DataView, at: number): number {
  const id = view.getUint32(at, true) + view.getUint32(at + 4, true) * TWO_TO_32
  if (id > Number.MAX_SAFE_INTEGER) throw new Malformed('a client id is larger than 2^53 - 1')
  return id
}

/** An object id, and the position after it. */
function readObjectId(view: DataView, at: number): [string, number] {
  requireRoom(view, at, 1)
  const length = view.getUint8(at)
  if (length < 1 || length > MOST_ID_BYTES) {
    throw new Malformed(`an object id has 1 to ${MOST_ID_BYTES} bytes, not ${length}`)
  }
  requireRoom(view, at + 1, length)
  const text = new Uint8Array(view.buffer, view.byteOffset + at + 1, length)
  try {
    return [decoder.decode(text), at + 1 + length]
  } catch {
    throw new Malformed('an object id must be UTF-8')
  }
}

function known<T>(values: readonly T[], number: number, name: string): T {
  const value = values[number]
  if (value === undefined) throw new Malformed(`unknown ${name}`)
  return value
}

function requireEnd(view: DataView, end: number): void {
  const left = view.byteLength - end
  if (left !== 0) throw new Malformed(`${left} bytes follow the message`)
}
