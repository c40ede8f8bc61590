/** Somebody without a headset who walks and looks around. No clock, no page: both are arguments. */

import type { Placed } from '../../client/pose-codec.ts'
import type { Quaternion, Vector } from '../../client/pose-numbers.ts'
import { clamp } from '../geometry.ts'

export const EYES = 1.65
const METRES_PER_SECOND = 2.5
const STEEPEST = Math.PI / 2.2
/** From the walls. */
const CLEARANCE = 0.3

/** Which way somebody wants to go: each from -1 to 1. */
export interface Wish {
  readonly forward: number
  readonly right: number
}

export interface Floor {
  readonly width: number
  readonly depth: number
}

export class Walker {
  readonly #floor: Floor
  #x: number
  #z: number
  #yaw: number
  #pitch = 0

  /** Begins on a circle around the middle, looking there; `number` says where on it. */
  constructor(floor: Floor, number: number) {
    this.#floor = floor
    const angle = (number % 8) * (Math.PI / 4)
    const radius = Math.min(floor.width, floor.depth) / 3
    this.#x = radius * Math.sin(angle)
    this.#z = radius * Math.cos(angle)
    this.#yaw = angle
  }

  /** Walks for so many milliseconds; walls stop it. */
  walk({ forward, right }: Wish, milliseconds: number): void {
    const length = Math.max(1, Math.hypot(forward, right))
    const metres = (METRES_PER_SECOND * milliseconds) / 1000 / length
    const [sine, cosine] = [Math.sin(this.#yaw), Math.cos(this.#yaw)]
    const [halfWidth, halfDepth] = [this.#floor.width / 2, this.#floor.depth / 2].map(
      (half) => Math.max(0, half - CLEARANCE)
    ) as [number, number]
    this.#x = clamp(this.#x + (cosine * right - sine * forward) * metres, -halfWidth, halfWidth)
    this.#z = clamp(this.#z - (sine * right + cosine * forward) * metres, -halfDepth, halfDepth)
  }

  /** Turns to the left and up, in radians. */
  turn(left: number, up: number): void {
    this.#yaw = (this.#yaw + left) % (2 * Math.PI)
    this.#pitch = clamp(this.#pitch + up, -STEEPEST, STEEPEST)
  }

  get head(): Placed {
    return { position: { x: this.#x, y: EYES, z: this.#z }, rotation: this.#rotation }
  }

  /** A place on the floor so many metres ahead, within the walls. */
  ahead(metres: number): Vector {
    const [x, z] = [this.#x - metres * Math.sin(this.#yaw), this.#z - metres * Math.cos(this.#yaw)]
    const [halfWidth, halfDepth] = [this.#floor.width / 2, this.#floor.depth / 2]
    return { x: clamp(x, -halfWidth, halfWidth), y: 0, z: clamp(z, -halfDepth, halfDepth) }
  }

  /** First up or down, then to the side. */
  get #rotation(): Quaternion {
    const [sy, cy] = [Math.sin(this.#yaw / 2), Math.cos(this.#yaw / 2)]
    const [sp, cp] = [Math.sin(this.#pitch / 2), Math.cos(this.#pitch / 2)]
    return { x: cy * sp, y: sy * cp, z: -sy * sp, w: cy * cp }
  }
}
