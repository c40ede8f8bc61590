"""The database hangs, stops or is killed: editing goes on, nothing unstored is called stored."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil  # type: ignore[import-untyped] # it ships no types
import pytest

from persistence.embedded_postgres import EmbeddedPostgres
from tests.chaos.test_crash import in_thread
from tests.helpers.node_clients import NodeClients, NodeProcess
from tests.helpers.proving import few_or_many
from tests.helpers.server_process import LiveSession, ServerProcess, running_server, stored_update
from tests.helpers.yjs_peer import YjsPeer, contents
from tests.interop.agreement import agree

OUTAGE = float(few_or_many(3, 15))
"""Seconds without a database."""

MIB = 1024 * 1024
SEEN = 2.0
"""Seconds within which an edit must reach the others, outage or not."""


@contextlib.contextmanager
def database_stopped(server: ServerProcess) -> Iterator[None]:
    """Stop the embedded database where it stands, as a machine that hangs does."""
    postmaster = server.postmaster()
    stopped = [postmaster]
    postmaster.send_signal(signal.SIGSTOP)
    for child in postmaster.children(recursive=True):
        child.send_signal(signal.SIGSTOP)
        stopped.append(child)
    try:
        yield
    finally:
        for process in stopped:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGCONT)


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
            await listener.until(lambda: key in listener.objects)  # noqa: B023 - waited for at once
            self.slowest = max(self.slowest, time.monotonic() - started)
            await asyncio.sleep(0.005)

    @property
    def receipts(self) -> tuple[int, int]:
        """How much of what each has sent is called stored."""
        return self.ada.wire.stored, self.bob.wire.stored


@contextlib.asynccontextmanager
async def conversation(session: LiveSession) -> AsyncIterator[Conversation]:
    async with (
        await YjsPeer.join(session.invite().url_with(ack="1")) as ada,
        await YjsPeer.join(session.invite().url_with(ack="1")) as bob,
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


async def everything_is_stored(talk: Conversation, dsn: str, session: LiveSession) -> None:
    """Receipts come again, for all of it; the log holds every edit."""
    await asyncio.gather(talk.ada.until_stored(), talk.bob.until_stored())
    stored = contents(await stored_update(dsn, session.id))["objects"]
    assert set(stored) == {f"k{number}" for number in range(1, talk.edits + 1)}


@pytest.mark.timeout(180)
async def test_a_database_that_hangs_stops_receipts_and_nothing_else() -> None:
    async with in_thread(running_server()) as server:
        session = await server.create_session()
        async with conversation(session) as talk:
            await talk.go_on(0.5)
            memory = server.memory()
            with database_stopped(server):
                await goes_on_without_receipts(talk, OUTAGE)
                assert server.memory() - memory < 16 * MIB
            await everything_is_stored(talk, server.database_dsn(), session)
            assert server.memory() - memory < 16 * MIB


@pytest.mark.timeout(180)
async def test_an_embedded_database_that_is_killed_is_started_again() -> None:
    async with in_thread(running_server()) as server:
        session = await server.create_session()
        async with conversation(session) as talk:
            await talk.go_on(0.3)
            killed = server.postmaster()
            await asyncio.to_thread(killed.kill)
            await talk.go_on(1.0)
            assert talk.slowest < SEEN
            await asyncio.to_thread(server.wait_ready)
            await asyncio.gather(talk.ada.until_stored(), talk.bob.until_stored())
            assert server.postmaster().pid != killed.pid
            await everything_is_stored(talk, server.database_dsn(), session)
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


@pytest.mark.timeout(180)
async def test_a_database_elsewhere_may_be_stopped_and_started_again(
    external: ExternalDatabase,
) -> None:
    dsn = await external.start()
    async with in_thread(running_server(database_url=dsn)) as server:
        session = await server.create_session()
        async with conversation(session) as talk:
            await talk.go_on(0.5)
            await external.stop()
            await goes_on_without_receipts(talk, OUTAGE)
            assert await external.start() == dsn
            await everything_is_stored(talk, dsn, session)


@pytest.mark.timeout(180)
async def test_with_the_backlog_full_writers_are_sent_away_and_may_come_back_to_read() -> None:
    node = await asyncio.to_thread(NodeProcess)
    limits = {"COLLAB_JOURNAL_BACKLOG_BYTES": "60000"}
    try:
        async with in_thread(running_server(**limits)) as server, NodeClients(node) as pages:
            session = await server.create_session()
            ada_url = session.invite().url
            async with (
                await YjsPeer.join(ada_url) as ada,
                await YjsPeer.join(session.invite().url) as bob,
            ):
                talk = Conversation(ada, bob)
                await talk.go_on(0.3)
                reader = await pages.join("reader", session.invite("viewer"))
                writer = await pages.join("writer", session.invite())
                await writer.run("doc.getMap('objects').set('early', 1)")
                with database_stopped(server):
                    await fill_the_backlog(talk.ada)
                    assert talk.ada.wire.closed is not None
                    assert talk.ada.wire.closed[0] == 4503
                    assert talk.ada.wire.closed[1]
                    # Who only reads has not lost its socket, and neither has who did not write.
                    assert await reader.field("closes") == []
                    assert await writer.field("closes") == []
                    assert talk.bob.is_connected
                    # A stock provider that writes is sent away, and tries again.
                    await writer.run("doc.getMap('objects').set('late', 1)")
                    await writer.until("client.closes.some(close => close?.code === 4503)")
                    assert await writer.field("ended") == []
                    # Both come back to read, and stay: their edits wait in their own copies.
                    await writer.until("client.sockets > 1 && provider.synced")
                    await talk.ada.connect(ada_url)
                    await talk.ada.until(lambda: talk.ada.is_synced)
                    await asyncio.sleep(1.0)
                    assert await writer.field("sockets") <= 3, "it is sent away again and again"
                    assert talk.ada.is_connected
                # The database is back: what waited is taken without another reconnect.
                sockets = await writer.field("sockets")
                await reader.until("contents().objects.late === 1")
                await talk.bob.until(lambda: "late" in talk.bob.objects)
                await agree(session, reader, writer, talk.ada, talk.bob)
                assert await writer.field("sockets") == sockets
    finally:
        await asyncio.to_thread(node.close)


async def fill_the_backlog(peer: YjsPeer) -> None:
    """Edit until the server closes the socket."""
    for number in range(10_000):
        peer.objects[f"fill{number % 10}"] = "x" * 1000
        await peer.sent()
        await asyncio.sleep(0.001)
        if not peer.is_connected:
            return
    raise AssertionError("ten megabytes were taken with a backlog of 60,000 bytes")
