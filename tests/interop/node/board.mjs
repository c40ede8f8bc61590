// What stock Yjs emits for the edits of a board: reads {client, edits: [[name, ...arguments], …]}
// as JSON, writes the update of each edit as hex.
import { readFileSync } from 'node:fs'
import * as Y from 'yjs'

const { client, edits } = JSON.parse(readFileSync(0, 'utf8'))
const doc = new Y.Doc()
doc.clientID = client
const objects = doc.getMap('objects')
const annotations = doc.getMap('annotations')

const object = (type, position, size, layer, properties) =>
  new Y.Map(
    Object.entries({
      object_type: type,
      position,
      ...(size === null ? {} : { size: { width: size[0], height: size[1] } }),
      rotation: 0,
      layer,
      is_locked: false,
      properties: new Y.Map(Object.entries(properties))
    })
  )
const textOf = (id) => objects.get(id).get('properties').get('text')
const append = (text, words) => text.insert(text.length, words)
const placed = (position) => ({
  position,
  rotation: { x: 0, y: 0, z: 0, w: 1 },
  scale: { x: 0.4, y: 0.4, z: 0.4 }
})

const kinds = {
  sticky: (id, position, layer, text) => {
    const properties = { text: new Y.Text(text), color: '#fde68a' }
    objects.set(id, object('sticky', position, [180, 180], layer, properties))
  },
  shape: (id, position, layer, kind) => {
    const properties = { text: new Y.Text(), color: '#93c5fd', kind }
    objects.set(id, object('shape', position, [200, 130], layer, properties))
  },
  drawing: (id, position, layer) => {
    const properties = { points: new Y.Array(), color: '#1f2937', width: 3 }
    objects.set(id, object('drawing', position, null, layer, properties))
  },
  extend: (id, points) => objects.get(id).get('properties').get('points').push(points),
  move: (id, position) => objects.get(id).set('position', position),
  type: (id, words) => append(textOf(id), words),
  erase: (id, count) => textOf(id).delete(textOf(id).length - count, count),
  delete: (id) => objects.delete(id),
  annotate: (id, about, position, words) => {
    const fields = {
      annotation_type: 'comment',
      content: new Y.Text(words),
      object_id: about,
      position,
      resolved: false
    }
    annotations.set(id, new Y.Map(Object.entries(fields)))
  },
  resolve: (id, words) => {
    annotations.get(id).set('resolved', true)
    append(annotations.get(id).get('content'), words)
  },
  furniture: (id, position) => {
    const properties = new Y.Map(Object.entries({ color: '#93c5fd' }))
    const fields = { object_type: 'furniture', transform: placed(position), properties }
    objects.set(id, new Y.Map(Object.entries(fields)))
  },
  carry: (id, position) => objects.get(id).set('transform', placed(position))
}

let emitted
doc.on('update', (update) => {
  emitted = Buffer.from(update).toString('hex')
})
const updates = edits.map(([name, ...rest]) => {
  doc.transact(() => kinds[name](...rest))
  return emitted
})
console.log(JSON.stringify(updates))
