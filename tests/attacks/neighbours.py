"""A well-behaved room beside an attack: two people who edit one document together."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import uuid4

from tests.helpers.server_process import LiveSession, ServerProcess
from tests.helpers.yjs_peer import YjsPeer


@dataclass(frozen=True, slots=True)
class Neighbours:
    """Attributes:
    worker: the process that serves them; another one later means that an attack stopped it.
    """

    server: ServerProcess
    session: LiveSession
    first: YjsPeer
    second: YjsPeer
    worker: int

    async def edit(self) -> None:
        """Each writes, and the other sees it, on the connections that they have had all along."""
        for writer, reader in ((self.first, self.second), (self.second, self.first)):
            value = str(uuid4())
            writer.objects["note"] = value
            await reader.until(lambda: reader.objects.get("note") == value)  # noqa: B023 - at once
        assert len(self.first.wires) == len(self.second.wires) == 1
        assert self.first.is_connected
        assert self.second.is_connected
        assert self.server.worker().pid == self.worker


@asynccontextmanager
async def living_beside(server: ServerProcess) -> AsyncIterator[Neighbours]:
    """They edit before, and are still served afterwards."""
    session = await server.create_session()
    first = await YjsPeer.join(session.invite().url)
    second = await YjsPeer.join(session.invite().url)
    async with first, second:
        neighbours = Neighbours(server, session, first, second, server.worker().pid)
        await neighbours.edit()
        yield neighbours
        await neighbours.edit()
    first.forget()
    second.forget()
