/** Puts the page of XR rooms together. */

import * as Y from 'yjs'
import { readClaims } from '../session/claims.ts'
import { farewell, type Farewell } from '../session/close-codes.ts'
import { Connection } from '../session/connection.ts'
import { linkFor, readFragment, takeInvitation, type Invitation } from '../session/link.ts'
import { Presence } from '../session/presence.ts'
import { button, byId } from '../view/dom.ts'
import { Notices } from '../view/notices.ts'
import { StatusView } from '../view/status.ts'
import { JoinedSession } from './joined-session.ts'
import { JoinedSessions } from './joined-sessions.ts'
import { fetchRoomInfo, type RoomInfo } from './room-info.ts'
import { Furniture } from './room-objects.ts'
import { Stage } from './stage.ts'
import { Visit } from './visit.ts'

const NO_INVITATION: Farewell = {
  title: 'No room is open',
  advice: 'Open the link that the server printed when it started, or ask somebody for theirs.'
}
const NO_PICTURE: Farewell = {
  title: 'This browser draws nothing in three dimensions',
  advice: 'The page needs WebGL 2. It may be turned off, or missing.'
}

function main(): void {
  const invitation = takeInvitation(location, history, sessionStorage)
  if (invitation === null) new Notices().leave(NO_INVITATION, '')
  else void open(invitation)
  addEventListener('hashchange', () => {
    if (readFragment(location.hash).session !== undefined) location.reload()
  })
}

async function open(invitation: Invitation): Promise<void> {
  const api = new URL('api', location.href).href
  const sockets = api.replace(/^http/, 'ws')
  const room = await fetchRoomInfo(`${api}/xr`, invitation)
  byId('title', HTMLElement).textContent = document.title = room.name
  const doc = new Y.Doc()
  const notices = new Notices()
  const status = new StatusView()
  const connection = new Connection(doc, invitation, `${sockets}/xr/sessions`, {
    onStatus: () => status.show(connection.link, connection.saved, connection.hasUnstored),
    onDenied: (reason) => notices.deny(reason),
    onTrouble: (words) => notices.pass(words),
    onClosed: (code, reason) => {
      visit.end()
      notices.leave(farewell(code), `${reason} (${code})`)
    }
  })
  const stage = stageOf(room, notices)
  if (stage === null) return
  const claims = readClaims(invitation.token)
  const presence = new Presence(connection.awareness, claims)
  const furniture = new Furniture(doc, claims.userId)
  const { token } = invitation
  const joining = { sockets: `${sockets}/ocw/sessions`, token, claims, number: doc.clientID }
  const sessions = new JoinedSessions(
    (id, onDenied) => new JoinedSession(id, joining, onDenied),
    (words) => notices.pass(words)
  )
  const visit = new Visit({ connection, presence, furniture, room, stage, notices, sessions })
  button('copy-link', () => void copyLink(invitation, notices))
  visit.begin()
  connection.connect()
  addEventListener('beforeunload', (event) => {
    if (connection.hasUnstored || sessions.hasUnstored) event.preventDefault()
  })
}

function stageOf(room: RoomInfo, notices: Notices): Stage | null {
  try {
    return new Stage(byId('scene', HTMLCanvasElement), room)
  } catch (error) {
    notices.leave(NO_PICTURE, String(error))
    return null
  }
}

async function copyLink(invitation: Invitation, notices: Notices): Promise<void> {
  const link = linkFor(invitation, location.href)
  try {
    await navigator.clipboard.writeText(link)
    notices.pass('Link copied: open it in another window, or give it to somebody')
  } catch {
    prompt('Copy this link', link) // no clipboard without a secure connection or permission
  }
}

main()
