/** The room itself: floor, walls, light, and the eyes through which it is seen. */

import {
  BackSide,
  BoxGeometry,
  Color,
  DirectionalLight,
  GridHelper,
  HemisphereLight,
  Mesh,
  MeshLambertMaterial,
  PerspectiveCamera,
  PlaneGeometry,
  Scene,
  WebGLRenderer
} from 'three'
import type { Placed } from '../../client/pose-codec.ts'
import { put } from './placing.ts'
import type { Dimensions } from './room-info.ts'

const FIELD_OF_VIEW = 70
const NEAREST = 0.05
const FARTHEST = 1500
/** More than this costs more than it shows. */
const MOST_PIXELS = 2

export class Stage {
  readonly scene = new Scene()
  readonly #camera = new PerspectiveCamera(FIELD_OF_VIEW, 1, NEAREST, FARTHEST)
  readonly #renderer: WebGLRenderer

  /** @throws Error: the browser draws nothing in three dimensions. */
  constructor(canvas: HTMLCanvasElement, dimensions: Dimensions) {
    this.#renderer = new WebGLRenderer({ canvas, antialias: true })
    this.#renderer.setPixelRatio(Math.min(devicePixelRatio, MOST_PIXELS))
    this.scene.background = new Color('#d9dee8')
    this.#build(dimensions)
    this.#light(dimensions)
    addEventListener('resize', () => this.#fit())
    this.#fit()
  }

  /** Draws what there is to see from there. */
  draw(head: Placed): void {
    put(this.#camera, head)
    this.#renderer.render(this.scene, this.#camera)
  }

  #build({ width, depth, height }: Dimensions): void {
    const walls = new Mesh(
      new BoxGeometry(width, height, depth),
      new MeshLambertMaterial({ color: '#e7e2d8', side: BackSide })
    )
    walls.position.y = height / 2
    const floor = new Mesh(
      new PlaneGeometry(width, depth).rotateX(-Math.PI / 2),
      new MeshLambertMaterial({ color: '#b08d68' })
    )
    floor.position.y = 0.002
    // A square for each metre, cut to the room: a grid is always as deep as it is wide.
    const size = Math.ceil(Math.max(width, depth))
    const grid = new GridHelper(size, size, '#8a6a48', '#9b7a57')
    grid.scale.set(width / size, 1, depth / size)
    grid.position.y = 0.006
    this.scene.add(walls, floor, grid)
  }

  #light({ width, depth, height }: Dimensions): void {
    const sky = new HemisphereLight('#ffffff', '#8d7b68', 1.9)
    const lamp = new DirectionalLight('#fff4e0', 1.6)
    lamp.position.set(width / 3, height * 2, depth / 4)
    this.scene.add(sky, lamp)
  }

  #fit(): void {
    this.#camera.aspect = innerWidth / Math.max(1, innerHeight)
    this.#camera.updateProjectionMatrix()
    this.#renderer.setSize(innerWidth, innerHeight)
  }
}
