"""A session with a long past: what it costs to look at it now, and then."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from statistics import median
from typing import Any
from uuid import UUID, uuid4

import httpx
from pycrdt import Doc, Map, TransactionEvent

from benchmarks import documents, workloads
from benchmarks.report import Bound, Row, at_most
from benchmarks.scale import Scale
from benchmarks.swarm import Swarm
from benchmarks.targets import Collab
from crdt_docs.document import Document
from crdt_docs.identifiers import DocumentKind, DocumentName, Identity, document_name
from crdt_docs.projector import Projector
from crdt_docs.turn import Emitted
from persistence.pool import DatabasePool
from persistence.ports import Commit, Snapshot
from persistence.update_log import PostgresDocumentStore
from tests.helpers.server_process import mint

BATCH = 500
SNAPSHOT_EVERY = 5_000
"""As a room stores them that takes a thousand updates a second."""

IDLE_SECONDS = 1.0
REPEATS = 5


@dataclass(frozen=True, slots=True)
class _Filled:
    """Times of entries of the log, oldest first: in the middle, and far from a checkpoint."""

    name: str
    moments: list[datetime]


def measure(scale: Scale) -> Iterator[Row]:
    """Over REST, from a server that has just the one session."""
    objects, updates = scale.pick(10_000, 100), scale.pick(100_000, 2_000)
    with Collab({"COLLAB_ROOM_IDLE_SECONDS": str(IDLE_SECONDS)}) as server:
        server.seats(1, 1)
        session = server.sessions[0].id
        document = document_name(DocumentKind.OCW, UUID(session))
        filled = asyncio.run(_fill(server.server.database_dsn(), document, objects, updates))
        headers = {"Authorization": f"Bearer {mint(uuid4(), is_service=True)}"}
        with httpx.Client(base_url=server.server.api, headers=headers, timeout=60.0) as client:
            client.get("/health").raise_for_status()
            replayed = _repeated(client, lambda: f"/ocw/sessions/{session}/state")
            yield _row(f"{filled.name}: state, JSON, from the log", replayed)
            yield from _now(client, server, f"/ocw/sessions/{session}", filled)
            yield from _then(client, f"/ocw/sessions/{session}", filled)
            yield from _pages(client, f"/ocw/sessions/{session}", filled)


def _now(client: httpx.Client, server: Collab, path: str, filled: _Filled) -> Iterator[Row]:
    """While somebody is in the room, and after it was put away."""
    addresses = {"JSON": f"{path}/state", "one update": f"{path}/state?format=yjs"}
    with Swarm() as swarm:
        swarm.connect(server.seats_in(server.sessions, 1))
        swarm.run(1.0)
        for title, address in addresses.items():
            warm = [_get(client, address) for _ in range(REPEATS)]
            yield _row(f"{filled.name}: state, {title}, room in memory", warm)
    time.sleep(3 * IDLE_SECONDS)
    workloads.settle(server)
    for title, address in addresses.items():
        cold = [_get(client, address) for _ in range(REPEATS)]
        yield _row(f"{filled.name}: state, {title}, room not in memory", cold, at_most(300))


def _then(client: httpx.Client, path: str, filled: _Filled) -> Iterator[Row]:
    moments = [moment.isoformat().replace("+00:00", "Z") for moment in filled.moments]
    turns = iter(moments * 3)
    at = _repeated(client, lambda: f"{path}/state?at={next(turns)}", len(moments))
    yield _row(f"{filled.name}: state at a time in the middle", at, at_most(1000))
    update = _repeated(client, lambda: f"{path}/state?format=yjs&at={next(turns)}", len(moments))
    yield _row(f"{filled.name}: the same as one update", update)
    difference = _repeated(client, lambda: f"{path}/diff?from={next(turns)}", len(moments))
    yield _row(f"{filled.name}: difference from there to now", difference)
    beside = asyncio.run(_beside(str(client.base_url), dict(client.headers), path, moments))
    yield _row("the longest that others wait while a moment is replayed", beside)


def _pages(client: httpx.Client, path: str, filled: _Filled) -> Iterator[Row]:
    for title, address, bound in (
        ("a page of the history", f"{path}/history?limit=100", at_most(20)),
        ("a page of objects", f"{path}/objects?limit=100", at_most(20)),
        ("search", "/ocw/search?q=note%20777", at_most(50)),
    ):
        yield _row(f"{filled.name}: {title}", _repeated(client, lambda: address, 20), bound)  # noqa: B023 - called at once


def _row(name: str, times: list[float], bound: Bound | None = None) -> Row:
    details = {"worst_ms": max(times), "times_ms": times}
    return Row(name, median(times), "ms", bound, f"worst {max(times):.0f} ms", details)


def _repeated(
    client: httpx.Client, address: Callable[[], str], times: int = REPEATS
) -> list[float]:
    return [_get(client, address()) for _ in range(times)]


def _get(client: httpx.Client, address: str) -> float:
    begin = time.perf_counter()
    client.get(address).raise_for_status()
    return (time.perf_counter() - begin) * 1e3


async def _beside(base: str, headers: dict[str, str], path: str, moments: list[str]) -> list[float]:
    """How long others wait at worst while moments are replayed, each time."""
    waits = []
    async with httpx.AsyncClient(base_url=base, headers=headers, timeout=60.0) as client:
        for moment in moments[:REPEATS]:
            replaying = asyncio.create_task(client.get(f"{path}/state?at={moment}"))
            longest = 0.0
            while not replaying.done():
                begin = time.perf_counter()
                await client.get("/health")
                longest = max(longest, (time.perf_counter() - begin) * 1e3)
            (await replaying).raise_for_status()
            waits.append(longest)
    return waits


# A long life, written as a room would have


async def _fill(dsn: str, name: DocumentName, objects: int, updates: int) -> _Filled:
    life = _Life(objects)
    pool = await DatabasePool.open(dsn)
    try:
        size = await _store(PostgresDocumentStore(pool), name, life, updates)
        middle = objects // documents.ITEMS_AN_UPDATE + updates // 2
        seqs = [middle + step * updates // 50 for step in range(-4, 5)]
        async with pool.borrow() as connection:
            await connection.execute("ANALYZE")
            moments = await connection.fetch(
                "SELECT committed_at FROM document_updates JOIN documents ON id = document_id"
                " WHERE name = $1 AND seq = ANY ($2::bigint[]) ORDER BY seq",
                name,
                seqs,
            )
    finally:
        await pool.close()
    title = f"{objects:,} objects, {updates:,} updates ({size / 1e6:.1f} MB)"
    return _Filled(title, [row["committed_at"] for row in moments])


async def _store(
    store: PostgresDocumentStore, name: DocumentName, life: _Life, updates: int
) -> int:
    """Write the log, rows, history and snapshots; return the size of the last one."""
    document = Document(with_owners=True)
    author = Identity(uuid4())
    projector = Projector(document, {})
    seq = size = 0
    batches = updates // BATCH
    for number in range(batches + 1):
        commits = []
        for update in life.live(BATCH) if number else life.begun():
            seq += 1
            document.outline.absorb(update)
            emitted = document.apply([update], author.user_id.bytes)
            assert emitted is not None
            projector.note(Emitted(emitted, author, ()), number * 10.0)
            commits.append(Commit(name, seq, emitted, author.user_id))
        commits[-1] = commits[-1]._replace(changes=projector.take())
        await store.commit(commits)
        if number * BATCH % SNAPSHOT_EVERY == 0 or number == batches:
            state = document.full_state()
            size = len(state)
            await store.save_snapshot(name, Snapshot(seq, state, document.structure()))
    document.close()
    return size


class _Life:
    """Somebody who moves, colours and lifts notes."""

    def __init__(self, objects: int) -> None:
        self._doc: Doc[Any] = Doc()
        self._objects = objects
        self._dice = random.Random(1)
        self._emitted: list[bytes] = []
        self._subscription = self._doc.observe(self._collect)

    def _collect(self, event: TransactionEvent) -> None:
        self._emitted.append(event.update)

    def begun(self) -> list[bytes]:
        """The notes, to begin with."""
        for update in documents.canvas_objects(self._objects):
            self._doc.apply_update(update)
        return self._take()

    def live(self, updates: int) -> list[bytes]:
        """So many changes."""
        objects = self._doc.get("objects", type=Map)
        for _ in range(updates):
            note = objects[f"item {self._dice.randrange(self._objects)}"]
            match self._dice.randrange(10):
                case 0:
                    note["properties"]["color"] = f"#{self._dice.randrange(1 << 24):06x}"
                case 1:
                    note["layer"] = self._dice.randrange(1000)
                case _:
                    x, y = self._dice.random() * 4000, self._dice.random() * 3000
                    note["position"] = {"x": x, "y": y}
        return self._take()

    def _take(self) -> list[bytes]:
        emitted, self._emitted = self._emitted, []
        return emitted
