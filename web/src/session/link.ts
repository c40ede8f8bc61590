/**
 * The link to a session: `#session=<uuid>&token=<jwt>`.
 *
 * The token is in the fragment, which browsers send to no server; once read it leaves the address
 * bar (history, screenshots) and stays in this tab's session storage, so that a reload works.
 */

export interface Invitation {
  readonly session: string
  readonly token: string
}

/** What a fragment holds, with or without its `#`. */
export function readFragment(fragment: string): Partial<Invitation> {
  const fields = new URLSearchParams(fragment.replace(/^#/, ''))
  const session = fields.get('session')
  const token = fields.get('token')
  return { ...(session ? { session } : {}), ...(token ? { token } : {}) }
}

/** The link for somebody else: whoever has it comes in as the token's user. */
export function linkFor(invitation: Invitation, page: string): string {
  const url = new URL(page)
  url.hash = new URLSearchParams({ ...invitation }).toString()
  return url.href
}

/** The invitation of the address bar, completed from what this tab kept; null without one. */
export function takeInvitation(
  location: Location,
  history: History,
  storage: Storage
): Invitation | null {
  const { session, token } = readFragment(location.hash)
  if (session === undefined) return null
  if (token !== undefined) {
    storage.setItem(storageKey(session), token)
    history.replaceState(null, '', `#${new URLSearchParams({ session }).toString()}`)
  }
  const kept = token ?? storage.getItem(storageKey(session))
  return kept === null ? null : { session, token: kept }
}

function storageKey(session: string): string {
  return `collab.token.${session}`
}
