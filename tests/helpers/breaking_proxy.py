"""A proxy that breaks connections on purpose: between asyncpg and PostgreSQL, or between a browser
and the server.

async with BreakingProxy(socket_of(dsn)) as proxy:
    pool = await DatabasePool.open(proxy.dsn(dsn))
    proxy.cut_after_request(b"COMMIT")   # the server commits, the answer is lost
    proxy.pause(); proxy.resume()        # nothing passes: a network that swallows
    proxy.cut()                          # every connection breaks now
    proxy.refuse = True                  # new connections break at once

async with BreakingProxy(server.port) as proxy:
    await person.open(proxy.port, …)
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote, urlsplit, urlunsplit


class BreakingProxy:
    """Listens on a socket of its own and passes bytes on to another, until it is told not to.

    Args:
        target: a Unix socket, or a TCP port of this machine; it listens on one of the same kind.

    Attributes:
        port: where it listens, in front of a port.
        refuse: new connections are closed at once.
        connections: how many were accepted so far.
        cuts: how many connections were broken.
    """

    def __init__(self, target: Path | int) -> None:
        self.port = 0
        self.refuse = False
        self.connections = 0
        self.cuts = 0
        self._target = target
        self._directory = Path(tempfile.mkdtemp(prefix="collab-proxy-"))
        self._server: asyncio.Server | None = None
        self._links: set[_Link] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._trigger: tuple[bytes, bool] | None = None

    async def __aenter__(self) -> Self:
        if isinstance(self._target, int):
            self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
            self.port = self._server.sockets[0].getsockname()[1]
        else:
            path = self._directory / self._target.name
            self._server = await asyncio.start_unix_server(self._accept, path)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._server is not None:
            self._server.close()
        self.resume()
        self.cut()
        if self._tasks:
            await asyncio.wait(self._tasks)
        await asyncio.to_thread(shutil.rmtree, self._directory)

    def dsn(self, direct: str) -> str:
        """The same connection string, through the proxy."""
        parts = urlsplit(direct)
        return urlunsplit(parts._replace(query=f"host={quote(str(self._directory))}"))

    def pause(self) -> None:
        """Let nothing pass, without closing anything."""
        self._flowing.clear()

    def resume(self) -> None:
        """Let everything pass again, what was held back first."""
        self._flowing.set()

    def cut(self) -> None:
        """Break all connections that stand."""
        for link in list(self._links):
            link.cut()
            self.cuts += 1

    def cut_before(self, text: bytes) -> None:
        """Break the connection instead of passing on the next request that holds these bytes."""
        self._trigger = (text, False)

    def cut_after(self, text: bytes) -> None:
        """Pass on the next request that holds these bytes, and break when its answer comes."""
        self._trigger = (text, True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if self.refuse:
            writer.transport.abort()
            return
        if isinstance(self._target, int):
            onward_reader, onward_writer = await asyncio.open_connection("127.0.0.1", self._target)
        else:
            onward_reader, onward_writer = await asyncio.open_unix_connection(self._target)
        link = _Link(writer, onward_writer)
        self._links.add(link)
        try:
            await asyncio.gather(
                self._requests(reader, onward_writer, link),
                self._answers(onward_reader, writer, link),
            )
        finally:
            self._links.discard(link)
            link.cut()

    async def _requests(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, link: _Link
    ) -> None:
        async for data in self._chunks(reader):
            if self._trigger is not None and self._trigger[0] in data:
                _, after = self._trigger
                self._trigger = None
                self.cuts += 1
                if not after:
                    link.cut()
                    return
                link.is_doomed = True
            writer.write(data)
        link.cut()

    async def _answers(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, link: _Link
    ) -> None:
        async for data in self._chunks(reader):
            if link.is_doomed:
                break
            writer.write(data)
        link.cut()

    async def _chunks(self, reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
        while True:
            try:
                data = await reader.read(65536)
            except ConnectionError:
                return
            if not data:
                return
            await self._flowing.wait()
            yield data


class _Link:
    """Both ends of one proxied connection."""

    def __init__(self, *ends: asyncio.StreamWriter) -> None:
        self.is_doomed = False
        self._ends = ends

    def cut(self) -> None:
        for end in self._ends:
            end.transport.abort()
