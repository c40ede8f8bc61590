"""Documents as REST shows them, over rooms in memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from pycrdt import Doc

from crdt_docs.document import DocumentBroken, NoFence
from crdt_docs.identifiers import DocumentKind, document_name
from crdt_docs.object_edits import create
from persistence.errors import SequenceGap
from server import room_directory
from server.live_documents import LiveRooms
from tests.server.rooms import NAME, House, Person, break_with


class _Watching(NoFence):
    """A fence that remembers what was under way, and may know a poison."""

    def __init__(self, poison: bytes = b"") -> None:
        self.poison = poison
        self.told: list[tuple[bytes, float]] = []
        self.under_way = 0

    def begin_heavy(self, what: bytes, seconds: float) -> None:
        self.told.append((what, seconds))
        self.under_way += 1

    def end(self) -> None:
        self.under_way -= 1

    def is_poisoned(self, update: bytes) -> bool:
        return update == self.poison


def _live(house: House, fence: NoFence) -> LiveRooms:
    return LiveRooms(
        house.directory, backlog=lambda: (0, False), is_database_up=lambda: True, fence=fence
    )


def _makes(identifier: str) -> Callable[[Doc[Any]], object]:
    return lambda doc: create(doc, "objects", identifier, {"object_type": "sticky"})


async def test_rom_17_showing_a_large_document_has_its_time() -> None:
    fence = _Watching()
    async with House() as house:
        ada = Person(1)
        await house.sit(ada)
        ada.set("a", "x" * 600_000)
        await house.settle()
        live = _live(house, fence)
        assert (await live.state(NAME))["objects"] == ada.json()
        assert len(await live.state_update(NAME)) > 600_000
    assert [what for what, _ in fence.told] == [b"showing " + NAME.encode()] * 2
    assert [seconds for _, seconds in fence.told] == [pytest.approx(2.2, rel=0.01)] * 2
    assert fence.under_way == 0


async def test_rom_15_a_document_whose_showing_stopped_a_worker_is_not_shown() -> None:
    async with House() as house:
        live = _live(house, _Watching(b"showing " + NAME.encode()))
        with pytest.raises(DocumentBroken, match="before"):
            await live.state(NAME)
        with pytest.raises(DocumentBroken, match="before"):
            await live.state_update(NAME)
        await house.sit(Person(1))
        await house.settle()
        assert house.host().connections == 1


async def test_rom_9_what_is_shown_is_never_a_document_that_broke(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with House() as house:
        ada = Person(1)
        seat = await house.sit(ada)
        ada.set("a", 1)
        await house.settle()
        ada.set("a", 2)
        host = break_with(house, seat, ada.outbox.popleft(), monkeypatch)
        shown = await _live(house, NoFence()).state(NAME)
        assert host.room.is_broken
        assert shown["objects"] == {"a": 1}


async def test_an_edit_that_storage_refuses_is_not_called_stored() -> None:
    """The journal goes on without it, so that its position counts as committed."""
    async with House() as house:
        live = _live(house, NoFence())
        host = await house.directory.open(NAME)
        ada = Person(1).identity
        first = await live.edit(NAME, ada, _makes("one"))
        house.store.fail_with = SequenceGap("a replica that lacks entries")
        refused = await live.edit(NAME, ada, _makes("two"))
        house.store.fail_with = None
        again = await live.edit(NAME, ada, _makes("three"))
        assert house.directory.find(NAME) is not host
        assert [each.is_stored for each in (first, refused, again)] == [True, False, True]
        assert await live.all_stored(NAME)
        assert (await house.store.load(NAME)).last_seq == 2


async def test_of_what_storage_refused_only_so_much_is_remembered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(room_directory, "GIVEN_UP_KEPT", 2)
    async with House() as house:
        for number in range(5):
            name = document_name(DocumentKind.OCW, UUID(int=number + 1))
            house.directory.give_up(name, ValueError())
        assert len(house.directory._given_up) == 2
