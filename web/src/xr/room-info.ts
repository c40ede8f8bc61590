/** What REST knows of the room beside its document: its name, and how large it is. */

import { clamp } from '../geometry.ts'
import type { Invitation } from '../session/link.ts'

/** In metres. */
export interface Dimensions {
  readonly width: number
  readonly depth: number
  readonly height: number
}

export interface RoomInfo extends Dimensions {
  readonly name: string
}

const USUAL: RoomInfo = { name: 'Room', width: 12, depth: 9, height: 3.5 }
const LEAST = 2
const MOST = 500
const PATIENCE_MS = 5000

/** A room of the usual size when the server does not answer: the socket tells what is wrong. */
export async function fetchRoomInfo(api: string, invitation: Invitation): Promise<RoomInfo> {
  const headers = { Authorization: `Bearer ${invitation.token}` }
  try {
    const session = await fetchData(`${api}/sessions/${encodeURIComponent(invitation.session)}`, headers)
    return readRoom(await fetchData(`${api}/rooms/${String(field(session, 'room_id'))}`, headers))
  } catch {
    return USUAL
  }
}

async function fetchData(url: string, headers: Record<string, string>): Promise<unknown> {
  const response = await fetch(url, { headers, signal: AbortSignal.timeout(PATIENCE_MS) })
  return field(await response.json(), 'data')
}

/** Dimensions are free JSON: whatever is no length is as usual. */
export function readRoom(data: unknown): RoomInfo {
  const [name, dimensions] = [field(data, 'name'), field(data, 'dimensions')]
  const length = (side: 'width' | 'depth' | 'height'): number => {
    const value = field(dimensions, side)
    return typeof value === 'number' && value > 0 ? clamp(value, LEAST, MOST) : USUAL[side]
  }
  return {
    name: typeof name === 'string' && name !== '' ? name : USUAL.name,
    width: length('width'),
    depth: length('depth'),
    height: length('height')
  }
}

function field(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined
}
