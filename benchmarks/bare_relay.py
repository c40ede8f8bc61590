"""`python -m benchmarks.bare_relay PORT`: as little of a server as people of a load test can join.

Whoever asks for the document gets an empty one. Everything else goes to the others on the same
path as it came, a frame for each message, what came in one turn of the loop in one write. Nothing
is checked, kept or limited: what is measured against it is the generator.
"""

from __future__ import annotations

import asyncio
import sys
from typing import cast

import uvloop
from websockets.datastructures import Headers
from websockets.speedups import apply_mask
from websockets.utils import accept_key

from loadtest import wire

EMPTY_DOCUMENT = b"\x82\x05\x00\x01\x02\x00\x00"
STEP1 = b"\x00\x00"
MASK = 4


class Guest(asyncio.Protocol):
    """One connection."""

    def __init__(self, rooms: dict[str, Room]) -> None:
        self.outbox: list[bytes] = []
        self._rooms = rooms
        self._room: Room | None = None
        self._inbox = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Somebody is there."""
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, _exc: Exception | None) -> None:
        """Somebody is gone."""
        if self._room is not None:
            self._room.guests.discard(self)

    def data_received(self, data: bytes) -> None:
        """Something came."""
        data = self._inbox + data
        at = 0 if self._room is not None else self._accept(data)
        while self._room is not None and (header := wire.read_header(_unmasked(data, at), 0)):
            start, length = at + header[0] + MASK, header[1]
            if start + length > len(data):
                break
            payload = apply_mask(data[start : start + length], data[start - MASK : start])
            self._take(data[at], payload)
            at = start + length
        self._inbox = data[at:]

    def send(self, data: bytes) -> None:
        """Write this."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def _accept(self, data: bytes) -> int:
        end = data.find(b"\r\n\r\n") + 4
        if end < 4:
            return 0
        first, *lines = data[: end - 4].decode().split("\r\n")
        headers = Headers([tuple(line.split(": ", 1)) for line in lines])  # type: ignore[misc]
        self.send(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: "
            + accept_key(headers["Sec-WebSocket-Key"]).encode()
            + b"\r\n\r\n"
        )
        self._room = self._rooms.setdefault(first.split()[1], Room())
        self._room.guests.add(self)
        return end

    def _take(self, first: int, payload: bytes) -> None:
        if first == wire.CLOSE and self._transport is not None:
            self.send(b"\x88\x02\x03\xe8")
            self._transport.close()
        elif payload.startswith(STEP1):
            self.send(EMPTY_DOCUMENT)
        elif self._room is not None and first == wire.BINARY:
            self._room.relay(self, payload)


class Room:
    """Those on one path."""

    def __init__(self) -> None:
        self.guests: set[Guest] = set()
        self._is_due = False

    def relay(self, sender: Guest, payload: bytes) -> None:
        """Pass a message on, when this turn of the loop is over."""
        written = _frame(payload)
        for guest in self.guests:
            if guest is not sender:
                guest.outbox.append(written)
        if not self._is_due:
            self._is_due = True
            asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        self._is_due = False
        for guest in self.guests:
            if guest.outbox:
                guest.send(b"".join(guest.outbox))
                guest.outbox.clear()


def _unmasked(data: bytes, at: int) -> bytes:
    """The header at a position as it would be without a mask."""
    if len(data) < at + 2:
        return b""
    return bytes((data[at], data[at + 1] & 0x7F)) + data[at + 2 : at + 10]


def _frame(payload: bytes) -> bytes:
    """A server's frame."""
    masked = wire.frame(payload)
    begin = len(masked) - len(payload) - MASK
    return bytes((masked[0], masked[1] & 0x7F)) + masked[2:begin] + payload


async def relay(port: int) -> None:
    """Serve until the process ends."""
    rooms: dict[str, Room] = {}
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Guest(rooms), "127.0.0.1", port, backlog=2048)
    await server.serve_forever()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(relay(int(sys.argv[1])))
