"""Handing an accepted socket to a receiver: straight from the transport where that is possible,
through ASGI anywhere else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from starlette.websockets import WebSocket

from server.channels import AsgiChannel, Channel
from server.direct_channel import EXTENSION, Receiver

CLOSE_SECONDS = 10.0


async def attach(websocket: WebSocket, receiver: Receiver, take: Callable[[Channel], None]) -> None:
    """Pass frames on until the socket is closed; returns at once on a direct channel.

    Args:
        take: called with the socket's channel before the first frame.
    """
    direct = websocket.scope.get("extensions", {}).get(EXTENSION)
    if direct is not None:
        take(direct)
        direct.attach(receiver)
        return
    channel = AsgiChannel(websocket, on_writable=receiver.on_writable)
    take(channel)
    sender = asyncio.create_task(channel.run())
    try:
        await _receive(websocket, channel, receiver)
    finally:
        receiver.on_lost()
        if channel.is_closing:
            # The close frame is on its way; a peer that does not read must not hold us.
            await asyncio.wait([sender], timeout=CLOSE_SECONDS)
        sender.cancel()


async def _receive(websocket: WebSocket, channel: AsgiChannel, receiver: Receiver) -> None:
    """Pass frames on until the socket is closed from either side."""
    while True:
        await channel.readable()
        message = await websocket.receive()
        if message["type"] == "websocket.disconnect":
            return
        frame = message.get("bytes")
        if frame is None:
            receiver.on_text()
        else:
            receiver.on_frame(frame)
