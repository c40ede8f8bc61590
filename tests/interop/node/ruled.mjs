// People who break the rules of a session, and people who watch whether anybody sees it.

import * as Y from 'yjs'

export const LOCKED = ['l1', 'l2', 'l3']
export const OPEN = ['o1', 'o2', 'o3']

const PATIENCE = 10000

// A small generator of numbers (mulberry32): the same for the same seed everywhere.
export const seeded = (seed) => {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296
  }
}

const below = (random, limit) => Math.floor(random() * limit)
const pick = (random, list) => list[below(random, list.length)]

const sorted = (value) => Object.fromEntries(
  Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1)))

// A value with the kinds of its parts: a text that became a string is another one.
const plain = (value) => {
  if (value instanceof Y.Map) {
    const entries = [...value.entries()].map(([key, item]) => [key, plain(item)])
    return { map: sorted(Object.fromEntries(entries)) }
  }
  if (value instanceof Y.Text) return { text: value.toDelta() }
  if (value instanceof Y.Array) return { list: value.toArray().map(plain) }
  if (value instanceof Y.AbstractType) return { other: value.toString() }
  if (value instanceof Uint8Array) return { bytes: [...value] }
  if (Array.isArray(value)) return value.map(plain)
  if (value !== null && typeof value === 'object') {
    return { json: sorted(Object.fromEntries(Object.entries(value).map(([k, v]) => [k, plain(v)]))) }
  }
  return value
}

export const shown = (doc, root, keys) =>
  JSON.stringify(keys.map((key) => plain(doc.getMap(root).get(key)) ?? null))

// Where objects stand: those of a session on its canvas, those of a room in space.
const WHERE = {
  session: { field: 'position', at: (x, y) => ({ x, y }), type: 'sticky' },
  room: {
    field: 'transform',
    at: (x, y) => ({ position: { x, y, z: 0 }, rotation: { x: 0, y: 0, z: 0, w: 1 } }),
    type: 'model'
  }
}

const whereIs = (object) => object.has('transform') ? WHERE.room : WHERE.session

const move = (object, x, y) => {
  const { field, at } = whereIs(object)
  object.set(field, at(x, y))
}

export const sticky = (words, fields = {}, place = 'session') => new Y.Map(Object.entries({
  object_type: WHERE[place].type,
  [WHERE[place].field]: WHERE[place].at(1, 2),
  properties: new Y.Map([
    ['text', new Y.Text(words)],
    ['points', new Y.Array()],
    ['parts', new Y.Array()],
    ['count', 1099511627776],
    ['share', 0.1],
    ['none', null],
    ['bytes', new Uint8Array([1, 2, 3])]
  ]),
  ...fields
}))

// Everything that the rules are tried on; made by a host.
export const furnish = (doc, place) => {
  const objects = doc.getMap('objects')
  doc.transact(() => {
    for (const key of LOCKED) {
      objects.set(key, sticky(`${key} says hello`, { is_locked: true }, place))
    }
    for (const key of OPEN) objects.set(key, sticky(`${key} says hello`, {}, place))
  })
  for (const key of [...LOCKED, ...OPEN]) {
    const properties = objects.get(key).get('properties')
    doc.transact(() => {
      properties.get('points').insert(0, [1, 2, 3])
      properties.get('parts').insert(0, [new Y.Map([['a', 1]])])
      properties.get('text').format(0, 2, { bold: true })
    })
  }
}

// Note in client.seen whatever else than now is ever seen in these places.
export const watch = (client, places) => {
  const look = () => places.map(([root, keys]) => shown(client.doc, root, keys)).join('\n')
  const before = look()
  client.seen = []
  client.looks = 0
  for (const [root] of places) {
    client.doc.getMap(root).observeDeep(() => {
      client.looks++
      const now = look()
      if (now !== before) client.seen.push(now)
    })
  }
  return before
}

const properties = (objects, key) => objects.get(key).get('properties')
const words = (objects, key) => properties(objects, key).get('text')

// Editors do not cut characters in two.
const hasEmoji = (text) => text.toString().includes('😀')
const within = (text) => (hasEmoji(text) ? text.toString().indexOf('😀') + 2 : 1)

// What may not be done with a locked object, by name.
export const BREAKS = {
  'moves it': (o, key) => move(o.get(key), 9, 9),
  'types in it': (o, key) => words(o, key).insert(2, 'SECRET'),
  'types emoji in it': (o, key) =>
    words(o, key).insert(0, hasEmoji(words(o, key)) ? 'SECRET' : '😀SECRET'),
  'deletes of its text': (o, key) => words(o, key).delete(within(words(o, key)), 3),
  'formats it': (o, key) =>
    words(o, key).format(within(words(o, key)), 3, { bold: null, color: 'SECRET' }),
  'replaces its text': (o, key) => properties(o, key).set('text', new Y.Text('SECRET')),
  'makes its text a string': (o, key) => properties(o, key).set('text', 'SECRET'),
  'adds to its list': (o, key) => properties(o, key).get('points').unshift(['SECRET']),
  'empties its list': (o, key) =>
    properties(o, key).get('points').delete(0, properties(o, key).get('points').length),
  'changes a part': (o, key) => properties(o, key).get('parts').get(0).set('a', 'SECRET'),
  'swaps its parts': (o, key) => {
    const parts = properties(o, key).get('parts')
    parts.delete(0, parts.length)
    parts.insert(0, [new Y.Map([['a', 'SECRET']])])
  },
  'adds a field': (o, key) => o.get(key).set('more', 'SECRET'),
  'removes a field': (o, key) => o.get(key).delete(whereIs(o.get(key)).field),
  'removes its properties': (o, key) => o.get(key).delete('properties'),
  'unlocks it': (o, key) => o.get(key).set('is_locked', false),
  'removes the lock': (o, key) => o.get(key).delete('is_locked'),
  'deletes it': (o, key) => o.delete(key),
  'replaces it': (o, key) => o.set(key, sticky('SECRET')),
  'makes it a value': (o, key) => o.set(key, 'SECRET'),
  'puts XML in': (o, key) => {
    const inner = new Y.XmlFragment()
    o.get(key).set('xml', inner)
    inner.insert(0, [new Y.XmlElement('p')])
  }
}

// What may not be done in a session with a schema, with an object that may be changed.
export const FAULTS = {
  'an unknown type': (o, key) => o.get(key).set('object_type', 'SECRET'),
  'no type': (o, key) => o.get(key).delete('object_type'),
  'a wrong position': (o, key) => move(o.get(key), 'SECRET', 0),
  'no number': (o, key) => move(o.get(key), NaN, 0),
  'an infinite one': (o, key) => properties(o, key).set('deep', { list: [1, Infinity] }),
  'an unknown field': (o, key) => o.get(key).set('SECRET', 1),
  'too long a text': (o, key) => words(o, key).insert(0, 'SECRET'.repeat(10000)),
  'too much of it': (o, key) => {
    for (let n = 0; n < 7; n++) properties(o, key).set(`s${n}`, 'SECRET'.repeat(8000))
  },
  'a value for an object': (o) => o.set('extra', 'SECRET'),
  'an object without a type': (o) => o.set('extra', new Y.Map([['layer', 1]]))
}

const isWhole = (objects, key) => {
  const inner = objects.get(key) instanceof Y.Map ? objects.get(key).get('properties') : null
  return inner instanceof Y.Map && inner.get('text') instanceof Y.Text &&
    inner.get('parts')?.length > 0
}

const untilTrue = (doc, condition, what) => new Promise((resolve, reject) => {
  const begun = performance.now()
  const settle = () => {
    if (!condition()) return
    doc.off('afterTransaction', settle)
    clearInterval(looking)
    clearTimeout(giving)
    resolve(performance.now() - begun)
  }
  const looking = setInterval(settle, 20)
  const giving = setTimeout(() => {
    doc.off('afterTransaction', settle)
    clearInterval(looking)
    reject(new Error(what()))
  }, PATIENCE)
  doc.on('afterTransaction', settle)
  settle()
})

// Wait until this copy shows in these places what it should; milliseconds that it took.
export const back = (client, root, keys, before, deed) => untilTrue(
  client.doc,
  () => shown(client.doc, root, keys) === before,
  () => `after "${deed}" it has ${shown(client.doc, root, keys)} and not ${before}; it was told ` +
    JSON.stringify([client.denials, client.stateless, client.closes].map((all) => all?.slice(-3)))
)

// Break one rule, and wait until it is taken back.
export const breakOne = async (client, deeds, name, key) => {
  const { doc } = client
  const before = shown(doc, 'objects', [key, 'extra'])
  doc.transact(() => deeds[name](doc.getMap('objects'), key))
  if (shown(doc, 'objects', [key, 'extra']) === before) throw new Error(`"${name}" does nothing`)
  return back(client, 'objects', [key, 'extra'], before, name)
}

export const offline = async (client) => {
  if (client.socket === undefined) return client.provider.disconnect()
  client.socket.disconnect()
  await untilTrue(client.doc, () => client.socket.status === 'disconnected', () => 'still connected')
}

export const online = async (client) => {
  const { doc, provider } = client
  ;(client.socket ?? provider).connect()
  await untilTrue(doc, () => provider.synced, () => 'it does not sync again')
}

// Somebody who goes on editing what everybody may edit, until client.chats is false.
export const chat = async (client, seed, pause) => {
  const random = seeded(seed)
  const objects = client.doc.getMap('objects')
  client.chats = true
  client.said = 0
  while (client.chats) {
    const key = pick(random, OPEN)
    if (random() < 0.5) words(objects, key).insert(below(random, 5), '~')
    else move(objects.get(key), below(random, 99), client.said)
    client.said++
    await new Promise((resolve) => setTimeout(resolve, pause))
  }
}

// One who breaks rules in random order, a round at a time, and does legal things in between and in
// the same transactions. Returns what was legal, by key, and how long each round took.
export const misbehave = async (client, { name, seed, rounds, before }) => {
  const { doc, undo } = client
  const random = seeded(seed)
  const objects = doc.getMap('objects')
  const legal = {}
  const took = []
  let number = 0
  const keep = () => {
    const key = `${name} ${below(random, 5)}`
    legal[key] = ++number
    objects.set(key, new Y.Map([['object_type', 'shape'], ['layer', number]]))
  }
  const violate = () => {
    const key = pick(random, LOCKED)
    if (isWhole(objects, key)) pick(random, Object.values(BREAKS))(objects, key)
  }
  const mixed = () => doc.transact(() => {
    const deeds = Array.from({ length: 1 + below(random, 3) }, () => violate)
    if (random() < 0.6) deeds.splice(below(random, deeds.length + 1), 0, keep)
    for (const deed of deeds) deed()
  })
  const some = (deed, most) => {
    for (let left = 1 + below(random, most); left > 0; left--) deed()
  }
  for (let round = 0; round < rounds; round++) {
    const way = random()
    const deed = `round ${round} of seed ${seed}`
    if (way < 0.4) {
      mixed()
    } else if (way < 0.6) {
      some(mixed, 4)
    } else if (way < 0.8) {
      await offline(client)
      some(mixed, 4)
      if (random() < 0.5) keep()
      await online(client)
    } else {
      undo.clear()
      doc.transact(violate)
      for (const step of ['undo', 'redo', 'undo', 'redo']) {
        if (random() < 0.7) await back(client, 'objects', LOCKED, before, deed)
        undo[step]()
      }
    }
    took.push(await back(client, 'objects', LOCKED, before, deed))
    if (random() < 0.3) keep()
  }
  return { legal, took }
}

// What a viewer does to everything, an update for each deed, and what it then may do.
export const vandalize = (doc, note) => {
  const objects = doc.getMap('objects')
  const annotations = doc.getMap('annotations')
  const content = annotations.get('theirs')?.get('content')
  content?.insert(0, 'SECRET')
  content?.delete(0, content.length)
  annotations.get('theirs')?.set('resolved', true)
  if (objects.has('o1')) words(objects, 'o1').insert(0, 'SECRET')
  doc.transact(() => {
    for (const key of [...objects.keys()]) objects.delete(key)
    for (const key of [...annotations.keys()]) if (!key.startsWith('hers')) annotations.delete(key)
  })
  objects.set('forged', sticky('SECRET'))
  objects.set('o1', 'SECRET')
  annotations.set('theirs', new Y.Map([['annotation_type', 'comment']]))
  annotate(doc, note)
}

export const annotate = (doc, note) => {
  const content = new Y.Text('I think')
  doc.getMap('annotations').set(note, new Y.Map([
    ['annotation_type', 'comment'], ['content', content], ['object_id', 'o1']
  ]))
  content.insert(7, ', therefore')
}
