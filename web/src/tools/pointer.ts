/** Mouse, pen and finger: select, drag, resize, look around, create. */

import type { Board } from '../board/board.ts'
import { LARGEST, SMALLEST } from '../board/objects.ts'
import { clamp, type Point, type Size } from '../geometry.ts'
import type { Presence } from '../session/presence.ts'
import { throttle } from '../throttle.ts'
import type { Canvas } from '../view/canvas.ts'
import type { TextEditor } from '../view/text-editor.ts'
import type { Viewport } from '../view/viewport.ts'
import type { Commands } from './commands.ts'

/** Milliseconds between two positions that a drag writes into the document. */
const WRITE_INTERVAL = 33
/** Pixels that a pointer may tremble before a press becomes a drag. */
const TREMBLE = 3

type Gesture =
  | { readonly kind: 'none' }
  | { readonly kind: 'look'; last: Point }
  | { readonly kind: 'press'; readonly id: string; readonly from: Point }
  | { readonly kind: 'move'; readonly id: string; readonly grip: Point }
  | { readonly kind: 'resize'; readonly id: string; readonly from: Point; readonly size: Size }

const NONE: Gesture = { kind: 'none' }

export interface PointerNeeds {
  readonly board: Board
  readonly canvas: Canvas
  readonly viewport: Viewport
  readonly editor: TextEditor
  readonly commands: Commands
  readonly presence: Presence
}

export class PointerTool {
  readonly #needs: PointerNeeds
  #gesture: Gesture = NONE
  readonly #write = throttle<() => void>(WRITE_INTERVAL, (write) => write())

  constructor(needs: PointerNeeds) {
    this.#needs = needs
    const { stage } = needs.canvas
    stage.addEventListener('pointerdown', (event) => this.#onDown(event))
    stage.addEventListener('pointermove', (event) => this.#onMove(event))
    stage.addEventListener('pointerup', () => this.#finish())
    stage.addEventListener('pointercancel', () => this.#finish())
    stage.addEventListener('lostpointercapture', () => this.#finish())
    stage.addEventListener('pointerleave', () => needs.presence.moveCursor(null))
    stage.addEventListener('dblclick', (event) => this.#onDoubleClick(event))
    stage.addEventListener('wheel', (event) => this.#onWheel(event), { passive: false })
  }

  #onDown(event: PointerEvent): void {
    const { canvas, commands, editor } = this.#needs
    if (editor.isIn(event.target) || event.button > 1) return
    const at = canvas.screenPoint(event)
    const id = event.button === 0 ? canvas.idAt(event.target) : null
    this.#finish()
    if (id === null) {
      event.preventDefault() // the middle button would start to scroll
      editor.close()
      commands.select(null)
      canvas.stage.focus({ preventScroll: true })
      this.#gesture = { kind: 'look', last: at }
    } else {
      commands.select(id)
      this.#gesture = this.#grasp(id, at, canvas.isHandle(event.target))
    }
    canvas.stage.setPointerCapture(event.pointerId)
  }

  #grasp(id: string, at: Point, isHandle: boolean): Gesture {
    const { board, commands } = this.#needs
    const object = board.get(id)
    if (object === null || object.isLocked || !commands.canEdit) return NONE
    if (!isHandle) return { kind: 'press', id, from: at }
    board.beginGesture()
    return { kind: 'resize', id, from: at, size: object.size }
  }

  #onMove(event: PointerEvent): void {
    const { canvas, presence, viewport } = this.#needs
    const at = canvas.screenPoint(event)
    presence.moveCursor(viewport.toBoard(at))
    if (this.#gesture.kind === 'press') this.#startMove(this.#gesture, at)
    if (this.#gesture.kind === 'move') this.#move(this.#gesture, at)
    if (this.#gesture.kind === 'resize') this.#resize(this.#gesture, at)
    if (this.#gesture.kind === 'look') {
      viewport.panBy(at.x - this.#gesture.last.x, at.y - this.#gesture.last.y)
      this.#gesture.last = at
    }
  }

  #startMove({ id, from }: { id: string; from: Point }, at: Point): void {
    if (Math.hypot(at.x - from.x, at.y - from.y) < TREMBLE) return
    const { board, editor, viewport } = this.#needs
    const object = board.get(id)
    if (object === null) return
    editor.close()
    const start = viewport.toBoard(from)
    const grip = { x: start.x - object.position.x, y: start.y - object.position.y }
    board.beginGesture()
    this.#gesture = { kind: 'move', id, grip }
  }

  /** The screen follows at once; the document is written as often as others can make use of it. */
  #move({ id, grip }: { id: string; grip: Point }, screen: Point): void {
    const { board, canvas, viewport } = this.#needs
    const at = viewport.toBoard(screen)
    const position = { x: at.x - grip.x, y: at.y - grip.y }
    canvas.frame(id)?.place(position)
    this.#write(() => board.move(id, position))
  }

  #resize({ id, from, size }: { id: string; from: Point; size: Size }, at: Point): void {
    const { board, canvas, viewport } = this.#needs
    const wanted = {
      width: clamp(size.width + (at.x - from.x) / viewport.scale, SMALLEST, LARGEST),
      height: clamp(size.height + (at.y - from.y) / viewport.scale, SMALLEST, LARGEST)
    }
    canvas.frame(id)?.resize(wanted)
    this.#write(() => board.resize(id, wanted))
  }

  #finish(): void {
    const { kind } = this.#gesture
    this.#gesture = NONE
    if (kind !== 'move' && kind !== 'resize') return
    this.#write.flush()
    this.#needs.board.endGesture()
  }

  #onDoubleClick(event: MouseEvent): void {
    const { canvas, commands, editor, viewport } = this.#needs
    if (editor.isIn(event.target)) return
    const id = canvas.idAt(document.elementFromPoint(event.clientX, event.clientY))
    if (id === null) commands.addSticky(viewport.toBoard(canvas.screenPoint(event)))
    else commands.edit(id)
  }

  #onWheel(event: WheelEvent): void {
    const { canvas, viewport } = this.#needs
    event.preventDefault()
    if (event.ctrlKey || event.metaKey) {
      viewport.zoomAt(canvas.screenPoint(event), Math.exp(-event.deltaY / 300))
    } else if (event.shiftKey && event.deltaX === 0) {
      viewport.panBy(-event.deltaY, 0)
    } else {
      viewport.panBy(-event.deltaX, -event.deltaY)
    }
  }
}
