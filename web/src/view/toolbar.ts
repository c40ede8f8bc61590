/** The buttons. What they do is said elsewhere; what they show is said here. */

import type { Commands } from '../tools/commands.ts'
import type { Board } from '../board/board.ts'
import { PALETTE } from '../board/objects.ts'
import { button, byId, make } from './dom.ts'
import type { Viewport } from './viewport.ts'

export class Toolbar {
  readonly #commands: Commands
  readonly #board: Board
  readonly #viewport: Viewport
  readonly #undo: HTMLButtonElement
  readonly #redo: HTMLButtonElement
  readonly #ofSelection: readonly HTMLButtonElement[]
  readonly #adding: readonly HTMLButtonElement[]
  readonly #zoom: HTMLButtonElement

  constructor(commands: Commands, board: Board, viewport: Viewport) {
    this.#commands = commands
    this.#board = board
    this.#viewport = viewport
    this.#adding = [
      button('add-sticky', () => commands.addSticky()),
      button('add-rectangle', () => commands.addShape('rectangle')),
      button('add-ellipse', () => commands.addShape('ellipse'))
    ]
    this.#undo = button('undo', () => commands.undo())
    this.#redo = button('redo', () => commands.redo())
    this.#ofSelection = [
      button('raise', () => commands.raise()),
      button('delete', () => commands.remove()),
      ...this.#swatches()
    ]
    button('zoom-out', () => commands.zoom(1 / 1.25))
    button('zoom-in', () => commands.zoom(1.25))
    this.#zoom = button('zoom-fit', () => commands.fit())
    viewport.onChange(() => this.#showZoom())
    board.onUndoChange(() => this.show())
    commands.onChange(() => this.show())
    // A button takes no focus from the text that is being typed, nor from what is selected.
    byId('toolbar', HTMLElement).addEventListener('pointerdown', (event) => event.preventDefault())
    this.show()
  }

  show(): void {
    const { canEdit, selected } = this.#commands
    for (const add of this.#adding) add.disabled = !canEdit
    this.#undo.disabled = !canEdit || !this.#board.canUndo
    this.#redo.disabled = !canEdit || !this.#board.canRedo
    const object = selected === null ? null : this.#board.get(selected)
    const isFixed = !canEdit || object === null || object.isLocked
    for (const one of this.#ofSelection) {
      one.disabled = isFixed
      if (one.dataset['color'] !== undefined) {
        one.setAttribute('aria-pressed', String(one.dataset['color'] === object?.color))
      }
    }
  }

  #swatches(): HTMLButtonElement[] {
    const palette = byId('palette', HTMLElement)
    return PALETTE.map(({ name, value }) => {
      const swatch = make('button', 'swatch')
      swatch.type = 'button'
      swatch.title = name
      swatch.setAttribute('aria-label', name)
      swatch.dataset['color'] = value
      swatch.style.setProperty('--color', value)
      swatch.addEventListener('click', () => this.#commands.recolor(value))
      palette.append(swatch)
      return swatch
    })
  }

  #showZoom(): void {
    this.#zoom.textContent = `${Math.round(this.#viewport.scale * 100)}%`
  }
}
