/** What REST knows of the session beside its document. */

import type { Invitation } from './link.ts'

/** A title to show; a plain one when the server does not answer. */
export async function fetchTitle(api: string, invitation: Invitation): Promise<string> {
  const short = invitation.session.slice(0, 8)
  try {
    const response = await fetch(`${api}/${encodeURIComponent(invitation.session)}`, {
      headers: { Authorization: `Bearer ${invitation.token}` }
    })
    const answer: unknown = await response.json()
    return titleOf(answer) ?? `Board ${short}`
  } catch {
    return `Board ${short}` // the socket tells what is wrong, and in better words
  }
}

function titleOf(answer: unknown): string | null {
  const data = field(answer, 'data')
  const title = field(field(data, 'config'), 'title')
  if (typeof title === 'string' && title.trim() !== '') return title
  const type = field(data, 'session_type')
  return typeof type === 'string' ? type.charAt(0).toUpperCase() + type.slice(1) : null
}

function field(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined
}
