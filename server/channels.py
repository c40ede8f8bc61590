"""How a room reaches one socket, whatever the ASGI server."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Protocol

from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from server.frames import OutgoingFrame


class Channel(Protocol):
    """One open socket, written to without waiting.

    Attributes:
        last_sent: loop time of the last frame.
        is_behind: what was sent has not gone out; nothing more should be sent now.
    """

    last_sent: float

    @property
    def is_behind(self) -> bool:
        """See above."""

    def write(self, frame: OutgoingFrame, now: float) -> None:
        """Send one binary message."""

    def write_both(self, first: OutgoingFrame, second: OutgoingFrame, now: float) -> None:
        """Send two, for the price of one where that can be."""

    def close(self, code: int, reason: str) -> None:
        """Close after what was sent before; later calls change nothing."""

    def pause_reading(self) -> None:
        """Deliver no more messages until `resume_reading`."""

    def resume_reading(self) -> None:
        """Deliver messages again."""


HIGH_WATER = 256 * 1024
LOW_WATER = 32 * 1024


class AsgiChannel:
    """A channel over any ASGI server: a queue bounded by `is_behind`, and one task that sends."""

    def __init__(self, websocket: WebSocket, on_writable: Callable[[], None]) -> None:
        """
        Args:
            on_writable: called when a channel that was behind has room again.
        """
        self.last_sent = 0.0
        self.is_behind = False
        self._websocket = websocket
        self._on_writable = on_writable
        self._queue: deque[bytes] = deque()
        self._queued_bytes = 0
        self._closing: tuple[int, str] | None = None
        self._wake = asyncio.Event()
        self._readable = asyncio.Event()
        self._readable.set()

    def write(self, frame: OutgoingFrame, now: float) -> None:
        """Queue one binary message."""
        self._queue.append(frame.payload)
        self._queued_bytes += len(frame.payload)
        self.last_sent = now
        self.is_behind = self._queued_bytes > HIGH_WATER
        self._wake.set()

    def write_both(self, first: OutgoingFrame, second: OutgoingFrame, now: float) -> None:
        """Queue two."""
        self.write(first, now)
        self.write(second, now)

    def close(self, code: int, reason: str) -> None:
        """Close once the queue is empty."""
        if self._closing is None:
            self._closing = (code, reason)
            self._wake.set()
            self._readable.set()

    @property
    def is_closing(self) -> bool:
        """`close` was called."""
        return self._closing is not None

    def pause_reading(self) -> None:
        """Make `readable` wait."""
        self._readable.clear()

    def resume_reading(self) -> None:
        """Let `readable` return."""
        self._readable.set()

    async def readable(self) -> None:
        """Return when the socket may be read."""
        await self._readable.wait()

    async def run(self) -> None:
        """Send until the channel is closed or the peer is gone."""
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                await self._drain()
                if self._closing is not None:
                    code, reason = self._closing
                    if self._websocket.application_state is WebSocketState.CONNECTED:
                        await self._websocket.close(code, fitting_reason(reason))
                    return
        except (WebSocketDisconnect, RuntimeError, OSError):
            # The peer is gone; the endpoint's receive says so, too, and leaves the room.
            self._queue.clear()

    async def _drain(self) -> None:
        while self._queue:
            frame = self._queue.popleft()
            await self._websocket.send_bytes(frame)
            self._queued_bytes -= len(frame)
            if self.is_behind and self._queued_bytes <= LOW_WATER:
                self.is_behind = False
                self._on_writable()


def fitting_reason(reason: str) -> str:
    """A close reason is at most 123 bytes of UTF-8 (RFC 6455, 5.5)."""
    return reason.encode()[:123].decode(errors="ignore")
