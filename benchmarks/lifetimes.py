"""What it costs when everybody leaves a room at once, in this process (LIF-2, LIF-5).

`python -m benchmarks lifetimes` prints these alone. The room is over a store in memory; how long
looking holds up the event loop is what others in it, and in other rooms, would wait.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from typing import Any, Final
from uuid import UUID

from pycrdt import Doc, Map

from benchmarks.report import Row, at_most
from benchmarks.scale import Scale
from crdt_docs.access import Role
from crdt_docs.identifiers import DocumentKind, Identity, document_name
from crdt_docs.member import Member
from server.lifetimes import OwnersGone
from server.live_documents import LiveRooms
from server.witness import SOMEBODY
from tests.server.rooms import House

ROOM: Final = document_name(DocumentKind.XR, UUID(int=5))
OBJECTS: Final = 2_000
LEAVERS: Final = 500
GRACE: Final = 0.05
BOUND_MS: Final = 100.0
PATIENCE: Final = 60.0
"""Seconds."""


def measure(scale: Scale) -> Iterator[Row]:
    """Where nothing belongs to anybody, and where half of the objects do."""
    leavers, objects = scale.pick(LEAVERS, 20), scale.pick(OBJECTS, 80)
    for owned in (0, objects // 2):
        seconds, longest = asyncio.run(_everybody_leaves(leavers, objects, owned))
        name = f"{leavers} leave {objects:,} objects, of which {owned:,} are theirs"
        yield Row(name, seconds * 1000, "ms CPU")
        yield Row("  and hold up others at most", longest * 1000, "ms", at_most(BOUND_MS))


async def _everybody_leaves(leavers: int, objects: int, owned: int) -> tuple[float, float]:
    """Seconds of this thread, and the longest time in which nobody else had a turn."""
    async with House(name=ROOM, backlog=2**28) as house:
        live = LiveRooms(house.directory, backlog=lambda: (0, False), is_database_up=lambda: True)
        people = [Identity(UUID(int=number + 1)) for number in range(leavers)]
        await live.edit(ROOM, people[0], _furnish(people, objects, owned))
        await live.all_stored(ROOM)
        owners = OwnersGone(live, house.store.objects, grace=GRACE, together=GRACE)
        members = [Member(person, Role.EDITOR) for person in people]
        for member in members:
            owners.came(ROOM, member, SOMEBODY)
        begun = time.thread_time()
        for member in members:
            owners.went(ROOM, member, None)
        longest = await _until_looked_at(owners)
        return time.thread_time() - begun, longest


def _furnish(people: list[Identity], objects: int, owned: int) -> Callable[[Doc[Any]], None]:
    def change(doc: Doc[Any]) -> None:
        place = doc.get("objects", type=Map)
        for number in range(objects):
            at = {"position": {"x": number % 40, "y": 0, "z": number // 40}}
            fields = {
                "object_type": "model",
                "transform": at,
                "lifetime": "owner" if number < owned else "room",
                "created_by": str(people[number % len(people)].user_id),
            }
            place[f"object {number}"] = Map(fields)

    return change


async def _until_looked_at(owners: OwnersGone) -> float:
    """The longest time in which others had no turn, until all who left were looked at."""
    longest, last = 0.0, time.perf_counter()
    async with asyncio.timeout(PATIENCE):
        while owners.is_looking:
            await asyncio.sleep(0.001)
            now = time.perf_counter()
            longest, last = max(longest, now - last), now
    return longest
