// Stock Yjs clients, driven by JSON lines: one request a line on stdin, one answer a line on stdout.
//
// Requests: {id, op, ...}. Answers: {id, result} or {id, error}.
//   create  {name, base, room, options?, version?, watchdog?}   a Y.Doc with a WebsocketProvider
//   run     {name, code, args}                                   an async function body
//   until   {name, code, args, timeout}                          an expression, until it is truthy
//   destroy {name}
//
// In `code`: Y, doc, provider, awareness, client, args, contents(), undo.

import { createInterface } from 'node:readline'
import * as Y from 'yjs'
import WebSocket from 'ws'
import * as authProtocol from 'y-protocols/auth'
import * as awarenessProtocol from 'y-protocols/awareness'
import { WebsocketProvider } from 'y-websocket'
import { WebsocketProvider as Provider30 } from 'y-websocket-3.0'

const providers = { 3.1: WebsocketProvider, '3.0': Provider30 }
const clients = new Map()

// What the libraries complain about: a stock client logs messages that it does not know.
const complaints = []
console.error = (...words) => complaints.push(words.join(' '))
console.warn = console.error

const AsyncFunction = Object.getPrototypeOf(async () => {}).constructor
const names = ['Y', 'doc', 'provider', 'awareness', 'client', 'args', 'contents', 'undo', 'tools']
const compiled = new Map()

const compile = (code) => {
  let body = compiled.get(code)
  if (body === undefined) {
    body = new AsyncFunction(...names, code)
    compiled.set(code, body)
  }
  return body
}

const evaluate = (client, code, args) =>
  compile(code)(
    Y, client.doc, client.provider, client.awareness, client, args ?? {},
    () => contents(client.doc), client.undo, { awarenessProtocol, complaints }
  )

// The roots that the tests agree on, whoever created them.
const contents = (doc) => ({
  objects: doc.getMap('objects').toJSON(),
  list: doc.getArray('list').toJSON(),
  text: doc.getText('text').toDelta(),
  xml: doc.getXmlFragment('xml').toString()
})

// Every frame that arrives is counted, and how long the longest silence was.
const recordingSocket = (client) =>
  class extends WebSocket {
    constructor (url, protocols) {
      super(url, protocols)
      client.sockets++
      let last = performance.now()
      this.on('open', () => { last = performance.now() })
      this.on('message', () => {
        const now = performance.now()
        client.longestSilence = Math.max(client.longestSilence, now - last)
        last = now
        client.frames++
      })
    }
  }

// The provider closes a socket after 30 s without a frame, and looks every 3 s. The limit is a
// constant; the time of the last frame is a public field. Making each frame look older by
// 30 s - limit leaves the provider's own watchdog in charge, with `limit` in place of 30 s.
const hasten = (provider, limit) => {
  let received = 0
  Object.defineProperty(provider, 'wsLastMessageReceived', {
    get: () => received - (30000 - limit),
    set: (time) => { received = time }
  })
}

const create = ({ name, base, room, options = {}, version = '3.1', watchdog, clientId }) => {
  if (clients.has(name)) throw new Error(`there is a client ${name} already`)
  const doc = new Y.Doc()
  if (clientId !== undefined) doc.clientID = clientId
  // Made before the provider, so that a client can be created without presence of its own.
  const awareness = new awarenessProtocol.Awareness(doc)
  if (options.present === false) awareness.setLocalState(null)
  const client = {
    doc,
    awareness,
    statuses: [],
    syncs: 0,
    syncedWith: null,
    closes: [],
    ended: [],
    errors: 0,
    denials: [],
    acknowledged: 0,
    sockets: 0,
    frames: 0,
    longestSilence: 0
  }
  const { connect = true, ...rest } = options
  delete rest.present
  const provider = new providers[version](base, room, doc, {
    ...rest,
    connect: false,
    awareness,
    // Two clients of one process would otherwise talk to each other behind the server's back.
    disableBc: true,
    WebSocketPolyfill: recordingSocket(client)
  })
  client.provider = provider
  client.undo = new Y.UndoManager(
    [doc.getMap('objects'), doc.getArray('list'), doc.getText('text'), doc.getXmlFragment('xml')],
    { captureTimeout: 0 }
  )
  if (watchdog !== undefined) hasten(provider, watchdog)
  provider.on('status', ({ status }) => client.statuses.push(status))
  provider.on('sync', (isSynced) => {
    if (!isSynced) return
    client.syncs++
    client.syncedWith = contents(doc)
  })
  provider.on('connection-close', (event) =>
    client.closes.push(event === null ? null : { code: event.code, reason: event.reason }))
  provider.on('closed', (event) => client.ended.push(event))
  provider.on('connection-error', () => { client.errors++ })
  provider.messageHandlers[2] = (_encoder, decoder, itself) =>
    authProtocol.readAuthMessage(decoder, itself.doc, (_doc, reason) =>
      client.denials.push(reason))
  clients.set(name, client)
  if (connect) provider.connect()
  return doc.clientID
}

const destroy = ({ name }) => {
  const client = clients.get(name)
  if (client === undefined) return
  clients.delete(name)
  client.undo.destroy()
  client.provider.destroy()
  client.awareness.destroy()
  client.doc.destroy()
}

const wanted = (name) => {
  const client = clients.get(name)
  if (client === undefined) throw new Error(`there is no client ${name}`)
  return client
}

const until = async ({ name, code, args, timeout = 20000 }) => {
  const expression = `return (${code})`
  const deadline = performance.now() + timeout
  for (;;) {
    const client = wanted(name)
    const value = await evaluate(client, expression, args)
    if (value) return value
    if (performance.now() > deadline) {
      const now = JSON.stringify({
        statuses: client.statuses.slice(-5),
        closes: client.closes.slice(-5),
        denials: client.denials.slice(-3),
        contents: JSON.stringify(contents(client.doc)).slice(0, 2000)
      })
      throw new Error(`${name} still not: ${code}; it has ${now}`)
    }
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

const operations = {
  create,
  destroy,
  until,
  run: ({ name, code, args }) => evaluate(wanted(name), code, args),
  complaints: () => complaints.splice(0)
}

const answer = async (line) => {
  const request = JSON.parse(line)
  let reply
  try {
    const result = await operations[request.op](request)
    reply = { id: request.id, result: result === undefined ? null : result }
  } catch (error) {
    reply = { id: request.id, error: String(error?.stack ?? error) }
  }
  process.stdout.write(JSON.stringify(reply) + '\n')
}

createInterface({ input: process.stdin }).on('line', answer).on('close', () => process.exit(0))
