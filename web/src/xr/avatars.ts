/** Everybody else in the room: a head with a visor, a body below it, hands, and a name. */

import {
  CapsuleGeometry,
  Euler,
  Group,
  Mesh,
  MeshLambertMaterial,
  SphereGeometry,
  type Quaternion,
  type Scene
} from 'three'
import type { Participant } from '../../client/lane.ts'
import type { Placed } from '../../client/pose-codec.ts'
import { Label } from './label.ts'
import { put } from './placing.ts'

const SILENT_OPACITY = 0.35
const NAME_ABOVE = 0.36
const BODY_BELOW = 0.62

const HEAD = new SphereGeometry(0.14, 24, 16).scale(0.9, 1.1, 1)
const VISOR = new SphereGeometry(0.1, 20, 12).scale(1.15, 0.6, 0.6).translate(0, 0.01, -0.1)
const BODY = new CapsuleGeometry(0.17, 0.45, 6, 16).scale(1, 1, 0.7)
const HAND = new SphereGeometry(0.055, 12, 8)

/** What somebody is called, and in which colour they are shown. */
export interface Look {
  readonly name: string
  readonly color: string
}

class Avatar {
  readonly group = new Group()
  readonly #skin = new MeshLambertMaterial({ transparent: true })
  readonly #glass = new MeshLambertMaterial({ color: '#1b2230', transparent: true })
  readonly #head = new Group()
  readonly #body = new Mesh(BODY, this.#skin)
  readonly #hands = [new Mesh(HAND, this.#skin), new Mesh(HAND, this.#skin)] as const
  #label: Label | null = null
  #look: Look | null = null

  constructor() {
    this.#head.add(new Mesh(HEAD, this.#skin), new Mesh(VISOR, this.#glass))
    this.group.add(this.#head, this.#body, ...this.#hands)
    this.group.visible = false
  }

  dress(look: Look): void {
    if (look.name === this.#look?.name && look.color === this.#look.color) return
    this.#look = look
    this.#skin.color.set(look.color)
    this.#takeOff()
    this.#label = new Label(look.name, look.color)
    this.group.add(this.#label.sprite)
  }

  show(participant: Participant, now: number): void {
    const posture = participant.at(now)
    this.group.visible = posture !== null
    if (posture === null) return
    put(this.#head, posture.head)
    this.#stand(posture.head)
    showHand(this.#hands[0], posture.left)
    showHand(this.#hands[1], posture.right)
    const opacity = participant.isSilent ? SILENT_OPACITY : 1
    this.#skin.opacity = this.#glass.opacity = opacity
    this.#label?.fade(opacity)
  }

  dispose(): void {
    this.#takeOff()
    this.#skin.dispose()
    this.#glass.dispose()
  }

  /** The body turns with the head, but does not nod. */
  #stand({ position }: Placed): void {
    this.#body.position.set(position.x, position.y - BODY_BELOW, position.z)
    this.#body.rotation.y = yawOf(this.#head.quaternion)
    this.#label?.sprite.position.set(position.x, position.y + NAME_ABOVE, position.z)
  }

  #takeOff(): void {
    if (this.#label === null) return
    this.group.remove(this.#label.sprite)
    this.#label.dispose()
  }
}

function yawOf(rotation: Quaternion): number {
  return new Euler().setFromQuaternion(rotation, 'YXZ').y
}

function showHand(hand: Mesh, placed: Placed | null): void {
  hand.visible = placed !== null
  if (placed !== null) put(hand, placed)
}

export class Avatars {
  readonly #scene: Scene
  readonly #lookOf: (clientId: number) => Look
  #shown = new Map<Participant, Avatar>()

  constructor(scene: Scene, lookOf: (clientId: number) => Look) {
    this.#scene = scene
    this.#lookOf = lookOf
  }

  show(people: readonly Participant[], now: number): void {
    const shown = new Map<Participant, Avatar>()
    for (const participant of people) {
      const avatar = this.#shown.get(participant) ?? this.#add()
      avatar.dress(this.#lookOf(participant.clientId))
      avatar.show(participant, now)
      shown.set(participant, avatar)
    }
    for (const [participant, avatar] of this.#shown) {
      if (!shown.has(participant)) this.#remove(avatar)
    }
    this.#shown = shown
  }

  #add(): Avatar {
    const avatar = new Avatar()
    this.#scene.add(avatar.group)
    return avatar
  }

  #remove(avatar: Avatar): void {
    this.#scene.remove(avatar.group)
    avatar.dispose()
  }
}
