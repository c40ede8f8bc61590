import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as Y from 'yjs'
import { changeBetween, shifted } from '../src/board/text-change.ts'
import { TextMirror, type TextSurface } from '../src/board/text-mirror.ts'

/** What a textarea does, without a browser. */
class Field implements TextSurface {
  selectionStart = 0
  selectionEnd = 0
  #value = ''

  get value(): string {
    return this.#value
  }

  set value(value: string) {
    this.#value = value.replace(/\r\n?/g, '\n')
    this.setSelectionRange(this.#value.length, this.#value.length)
  }

  setSelectionRange(start: number, end: number): void {
    this.selectionStart = start
    this.selectionEnd = end
  }

  /** Replace what is selected, as typing does. */
  type(text: string): void {
    const caret = this.selectionStart + text.length
    this.#value =
      this.#value.slice(0, this.selectionStart) + text + this.#value.slice(this.selectionEnd)
    this.setSelectionRange(caret, caret)
  }
}

interface Typist {
  readonly text: Y.Text
  readonly field: Field
  readonly mirror: TextMirror
}

function typist(start: string): Typist {
  const text = new Y.Doc().getText('text')
  text.insert(0, start)
  const field = new Field()
  return { text, field, mirror: new TextMirror(text, field) }
}

function typeAt({ field, mirror }: Typist, start: number, end: number, text: string): void {
  field.setSelectionRange(start, end)
  field.type(text)
  mirror.onInput()
}

test('a change is as small as it can be', () => {
  assert.equal(changeBetween('same', 'same', 2), null)
  assert.deepEqual(changeBetween('ac', 'abc', 2), { index: 1, removed: 0, inserted: 'b' })
  assert.deepEqual(changeBetween('abc', 'ac', 1), { index: 1, removed: 1, inserted: '' })
  assert.deepEqual(changeBetween('abcd', 'aXd', 2), { index: 1, removed: 2, inserted: 'X' })
  assert.deepEqual(changeBetween('', 'abc', 3), { index: 0, removed: 0, inserted: 'abc' })
  assert.deepEqual(changeBetween('abc', '', 0), { index: 0, removed: 3, inserted: '' })
})

test('among equal letters the caret tells which one is new, or gone', () => {
  assert.deepEqual(changeBetween('aaa', 'aaaa', 1), { index: 0, removed: 0, inserted: 'a' })
  assert.deepEqual(changeBetween('aaa', 'aaaa', 2), { index: 1, removed: 0, inserted: 'a' })
  assert.deepEqual(changeBetween('aaa', 'aaaa', 4), { index: 3, removed: 0, inserted: 'a' })
  assert.deepEqual(changeBetween('aaa', 'aa', 0), { index: 0, removed: 1, inserted: '' })
  assert.deepEqual(changeBetween('aaa', 'aa', 1), { index: 1, removed: 1, inserted: '' })
})

test('a caret elsewhere still gives a right change', () => {
  assert.deepEqual(changeBetween('hello', 'hullo', 5), { index: 1, removed: 1, inserted: 'u' })
  assert.deepEqual(changeBetween('hello', 'hullo', 0), { index: 1, removed: 1, inserted: 'u' })
})

test('a character of two units is never cut', () => {
  assert.deepEqual(changeBetween('😀', '😁', 2), { index: 0, removed: 2, inserted: '😁' })
  assert.deepEqual(changeBetween('x🚀y', 'x🎀y', 3), { index: 1, removed: 2, inserted: '🎀' })
  const low = changeBetween('\u{1f600}', '\u{1fa00}', 2) // same second half
  assert.deepEqual(low, { index: 0, removed: 2, inserted: '\u{1fa00}' })
})

test('any change turns one text into the other, wherever the caret is', () => {
  const letters = ['a', 'b', '😀', '😁', '\n']
  let seed = 1
  const random = (below: number): number => {
    seed = (seed * 48271) % 2147483647
    return seed % below
  }
  const text = (): string => Array.from({ length: random(7) }, () => letters[random(5)]).join('')
  for (let run = 0; run < 3000; run++) {
    const [before, after] = [text(), text()]
    const change = changeBetween(before, after, random(after.length + 1))
    if (change === null) {
      assert.equal(before, after)
      continue
    }
    const { index, removed, inserted } = change
    assert.equal(before.slice(0, index) + inserted + before.slice(index + removed), after)
    assert.doesNotThrow(() => encodeURIComponent(inserted), 'half a character')
  }
})

test('a place moves with what is before it', () => {
  assert.equal(shifted(3, [{ insert: 'ab' }]), 5)
  assert.equal(shifted(3, [{ retain: 3 }, { insert: 'ab' }]), 3)
  assert.equal(shifted(3, [{ retain: 1 }, { delete: 1 }]), 2)
  assert.equal(shifted(3, [{ retain: 1 }, { delete: 9 }]), 1)
  assert.equal(shifted(3, [{ retain: 3 }, { delete: 1 }]), 3)
  assert.equal(shifted(3, [{ delete: 2 }, { insert: 'xyz' }]), 4)
  assert.equal(shifted(0, [{ insert: 'ab' }]), 0)
})

test('what is typed is shared, and nothing is rewritten', () => {
  const one = typist('hello world')
  const deltas: unknown[] = []
  one.text.observe((event) => deltas.push(event.delta))
  typeAt(one, 5, 5, ',')
  assert.equal(one.text.toString(), 'hello, world')
  assert.deepEqual(deltas, [[{ retain: 5 }, { insert: ',' }]])
})

test('the caret stays where it was when others type before, behind and around it', () => {
  const one = typist('hello world')
  one.field.setSelectionRange(5, 11)
  one.text.insert(0, '>> ')
  assert.deepEqual([one.field.selectionStart, one.field.selectionEnd], [8, 14])
  one.text.insert(14, '!')
  assert.deepEqual([one.field.selectionStart, one.field.selectionEnd], [8, 14])
  one.text.delete(3, 8)
  assert.deepEqual([one.field.selectionStart, one.field.selectionEnd], [3, 6])
  assert.equal(one.field.value, '>> rld!')
})

for (const [first, second] of [
  [1, 2],
  [2, 1],
] as const) {
  test(`two people typing in one text keep their places, client ${first} beside ${second}`, () => {
    const ada = typist('')
    const bob = typist('')
    const [adasDoc, bobsDoc] = [ada.text.doc as Y.Doc, bob.text.doc as Y.Doc]
    adasDoc.clientID = first
    bobsDoc.clientID = second
    for (const [adas, bobs] of ['ab', 'do', 'ab', ' !']) {
      ada.field.type(adas as string)
      ada.mirror.onInput()
      bob.field.type(bobs as string)
      bob.mirror.onInput()
      Y.applyUpdate(bobsDoc, Y.encodeStateAsUpdate(adasDoc))
      Y.applyUpdate(adasDoc, Y.encodeStateAsUpdate(bobsDoc))
    }
    assert.equal(ada.text.toString(), first < second ? 'ada bob!' : 'bob!ada ')
    assert.equal(bob.text.toString(), ada.text.toString())
    assert.equal(ada.field.value, ada.text.toString())
    assert.equal(bob.field.value, ada.text.toString())
  })
}

test('an input method is not disturbed, and its text lands in the right place', () => {
  const one = typist('ab')
  one.field.setSelectionRange(1, 1)
  one.mirror.onCompositionStart()
  one.field.type('に')
  one.mirror.onInput()
  one.text.insert(0, 'XYZ')
  one.text.delete(4, 1)
  assert.equal(one.field.value, 'aにb', 'left alone while composing')
  assert.equal(one.text.toString(), 'XYZa', 'nothing half composed is shared')
  one.field.type('ほ')
  one.mirror.onCompositionEnd()
  assert.equal(one.text.toString(), 'XYZaにほ')
  assert.equal(one.field.value, 'XYZaにほ')
  assert.equal(one.field.selectionStart, 6)
})

test('an input method that is given up leaves what others did', () => {
  const one = typist('ab')
  one.mirror.onCompositionStart()
  one.text.insert(0, 'X')
  one.mirror.onCompositionEnd()
  assert.equal(one.field.value, 'Xab')
  assert.equal(one.text.toString(), 'Xab')
})

test('line ends of other systems do not shift what is typed', () => {
  const one = typist('a\r\nb\rc')
  assert.equal(one.field.value, 'a\nb\nc')
  typeAt(one, 4, 4, 'X')
  assert.equal(one.text.toString(), 'a\nb\nXc')
  assert.equal(one.field.value, 'a\nb\nXc')
})

test('a field that was let go follows no more', () => {
  const one = typist('ab')
  one.mirror.dispose()
  one.text.insert(0, 'X')
  assert.equal(one.field.value, 'ab')
})
