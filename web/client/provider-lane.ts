/** The pose lane on the socket of a stock y-websocket provider. */

import type { WebsocketProvider } from 'y-websocket'
import { PoseLane } from './lane.ts'
import { POSE_LANE, type Device } from './pose-messages.ts'

/** How often it is looked whether something is due; sent is not more than is welcome. */
const LOOK_MS = 15

/** A lane whose provider carries it, until `detach`. */
export interface AttachedLane {
  readonly lane: PoseLane
  /** Leaves the room, but not the document. */
  detach(): void
}

/**
 * Says hello whenever the provider is connected, and takes the messages of the lane from it.
 *
 * @param clock what `PoseLane` is to be asked by, too.
 */
export function attachPoseLane(
  provider: WebsocketProvider,
  device: Device,
  clock: () => number = () => performance.now()
): AttachedLane {
  const lane = new PoseLane({
    device,
    clientId: provider.awareness.clientID,
    send: (message) => provider.ws?.send(message)
  })
  const onStatus = ({ status }: { status: string }): void => {
    if (status === 'connected') lane.opened()
    if (status === 'disconnected') lane.closed()
  }
  provider.messageHandlers[POSE_LANE] = (_reply, message) => lane.receive(message.arr, clock())
  provider.on('status', onStatus)
  if (provider.wsconnected) lane.opened()
  const timer = setInterval(() => lane.advance(clock()), LOOK_MS)
  return {
    lane,
    detach() {
      clearInterval(timer)
      provider.off('status', onStatus)
      lane.leave()
      // What is still on the way is read by nobody; without a handler the provider complains.
      provider.messageHandlers[POSE_LANE] = () => undefined
    }
  }
}
