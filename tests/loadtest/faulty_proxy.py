"""A server that lies or stops, made of one that does not and a proxy that cuts WebSocket frames.

with FaultyProxy(port, LosesEdits()) as proxy:
    …                # a client that connects to proxy.port
"""

from __future__ import annotations

import asyncio
import threading
from types import TracebackType
from typing import Self

from websockets.speedups import apply_mask

from crdt_docs.varint import var_uint

UPDATE = b"\x00\x02"
STEP1, STEP2 = b"\x00\x00", b"\x00\x01"
STORED = 113
BINARY = 0x82


class Fault:
    """What is wrong with the server. Here: nothing. One object for each connection.

    Methods take the payload of a binary message. The first two return it, or None: it is lost.
    """

    delay = 0.0
    """Seconds that acknowledgements take longer."""

    def from_client(self, payload: bytes) -> bytes | None:
        return payload

    def from_server(self, payload: bytes) -> bytes | None:
        return payload

    def answer(self, payload: bytes) -> bytes | None:
        """What the client is told at once; None: nothing."""
        del payload
        return None


class LosesDeliveries(Fault):
    """Of what it sends, every hundredth update is lost, and soon a first one: in a busy machine's
    short run merged updates are few."""

    def __init__(self) -> None:
        self._updates = 80

    def from_server(self, payload: bytes) -> bytes | None:
        self._updates += payload.startswith(UPDATE)
        return None if payload.startswith(UPDATE) and self._updates % 100 == 0 else payload


class LosesEdits(Fault):
    """It calls everything stored at once; every hundredth edit is lost, and never asked for."""

    edits = 0

    def __init__(self) -> None:
        self._said = 0
        self._has_asked = False

    def from_client(self, payload: bytes) -> bytes | None:
        LosesEdits.edits += payload.startswith(UPDATE)
        return None if payload.startswith(UPDATE) and LosesEdits.edits % 100 == 0 else payload

    def answer(self, payload: bytes) -> bytes | None:
        if not payload.startswith((UPDATE, STEP2)):
            return None
        self._said += 1
        return bytes([STORED]) + var_uint(self._said)

    def from_server(self, payload: bytes) -> bytes | None:
        is_another = payload.startswith(STEP1) and self._has_asked
        self._has_asked = self._has_asked or payload.startswith(STEP1)
        return None if is_another or payload[0] == STORED else payload


class AcknowledgesLate(Fault):
    """Everything is stored, but it takes long to say so."""

    delay = 1.0


class FaultyProxy:
    """Listens on a port of its own, in a thread of its own.

    Attributes:
        port: where it listens.
    """

    def __init__(self, target: int, kind: type[Fault] = Fault) -> None:
        self.port = 0
        self._target = target
        self._kind = kind
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._links: set[asyncio.Task[None]] = set()
        self._flows: asyncio.Event | None = None
        self._server: asyncio.Server | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._open(), self._loop).result(10)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def stop(self) -> None:
        """Nothing passes any more, and nobody is told."""
        assert self._flows is not None
        self._loop.call_soon_threadsafe(self._flows.clear)

    def die(self) -> None:
        """All connections break, and nobody is let in."""
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(10)

    async def _open(self) -> None:
        self._flows = asyncio.Event()
        self._flows.set()
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, backlog=1000)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        assert self._server is not None
        self._server.close()
        for each in self._links:
            each.cancel()
        await asyncio.gather(*self._links, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = asyncio.current_task()
        assert link is not None
        self._links.add(link)
        onward: asyncio.StreamWriter | None = None
        try:
            answers, onward = await asyncio.open_connection("127.0.0.1", self._target)
            await self._pass(reader, writer, answers, onward)
        except (asyncio.CancelledError, ConnectionError, asyncio.IncompleteReadError):
            pass  # one side is gone: so is the other
        finally:
            for end in (writer, onward):
                if end is not None:
                    end.transport.abort()
            self._links.discard(link)

    async def _pass(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        answers: asyncio.StreamReader,
        onward: asyncio.StreamWriter,
    ) -> None:
        onward.write(await reader.readuntil(b"\r\n\r\n"))
        writer.write(await answers.readuntil(b"\r\n\r\n"))
        fault = self._kind()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._requests(reader, writer, onward, fault))
                group.create_task(self._answers(answers, writer, fault))
        except* (ConnectionError, asyncio.IncompleteReadError):
            pass  # likewise

    async def _requests(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        onward: asyncio.StreamWriter,
        fault: Fault,
    ) -> None:
        while True:
            raw, payload = await self._frame(reader)
            if raw[0] != BINARY or fault.from_client(payload) is not None:
                onward.write(raw)
            if raw[0] == BINARY and (answer := fault.answer(payload)) is not None:
                writer.write(_unmasked(answer))

    async def _answers(
        self, answers: asyncio.StreamReader, writer: asyncio.StreamWriter, fault: Fault
    ) -> None:
        loop = asyncio.get_running_loop()
        while True:
            raw, payload = await self._frame(answers)
            if raw[0] == BINARY and fault.from_server(payload) is None:
                continue
            is_late = raw[0] == BINARY and payload[0] == STORED
            if is_late and fault.delay:
                loop.call_later(fault.delay, writer.write, raw)
            else:
                writer.write(raw)

    async def _frame(self, reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
        """One whole frame, and its payload without the mask."""
        raw = await reader.readexactly(2)
        size = raw[1] & 0x7F
        for short, width in ((126, 2), (127, 8)):
            if raw[1] & 0x7F == short:
                raw += await reader.readexactly(width)
                size = int.from_bytes(raw[2:], "big")
        mask = await reader.readexactly(4) if raw[1] & 0x80 else b""
        content = await reader.readexactly(size)
        assert self._flows is not None
        await self._flows.wait()
        return raw + mask + content, apply_mask(content, mask) if mask else content


def _unmasked(payload: bytes) -> bytes:
    assert len(payload) < 126
    return bytes([BINARY, len(payload)]) + payload
