"""Opening a document of 10,000 objects."""

from __future__ import annotations

import time
from collections.abc import Iterator
from statistics import median
from uuid import uuid4

import httpx

from benchmarks import documents, workloads
from benchmarks.report import Row
from benchmarks.scale import Scale
from benchmarks.swarm import Swarm
from benchmarks.targets import Collab
from crdt_docs.document import Document, StoredState
from crdt_docs.room import Room
from tests.helpers.server_process import mint

IDLE_SECONDS = 1.0


def measure(scale: Scale) -> Iterator[Row]:
    """As a room in this process, then over REST from a room that is not in memory."""
    count = scale.pick(10_000, 100)
    updates = list(documents.canvas_objects(count))
    document = Document()
    for update in updates:
        document.apply([update], uuid4().bytes)
    outline, state = document.outline.to_bytes(), document.full_state()
    document.close()
    name = f"{count:,} objects ({len(state) / 1e6:.2f} MB)"
    snapshot = _milliseconds(StoredState(state, outline), scale)
    yield Row(f"{name}: a room from a snapshot", snapshot, "ms")
    bare = _milliseconds(StoredState(state, None), scale)
    yield Row(f"{name}: the same without its outline", bare, "ms")
    yield from _over_rest(updates, name)


def _milliseconds(stored: StoredState, scale: Scale) -> float:
    times = []
    for _ in range(scale.pick(5, 1)):
        begin = time.perf_counter()
        room = Room(stored)
        times.append((time.perf_counter() - begin) * 1e3)
        room.document.close()
    return median(times)


def _over_rest(updates: list[bytes], name: str) -> Iterator[Row]:
    environment = {"COLLAB_ROOM_IDLE_SECONDS": str(IDLE_SECONDS)}
    with Collab(environment) as server:
        with Swarm() as swarm:
            workloads.preload(server, swarm, server.seats(1, 1)[0], iter(updates))
        time.sleep(3 * IDLE_SECONDS)
        workloads.settle(server)
        headers = {"Authorization": f"Bearer {mint(uuid4(), is_service=True)}"}
        with httpx.Client(base_url=server.server.api, headers=headers, timeout=60.0) as client:
            client.get("/health").raise_for_status()
            path = f"/ocw/sessions/{server.sessions[0].id}/state?format=yjs"
            cold, warm = _get(client, path), _get(client, path)
    yield Row(f"{name}: GET state, room not in memory", cold, "ms")
    yield Row(f"{name}: GET state, room in memory", warm, "ms")


def _get(client: httpx.Client, path: str) -> float:
    begin = time.perf_counter()
    client.get(path).raise_for_status()
    return (time.perf_counter() - begin) * 1e3
