"""The database hangs, stops or is killed: editing goes on, nothing unstored is called stored."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from persistence.embedded_postgres import EmbeddedPostgres
from tests.helpers.live_documents import LiveDocument, stored_document
from tests.helpers.node_clients import NodeClient, NodeClients, NodeProcess
from tests.helpers.outages import database_stopped
from tests.helpers.places import PLACES, Place, made_in
from tests.helpers.proving import few_or_many
from tests.helpers.server_process import LiveSession, ServerProcess, running_server
from tests.helpers.verifying import findings
from tests.helpers.yjs_peer import YjsPeer, contents
from tests.interop.agreement import agree

OUTAGE = float(few_or_many(3, 15))
"""Seconds without a database."""

MIB = 1024 * 1024
BACKLOG = few_or_many(2, 6) * MIB
"""Bytes of edits that may wait for the database: more than an outage brings in these tests."""

SEEN = 2.0
"""Seconds within which an edit must reach the others, outage or not."""


@pytest.fixture(scope="module")
def settings() -> Mapping[str, str]:
    return {"COLLAB_JOURNAL_BACKLOG_BYTES": str(BACKLOG)}


class Conversation:
    """Two people who edit in turn, each waiting until the other has seen it."""

    def __init__(self, ada: YjsPeer, bob: YjsPeer) -> None:
        self.ada = ada
        self.bob = bob
        self.edits = 0
        self.slowest = 0.0

    async def go_on(self, seconds: float) -> None:
        """Edit for a while."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.edits += 1
            speaker, listener = (self.ada, self.bob) if self.edits % 2 else (self.bob, self.ada)
            key = f"k{self.edits}"
            started = time.monotonic()
            speaker.objects[key] = "x" * 100
            await listener.until(lambda: key in listener.objects or not speaker.is_connected)  # noqa: B023 - waited for at once
            assert speaker.is_connected, speaker.wire.closed
            self.slowest = max(self.slowest, time.monotonic() - started)
            await asyncio.sleep(0.005)

    @property
    def receipts(self) -> tuple[int, int]:
        """How much of what each has sent is called stored."""
        return self.ada.wire.stored, self.bob.wire.stored


@contextlib.asynccontextmanager
async def conversation(live: LiveDocument) -> AsyncIterator[Conversation]:
    async with (
        await YjsPeer.join(live.invite().url_with(ack="1")) as ada,
        await YjsPeer.join(live.invite().url_with(ack="1")) as bob,
    ):
        yield Conversation(ada, bob)


async def goes_on_without_receipts(talk: Conversation, seconds: float) -> None:
    """Edits are exchanged as ever, and none of them is called stored."""
    await talk.go_on(0.3)  # receipts that were already on their way arrive
    before = talk.receipts
    edits = talk.edits
    await talk.go_on(seconds)
    assert talk.receipts == before, "acknowledged without a database"
    assert talk.edits - edits > seconds * 5
    assert talk.slowest < SEEN
    for peer in (talk.ada, talk.bob):
        assert len(peer.wires) == 1


async def everything_is_stored(talk: Conversation, dsn: str, live: LiveDocument) -> None:
    """Receipts come again, for all of it; the log holds every edit, and the rows what it says."""
    await asyncio.gather(talk.ada.until_stored(), talk.bob.until_stored())
    stored = contents(await stored_document(dsn, live.name))["objects"]
    assert set(stored) == {f"k{number}" for number in range(1, talk.edits + 1)}
    assert await findings(dsn, live.name) == []


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.timeout(180)
async def test_a_database_that_hangs_stops_receipts_and_nothing_else(
    server: ServerProcess, place: Place
) -> None:
    live = await made_in(server, place)
    async with conversation(live) as talk:
        await talk.go_on(0.5)
        memory = server.memory()
        with database_stopped(server):
            await goes_on_without_receipts(talk, OUTAGE)
            assert server.memory() - memory < 16 * MIB
        await everything_is_stored(talk, server.database_dsn(), live)
        assert server.memory() - memory < 16 * MIB


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.timeout(180)
async def test_an_embedded_database_that_is_killed_is_started_again(
    server: ServerProcess, place: Place
) -> None:
    live = await made_in(server, place)
    async with conversation(live) as talk:
        await talk.go_on(0.3)
        killed = server.postmaster()
        await asyncio.to_thread(killed.kill)
        await talk.go_on(1.0)
        assert talk.slowest < SEEN
        await asyncio.to_thread(server.wait_ready)
        await asyncio.gather(talk.ada.until_stored(), talk.bob.until_stored())
        assert server.postmaster().pid != killed.pid
        await everything_is_stored(talk, server.database_dsn(), live)
        assert len(talk.ada.wires) == len(talk.bob.wires) == 1


class ExternalDatabase:
    """A PostgreSQL that the server knows by its address only."""

    def __init__(self, directory: Path) -> None:
        self._postgres = EmbeddedPostgres(directory)
        # Its postmaster ends with the thread that started it.
        self._thread = ThreadPoolExecutor(1)

    async def start(self) -> str:
        """Start it; its connection string."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, self._postgres.start)

    async def stop(self) -> None:
        """Stop it in good order."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._postgres.stop)

    async def close(self) -> None:
        """Stop it for good."""
        await self.stop()
        await asyncio.to_thread(self._thread.shutdown)


@pytest.fixture
async def external() -> AsyncIterator[ExternalDatabase]:
    with tempfile.TemporaryDirectory(prefix="collab-test-") as directory:
        database = ExternalDatabase(Path(directory) / "database")
        yield database
        await database.close()


@contextlib.asynccontextmanager
async def elsewhere(dsn: str) -> AsyncIterator[ServerProcess]:
    """A server on an external database, started and stopped without holding up the event loop."""
    manager = running_server(database_url=dsn)
    server = await asyncio.to_thread(manager.__enter__)
    try:
        yield server
    finally:
        await asyncio.to_thread(manager.__exit__, None, None, None)


@pytest.mark.timeout(180)
async def test_a_database_elsewhere_may_be_stopped_and_started_again(
    external: ExternalDatabase,
) -> None:
    dsn = await external.start()
    async with elsewhere(dsn) as server:
        session = await server.create_session()
        async with conversation(session) as talk:
            await talk.go_on(0.5)
            await external.stop()
            await goes_on_without_receipts(talk, OUTAGE)
            assert await external.start() == dsn
            await everything_is_stored(talk, dsn, session)


@dataclass
class Audience:
    """People in one session while the backlog is full.

    Attributes:
        filler: the peer whose edits have filled it, and who was sent away for it.
        silent: a peer that has not written since.
        reader, writer: stock providers, of a viewer and of an editor.
    """

    session: LiveSession
    way_in: str
    filler: YjsPeer
    silent: YjsPeer
    reader: NodeClient
    writer: NodeClient


@pytest.fixture(scope="module")
def node() -> Iterator[NodeProcess]:
    process = NodeProcess()
    yield process
    process.close()


@contextlib.asynccontextmanager
async def audience(server: ServerProcess, node: NodeProcess) -> AsyncIterator[Audience]:
    session = await server.create_session()
    way_in = session.invite().url
    async with (
        NodeClients(node) as pages,
        await YjsPeer.join(way_in) as filler,
        await YjsPeer.join(session.invite().url) as silent,
    ):
        reader = await pages.join("reader", session.invite("viewer"))
        writer = await pages.join("writer", session.invite())
        await writer.run("doc.getMap('objects').set('early', 1)")
        await silent.until(lambda: "early" in silent.objects)
        yield Audience(session, way_in, filler, silent, reader, writer)


async def fill_the_backlog(peer: YjsPeer) -> None:
    """Edit until the server closes the socket."""
    size = 16 * 1024
    for number in range(8 * BACKLOG // size):
        peer.objects[f"fill{number % 10}"] = "x" * size
        await peer.sent()
        await asyncio.sleep(0.001)
        if not peer.is_connected:
            return
    raise AssertionError("eight times the backlog was taken")


@pytest.mark.timeout(180)
async def test_with_the_backlog_full_writers_are_sent_away_and_nobody_else(
    server: ServerProcess, node: NodeProcess
) -> None:
    async with audience(server, node) as people:
        memory = server.memory()
        with database_stopped(server):
            await fill_the_backlog(people.filler)
            assert people.filler.wire.closed is not None
            code, reason = people.filler.wire.closed
            assert code == 4503
            assert reason
            # Who only reads has not lost its socket, and neither has an editor who is silent.
            assert await people.reader.field("closes") == []
            assert await people.writer.field("closes") == []
            assert people.silent.is_connected
            # A stock provider that writes is sent away; it tries again, and keeps its edit.
            await people.writer.run("doc.getMap('objects').set('late', 1)")
            await people.writer.until("client.closes.some(close => close?.code === 4503)")
            assert await people.writer.field("ended") == []
            await people.writer.until("client.sockets > 1")
            assert server.memory() - memory < 16 * MIB
        # The database is back: everything that waited anywhere is taken.
        await people.reader.until("contents().objects.late === 1")
        await people.filler.connect(people.way_in)
        await agree(people.session, people.reader, people.writer, people.filler, people.silent)
        assert await findings(server.database_dsn(), people.session.id) == []


@pytest.mark.timeout(180)
async def test_with_the_backlog_full_writers_may_come_back_to_read(
    server: ServerProcess, node: NodeProcess
) -> None:
    """ROM-13: and stay: what they have written waits in their own copies, and is taken later."""
    async with audience(server, node) as people:
        with database_stopped(server):
            await fill_the_backlog(people.filler)
            await people.writer.run("doc.getMap('objects').set('late', 1)")
            await people.writer.until("client.closes.some(close => close?.code === 4503)")
            await people.writer.until("client.sockets > 1 && provider.synced", timeout=15)
            await people.filler.connect(people.way_in)
            await people.filler.until(lambda: people.filler.is_synced)
            sockets = await people.writer.field("sockets")
            await asyncio.sleep(1.0)
            assert await people.writer.field("sockets") == sockets, "sent away again and again"
            assert people.filler.is_connected
        await people.reader.until("contents().objects.late === 1")
        await agree(people.session, people.reader, people.writer, people.filler, people.silent)
        assert await findings(server.database_dsn(), people.session.id) == []
        assert await people.writer.field("sockets") == sockets
