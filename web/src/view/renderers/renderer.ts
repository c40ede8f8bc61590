/** How one type of object is drawn. Place, size, order and selection are the canvas's business. */

import type { BoardObject } from '../../board/objects.ts'

export interface Renderer<O extends BoardObject> {
  /** Class of the element, for the style sheet. */
  readonly className: string
  /** What a screen reader calls it. */
  describe(object: O): string
  /** Make `body` show the object, whatever it showed before. */
  draw(object: O, body: HTMLElement): void
}
