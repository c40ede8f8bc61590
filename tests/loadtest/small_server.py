"""The smallest server that people can join, which does what a test wants.

async with SmallServer() as server:
    await person_at(server).join()
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Self

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from crdt_docs import messages
from loadtest.seat import Seat


@asynccontextmanager
async def refusing_server() -> AsyncIterator[int]:
    """The port of a server that speaks HTTP and no WebSocket."""

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 503 Service Unavailable\r\n\r\n")
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


class SmallServer:
    """Answers step 1 with an empty document, asks in turn, and passes everything else on.

    Attributes:
        heard: all messages, of all people.
        sockets: who is there, in the order in which they came.
        document: what is said to have been missed; None: nothing is said.
        joined: how many have come so far.
        refusals: so many connections are closed at once, with this code.
        stores: whether edits are called stored.
        asks: with which state vector.
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.heard: list[bytes] = []
        self.sockets: list[ServerConnection] = []
        self.joined = 0
        self.refusals: list[int] = []
        self.document: bytes | None = b"\x00\x00"
        self.stores = True
        self.asks = b"\x00"
        self.port = 0
        self._tls = tls
        self._server: Server | None = None

    async def __aenter__(self) -> Self:
        self._server = await serve(
            self._serve, "127.0.0.1", 0, ssl=self._tls, compression=None, max_size=None
        )
        self.port = next(iter(self._server.sockets)).getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()

    def seat(self, number: int = 0, *, acknowledges: bool = True) -> Seat:
        """A place at it."""
        return Seat(
            number=number,
            room=0,
            host="127.0.0.1",
            port=self.port,
            is_tls=self._tls is not None,
            path="/room",
            acknowledges=acknowledges,
        )

    async def _serve(self, socket: ServerConnection) -> None:
        self.joined += 1
        if self.refusals:
            await socket.close(self.refusals.pop(0), "not now")
            return
        self.sockets.append(socket)
        try:
            await self._talk(socket)
        except ConnectionClosed:
            pass
        finally:
            self.sockets.remove(socket)

    async def _talk(self, socket: ServerConnection) -> None:
        await socket.send(messages.sync_step1(self.asks))
        answered = 0
        async for message in socket:
            assert isinstance(message, bytes)
            self.heard.append(message)
            if messages.is_step1(message):
                if self.document is not None:
                    await socket.send(messages.sync_step2(self.document))
                continue
            for other in self.sockets:
                if other is not socket:
                    await other.send(message)
            if message[0] == 0 and self.stores:
                answered += 1
                await socket.send(messages.stored(answered))
