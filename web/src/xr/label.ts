/** A name above a head: a picture of it that always faces whoever looks. */

import { CanvasTexture, LinearFilter, Sprite, SpriteMaterial, SRGBColorSpace } from 'three'

const FONT = '600 44px system-ui, sans-serif'
const HEIGHT = 72
const PADDING = 28
const METRES_PER_PIXEL = 0.0028

export class Label {
  readonly sprite: Sprite
  readonly #texture: CanvasTexture

  constructor(name: string, color: string) {
    const canvas = drawn(name, color)
    this.#texture = new CanvasTexture(canvas)
    this.#texture.colorSpace = SRGBColorSpace
    this.#texture.minFilter = LinearFilter
    this.#texture.generateMipmaps = false
    this.sprite = new Sprite(new SpriteMaterial({ map: this.#texture, depthWrite: false }))
    this.sprite.scale.set(canvas.width * METRES_PER_PIXEL, canvas.height * METRES_PER_PIXEL, 1)
  }

  fade(opacity: number): void {
    this.sprite.material.opacity = opacity
  }

  dispose(): void {
    this.#texture.dispose()
    this.sprite.material.dispose()
  }
}

function drawn(name: string, color: string): HTMLCanvasElement {
  const canvas = document.createElement('canvas')
  const context = canvas.getContext('2d')
  if (context === null) return canvas
  context.font = FONT
  canvas.width = Math.ceil(context.measureText(name).width) + 2 * PADDING
  canvas.height = HEIGHT
  context.fillStyle = color
  context.roundRect(0, 0, canvas.width, canvas.height, HEIGHT / 2)
  context.fill()
  context.font = FONT // a new size forgets it
  context.fillStyle = 'white'
  context.textBaseline = 'middle'
  context.fillText(name, PADDING, HEIGHT / 2 + 2)
  return canvas
}
