/** The objects of the room, each as a box where it stands, or where somebody carries it. */

import {
  BoxGeometry,
  EdgesGeometry,
  LineBasicMaterial,
  LineSegments,
  Mesh,
  MeshLambertMaterial,
  type Object3D,
  type Scene
} from 'three'
import type { PoseLane } from '../../client/lane.ts'
import type { Furniture, RoomObject } from './room-objects.ts'
import { put } from './placing.ts'

const CUBE = new BoxGeometry(1, 1, 1)
const EDGES = new EdgesGeometry(CUBE)
const FREE = new LineBasicMaterial({ color: '#000000', transparent: true, opacity: 0.25 })
const HELD = new LineBasicMaterial({ color: '#ffffff' })

class Box {
  readonly mesh: Mesh<BoxGeometry, MeshLambertMaterial>
  readonly #edges = new LineSegments(EDGES, FREE)

  constructor() {
    this.mesh = new Mesh(CUBE, new MeshLambertMaterial())
    this.mesh.add(this.#edges)
  }

  show(object: RoomObject, lane: PoseLane, now: number): void {
    const held = lane.heldObject(object.id)
    const { x, y, z } = held?.scale ?? object.scale
    put(this.mesh, held?.at(now) ?? object)
    this.mesh.scale.set(x, y, z)
    this.mesh.material.color.set(object.color)
    this.#edges.material = held === undefined ? FREE : HELD
  }
}

export class Boxes {
  readonly #furniture: Furniture
  readonly #lane: PoseLane
  readonly #scene: Scene
  readonly #shown = new Map<string, Box>()

  constructor(furniture: Furniture, lane: PoseLane, scene: Scene) {
    this.#furniture = furniture
    this.#lane = lane
    this.#scene = scene
  }

  show(now: number): void {
    for (const object of this.#furniture.all.values()) {
      const box = this.#shown.get(object.id) ?? this.#add(object.id)
      box.show(object, this.#lane, now)
    }
    for (const id of this.#shown.keys()) if (!this.#furniture.all.has(id)) this.#remove(id)
  }

  /** What an object is drawn as: what belongs to it goes where it goes. */
  meshOf(id: string): Object3D | null {
    return this.#shown.get(id)?.mesh ?? null
  }

  #add(id: string): Box {
    const box = new Box()
    this.#shown.set(id, box)
    this.#scene.add(box.mesh)
    return box
  }

  #remove(id: string): void {
    const box = this.#shown.get(id)
    if (box === undefined) return
    this.#scene.remove(box.mesh)
    box.mesh.material.dispose()
    this.#shown.delete(id)
  }
}
