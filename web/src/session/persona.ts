/** How one tab is told from another: an animal and a colour, also for the same person twice. */

export interface Persona {
  readonly label: string
  readonly color: string
}

export const ANIMALS: readonly string[] = [
  'Badger', 'Beaver', 'Bison', 'Cat', 'Crane', 'Deer', 'Dolphin', 'Falcon', 'Finch', 'Fox', 'Gecko',
  'Hare', 'Heron', 'Ibex', 'Koala', 'Lemur', 'Lynx', 'Marten', 'Mole', 'Newt', 'Otter', 'Owl',
  'Panda', 'Puffin', 'Raven', 'Robin', 'Seal', 'Stork', 'Swan', 'Tiger', 'Turtle', 'Wolf'
]

/** All are dark enough for white text on them. */
export const COLORS: readonly string[] = [
  '#2563eb', '#c2410c', '#047857', '#be185d', '#6d28d9', '#0e7490', '#b91c1c', '#4d7c0f',
  '#a21caf', '#92400e', '#1d4ed8', '#0f766e'
]

/** A persona that none of `others` has, as long as there are any; else one with a number. */
export function choosePersona(clientId: number, others: readonly Persona[]): Persona {
  const animal = firstFree(ANIMALS, clientId, new Set(others.map((other) => other.label)))
  const color = firstFree(COLORS, clientId, new Set(others.map((other) => other.color)))
  return {
    label: animal ?? `${at(ANIMALS, clientId)} ${clientId % 1000}`,
    color: color ?? at(COLORS, clientId)
  }
}

/** The colour of somebody who says none, or says something else. */
export function colorOr(value: unknown, clientId: number): string {
  return typeof value === 'string' && /^#[0-9a-f]{6}$/i.test(value) ? value : at(COLORS, clientId)
}

function firstFree(
  choices: readonly string[],
  start: number,
  taken: ReadonlySet<string>
): string | null {
  for (let step = 0; step < choices.length; step++) {
    const choice = at(choices, start + step)
    if (!taken.has(choice)) return choice
  }
  return null
}

function at(choices: readonly string[], index: number): string {
  return choices[index % choices.length] as string // the remainder is always an index
}
