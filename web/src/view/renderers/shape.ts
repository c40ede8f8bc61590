import type { Shape } from '../../board/objects.ts'
import type { Renderer } from './renderer.ts'

export const shapeRenderer: Renderer<Shape> = {
  className: 'shape',
  describe: ({ kind, text }) => {
    const name = kind === 'ellipse' ? 'Ellipse' : 'Rectangle'
    return text === '' ? name : `${name}: ${text}`
  },
  draw: ({ color, kind }, body) => {
    body.dataset['kind'] = kind
    body.style.setProperty('--color', color)
  }
}
