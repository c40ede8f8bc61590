"""LIF: what goes from a room with its session."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from pycrdt import Map

from crdt_docs import lifetimes
from crdt_docs.document import DocumentBroken
from crdt_docs.identifiers import DocumentKind, Identity, document_name
from persistence.memory_xr_stores import xr_in_memory
from persistence.memory_xr_tables import MemoryXrTables
from persistence.ports import StorageUnavailable
from persistence.xr_stores import XrStores
from server.emptying import Emptying
from tests.helpers.commits import ANA, BEN
from tests.helpers.waiting import until
from tests.helpers.xr import LATER, a_room, a_session
from tests.server.rest_client import FakeLiveDocuments


class House:
    """Rooms with a note for the session and a chair each, whose sessions have ended."""

    def __init__(self) -> None:
        self.xr: XrStores = xr_in_memory(MemoryXrTables())
        self.live = FakeLiveDocuments()
        self.emptying = Emptying(self.xr.sessions, self.live, every=0.01, clock=lambda: LATER)

    async def leave(self, *numbers: int, is_persistent: bool = False) -> House:
        """Sessions have ended in these rooms, and then nothing more happened."""
        for number in numbers:
            await self.xr.rooms.create(replace(a_room(number), is_persistent=is_persistent))
            await self.furnish(number)
            await self.xr.sessions.start(a_session(10 * number, room=number))
            await self.xr.sessions.end(UUID(int=10 * number), LATER)
        self.live.edits.clear()
        return self

    async def furnish(self, number: int) -> None:
        """Put something into a room."""

        def change(doc: Any) -> None:
            objects = doc.get("objects", type=Map)
            objects["note"] = Map({"lifetime": "session"})
            objects["chair"] = Map({"object_type": "furniture"})

        await self.live.edit(_document(number), Identity(ANA), change)

    def left(self, number: int = 1) -> set[str]:
        """What is still there."""
        return set(self.live.documents[_document(number)].get("objects", type=Map).keys())


def _document(number: int) -> Any:
    return document_name(DocumentKind.XR, UUID(int=number))


async def test_lif_1_a_room_is_emptied_in_somebody_s_name() -> None:
    house = await House().leave(1)
    assert await house.emptying.empty(UUID(int=1), Identity(BEN))
    assert house.left() == set()
    assert {identity.user_id for _, identity, _ in house.live.edits} == {BEN}


async def test_lif_1_of_a_persistent_one_only_what_is_the_session_s_goes() -> None:
    house = await House().leave(1, is_persistent=True)
    assert await house.emptying.empty(UUID(int=1))
    assert house.left() == {"chair"}
    assert {identity.user_id for _, identity, _ in house.live.edits} == {ANA}


async def test_lif_4_a_room_is_emptied_once_for_each_session() -> None:
    house = await House().leave(1)
    await house.emptying.empty(UUID(int=1))
    await house.furnish(1)
    assert await house.emptying.empty(UUID(int=1))
    assert house.left() == {"note", "chair"}


async def test_lif_4_where_a_session_is_nothing_is_deleted() -> None:
    house = await House().leave(1)
    await house.xr.sessions.start(a_session(11))
    assert await house.emptying.empty(UUID(int=1))
    await house.emptying.look()
    assert house.left() == {"note", "chair"}


async def test_lif_4_what_is_not_stored_as_gone_is_not_gone() -> None:
    house = await House().leave(1)
    house.live.is_stored = False
    assert not await house.emptying.empty(UUID(int=1))
    assert await house.xr.sessions.to_empty(UUID(int=1)) is not None
    house.live.is_stored = True
    assert await house.emptying.empty(UUID(int=1))
    assert await house.xr.sessions.to_empty(UUID(int=1)) is None


async def test_lif_4_who_comes_while_a_room_is_emptied_finds_it_empty(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In portions: nobody gets in between two of them."""
    monkeypatch.setattr(lifetimes, "AT_ONCE", 1)
    house = await House().leave(1)
    edit, rounds = house.live.edit, asyncio.Event()

    async def slowly(*given: Any, **named: Any) -> Any:
        await rounds.wait()
        return await edit(*given, **named)

    monkeypatch.setattr(house.live, "edit", slowly)
    first = asyncio.create_task(house.emptying.empty(UUID(int=1)))
    second = asyncio.create_task(house.emptying.empty(UUID(int=1)))
    await asyncio.sleep(0)
    rounds.set()
    assert await second
    assert first.done()
    assert house.left() == set()
    assert len(house.live.edits) == 2


async def test_lif_4_rooms_that_were_left_are_found_again() -> None:
    house = await House().leave(1, 2, 3)
    running = asyncio.create_task(house.emptying.run())
    await until(lambda: not any(house.left(number) for number in (1, 2, 3)))
    running.cancel()


async def test_a_room_that_cannot_be_emptied_is_in_nobody_s_way() -> None:
    house = await House().leave(1, 2)
    edit = house.live.edit

    async def edit_but_one(document: Any, *given: Any, **named: Any) -> Any:
        if document == _document(1):
            raise DocumentBroken("it is")
        return await edit(document, *given, **named)

    house.live.edit = edit_but_one  # type: ignore[method-assign] # one document is broken
    await house.emptying.look()
    assert house.emptying.failed == 1
    assert (house.left(1), house.left(2)) == ({"note", "chair"}, set())


async def test_while_the_database_is_away_it_is_looked_again_later() -> None:
    house = await House().leave(1)
    sessions: Any = house.xr.sessions
    sessions.fail_with = StorageUnavailable("away")
    running = asyncio.create_task(house.emptying.run())
    await asyncio.sleep(0.03)
    assert house.left() == {"note", "chair"}
    sessions.fail_with = None
    await until(lambda: not house.left())
    running.cancel()
