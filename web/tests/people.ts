/** Two people on one board, whose edits travel when told to. */

import * as Y from 'yjs'
import { Board } from '../src/board/board.ts'

export interface Person {
  readonly doc: Y.Doc
  readonly board: Board
}

export function person(name: string): Person {
  const doc = new Y.Doc()
  return { doc, board: new Board(doc, name) }
}

/** Everybody gets what everybody did. */
export function exchange(...people: Person[]): void {
  for (const from of people) {
    for (const to of people) {
      if (from === to) continue
      const missing = Y.encodeStateAsUpdate(from.doc, Y.encodeStateVector(to.doc))
      Y.applyUpdate(to.doc, missing, 'remote')
    }
  }
}
