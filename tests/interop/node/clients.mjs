// Stock Yjs clients, driven by JSON lines: one request a line on stdin, one answer a line on stdout.
//
// Requests: {id, op, ...}. Answers: {id, result} or {id, error}.
//   create  {name, base, room, options?, version?, watchdog?}   a Y.Doc with a WebsocketProvider
//   socket  {name, url, version}                                 a socket for Hocuspocus providers
//   open    {name, socket, document, token?, options?}           a Y.Doc with a HocuspocusProvider
//   hangUp  {name}                                               ends a socket
//   run     {name, code, args}                                   an async function body
//   until   {name, code, args, timeout}                          an expression, until it is truthy
//   destroy {name}
//
// In `code`: Y, doc, provider, awareness, client, args, contents(), undo, tools.

import { createInterface } from 'node:readline'
import * as Y from 'yjs'
import WebSocket from 'ws'
import * as authProtocol from 'y-protocols/auth'
import * as awarenessProtocol from 'y-protocols/awareness'
import * as hocuspocus2 from 'hocuspocus-provider-2'
import * as hocuspocus3 from 'hocuspocus-provider-3'
import * as hocuspocus4 from 'hocuspocus-provider-4'
import { WebsocketProvider } from 'y-websocket'
import { WebsocketProvider as Provider30 } from 'y-websocket-3.0'
import * as ruled from './ruled.mjs'

const providers = { 3.1: WebsocketProvider, '3.0': Provider30 }
const hocuspocus = { 2: hocuspocus2, 3: hocuspocus3, 4: hocuspocus4 }
const clients = new Map()
const sockets = new Map()

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
    () => contents(client.doc), client.undo, { awarenessProtocol, complaints, ruled }
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
  client.undo = undoFor(doc)
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

const undoFor = (doc) => new Y.UndoManager(
  [doc.getMap('objects'), doc.getArray('list'), doc.getText('text'), doc.getXmlFragment('xml')],
  { captureTimeout: 0 }
)

const socket = ({ name, url, version }) => {
  const opened = { version, frames: 0, longestSilence: 0, sockets: 0, closes: [] }
  opened.provider = new hocuspocus[version].HocuspocusProviderWebsocket({
    url,
    WebSocketPolyfill: class extends recordingSocket(opened) {
      constructor (...given) {
        super(...given)
        this.on('error', () => {}) // a provider stops listening before it closes a socket
      }
    },
    delay: 50,
    minDelay: 50,
    maxDelay: 500,
    quiet: true
  })
  opened.provider.on('close', ({ event }) =>
    opened.closes.push({ code: event.code, reason: String(event.reason) }))
  sockets.set(name, opened)
}

const hangUp = ({ name }) => {
  sockets.get(name)?.provider.destroy()
  sockets.delete(name)
}

// A provider of Hocuspocus on a socket that others may share. `client.token` is what it says when
// it is asked who it is; a test may change it.
const open = ({ name, socket: socketName, document, token = null, options = {} }) => {
  if (clients.has(name)) throw new Error(`there is a client ${name} already`)
  const shared = sockets.get(socketName)
  const { version, provider: websocketProvider } = shared
  const doc = new Y.Doc()
  const client = {
    doc,
    shared,
    socket: websocketProvider,
    token,
    asked: 0,
    unsynced: [],
    statuses: [],
    closes: [],
    denials: [],
    refusals: [],
    scopes: [],
    stateless: [],
    syncStatuses: []
  }
  client.provider = new hocuspocus[version].HocuspocusProvider({
    name: document,
    document: doc,
    websocketProvider,
    // Version 2 asks for a token only if it was given one.
    token: token === null ? null : () => { client.asked++; return client.token },
    // Two clients of one process would otherwise talk to each other behind the server's back.
    broadcast: false,
    quiet: true,
    ...options
  })
  const provider = client.provider
  client.awareness = provider.awareness
  client.undo = undoFor(doc)
  provider.on('unsyncedChanges', (changes) => client.unsynced.push(changes.number ?? changes))
  provider.on('authenticationFailed', ({ reason }) => client.refusals.push(reason))
  provider.on('authenticated', () => client.scopes.push(provider.authorizedScope))
  provider.on('stateless', ({ payload }) => client.stateless.push(JSON.parse(payload)))
  provider.on('close', ({ event }) => client.closes.push(String(event.reason)))
  provider.on('message', ({ message }) => {
    message.readVarString()
    if (message.readVarUint() === 8) client.syncStatuses.push(message.readVarUint())
  })
  clients.set(name, client)
  if (provider.isAttached === false) provider.attach()
  return doc.clientID
}

const destroy = ({ name }) => {
  const client = clients.get(name)
  if (client === undefined) return
  clients.delete(name)
  client.undo.destroy()
  client.provider.destroy()
  client.awareness?.destroy()
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
        unsynced: client.unsynced?.slice(-5),
        refusals: client.refusals?.slice(-3),
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
  socket,
  open,
  hangUp,
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
