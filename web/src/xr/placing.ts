/** Places relative to other places. */

import { Matrix4, Quaternion, Vector3, type Object3D } from 'three'
import type { Placed } from '../../client/pose-codec.ts'

const UNSCALED = new Vector3(1, 1, 1)

export function matrixOf({ position, rotation }: Placed): Matrix4 {
  return new Matrix4().compose(
    new Vector3(position.x, position.y, position.z),
    new Quaternion(rotation.x, rotation.y, rotation.z, rotation.w),
    UNSCALED
  )
}

export function placedBy(matrix: Matrix4): Placed {
  const [position, rotation] = [new Vector3(), new Quaternion()]
  matrix.decompose(position, rotation, new Vector3())
  const { x, y, z, w } = rotation
  return {
    position: { x: position.x, y: position.y, z: position.z },
    rotation: { x, y, z, w }
  }
}

/** Puts something there. */
export function put(object: Object3D, { position, rotation }: Placed): void {
  object.position.set(position.x, position.y, position.z)
  object.quaternion.set(rotation.x, rotation.y, rotation.z, rotation.w)
}
