"""The server is killed while everybody types, and started again on the same data."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from tests.helpers.node_clients import NodeClient, NodeClients, NodeProcess
from tests.helpers.proving import few_or_many
from tests.helpers.random_edits import random_edit
from tests.helpers.server_process import LiveSession, ServerProcess, running_server
from tests.helpers.verifying import findings
from tests.helpers.yjs_peer import YjsPeer, contents
from tests.interop.agreement import agree

PEERS = 17
BROWSERS = 3
SEEDS = range(few_or_many(1, 10))
RETURN_SECONDS = 60.0

TYPE = """
    client.edits = 0
    client.typing = true
    ;(async () => {
      while (client.typing) {
        doc.getMap('objects').set(`${args.name}-${client.edits++}`, client.edits)
        doc.getText('text').insert(0, 'x')
        if (client.edits % 3 === 0) doc.getText('text').delete(0, 1)
        await new Promise(resolve => setTimeout(resolve, 4))
      }
    })()"""


@dataclass
class Writer:
    """A peer that edits as fast as it can get a turn, connected or not."""

    name: str
    peer: YjsPeer
    rng: random.Random
    edits: int = 0
    is_typing: bool = True
    own_keys: list[str] = field(default_factory=list)

    async def type(self) -> None:
        while self.is_typing:
            key = f"{self.name}-{self.edits}"
            self.edits += 1
            self.own_keys.append(key)
            self.peer.objects[key] = self.edits
            random_edit(self.peer.doc, self.rng)
            await asyncio.sleep(0.01)


@pytest.fixture(scope="module")
def server() -> Iterator[ServerProcess]:
    """One for all of these tests, which kill it and leave it running."""
    with running_server() as started:
        yield started


@pytest.mark.timeout(180)
@pytest.mark.parametrize("seed", SEEDS)
async def test_everybody_and_the_database_converge_on_the_union_of_all_edits(
    server: ServerProcess, seed: int
) -> None:
    rng = random.Random(seed)
    node = await asyncio.to_thread(NodeProcess)
    try:
        async with NodeClients(node) as browsers:
            session = await server.create_session()
            writers = await gather_writers(session, rng)
            pages = await open_pages(session, browsers)
            tasks = [asyncio.create_task(writer.type()) for writer in writers]
            await asyncio.sleep(rng.uniform(0.5, 1.5))

            # Every other time the machine fails, and not only the supervisor.
            await asyncio.to_thread(server.kill, everything=bool(seed % 2))
            await asyncio.sleep(0.3)
            await asyncio.to_thread(server.start)
            await asyncio.gather(*(has_returned(writer.peer) for writer in writers))
            await asyncio.gather(*(page.until("client.syncs > 1") for page in pages))

            for writer in writers:
                writer.is_typing = False
            await asyncio.gather(*tasks)
            typed = [await page.run("client.typing = false; return client.edits") for page in pages]
            await agree(session, *pages, *(writer.peer for writer in writers))
            stored = set(contents(await session.stored())["objects"])
            for writer in writers:
                assert set(writer.own_keys) <= stored, writer.name
            for page, edits in zip(pages, typed, strict=True):
                assert {f"{page.name}-{number}" for number in range(edits)} <= stored, page.name
            assert await findings(server.database_dsn(), session.id) == []
            for writer in writers:
                await writer.peer.leave()
    finally:
        await asyncio.to_thread(node.close)


async def gather_writers(session: LiveSession, rng: random.Random) -> list[Writer]:
    writers = []
    for number in range(PEERS):
        peer = YjsPeer(state={"n": number})
        # Some of them want receipts; that must make no difference.
        invitation = session.invite(name=f"Peer {number}")
        peer.stay_connected(invitation.url_with(ack="1") if number % 4 == 0 else invitation.url)
        writers.append(Writer(f"peer{number}", peer, random.Random(rng.random())))
    for writer in writers:
        await writer.peer.until(lambda p=writer.peer: p.is_synced)  # type: ignore[misc] # mypy does not infer lambdas with defaults
    return writers


async def open_pages(session: LiveSession, browsers: NodeClients) -> list[NodeClient]:
    pages = []
    for number in range(BROWSERS):
        version = "3.0" if number == 0 else "3.1"
        page = await browsers.join(f"page{number}", session.invite(), version=version)
        await page.run(TYPE, name=page.name)
        pages.append(page)
    return pages


async def has_returned(peer: YjsPeer) -> None:
    """It has found its own way back."""
    await peer.until(lambda: len(peer.wires) > 1 and peer.is_synced, seconds=RETURN_SECONDS)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("seed", SEEDS)
async def test_what_was_acknowledged_to_a_client_that_died_too_is_in_the_database(
    server: ServerProcess, seed: int
) -> None:
    """Each alone in a session, so that nobody else can bring the edits back."""
    rng = random.Random(1000 + seed)
    sessions = await server.create_sessions(4)
    doomed = []
    for number, session in enumerate(sessions):
        peer = await YjsPeer.join(session.invite().url_with(ack="1"))
        doomed.append(Writer(f"doomed{number}", peer, random.Random(rng.random())))
    tasks = [asyncio.create_task(writer.type()) for writer in doomed]
    await asyncio.sleep(rng.uniform(0.3, 1.0))
    await asyncio.to_thread(server.kill, everything=bool(seed % 2))
    promised = []
    for writer, task in zip(doomed, tasks, strict=True):
        await writer.peer.until(lambda p=writer.peer: not p.is_connected)  # type: ignore[misc] # mypy does not infer lambdas with defaults
        writer.is_typing = False
        await task
        promised.append(acknowledged_keys(writer))
        writer.peer.forget()
    assert all(promised), "the test is about acknowledged edits: there must be some"
    await asyncio.to_thread(server.start)
    for session, keys in zip(sessions, promised, strict=True):
        stored = set(contents(await session.stored())["objects"])
        assert keys <= stored
        opened = set(contents(await session.update())["objects"])
        assert keys <= opened
    assert await findings(server.database_dsn(), *(session.id for session in sessions)) == []


def acknowledged_keys(writer: Writer) -> set[str]:
    """The writer's own keys that occur in frames which the server has called stored."""
    frames = b"".join(writer.peer.wire.acknowledged)
    return {key for key in writer.own_keys if key.encode() + b"\x01" in frames}
