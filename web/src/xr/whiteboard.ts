/** The front of a whiteboard: a picture of the OCW session that it names, or why there is none. */

import {
  CanvasTexture,
  Mesh,
  MeshBasicMaterial,
  PlaneGeometry,
  SRGBColorSpace,
  type Object3D,
  type Vector2
} from 'three'
import { clamp, type Point, type Size } from '../geometry.ts'
import { make } from '../view/dom.ts'
import { areaOf, pointIn, type Area } from './board-area.ts'
import { contentsOf, drawBoard, drawNotice, inWords } from './board-picture.ts'
import type { JoinedSession } from './joined-session.ts'
import type { Names, RoomObject } from './room-objects.ts'

const LONGEST_SIDE = 1600
const SHORTEST_SIDE = 100
/** A picture is several megabytes on their way to the graphics card. */
const SHORTEST_REST_MS = 80
/**
 * And after one that took long, as many times as long: a board may hold anything, and the room is
 * to go on. Most of the work is done after drawing, so it is the whole frame that counts.
 */
const REST = 5
/** A page that was hidden had a long frame. */
const LONGEST_REST_MS = 3000
/** Of the frame around it, and before it, in metres. */
const FRAME = 0.02
const BEFORE = 0.003

const PLANE = new PlaneGeometry(1, 1)

export class Whiteboard {
  readonly face: Mesh<PlaneGeometry, MeshBasicMaterial>
  /** Fallback content of the scene: what browsers tell those who cannot see it. */
  readonly canvas = make('canvas', 'whiteboard')
  readonly #texture: CanvasTexture
  #area: Area = { left: 0, top: 0, scale: 1 }
  #session: JoinedSession | null = null
  #shown = ''
  #drawnAt = -Infinity
  /** How long the frame took in which it was drawn; null: it is not over yet. */
  #frame: number | null = 0

  /** @param body what it is the front of: a box of length 1 that is scaled. */
  constructor(body: Object3D) {
    this.canvas.setAttribute('role', 'img')
    this.#texture = new CanvasTexture(this.canvas)
    this.#texture.colorSpace = SRGBColorSpace
    this.#texture.anisotropy = 8
    this.face = new Mesh(PLANE, new MeshBasicMaterial({ map: this.#texture }))
    body.add(this.face)
  }

  /** The session that is on it; null: there is none to see. */
  get session(): JoinedSession | null {
    return this.#session
  }

  show({ scale }: RoomObject, names: Names, session: JoinedSession | null, now: number): void {
    const { x, y, z } = scale
    this.face.scale.set(Math.max(0.5, 1 - FRAME / x), Math.max(0.5, 1 - FRAME / y), 1)
    this.face.position.z = 0.5 + BEFORE / z
    const isOther = session !== this.#session
    const standing = session === null ? names.session : JSON.stringify(session.standing)
    const wanted = `${standing} ${session?.version} ${x / y}`
    this.#frame ??= now - this.#drawnAt
    const rest = clamp(REST * this.#frame, SHORTEST_REST_MS, LONGEST_REST_MS)
    if (!isOther && (wanted === this.#shown || now - this.#drawnAt < rest)) return
    this.#session = session
    this.#shown = wanted
    this.#drawnAt = now
    this.#frame = null
    this.#fit(x / y)
    this.#draw(names)
  }

  /** Which point of the board is there. */
  pointAt({ x, y }: Vector2): Point {
    return pointIn(this.#area, this.canvas, { x, y: 1 - y })
  }

  dispose(): void {
    this.face.removeFromParent()
    this.face.material.dispose()
    this.#texture.dispose()
    this.canvas.remove()
  }

  #fit(aspect: number): void {
    const { width, height } = pixels(aspect)
    if (this.canvas.width === width && this.canvas.height === height) return
    this.canvas.width = width
    this.canvas.height = height
    this.#texture.dispose() // one of another size has another place on the graphics card
  }

  #draw(names: Names): void {
    const context = this.canvas.getContext('2d')
    if (context === null) return
    const shown = contentsOf(names, this.#session)
    if (shown.kind === 'board') {
      this.#area = areaOf(shown.objects, this.canvas)
      drawBoard(context, shown, this.#area)
    } else drawNotice(context, shown.notice)
    this.canvas.setAttribute('aria-label', `Whiteboard: ${inWords(shown)}`)
    this.#texture.needsUpdate = true
  }
}

/** As many for everybody, whatever the size of the board. */
function pixels(aspect: number): Size {
  const side = (share: number): number =>
    Math.round(clamp(LONGEST_SIDE * share, SHORTEST_SIDE, LONGEST_SIDE))
  return { width: side(aspect), height: side(1 / aspect) }
}
