"""A Hocuspocus client's frames by hand: many addresses on one WebSocket."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.helpers.yjs_peer import read_var_bytes, step1, step2, var_bytes

ANSWER_SECONDS = 10.0
QUIET_SECONDS = 0.15

STORED = b"\x08\x01"
REFUSED = b"\x08\x00"


def token_message(token: str, version: str | None = None) -> bytes:
    """Auth: this is who I am."""
    said = b"" if version is None else var_bytes(version.encode())
    return b"\x02\x00" + var_bytes(token.encode()) + said


class CollabWire:
    """One socket; what comes is sorted by address."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self._came: list[tuple[str | None, bytes]] = []

    @classmethod
    async def open(cls, port: int, token: str | None = None) -> Self:
        """Connect, with or without a token in the address."""
        query = f"?token={token}" if token else ""
        url = f"ws://127.0.0.1:{port}/api/collab{query}"
        return cls(await connect(url, max_size=None))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.socket.close()

    async def send(self, address: str, *payloads: bytes) -> None:
        """Send messages under an address."""
        for payload in payloads:
            await self.socket.send(var_bytes(address.encode()) + payload)

    async def enter(self, address: str, token: str, version: str | None = None) -> bytes:
        """Open a document as providers do, with nothing to give; returns the server's step 2."""
        await self.send(address, token_message(token, version), step1(b"\x00"))
        await self.hear(address, b"\x02\x02")
        answer = await self.hear(address, b"\x00\x01")
        await self.hear(address, b"\x00\x00")
        await self.send(address, step2(b"\x00\x00"))
        await self.hear(address, STORED)
        return answer

    async def next(self) -> tuple[str | None, bytes]:
        """The next message with its address; None for one without."""
        frame = await asyncio.wait_for(self.socket.recv(), ANSWER_SECONDS)
        assert isinstance(frame, bytes)
        if len(frame) == 1:
            return None, frame
        address, end = read_var_bytes(frame, 0)
        return address.decode(), frame[end:]

    async def hear(self, address: str, beginning: bytes = b"") -> bytes:
        """The next message for an address that begins so. What else came stays for later."""
        for index, (came_for, payload) in enumerate(self._came):
            if came_for == address and payload.startswith(beginning):
                del self._came[index]
                return payload
        while True:
            came_for, payload = await self.next()
            if came_for == address and payload.startswith(beginning):
                return payload
            self._came.append((came_for, payload))

    async def rest(self) -> list[tuple[str | None, bytes]]:
        """What else comes, until it is quiet for a moment."""
        while True:
            try:
                frame = await asyncio.wait_for(self.next(), QUIET_SECONDS)
            except TimeoutError:
                came, self._came = self._came, []
                return came
            self._came.append(frame)

    async def closed(self) -> tuple[int, str]:
        """How the server closes the socket."""
        try:
            while True:
                self._came.append(await self.next())
        except ConnectionClosed:
            return self.socket.close_code or 0, self.socket.close_reason or ""
