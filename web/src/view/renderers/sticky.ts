import type { Sticky } from '../../board/objects.ts'
import type { Renderer } from './renderer.ts'

export const stickyRenderer: Renderer<Sticky> = {
  className: 'sticky',
  describe: ({ text }) => (text === '' ? 'Empty note' : `Note: ${text}`),
  draw: ({ color }, body) => {
    body.style.backgroundColor = color
  }
}
