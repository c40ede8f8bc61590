/** The room itself: floor, walls, light, and the eyes through which it is seen. */

import {
  BackSide,
  BoxGeometry,
  CanvasTexture,
  Color,
  DirectionalLight,
  HemisphereLight,
  type Intersection,
  Mesh,
  MeshLambertMaterial,
  type Object3D,
  PerspectiveCamera,
  PlaneGeometry,
  Raycaster,
  RepeatWrapping,
  Scene,
  SRGBColorSpace,
  Vector2,
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
const TILE_PIXELS = 128

export class Stage {
  readonly scene = new Scene()
  readonly #camera = new PerspectiveCamera(FIELD_OF_VIEW, 1, NEAREST, FARTHEST)
  readonly #renderer: WebGLRenderer
  readonly #ray = new Raycaster()

  /** @throws Error: the browser draws nothing in three dimensions. */
  constructor(canvas: HTMLCanvasElement, dimensions: Dimensions) {
    this.#ray.params.Line.threshold = 0 // edges are no thicker than they look
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

  /** What is first seen at a point of the page; null: nothing. */
  hit(clientX: number, clientY: number): Intersection | null {
    const point = new Vector2((2 * clientX) / innerWidth - 1, 1 - (2 * clientY) / innerHeight)
    this.#ray.setFromCamera(point, this.#camera)
    const hits = this.#ray.intersectObject(this.scene)
    return hits.find(({ object }) => isShown(object)) ?? null
  }

  #build({ width, depth, height }: Dimensions): void {
    const walls = new Mesh(
      new BoxGeometry(width, height, depth),
      new MeshLambertMaterial({ color: '#e7e2d8', side: BackSide })
    )
    walls.position.y = height / 2
    const floor = new Mesh(
      new PlaneGeometry(width, depth).rotateX(-Math.PI / 2),
      new MeshLambertMaterial({ map: tiles(width, depth) })
    )
    floor.position.y = 0.002 // above the box that the walls are
    this.scene.add(walls, floor)
  }

  #light({ width, depth, height }: Dimensions): void {
    const sky = new HemisphereLight('#ffffff', '#d8cbbb', 2.6)
    const lamp = new DirectionalLight('#fff4e0', 1.2)
    lamp.position.set(width / 3, height * 2, depth / 4)
    this.scene.add(sky, lamp)
  }

  #fit(): void {
    this.#camera.aspect = innerWidth / Math.max(1, innerHeight)
    this.#camera.updateProjectionMatrix()
    this.#renderer.setSize(innerWidth, innerHeight)
  }
}

/** A ray also meets what is not drawn. */
function isShown(object: Object3D): boolean {
  return object.visible && (object.parent === null || isShown(object.parent))
}

/** A tile for each metre. */
function tiles(width: number, depth: number): CanvasTexture {
  const canvas = document.createElement('canvas')
  canvas.width = canvas.height = TILE_PIXELS
  const context = canvas.getContext('2d')
  if (context !== null) {
    context.fillStyle = '#8f6f4e'
    context.fillRect(0, 0, TILE_PIXELS, TILE_PIXELS)
    context.fillStyle = '#b08d68'
    context.fillRect(1, 1, TILE_PIXELS - 2, TILE_PIXELS - 2)
  }
  const texture = new CanvasTexture(canvas)
  texture.colorSpace = SRGBColorSpace
  texture.wrapS = texture.wrapT = RepeatWrapping
  texture.repeat.set(width, depth)
  texture.anisotropy = 8
  return texture
}
