/**
 * The board as a picture, for where there are no elements: objects as the style sheet of the canvas
 * page shows them, and everybody's cursors.
 */

import type { BoardObject, Shape, Sticky, Unfamiliar } from '../board/objects.ts'
import type { Point } from '../geometry.ts'
import type { Participant } from '../session/presence.ts'
import { fullName } from './participants.ts'
import { wrapped } from './wrapping.ts'

type Context = CanvasRenderingContext2D

const FAMILY = 'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif'
const INK = '#22252b'
const INK_SOFT = '#667085'
const DARK = '#1f2937'
const LINE_HEIGHT = 1.35
const STICKY_TEXT = 17
const SHAPE_TEXT = 15
const NAME_TEXT = 26
const LONGEST_TYPE_NAME = 40

interface TextBox {
  readonly size: number
  readonly across: number
  readonly down: number
  readonly isCentred: boolean
}

/** Draws the object, in units of the board. */
export function drawObject(context: Context, object: BoardObject): void {
  const { position, size, rotation } = object
  context.save()
  context.translate(position.x + size.width / 2, position.y + size.height / 2)
  context.rotate((rotation * Math.PI) / 180)
  context.translate(-size.width / 2, -size.height / 2)
  if (object.type === 'sticky') drawSticky(context, object)
  else if (object.type === 'shape') drawShape(context, object)
  else drawUnfamiliar(context, object)
  context.restore()
}

/** Marks what somebody has selected, in their colour. */
export function drawHeld(context: Context, { position, size }: BoardObject, color: string): void {
  context.beginPath()
  context.roundRect(position.x - 5, position.y - 5, size.width + 10, size.height + 10, 8)
  context.strokeStyle = color
  context.lineWidth = 3
  context.stroke()
}

/** Draws somebody's cursor with their name, in pixels of the picture: as large at every scale. */
export function drawCursor(context: Context, at: Point, participant: Participant): void {
  context.save()
  context.translate(at.x, at.y)
  context.fillStyle = participant.color
  context.strokeStyle = 'white'
  context.lineWidth = 2
  const arrow = new Path2D('M0 0 32 15.4 17.8 20 11.8 34.2Z')
  context.fill(arrow)
  context.stroke(arrow)
  drawName(context, fullName(participant))
  context.restore()
}

function drawName(context: Context, name: string): void {
  context.font = `${NAME_TEXT}px ${FAMILY}`
  context.textAlign = 'left'
  context.textBaseline = 'middle'
  const [left, top, height] = [20, 32, NAME_TEXT * 1.6]
  context.beginPath()
  context.roundRect(left, top, context.measureText(name).width + 28, height, [4, 16, 16, 16])
  context.fill()
  context.fillStyle = 'white'
  context.fillText(name, left + 14, top + height / 2)
}

function drawSticky(context: Context, { size, color, text }: Sticky): void {
  context.beginPath()
  context.roundRect(0, 0, size.width, size.height, [4, 4, 14, 4])
  context.save()
  context.shadowColor = '#0000002e'
  context.shadowBlur = 10
  context.shadowOffsetY = 4
  context.fillStyle = color
  context.fill()
  context.restore()
  drawText(context, size, text, { size: STICKY_TEXT, across: 15, down: 14, isCentred: false })
}

function drawShape(context: Context, { size, color, kind, text }: Shape): void {
  const { width, height } = size
  const isEllipse = kind === 'ellipse'
  context.beginPath()
  if (isEllipse) {
    context.ellipse(width / 2, height / 2, width / 2 - 1, height / 2 - 1, 0, 0, 2 * Math.PI)
  } else context.roundRect(1, 1, width - 2, height - 2, 10)
  context.fillStyle = mixed(color, '#ffffff', 0.78)
  context.fill()
  context.strokeStyle = mixed(color, DARK, 0.62)
  context.lineWidth = 2
  context.stroke()
  // Percentages of a padding are of the width, also above and below.
  const [across, down] = isEllipse ? [width * 0.15, width * 0.12] : [14, 10]
  drawText(context, size, text, { size: SHAPE_TEXT, across, down, isCentred: true })
}

function drawUnfamiliar(context: Context, { size, typeName }: Unfamiliar): void {
  context.save()
  context.beginPath()
  context.roundRect(1, 1, size.width - 2, size.height - 2, 6)
  context.strokeStyle = INK_SOFT
  context.lineWidth = 2
  context.setLineDash([6, 5])
  context.stroke()
  context.restore()
  const box = { size: SHAPE_TEXT, across: 8, down: 8, isCentred: true }
  drawText(context, size, typeName.slice(0, LONGEST_TYPE_NAME), box, INK_SOFT)
}

function drawText(
  context: Context,
  { width, height }: BoardObject['size'],
  text: string,
  box: TextBox,
  ink = INK
): void {
  const inside = Math.max(1, width - 2 * box.across)
  context.save()
  context.beginPath()
  context.rect(box.across, box.down, inside, height - 2 * box.down)
  context.clip()
  context.font = `${box.size}px ${FAMILY}`
  context.fillStyle = ink
  context.textBaseline = 'middle'
  context.textAlign = box.isCentred ? 'center' : 'left'
  const line = box.size * LINE_HEIGHT
  const measure = (words: string): number => context.measureText(words).width
  const lines = wrapped(text, inside, Math.ceil(height / line), measure)
  const above = box.isCentred ? (height - lines.length * line) / 2 : box.down
  const left = box.isCentred ? width / 2 : box.across
  for (const [n, words] of lines.entries()) context.fillText(words, left, above + (n + 0.5) * line)
  context.restore()
}

/** Two colours (`#rrggbb`) mixed, `share` of the first. */
function mixed(color: string, other: string, share: number): string {
  const channels = [1, 3, 5].map((at) => {
    const [one, two] = [color, other].map((hex) => Number.parseInt(hex.slice(at, at + 2), 16))
    return Math.round((one as number) * share + (two as number) * (1 - share))
  })
  return `rgb(${channels.join(' ')})`
}
