/** Puts the page of XR rooms together. */

import * as Y from 'yjs'
import { attachPoseLane } from '../../client/provider-lane.ts'
import { readClaims } from '../session/claims.ts'
import { farewell, type Farewell } from '../session/close-codes.ts'
import { Connection } from '../session/connection.ts'
import { linkFor, readFragment, takeInvitation, type Invitation } from '../session/link.ts'
import { colorOr } from '../session/persona.ts'
import { Presence } from '../session/presence.ts'
import { button, byId } from '../view/dom.ts'
import { Notices } from '../view/notices.ts'
import { fullName, ParticipantList } from '../view/participants.ts'
import { StatusView } from '../view/status.ts'
import { Avatars, type Look } from './avatars.ts'
import { Boxes } from './boxes.ts'
import { Hand } from './hand.ts'
import { SeenInPresence } from './onlookers.ts'
import { Plan } from './plan.ts'
import { fetchRoomInfo, type RoomInfo } from './room-info.ts'
import { Furniture } from './room-objects.ts'
import { Stage } from './stage.ts'
import { Steering } from './steering.ts'
import { Walker } from './walker.ts'

const NO_INVITATION: Farewell = {
  title: 'No room is open',
  advice: 'Open the link that the server printed when it started, or ask somebody for theirs.'
}
const NO_PICTURE: Farewell = {
  title: 'This browser draws nothing in three dimensions',
  advice: 'The page needs WebGL 2. It may be turned off, or missing.'
}
/** Spectators have no avatar: their hello is refused. They look on. */
const REFUSED = 4400
/** A page that was hidden does not make one jump. */
const LONGEST_STEP_MS = 100
/** Far enough to be seen, near enough to be reached. */
const BOX_AHEAD = 1.5
const BOX_HEIGHT = 1

function main(): void {
  const invitation = takeInvitation(location, history, sessionStorage)
  if (invitation === null) new Notices().leave(NO_INVITATION, '')
  else void open(invitation)
  addEventListener('hashchange', () => {
    if (readFragment(location.hash).session !== undefined) location.reload()
  })
}

async function open(invitation: Invitation): Promise<void> {
  const api = new URL('api/xr', location.href).href
  const room = await fetchRoomInfo(api, invitation)
  byId('title', HTMLElement).textContent = document.title = room.name
  const doc = new Y.Doc()
  const notices = new Notices()
  const status = new StatusView()
  const connection = new Connection(doc, invitation, `${api.replace(/^http/, 'ws')}/sessions`, {
    onStatus: () => status.show(connection.link, connection.saved, connection.hasUnstored),
    onDenied: (reason) => notices.deny(reason),
    onTrouble: (words) => notices.pass(words),
    onClosed: (code, reason) => {
      if (code === REFUSED && lookOn()) notices.pass(`You are looking on: ${reason}`)
      else notices.leave(farewell(code), `${reason} (${code})`)
    }
  })
  const stage = stageOf(room, notices)
  if (stage === null) return
  const claims = readClaims(invitation.token)
  const presence = new Presence(connection.awareness, claims)
  const lookOn = play(connection, presence, new Furniture(doc, claims.userId), room, stage, notices)
  button('copy-link', () => void copyLink(invitation, notices))
  connection.connect()
}

function stageOf(room: RoomInfo, notices: Notices): Stage | null {
  try {
    return new Stage(byId('scene', HTMLCanvasElement), room)
  } catch (error) {
    notices.leave(NO_PICTURE, String(error))
    return null
  }
}

/**
 * Walks, shows and draws, once for each picture. Returns what comes back without a place on the
 * pose lane; that says whether there was one.
 */
function play(
  connection: Connection,
  presence: Presence,
  furniture: Furniture,
  room: RoomInfo,
  stage: Stage,
  notices: Notices
): () => boolean {
  const { lane, detach } = attachPoseLane(connection.provider, 'desktop')
  let seen: SeenInPresence | null = null
  const walker = new Walker(room, connection.awareness.clientID)
  const hand = new Hand(lane, furniture, (words) => notices.pass(words))
  const steering = steeringOf(walker, hand, furniture, presence)
  const lookOf = looks(presence)
  const avatars = new Avatars(stage.scene, lookOf)
  const boxes = new Boxes(furniture, lane, stage.scene)
  const plan = new Plan(room, lane, furniture, lookOf)
  let before = performance.now()
  const picture = (): void => {
    const now = performance.now()
    walker.walk(steering.wish, Math.min(now - before, LONGEST_STEP_MS))
    before = now
    const { head } = walker
    hand.carry(head)
    lane.show({ head, left: null, right: null }, now)
    const people = seen?.all ?? lane.people
    avatars.show(people, now)
    boxes.show(now)
    plan.show(people, head, lookOf(connection.awareness.clientID), now)
    stage.draw(head)
    requestAnimationFrame(picture)
  }
  requestAnimationFrame(picture)
  return () => {
    if (seen !== null) return false
    detach()
    seen = new SeenInPresence(connection.awareness)
    connection.connect()
    return true
  }
}

function steeringOf(
  walker: Walker,
  hand: Hand,
  furniture: Furniture,
  presence: Presence
): Steering {
  const take = (): void => void hand.takeOrPutDown(walker.head)
  const addBox = (): void => {
    const own = presence.participants.find((participant) => participant.isSelf)
    furniture.addBox({ ...walker.ahead(BOX_AHEAD), y: BOX_HEIGHT }, own?.color ?? '#93c5fd')
  }
  button('take', take)
  button('add-box', addBox)
  return new Steering(byId('scene', HTMLCanvasElement), walker, { KeyE: take, KeyB: addBox })
}

/** Names and colours are in awareness; somebody who is not there yet is nobody in particular. */
function looks(presence: Presence): (clientId: number) => Look {
  const known = new Map<number, Look>()
  const list = new ParticipantList()
  const read = (): void => {
    list.show(presence.participants)
    known.clear()
    for (const each of presence.participants) {
      known.set(each.clientId, { name: fullName(each), color: each.color })
    }
  }
  presence.onChange(read)
  read()
  return (clientId) => known.get(clientId) ?? { name: '…', color: colorOr(null, clientId) }
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
