import assert from 'node:assert/strict'
import { test } from 'node:test'
import { countedKind } from '../src/session/frames.ts'
import { SavedTracker } from '../src/session/saved.ts'

/** A tracker whose connection has opened and answered the server's question. */
function synced(): SavedTracker {
  const tracker = new SavedTracker()
  tracker.opened()
  tracker.sent('step2')
  tracker.acknowledged(1)
  return tracker
}

function edit(tracker: SavedTracker): void {
  tracker.edited()
  tracker.sent('update')
}

test('it is offline before there is a connection, and without one', () => {
  const tracker = new SavedTracker()
  assert.equal(tracker.state, 'offline')
  const other = synced()
  other.closed()
  assert.equal(other.state, 'offline')
})

test('a connection that has not answered the server says nothing about being saved', () => {
  const tracker = new SavedTracker()
  tracker.opened()
  assert.equal(tracker.state, 'saving')
  tracker.sent('step2')
  assert.equal(tracker.state, 'saving')
  tracker.acknowledged(1)
  assert.equal(tracker.state, 'saved')
})

test('an edit is saved when all that was sent is acknowledged, not earlier', () => {
  const tracker = synced()
  edit(tracker)
  edit(tracker)
  assert.equal(tracker.state, 'saving')
  tracker.acknowledged(2)
  assert.equal(tracker.state, 'saving')
  assert.equal(tracker.hasUnstored, true)
  tracker.acknowledged(3)
  assert.equal(tracker.state, 'saved')
  assert.equal(tracker.hasUnstored, false)
})

test('a new connection starts counting at 0', () => {
  const tracker = synced()
  for (let count = 0; count < 5; count++) edit(tracker)
  tracker.acknowledged(6)
  tracker.closed()
  tracker.opened()
  tracker.sent('step2')
  assert.equal(tracker.state, 'saving')
  tracker.acknowledged(1)
  assert.equal(tracker.state, 'saved')
})

test('edits made offline wait for the step 2 that brings them', () => {
  const tracker = synced()
  tracker.closed()
  tracker.edited()
  assert.equal(tracker.hasUnstored, true)
  tracker.opened()
  edit(tracker) // sent before the server has asked: it leans on what is still missing there
  tracker.acknowledged(1)
  assert.equal(tracker.state, 'saving')
  assert.equal(tracker.hasUnstored, true)
  tracker.sent('step2')
  tracker.acknowledged(2)
  assert.equal(tracker.state, 'saved')
  assert.equal(tracker.hasUnstored, false)
})

test('what a lost connection had not acknowledged is not stored', () => {
  const tracker = synced()
  edit(tracker)
  tracker.closed()
  assert.equal(tracker.hasUnstored, true)
})

test('an older acknowledgement takes nothing back', () => {
  const tracker = synced()
  edit(tracker)
  tracker.acknowledged(2)
  tracker.acknowledged(1)
  assert.equal(tracker.state, 'saved')
})

test('a refusal is not covered up by later acknowledgements', () => {
  const tracker = synced()
  edit(tracker)
  tracker.refused()
  tracker.acknowledged(2)
  assert.equal(tracker.state, 'refused')
})

test('step 2 and update messages are counted, and nothing else', () => {
  assert.equal(countedKind(Uint8Array.of(0, 1, 2, 0, 0)), 'step2')
  assert.equal(countedKind(Uint8Array.of(0, 2, 2, 0, 0)), 'update')
  assert.equal(countedKind(Uint8Array.of(0, 0, 1, 0)), null)
  assert.equal(countedKind(Uint8Array.of(1, 1, 0)), null)
  assert.equal(countedKind(Uint8Array.of(3)), null)
  assert.equal(countedKind(new Uint8Array()), null)
})
