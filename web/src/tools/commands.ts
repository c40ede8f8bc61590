/** What a person can do, however they ask for it: button, key or pointer. Keeps the selection. */

import type { Board } from '../board/board.ts'
import type { ShapeKind } from '../board/objects.ts'
import type { Point } from '../geometry.ts'
import type { Canvas } from '../view/canvas.ts'
import type { TextEditor } from '../view/text-editor.ts'
import type { Viewport } from '../view/viewport.ts'

const CASCADE = 28

export class Commands {
  readonly #board: Board
  readonly #canvas: Canvas
  readonly #viewport: Viewport
  readonly #editor: TextEditor
  readonly #listeners = new Set<() => void>()
  #selected: string | null = null
  #canEdit = true

  constructor(board: Board, canvas: Canvas, viewport: Viewport, editor: TextEditor) {
    this.#board = board
    this.#canvas = canvas
    this.#viewport = viewport
    this.#editor = editor
    board.onChange((changed) => this.#onBoardChange(changed))
  }

  /** Is told when the selection or what may be done changes. */
  onChange(listener: () => void): void {
    this.#listeners.add(listener)
  }

  get selected(): string | null {
    return this.#selected
  }

  get canEdit(): boolean {
    return this.#canEdit
  }

  /** From now on only look. */
  stopEditing(): void {
    this.#canEdit = false
    this.#editor.close()
    this.select(null)
  }

  select(id: string | null): void {
    if (id === this.#selected) return
    this.#selected = id
    this.#tell()
  }

  // Making

  addSticky(at: Point = this.#free()): void {
    if (!this.#canEdit) return
    const id = this.#board.createSticky(at)
    this.select(id)
    this.#editor.open(id)
  }

  addShape(kind: ShapeKind): void {
    if (!this.#canEdit) return
    const id = this.#board.createShape(kind, this.#free())
    this.#editor.close()
    this.select(id)
    this.#canvas.frame(id)?.element.focus({ preventScroll: true })
  }

  // Changing what is selected

  edit(id: string | null = this.#selected): void {
    if (!this.#canEdit || id === null) return
    this.select(id)
    this.#editor.open(id)
  }

  remove(): void {
    this.#withSelected((id) => {
      this.#editor.close()
      this.#board.separate()
      this.#board.remove(id)
      this.#canvas.stage.focus({ preventScroll: true })
    })
  }

  recolor(color: string): void {
    this.#withSelected((id) => this.#board.recolor(id, color))
  }

  raise(): void {
    this.#withSelected((id) => this.#board.raise(id))
  }

  nudge(dx: number, dy: number): void {
    this.#withSelected((id) => {
      const position = this.#board.get(id)?.position
      if (position !== undefined) {
        this.#board.move(id, { x: position.x + dx, y: position.y + dy })
      }
    })
  }

  undo(): void {
    if (this.#canEdit) this.#board.undo()
  }

  redo(): void {
    if (this.#canEdit) this.#board.redo()
  }

  // Looking

  zoom(factor: number): void {
    const { width, height } = this.#canvas.size
    this.#viewport.zoomAt({ x: width / 2, y: height / 2 }, factor)
  }

  fit(): void {
    this.#canvas.fit()
  }

  #withSelected(act: (id: string) => void): void {
    if (this.#canEdit && this.#selected !== null) act(this.#selected)
  }

  #onBoardChange(changed: ReadonlySet<string>): void {
    const id = this.#selected
    if (id === null || !changed.has(id)) return
    if (this.#board.get(id) === null) this.#selected = null
    this.#tell()
  }

  #tell(): void {
    this.#canvas.showSelected(this.#selected)
    for (const listener of this.#listeners) listener()
  }

  /** The middle of what is visible, moved aside until it hides nothing that was put there before. */
  #free(): Point {
    const { x, y } = this.#canvas.middle
    const centres = this.#board.all().map(({ position, size }) => ({
      x: position.x + size.width / 2,
      y: position.y + size.height / 2
    }))
    let aside = 0
    const isTaken = (): boolean =>
      centres.some(
        (centre) => Math.hypot(centre.x - x - aside, centre.y - y - aside) < CASCADE / 2
      )
    while (isTaken()) aside += CASCADE
    return { x: x + aside, y: y + aside }
  }
}
