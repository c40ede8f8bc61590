/** Somebody in the room: walks, carries, sees the others, and is seen. */

import type { PoseLane } from '../../client/lane.ts'
import { attachPoseLane, type AttachedLane } from '../../client/provider-lane.ts'
import type { Connection } from '../session/connection.ts'
import { colorOr } from '../session/persona.ts'
import type { Presence } from '../session/presence.ts'
import { button, byId } from '../view/dom.ts'
import type { Notices } from '../view/notices.ts'
import { fullName, ParticipantList } from '../view/participants.ts'
import { Avatars, type Look } from './avatars.ts'
import { Boxes } from './boxes.ts'
import { Hand } from './hand.ts'
import type { JoinedSessions } from './joined-sessions.ts'
import { Plan } from './plan.ts'
import type { Furniture } from './room-objects.ts'
import type { RoomInfo } from './room-info.ts'
import type { Stage } from './stage.ts'
import { Steering } from './steering.ts'
import { Walker } from './walker.ts'
import { Whiteboards } from './whiteboards.ts'

/** A page that was hidden does not make one jump. */
const LONGEST_STEP_MS = 100
/** Far enough to be seen, near enough to be reached. */
const BOX_AHEAD = 1.5
const BOX_HEIGHT = 1

const LOOKING_ON = 'You are looking on: the others do not see you'

/** What a visit is made of. */
export interface Company {
  readonly connection: Connection
  readonly presence: Presence
  readonly furniture: Furniture
  readonly room: RoomInfo
  readonly stage: Stage
  readonly notices: Notices
  readonly sessions: JoinedSessions
}

export class Visit {
  readonly #company: Company
  readonly #attached: AttachedLane
  readonly #walker: Walker
  readonly #hand: Hand
  readonly #steering: Steering
  readonly #lookOf: (clientId: number) => Look
  readonly #avatars: Avatars
  readonly #boxes: Boxes
  readonly #whiteboards: Whiteboards
  readonly #plan: Plan
  #before = performance.now()
  #isOver = false

  constructor(company: Company) {
    const { connection, presence, furniture, room, stage, notices } = company
    this.#company = company
    this.#attached = attachPoseLane(connection.provider, 'desktop')
    this.#lane.subscribe((event) => {
      if (event.kind === 'welcome' && event.place === null) notices.pass(LOOKING_ON)
    })
    this.#walker = new Walker(room, connection.awareness.clientID)
    this.#hand = new Hand(this.#lane, furniture, (words) => notices.pass(words))
    this.#steering = this.#steer()
    this.#lookOf = looks(presence)
    this.#avatars = new Avatars(stage.scene, this.#lookOf)
    this.#boxes = new Boxes(furniture, this.#lane, stage.scene)
    this.#whiteboards = new Whiteboards({ ...company, boxes: this.#boxes })
    this.#plan = new Plan(room, this.#lane, furniture, this.#lookOf)
  }

  /** Walks, shows and draws, once for each picture. */
  begin(): void {
    const picture = (): void => {
      if (this.#isOver) return
      this.#live(performance.now())
      requestAnimationFrame(picture)
    }
    requestAnimationFrame(picture)
  }

  /** Leaves what hangs on the walls, too. */
  end(): void {
    this.#isOver = true
    this.#company.sessions.leaveAll()
  }

  get #lane(): PoseLane {
    return this.#attached.lane
  }

  get #ownLook(): Look {
    return this.#lookOf(this.#company.connection.awareness.clientID)
  }

  #live(now: number): void {
    this.#walker.walk(this.#steering.wish, Math.min(now - this.#before, LONGEST_STEP_MS))
    this.#before = now
    const { head } = this.#walker
    this.#hand.carry(head)
    this.#lane.show({ head, left: null, right: null }, now)
    const { people } = this.#lane
    this.#avatars.show(people, now)
    this.#boxes.show(now)
    this.#whiteboards.show(now)
    this.#plan.show(people, head, this.#ownLook, now)
    this.#company.stage.draw(head)
  }

  #steer(): Steering {
    const take = (): void => void this.#hand.takeOrPutDown(this.#walker.head)
    const addBox = (): void => {
      const position = { ...this.#walker.ahead(BOX_AHEAD), y: BOX_HEIGHT }
      this.#company.furniture.addBox(position, this.#ownLook.color)
    }
    const write = (): void => this.#whiteboards.writeAhead()
    button('take', take)
    button('write', write)
    button('add-box', addBox)
    const canvas = byId('scene', HTMLCanvasElement)
    return new Steering(canvas, this.#walker, { KeyE: take, KeyB: addBox, KeyN: write })
  }
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
