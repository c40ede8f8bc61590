"""A network between browser and server that can be taken away."""

from __future__ import annotations

import asyncio
import contextlib
from types import TracebackType
from typing import Self


class BreakableLink:
    """Listens on a port of its own and passes everything on to a server's.

    Attributes:
        port: where browsers connect.
    """

    def __init__(self, target_port: int) -> None:
        self.port = 0
        self._target_port = target_port
        self._is_broken = False
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._passing: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._server is not None:
            self._server.close()
        self.cut()
        if self._passing:
            await asyncio.wait(self._passing)

    def cut(self) -> None:
        """Break every connection, and let nobody in until `mend`."""
        self._is_broken = True
        for writer in list(self._writers):
            writer.transport.abort()

    def mend(self) -> None:
        """Let everybody in again."""
        self._is_broken = False

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._passing.add(task)
        task.add_done_callback(self._passing.discard)
        if self._is_broken:
            writer.transport.abort()
            return
        onward_reader, onward_writer = await asyncio.open_connection("127.0.0.1", self._target_port)
        ends = {writer, onward_writer}
        self._writers |= ends
        try:
            await asyncio.gather(_pass(reader, onward_writer), _pass(onward_reader, writer))
        finally:
            self._writers -= ends
            for end in ends:
                end.transport.abort()


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.transport.abort()
