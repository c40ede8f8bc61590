import type { Unfamiliar } from '../../board/objects.ts'
import type { Renderer } from './renderer.ts'

/** Its type is shown, so that nobody takes the place for empty. */
export const unfamiliarRenderer: Renderer<Unfamiliar> = {
  className: 'unfamiliar',
  describe: ({ typeName }) => `Object of type ${typeName}`,
  draw: ({ typeName }, body) => {
    body.dataset['type'] = typeName.slice(0, 40)
  }
}
