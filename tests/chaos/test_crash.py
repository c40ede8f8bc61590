"""The server is killed while everybody types, and started again on the same data."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

import asyncpg
import pytest

from crdt_docs.identifiers import DocumentKind
from tests.helpers.live_documents import LiveDocument
from tests.helpers.node_clients import NodeClient, NodeClients, NodeProcess
from tests.helpers.places import PLACES, made_in
from tests.helpers.proving import few_or_many
from tests.helpers.random_edits import random_edit
from tests.helpers.server_process import ServerProcess
from tests.helpers.verifying import findings
from tests.helpers.yjs_peer import YjsPeer, contents
from tests.interop.agreement import agree

PEERS = 8
"""In each place."""

BROWSERS = ("3.0", "3.1")
"""Versions of y-websocket; one client of each in each place."""

SEEDS = range(few_or_many(1, 10))
KEPT_IN = {
    DocumentKind.OCW: (
        ("ocw_objects", "id", "session_id"),
        ("ocw_object_history", "object_id", "session_id"),
    ),
    DocumentKind.XR: (
        ("xr_objects", "id", "room_id"),
        ("xr_object_history", "object_id", "room_id"),
    ),
}
"""Where objects are besides the log: table, and the columns of their id and of whose they are."""
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


@dataclass
class Crowd:
    """People who type in one place, with stock clients and others."""

    live: LiveDocument
    writers: list[Writer]
    pages: list[NodeClient]
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    @classmethod
    async def gather(cls, live: LiveDocument, browsers: NodeClients, rng: random.Random) -> Self:
        """They come, and begin."""
        crowd = cls(live, await gather_writers(live, rng), await open_pages(live, browsers))
        crowd.tasks = [asyncio.create_task(writer.type()) for writer in crowd.writers]
        return crowd

    async def return_(self) -> None:
        """Everybody has found their own way back."""
        await asyncio.gather(*(has_returned(writer.peer) for writer in self.writers))
        await asyncio.gather(*(page.until("client.syncs > 1") for page in self.pages))

    async def stop(self) -> dict[str, set[str]]:
        """They type no more; who has written what."""
        for writer in self.writers:
            writer.is_typing = False
        await asyncio.gather(*self.tasks)
        wrote = {writer.name: set(writer.own_keys) for writer in self.writers}
        for page in self.pages:
            edits = await page.run("client.typing = false; return client.edits")
            wrote[page.name] = {f"{page.name}-{number}" for number in range(edits)}
        return wrote

    async def check(self, wrote: Mapping[str, set[str]]) -> None:
        """All copies are the same, and the database has everything in every form."""
        await agree(self.live, *self.pages, *(writer.peer for writer in self.writers))
        stored = await stored_keys(self.live)
        for name, keys in wrote.items():
            assert keys <= stored, name
        assert await findings(self.live.server.database_dsn(), self.live.name) == []

    async def leave(self) -> None:
        """In good order."""
        for writer in self.writers:
            await writer.peer.leave()


async def stored_keys(live: LiveDocument) -> set[str]:
    """The objects that the log of a document knows, and its rows, and their history."""
    stored = set(contents(await live.stored())["objects"])
    connection = await asyncpg.connect(live.server.database_dsn(), timeout=10)
    try:
        for table, key, owner in KEPT_IN[live.kind]:
            rows = await connection.fetch(
                f"SELECT DISTINCT {key} FROM {table} WHERE {owner} = $1", live.id
            )
            stored &= {row[key] for row in rows}
    finally:
        await connection.close()
    return stored


@pytest.mark.timeout(180)
@pytest.mark.parametrize("seed", SEEDS)
async def test_everybody_and_the_database_converge_on_the_union_of_all_edits(
    server: ServerProcess, seed: int
) -> None:
    """In a session and in a room of headsets."""
    rng = random.Random(seed)
    node = await asyncio.to_thread(NodeProcess)
    try:
        async with NodeClients(node) as browsers:
            lives = [await made_in(server, place) for place in PLACES]
            crowds = [await Crowd.gather(live, browsers, rng) for live in lives]
            await asyncio.sleep(rng.uniform(0.5, 1.5))

            # Every other time the machine fails, and not only the supervisor.
            await asyncio.to_thread(server.kill, everything=bool(seed % 2))
            await asyncio.sleep(0.3)
            await asyncio.to_thread(server.start)
            await asyncio.gather(*(crowd.return_() for crowd in crowds))
            wrote = [await crowd.stop() for crowd in crowds]
            for crowd, of_crowd in zip(crowds, wrote, strict=True):
                await crowd.check(of_crowd)
                await crowd.leave()
    finally:
        await asyncio.to_thread(node.close)


async def gather_writers(live: LiveDocument, rng: random.Random) -> list[Writer]:
    writers = []
    for number in range(PEERS):
        peer = YjsPeer(state={"n": number})
        # Some of them want receipts; that must make no difference.
        invitation = live.invite(name=f"Peer {number}")
        peer.stay_connected(invitation.url_with(ack="1") if number % 4 == 0 else invitation.url)
        writers.append(Writer(f"peer{number}", peer, random.Random(rng.random())))
    for writer in writers:
        await writer.peer.until(lambda p=writer.peer: p.is_synced)  # type: ignore[misc] # mypy does not infer lambdas with defaults
    return writers


async def open_pages(live: LiveDocument, browsers: NodeClients) -> list[NodeClient]:
    pages = []
    for version in BROWSERS:
        name = f"{version}-in-{live.kind}"
        page = await browsers.join(name, live.invite(), version=version)
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
    """Each alone in a session or a room, so that nobody else can bring the edits back."""
    rng = random.Random(1000 + seed)
    lives = [await made_in(server, place) for place in PLACES * 2]
    doomed = []
    for number, live in enumerate(lives):
        peer = await YjsPeer.join(live.invite().url_with(ack="1"))
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
    for live, keys in zip(lives, promised, strict=True):
        assert keys <= await stored_keys(live)
        opened = set(contents(await live.update())["objects"])
        assert keys <= opened
    assert await findings(server.database_dsn(), *(live.name for live in lives)) == []


def acknowledged_keys(writer: Writer) -> set[str]:
    """The writer's own keys that occur in frames which the server has called stored."""
    frames = b"".join(writer.peer.wire.acknowledged)
    return {key for key in writer.own_keys if key.encode() + b"\x01" in frames}
