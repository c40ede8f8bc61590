/** Puts the page together. */

import * as Y from 'yjs'
import { Board } from './board/board.ts'
import { readClaims } from './session/claims.ts'
import { farewell, type Farewell } from './session/close-codes.ts'
import { Connection } from './session/connection.ts'
import { linkFor, readFragment, takeInvitation, type Invitation } from './session/link.ts'
import { Presence } from './session/presence.ts'
import { fetchTitle } from './session/session-info.ts'
import { Commands } from './tools/commands.ts'
import { listenToKeys } from './tools/keyboard.ts'
import { PointerTool } from './tools/pointer.ts'
import { Canvas } from './view/canvas.ts'
import { Cursors } from './view/cursors.ts'
import { button, byId } from './view/dom.ts'
import { Notices } from './view/notices.ts'
import { fullName, ParticipantList } from './view/participants.ts'
import { StatusView } from './view/status.ts'
import { TextEditor } from './view/text-editor.ts'
import { Toolbar } from './view/toolbar.ts'
import { Viewport } from './view/viewport.ts'

const NO_INVITATION: Farewell = {
  title: 'No session is open',
  advice: 'Open the link that the server printed when it started, or ask somebody for theirs.'
}

function main(): void {
  const invitation = takeInvitation(location, history, sessionStorage)
  if (invitation === null) new Notices().leave(NO_INVITATION, '')
  else open(invitation)
  // A link pasted into the address bar of an open page changes the fragment only.
  addEventListener('hashchange', () => {
    if (readFragment(location.hash).session !== undefined) location.reload()
  })
}

function open(invitation: Invitation): void {
  const sessions = new URL('api/ocw/sessions', location.href)
  const claims = readClaims(invitation.token)
  const doc = new Y.Doc()
  const notices = new Notices()
  const status = new StatusView()
  const connection = new Connection(doc, invitation, socketAddress(sessions), {
    onStatus: () => status.show(connection.link, connection.saved, connection.hasUnstored),
    onDenied: (reason) => notices.deny(reason),
    onTrouble: (words) => notices.pass(words),
    onClosed: (code, reason) => {
      commands.stopEditing()
      notices.leave(farewell(code), `${reason} (${code})`)
    }
  })
  const presence = new Presence(connection.awareness, claims)
  const board = new Board(doc, claims.userId)
  const viewport = new Viewport()
  const canvas = new Canvas(board, viewport)
  const editor = new TextEditor(board, canvas)
  const commands = new Commands(board, canvas, viewport, editor)

  new Toolbar(commands, board, viewport)
  new PointerTool({ board, canvas, viewport, editor, commands, presence })
  listenToKeys(commands, canvas, editor)
  commands.onChange(() => presence.select(commands.selected))
  showPresence(presence, canvas, board, viewport)
  button('copy-link', () => void copyLink(invitation, notices))
  canvas.fit()
  connection.onceSynced(() => canvas.fit())
  connection.connect()
  void fetchTitle(sessions.href, invitation).then(showTitle)
  addEventListener('beforeunload', (event) => {
    if (connection.hasUnstored) event.preventDefault()
  })
}

function showPresence(
  presence: Presence,
  canvas: Canvas,
  board: Board,
  viewport: Viewport
): void {
  const list = new ParticipantList()
  const cursors = new Cursors(viewport)
  const showHeld = (): void => {
    const held = new Map<string, { name: string; color: string }>()
    for (const other of presence.others) {
      if (other.selected !== null) {
        held.set(other.selected, { name: fullName(other), color: other.color })
      }
    }
    canvas.showHeld(held)
  }
  const show = (): void => {
    list.show(presence.participants)
    cursors.glide()
    cursors.show(presence.others)
    showHeld()
  }
  presence.onChange(show)
  board.onChange(showHeld) // somebody may hold what only now appears
  show()
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

function socketAddress(sessions: URL): string {
  const url = new URL(sessions)
  url.protocol = url.protocol.replace('http', 'ws')
  url.hash = ''
  return url.href
}

function showTitle(title: string): void {
  byId('title', HTMLElement).textContent = title
  document.title = title
}

main()
