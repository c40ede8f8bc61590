import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { WebsocketProvider } from 'y-websocket'
import { attachPoseLane } from '../client/provider-lane.ts'

type Listener = (event: { status: string }) => void

/** As much of a provider as the lane uses. */
class FakeProvider {
  readonly sent: number[] = []
  readonly messageHandlers: ((reply: unknown, message: { arr: Uint8Array }) => void)[] = []
  readonly awareness = { clientID: 5 }
  readonly listeners = new Set<Listener>()
  readonly ws = { send: (message: Uint8Array): unknown => this.sent.push(message[1] ?? 0) }
  wsconnected = false

  on(_event: 'status', listener: Listener): void {
    this.listeners.add(listener)
  }

  off(_event: 'status', listener: Listener): void {
    this.listeners.delete(listener)
  }

  becomes(status: string): void {
    for (const listener of this.listeners) listener({ status })
  }

  hears(...message: number[]): void {
    this.messageHandlers[112]?.(null, { arr: Uint8Array.of(112, ...message) })
  }

  get itself(): WebsocketProvider {
    return this as unknown as WebsocketProvider
  }
}

const HELLO = 1
const BYE = 7
const WELCOME = [65, 1, 3, 0, 1, 30, 1, 0, 0, 0, 0, 0, 0, 0]

test('hello is said on every connection, and on one that is there already', () => {
  const provider = new FakeProvider()
  const { lane, detach } = attachPoseLane(provider.itself, 'mobile', () => 1000)
  assert.deepEqual(provider.sent, [])
  provider.becomes('connecting')
  provider.becomes('connected')
  provider.hears(...WELCOME)
  assert.deepEqual(lane.place, { slot: 3, generation: 1 })
  provider.becomes('disconnected')
  assert.equal(lane.place, null)
  provider.becomes('connected')
  assert.deepEqual(provider.sent, [HELLO, HELLO])
  detach()

  const connected = new FakeProvider()
  connected.wsconnected = true
  attachPoseLane(connected.itself, 'mobile', () => 1000).detach()
  assert.deepEqual(connected.sent, [HELLO, BYE])
})

test('who detaches says bye once, and neither hears nor says anything more', () => {
  const provider = new FakeProvider()
  const { lane, detach } = attachPoseLane(provider.itself, 'mobile', () => 1000)
  provider.becomes('connected')
  detach()
  assert.deepEqual(provider.sent, [HELLO, BYE])
  assert.equal(provider.listeners.size, 0)
  provider.hears(...WELCOME) // the provider would complain about a message it does not know
  assert.equal(lane.place, null)
})
