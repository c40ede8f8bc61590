/** One renderer per type of object; a type without one does not compile. */

import type { BoardObject } from '../../board/objects.ts'
import type { Renderer } from './renderer.ts'
import { shapeRenderer } from './shape.ts'
import { stickyRenderer } from './sticky.ts'
import { unfamiliarRenderer } from './unfamiliar.ts'

type Renderers = { readonly [T in BoardObject['type']]: Renderer<Extract<BoardObject, { type: T }>> }

const RENDERERS: Renderers = {
  sticky: stickyRenderer,
  shape: shapeRenderer,
  unfamiliar: unfamiliarRenderer
}

export function rendererOf<O extends BoardObject>(object: O): Renderer<O> {
  return RENDERERS[object.type] as unknown as Renderer<O> // the key and the type agree, see Renderers
}
