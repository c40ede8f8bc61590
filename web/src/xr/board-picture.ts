/** What is to be seen on a whiteboard, drawn and in words. */

import type { BoardObject } from '../board/objects.ts'
import type { Farewell } from '../session/close-codes.ts'
import type { Participant } from '../session/presence.ts'
import { drawCursor, drawHeld, drawObject } from '../view/picture.ts'
import { rendererOf } from '../view/renderers/index.ts'
import type { Area } from './board-area.ts'
import type { JoinedSession } from './joined-session.ts'
import type { Names } from './room-objects.ts'

type Context = CanvasRenderingContext2D

export type Contents =
  | {
      readonly kind: 'board'
      readonly objects: readonly BoardObject[]
      readonly others: readonly Participant[]
      /** What is wrong; empty: nothing. */
      readonly trouble: string
    }
  | { readonly kind: 'notice'; readonly notice: Farewell }

const GROUND = '#fdfdfb'
const INK = '#22252b'
const INK_SOFT = '#667085'
const MOST_TOLD = 50
const MOST_CHARACTERS = 2000

const NO_NAME: Farewell = {
  title: 'This board names no session',
  advice: 'Its properties.session_id is to be the id of one.'
}
const WAITING: Farewell = {
  title: 'Waiting to join',
  advice: 'A page joins four sessions, one after the other.'
}

export function contentsOf(names: Names, session: JoinedSession | null): Contents {
  if (session === null) return noticed(names.session === null ? NO_NAME : WAITING)
  const { board, presence, standing } = session
  if (standing.kind === 'joining') return noticed({ title: 'Joining…', advice: standing.trouble })
  if (standing.kind === 'over') {
    const { title, advice } = standing.farewell
    return noticed({ title, advice: `${advice} Click to try again.` })
  }
  const trouble = standing.kind === 'away' ? standing.trouble || 'Reconnecting…' : ''
  return { kind: 'board', objects: board.all(), others: presence.others, trouble }
}

function noticed(notice: Farewell): Contents {
  return { kind: 'notice', notice }
}

/** The same for those who cannot see it. */
export function inWords(contents: Contents): string {
  if (contents.kind === 'notice') return contents.notice.title
  const { objects } = contents
  if (objects.length === 0) return 'empty'
  const told = objects.slice(0, MOST_TOLD).map((object) => rendererOf(object).describe(object))
  const untold = objects.length - told.length
  const words = told.join('; ').slice(0, MOST_CHARACTERS)
  return untold === 0 ? words : `${words}; and ${untold} more`
}

export function drawBoard(
  context: Context,
  { objects, others, trouble }: Extract<Contents, { kind: 'board' }>,
  { left, top, scale }: Area
): void {
  clear(context)
  context.setTransform(scale, 0, 0, scale, -left * scale, -top * scale)
  for (const object of objects) drawObject(context, object)
  const held = new Map(others.map(({ selected, color }) => [selected, color]))
  for (const object of objects) {
    const color = held.get(object.id)
    if (color !== undefined) drawHeld(context, object, color)
  }
  context.resetTransform()
  for (const other of others) {
    const { cursor } = other
    if (cursor === null) continue
    drawCursor(context, { x: (cursor.x - left) * scale, y: (cursor.y - top) * scale }, other)
  }
  write(context, trouble, '600', 36)
}

export function drawNotice(context: Context, { title, advice }: Farewell): void {
  clear(context)
  const { height } = context.canvas
  write(context, title, '600', 54, height / 2 - 34, INK)
  write(context, advice, '400', 34, height / 2 + 34)
}

function clear(context: Context): void {
  context.resetTransform()
  context.fillStyle = GROUND
  context.fillRect(0, 0, context.canvas.width, context.canvas.height)
}

/** In the middle, and no wider than the picture. */
function write(
  context: Context,
  words: string,
  weight: string,
  size: number,
  at = size,
  ink = INK_SOFT
): void {
  const { width } = context.canvas
  context.font = `${weight} ${size}px system-ui, sans-serif`
  context.fillStyle = ink
  context.textAlign = 'center'
  context.textBaseline = 'middle'
  context.fillText(words, width / 2, at, width * 0.92)
}
