/** What the server means when it closes the connection, in words. */

export interface Farewell {
  readonly title: string
  readonly advice: string
}

const FAREWELLS: Readonly<Record<number, Farewell>> = {
  4400: {
    title: 'The server did not understand this page',
    advice: 'Reload the page. If it happens again, page and server are of different versions.'
  },
  4401: {
    title: 'Your link is not valid any more',
    advice: 'Its token is missing, has expired or was revoked. Ask for a new link.'
  },
  4403: {
    title: 'You have no access to this session',
    advice: 'Ask its host to let you in.'
  },
  4404: {
    title: 'There is no such session',
    advice: 'It may have been deleted, or the link is incomplete.'
  },
  4410: {
    title: 'This session has ended',
    advice: 'What was drawn is kept, but nobody can edit it any more.'
  }
}

const UNKNOWN: Farewell = {
  title: 'The server closed the connection',
  advice: 'Reload the page to try again.'
}

/** For a close code after which nobody comes back (4400 to 4499). */
export function farewell(code: number): Farewell {
  return FAREWELLS[code] ?? UNKNOWN
}

const PASSING: Readonly<Record<number, string>> = {
  1009: 'That was too large for the server',
  1012: 'The server restarts; reconnecting',
  4501: 'Your token has expired; ask for a new link',
  4503: 'The server is busy; trying again'
}

/** For a close code after which the page reconnects; null where there is nothing to say. */
export function passingTrouble(code: number): string | null {
  return PASSING[code] ?? null
}
