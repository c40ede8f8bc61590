// Writes yjs_updates.bin: what stock Yjs sends, for the guard to accept.
//
//   node generate.mjs        (needs the packages of tests/interop/node: npm ci there)
//
// The file is a list of scenarios: number of them; then for each its name, the number of its
// updates, the updates in the order in which a server would receive them, and the state vector of
// the document they make. Numbers and lengths are lib0 variable-length integers.

import { createRequire } from 'node:module'
import { writeFileSync } from 'node:fs'

const require = createRequire(new URL('../../interop/node/package.json', import.meta.url))
const Y = require('yjs')
const encoding = require('lib0/encoding')

const scenarios = []

/** Random numbers that are the same in every run. */
const dice = seed => {
  let state = seed >>> 0
  return below => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

let nextClient = 1000
const newDoc = (options = {}) => {
  const doc = new Y.Doc({ guid: 'guid', ...options })
  doc.clientID = nextClient
  nextClient += 7919
  return doc
}

/** One editor alone: every update it emits. */
const alone = (name, edit, options) => {
  const doc = newDoc(options)
  const updates = []
  doc.on('update', update => updates.push(update))
  edit(doc)
  scenarios.push({ name, updates, state: Y.encodeStateVector(doc) })
  scenarios.push({ name: `${name}, whole`, updates: [Y.encodeStateAsUpdate(doc)], state: Y.encodeStateVector(doc) })
}

alone('map values of every kind', doc => {
  const map = doc.getMap('objects')
  const values = [0, 1, -1, 63, 64, -64, 2 ** 31, -(2 ** 31), 2 ** 40, Number.MAX_SAFE_INTEGER, 1.5, 0.1,
    Number.NaN, Number.POSITIVE_INFINITY, -0, 123456789012345678901234567890n % 2n ** 63n, true, false, null,
    undefined, '', 'text', 'é日😀', '\u0000', '\ud83d', [], [1, [2, [3]]], {}, { a: { b: [null, undefined] } },
    new Uint8Array([0, 255]), new Uint8Array(0)]
  values.forEach((value, index) => map.set(`k${index}`, value))
  values.forEach((value, index) => map.set('same', value))
  map.delete('k1')
  map.set('', 'empty key')
  map.set('é😀', 'key beyond ASCII')
})

alone('nested types', doc => {
  const objects = doc.getMap('objects')
  const object = new Y.Map()
  object.set('before', 1)
  objects.set('a', object)
  object.set('properties', new Y.Map([['text', new Y.Text('hello')], ['list', Y.Array.from([1, 'two', { three: 3 }])]]))
  object.get('properties').get('text').insert(5, ' world')
  object.get('properties').get('list').push([new Y.Map(), new Y.Array(), new Y.Text(), new Y.XmlText('x')])
  objects.set('a', 'replaced')
  objects.set('a', new Y.Map())
  objects.delete('a')
})

alone('text with formats and embeds', doc => {
  const text = doc.getText('text')
  text.insert(0, 'hello world')
  text.format(0, 5, { bold: true })
  text.format(3, 5, { link: { href: 'https://example.org/?q="é"' }, bold: null })
  text.insertEmbed(4, { image: 'a.png', size: [1, 2] })
  text.insertEmbed(0, new Y.Map([['embedded', 'type']]))
  text.insert(2, 'plain', {})
  text.insert(2, '日 two', { italic: true })
  text.insert(text.length, ' 😀', { italic: true })
  text.delete(4, 3)
  text.applyDelta([{ retain: 2 }, { insert: 'delta\n', attributes: { header: 1 } }, { delete: 1 }])
  text.setAttribute('dir', 'rtl')
  text.insertEmbed(1, 'a "string" \\ with escapes \u0001')
})

alone('array', doc => {
  const array = doc.getArray('array')
  array.insert(0, [1, 2, 3])
  array.unshift(['first'])
  array.insert(2, ['middle', null, new Uint8Array([1])])
  for (let index = 0; index < 20; index++) array.push([index])
  array.delete(1, 4)
  array.insert(1, [new Y.Text('in an array 😀'), new Y.Array()])
  array.get(1).insert(0, '😀')
})

alone('xml', doc => {
  const fragment = doc.getXmlFragment('page')
  const paragraph = new Y.XmlElement('p')
  paragraph.setAttribute('class', 'wide')
  paragraph.setAttribute('level', 2)
  fragment.insert(0, [paragraph, new Y.XmlText('text')])
  paragraph.insert(0, [new Y.XmlText('inside'), new Y.XmlElement('br')])
  paragraph.get(0).format(0, 3, { bold: {} })
  paragraph.removeAttribute('class')
  fragment.delete(1, 1)
  fragment.insertAfter(paragraph, [new Y.XmlElement('é')])
})

alone('subdocuments', doc => {
  const map = doc.getMap('documents')
  map.set('a', new Y.Doc({ guid: 'a', autoLoad: true, meta: { title: 'é', list: [1, { deep: true }] } }))
  map.set('b', new Y.Doc({ guid: 'b', gc: false }))
  map.delete('a')
})

alone('undo and redo', doc => {
  const map = doc.getMap('objects')
  const text = doc.getText('text')
  const array = doc.getArray('array')
  const undo = new Y.UndoManager([map, text, array], { captureTimeout: 0 })
  map.set('a', new Y.Map([['x', 1], ['y', new Y.Text('nested')]]))
  text.insert(0, 'hello')
  text.delete(1, 3)
  array.push([1, 2, new Y.Map([['k', 'v']])])
  array.delete(0, 3)
  map.get('a').get('y').insert(0, 'more ')
  map.set('a', 2)
  for (let round = 0; round < 3; round++) {
    while (undo.canUndo()) undo.undo()
    while (undo.canRedo()) undo.redo()
  }
  undo.undo()
  text.insert(0, 'after')
})

alone('garbage collected', doc => {
  const objects = doc.getMap('objects')
  for (let round = 0; round < 5; round++) {
    const object = new Y.Map()
    objects.set('o', object)
    for (const key of 'xyz') object.set(key, round)
    object.set('text', new Y.Text('words and words'))
  }
  const text = doc.getText('text')
  text.insert(0, 'abcdefghij'.repeat(5))
  for (let index = 0; index < 20; index++) text.delete(index, 1)
})

alone('without garbage collection', doc => {
  const objects = doc.getMap('objects')
  for (let round = 0; round < 6; round++) objects.set('key', round)
  const text = doc.getText('text')
  text.insert(0, 'abcdef')
  text.delete(1, 3)
  text.insert(2, 'xyz')
}, { gc: false })

alone('one transaction with everything', doc => {
  doc.transact(() => {
    doc.getMap('objects').set('m', new Y.Map([['list', Y.Array.from([1, 2, 3])]]))
    doc.getText('text').insert(0, 'hello')
    doc.getText('text').format(1, 2, { bold: true })
    doc.getText('text').delete(0, 2)
    doc.getArray('array').push([1, 'two'])
    doc.getXmlFragment('page').push([new Y.XmlElement('p')])
    doc.getMap('objects').delete('m')
  })
})

/** Several editors, edits at random, exchanged in part: what reaches the server in order. */
const together = (seed, { people, steps }) => {
  const roll = dice(seed)
  const server = newDoc()
  const updates = []
  const docs = Array.from({ length: people }, () => newDoc({ gc: roll(4) !== 0 }))
  const undos = docs.map(doc => new Y.UndoManager([doc.getMap('objects'), doc.getText('text'), doc.getArray('array')], { captureTimeout: 0 }))
  const words = ['a', 'hello', 'é', '日本', '😀', 'x😀y', ' ']
  const boundary = (text, wanted) => {
    const string = text.toString()
    return /[\udc00-\udfff]/.test(string[wanted] ?? '') ? wanted - 1 : wanted
  }
  const edit = (doc, undo) => {
    const objects = doc.getMap('objects')
    const text = doc.getText('text')
    const array = doc.getArray('array')
    const page = doc.getXmlFragment('page')
    const key = 'abcd'[roll(4)]
    switch (roll(16)) {
      case 0: objects.set(key, roll(1000)); break
      case 1: objects.set(key, new Y.Map([['x', 1], ['t', new Y.Text('😀t')]])); break
      case 2: objects.delete(key); break
      case 3: { const value = objects.get(key); if (value instanceof Y.Map) value.set('y', Y.Array.from([roll(9), new Y.Map()])); break }
      case 4: { const value = objects.get(key); if (value instanceof Y.Map && value.get('t') instanceof Y.Text) value.get('t').insert(0, words[roll(words.length)]); break }
      case 5: case 6: case 7: if (text.toString().length === text.length) text.insert(boundary(text, roll(text.length + 1)), words[roll(words.length)]); break
      case 8: if (text.length > 4 && text.toString().length === text.length) {
        const start = boundary(text, roll(text.length - 3)); const end = boundary(text, start + 3)
        if (end > start) text.delete(start, end - start)
      } break
      case 9: if (text.length > 4 && text.toString().length === text.length) {
        const start = boundary(text, roll(text.length - 3)); const end = boundary(text, start + 3)
        if (end > start) text.format(start, end - start, { [key]: roll(2) ? true : null })
      } break
      case 10: array.insert(roll(array.length + 1), [roll(9), { v: [roll(9)] }]); break
      case 11: if (array.length > 2) array.delete(roll(array.length - 1), 2); break
      case 12: array.push([new Y.Map([['k', key]])]); break
      case 13: page.push([new Y.XmlElement('p'), new Y.XmlText(words[roll(words.length)])]); break
      case 14: if (page.length > 1) page.delete(roll(page.length), 1); break
      case 15: if (roll(2)) undo.undo(); else undo.redo(); break
    }
  }
  const send = doc => {
    const difference = Y.encodeStateAsUpdate(doc, Y.encodeStateVector(server))
    updates.push(difference)
    Y.applyUpdate(server, difference)
  }
  const live = docs.map(() => true)
  docs.forEach((doc, index) => doc.on('update', (update, origin) => {
    if (origin === 'server' || !live[index]) return
    updates.push(update)
    Y.applyUpdate(server, update)
  }))
  for (let step = 0; step < steps; step++) {
    const index = roll(people)
    const doc = docs[index]
    doc.transact(() => { for (let n = roll(3); n >= 0; n--) edit(doc, undos[index]) })
    if (roll(5) === 0) {
      if (!live[index]) send(doc)
      Y.applyUpdate(doc, Y.encodeStateAsUpdate(server, Y.encodeStateVector(doc)), 'server')
      live[index] = roll(3) !== 0
    }
  }
  docs.forEach(send)
  scenarios.push({ name: `people together, seed ${seed}`, updates, state: Y.encodeStateVector(server) })
  const merged = Y.mergeUpdates(updates)
  scenarios.push({ name: `people together, seed ${seed}, merged`, updates: [merged], state: Y.encodeStateVector(server) })
  const middle = Math.floor(updates.length / 2)
  const half = Y.mergeUpdates(updates.slice(0, middle))
  const rest = Y.diffUpdate(merged, Y.encodeStateVectorFromUpdate(half))
  scenarios.push({ name: `people together, seed ${seed}, in two parts`, updates: [half, rest], state: Y.encodeStateVector(server) })
}

for (let seed = 1; seed <= 12; seed++) together(seed, { people: 2 + (seed % 3), steps: 60 })

// Merging around a gap writes skips; the missing part follows.
{
  const doc = newDoc()
  const updates = []
  doc.on('update', update => updates.push(update))
  for (let index = 0; index < 6; index++) doc.getText('text').insert(index, 'abcdef'[index])
  const gap = Y.mergeUpdates([updates[0], updates[3], updates[5]])
  scenarios.push({ name: 'around a gap', updates: [gap, updates[1], updates[2], gap, updates[4], gap], state: Y.encodeStateVector(doc) })
}

const encoder = encoding.createEncoder()
encoding.writeVarUint(encoder, scenarios.length)
for (const { name, updates, state } of scenarios) {
  encoding.writeVarString(encoder, name)
  encoding.writeVarUint(encoder, updates.length)
  for (const update of updates) encoding.writeVarUint8Array(encoder, update)
  encoding.writeVarUint8Array(encoder, state)
}
const bytes = encoding.toUint8Array(encoder)
writeFileSync(new URL('yjs_updates.bin', import.meta.url), bytes)
console.log(`${scenarios.length} scenarios, ${bytes.length} bytes`)
