/** What a token says of its owner, for showing only: the server decides by its own reading. */

export interface Claims {
  readonly userId: string
  readonly name: string
}

/** Reads a JWT without checking it; what cannot be read is a nameless guest. */
export function readClaims(token: string): Claims {
  const payload = decodePayload(token)
  const userId = typeof payload['sub'] === 'string' ? payload['sub'] : ''
  const name = typeof payload['name'] === 'string' ? payload['name'].trim() : ''
  return { userId, name: name === '' ? `Guest ${userId.slice(0, 4)}`.trim() : name }
}

function decodePayload(token: string): Record<string, unknown> {
  try {
    const part = (token.split('.')[1] ?? '').replaceAll('-', '+').replaceAll('_', '/')
    const bytes = Uint8Array.from(atob(part), (character) => character.charCodeAt(0))
    const payload: unknown = JSON.parse(new TextDecoder().decode(bytes))
    return typeof payload === 'object' && payload !== null ? { ...payload } : {}
  } catch {
    return {} // a token that cannot be read is refused by the server, with a reason
  }
}
