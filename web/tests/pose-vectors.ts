/** What both codecs of the pose lane write and read: the server's tests have the same file. */

import { readFileSync } from 'node:fs'
import type { Placed, Pose, Transform } from '../client/pose-codec.ts'
import type { Quaternion, Vector } from '../client/pose-numbers.ts'

export type Four = [number, number, number, number]
type Three = [number, number, number]

interface ToldPlaced {
  position: Three
  rotation: Four
}

interface ToldPose {
  slot: number
  generation: number
  sequence: number
  captured: number
  head: ToldPlaced
  left?: ToldPlaced
  right?: ToldPlaced
}

interface ToldTransform extends ToldPlaced {
  object_slot: number
  sequence: number
  scale?: Three
}

/** Fields are in the order of docs/pose-lane.md; records are told in hex. */
export type ClientVector =
  | { kind: 'hello'; fields: [number, number, number] }
  | { kind: 'pose'; fields: [number, string, string[]] }
  | { kind: 'beat'; fields: [number] }
  | { kind: 'claim'; fields: [number, string] }
  | { kind: 'release'; fields: [number, number] }
  | { kind: 'force'; fields: [string] }
  | { kind: 'bye'; fields: [] }

export type ServerVector =
  | { kind: 'frame'; fields: [number, number, string[], string[]] }
  | { kind: 'welcome' | 'roster' | 'holds' | 'deny'; fields: unknown[] }

interface Vectors {
  rotations: { name: string; rotation: Four; bits: string; read: Four }[]
  bits: { bits: string; read: Four }[]
  poses: { name: string; pose: ToldPose; record: string; read: ToldPose }[]
  transforms: { name: string; transform: ToldTransform; record: string; read: ToldTransform }[]
  sequences: [number, number, boolean][]
  from_client: (ClientVector & { frame: string })[]
  from_server: (ServerVector & { frame: string })[]
  malformed_from_server: { name: string; frame: string }[]
}

/** From where the tests are built to, `web/build/tests`. */
const FILE = new URL('../../../tests/crdt_docs/pose_vectors.json', import.meta.url)

export const vectors = JSON.parse(readFileSync(FILE, 'utf8')) as Vectors

export function fromHex(hex: string): Uint8Array {
  return Uint8Array.from(Buffer.from(hex, 'hex'))
}

export function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}

export function quaternionOf([x, y, z, w]: Four): Quaternion {
  return { x, y, z, w }
}

export function poseOf(told: ToldPose): Pose {
  const { slot, generation, sequence, captured, head, left, right } = told
  return {
    slot,
    generation,
    sequence,
    captured,
    head: placedOf(head),
    left: left === undefined ? null : placedOf(left),
    right: right === undefined ? null : placedOf(right)
  }
}

export function transformOf(told: ToldTransform): Transform {
  const { object_slot, sequence, scale } = told
  return {
    objectSlot: object_slot,
    sequence,
    ...placedOf(told),
    scale: scale === undefined ? null : vectorOf(scale)
  }
}

function placedOf({ position, rotation }: ToldPlaced): Placed {
  return { position: vectorOf(position), rotation: quaternionOf(rotation) }
}

function vectorOf([x, y, z]: Three): Vector {
  return { x, y, z }
}
