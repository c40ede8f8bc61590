/** Keys: everything that can be done without a pointer. */

import type { Canvas } from '../view/canvas.ts'
import type { TextEditor } from '../view/text-editor.ts'
import type { Commands } from './commands.ts'

const STEP = 8
const FINE_STEP = 1

type Act = (commands: Commands, event: KeyboardEvent) => void

const WITH_CONTROL: Readonly<Record<string, Act>> = {
  z: (commands, { shiftKey }) => (shiftKey ? commands.redo() : commands.undo()),
  y: (commands) => commands.redo()
}

const PLAIN: Readonly<Record<string, Act>> = {
  Delete: (commands) => commands.remove(),
  Backspace: (commands) => commands.remove(),
  Enter: (commands) => commands.edit(),
  F2: (commands) => commands.edit(),
  Escape: (commands) => commands.select(null),
  ArrowLeft: (commands, event) => commands.nudge(-step(event), 0),
  ArrowRight: (commands, event) => commands.nudge(step(event), 0),
  ArrowUp: (commands, event) => commands.nudge(0, -step(event)),
  ArrowDown: (commands, event) => commands.nudge(0, step(event)),
  n: (commands) => commands.addSticky(),
  r: (commands) => commands.addShape('rectangle'),
  e: (commands) => commands.addShape('ellipse'),
  ']': (commands) => commands.raise(),
  '+': (commands) => commands.zoom(1.25),
  '-': (commands) => commands.zoom(1 / 1.25),
  '0': (commands) => commands.fit()
}

export function listenToKeys(commands: Commands, canvas: Canvas, editor: TextEditor): void {
  document.addEventListener('keydown', (event) => {
    if (event.isComposing || event.altKey) return
    const act = actOf(event, editor, canvas)
    if (act === null) return
    event.preventDefault()
    act(commands, event)
  })
  // Whoever walks through the objects by Tab selects them on the way.
  canvas.stage.addEventListener('focusin', ({ target }) => {
    const id = canvas.idAt(target)
    if (id !== null) commands.select(id)
  })
}

function actOf(event: KeyboardEvent, editor: TextEditor, canvas: Canvas): Act | null {
  if (event.ctrlKey || event.metaKey) return WITH_CONTROL[event.key.toLowerCase()] ?? null
  if (editor.isIn(event.target)) {
    return event.key === 'Escape' ? () => editor.close({ isKeyboard: true }) : null
  }
  // On a button, Enter and the arrows belong to the button.
  const isOnBoard = event.target === document.body || canvas.stage.contains(event.target as Node)
  return isOnBoard ? (PLAIN[event.key] ?? null) : null
}

function step({ shiftKey }: KeyboardEvent): number {
  return shiftKey ? FINE_STEP : STEP
}
