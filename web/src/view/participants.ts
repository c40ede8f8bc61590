/** The list of who is here. */

import type { Participant } from '../session/presence.ts'
import { byId, make } from './dom.ts'

const SHOWN = 6

/** The token's name first: what a client calls itself must not pass for somebody else's name. */
export function fullName({ name, label }: Participant): string {
  return label === '' ? name : `${name} · ${label}`
}

export class ParticipantList {
  readonly #list = byId('participants', HTMLUListElement)

  show(participants: readonly Participant[]): void {
    const items = participants.slice(0, SHOWN).map(item)
    const hidden = participants.slice(SHOWN)
    if (hidden.length > 0) {
      const more = make('li', 'more', `+${hidden.length}`)
      more.title = hidden.map(fullName).join('\n')
      items.push(more)
    }
    this.#list.replaceChildren(...items)
  }
}

function item(participant: Participant): HTMLLIElement {
  const avatar = make('span', 'avatar', initial(participant.label || participant.name))
  avatar.setAttribute('aria-hidden', 'true')
  const you = participant.isSelf ? [make('span', 'you', 'you')] : []
  const element = make('li', '', avatar, make('span', 'name', fullName(participant)), ...you)
  element.title = fullName(participant)
  element.style.setProperty('--color', participant.color)
  return element
}

function initial(name: string): string {
  return ([...name][0] ?? '?').toUpperCase()
}
