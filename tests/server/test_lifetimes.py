"""LIF: what goes with the people in a room."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import pytest
from pycrdt import Map

from crdt_docs import lifetimes
from crdt_docs.access import Role
from crdt_docs.document import DocumentBroken
from crdt_docs.identifiers import DocumentKind, DocumentName, Identity, document_name
from crdt_docs.member import Member
from persistence.ports import StorageUnavailable
from server.lifetimes import OwnersGone
from server.witness import SOMEBODY
from tests.helpers.waiting import until
from tests.server.rest_client import FakeLiveDocuments

ROOM = document_name(DocumentKind.XR, UUID(int=5))
BOARD = document_name(DocumentKind.OCW, UUID(int=5))
ADA, BEN = Identity(UUID(int=1)), Identity(UUID(int=2))


class Rows:
    """Who owns what, as rows say.

    Attributes:
        asked: about whom, in order.
    """

    def __init__(self, *owners: Identity) -> None:
        self.of = {owner.user_id: ["cup"] for owner in owners}
        self.asked: list[list[UUID]] = []
        self.fail_with: Exception | None = None

    async def owned(self, room_id: UUID, people: Sequence[UUID]) -> Mapping[UUID, Sequence[str]]:
        """See `OwnedObjects`."""
        self.asked.append([*people])
        if self.fail_with is not None:
            raise self.fail_with
        return {person: self.of[person] for person in people if person in self.of}


class House:
    """A room with a cup of Ada's and a chair of nobody's, and who is looking after them."""

    def __init__(self, document: DocumentName = ROOM) -> None:
        self.live = FakeLiveDocuments()
        self.document = document
        self.rows = Rows(ADA)

    async def furnish(self) -> House:
        """Put them there."""

        def change(doc: Any) -> None:
            objects = doc.get("objects", type=Map)
            objects["cup"] = Map({"lifetime": "owner", "created_by": str(ADA.user_id)})
            objects["chair"] = Map({"object_type": "furniture"})

        await self.live.edit(self.document, ADA, change)
        self.live.edits.clear()
        return self

    def owners(self, *, grace: float = 0.0, together: float = 0.0) -> OwnersGone:
        """Who is looking."""
        return OwnersGone(self.live, self.rows, grace=grace, together=together)

    def left(self) -> set[str]:
        """What is still there."""
        return set(self.live.documents[self.document].get("objects", type=Map).keys())


def somebody(identity: Identity) -> Member:
    """A connection of a person."""
    return Member(identity, Role.EDITOR)


def pass_by(owners: OwnersGone, *people: Identity, document: DocumentName = ROOM) -> None:
    """All of them come, and then all of them go."""
    members = [somebody(each) for each in people]
    for member in members:
        owners.came(document, member, SOMEBODY)
    for member in members:
        owners.went(document, member, None)


async def test_lif_2_who_comes_back_meanwhile_keeps_what_is_still_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lifetimes, "AT_ONCE", 1)
    house = await House().furnish()
    house.rows.of[ADA.user_id] = ["cup", "plate"]

    def add_plate(doc: Any) -> None:
        objects = doc.get("objects", type=Map)
        objects["plate"] = Map({"lifetime": "owner", "created_by": str(ADA.user_id)})

    await house.live.edit(ROOM, ADA, add_plate)
    owners = house.owners()
    edit = house.live.edit

    async def slow_edit(*arguments: Any, **more: Any) -> Any:
        edited = await edit(*arguments, **more)
        owners.came(ROOM, somebody(ADA), SOMEBODY)
        return edited

    monkeypatch.setattr(house.live, "edit", slow_edit)
    pass_by(owners, ADA)
    await until(lambda: not owners.is_looking)
    assert house.left() == {"chair", "plate"}


async def test_lif_2_what_somebody_owned_goes_with_their_last_connection() -> None:
    house = await House().furnish()
    owners = house.owners()
    headset, desktop = somebody(ADA), somebody(ADA)
    owners.came(ROOM, headset, SOMEBODY)
    owners.came(ROOM, desktop, SOMEBODY)
    owners.went(ROOM, headset, None)
    await asyncio.sleep(0.01)
    assert house.rows.asked == []
    owners.went(ROOM, desktop, None)
    await until(lambda: "cup" not in house.left())
    assert house.left() == {"chair"}
    assert [identity for _, identity, _ in house.live.edits] == [ADA]


async def test_lif_2_who_comes_back_in_time_keeps_what_they_own() -> None:
    house = await House().furnish()
    owners = house.owners(grace=0.02)
    pass_by(owners, ADA)
    owners.came(ROOM, somebody(ADA), SOMEBODY)
    await asyncio.sleep(0.05)
    assert house.left() == {"cup", "chair"}
    assert house.rows.asked == []
    owners.close()


async def test_lif_2_who_comes_back_while_it_is_looked_keeps_what_they_own() -> None:
    house = await House().furnish()
    owners = house.owners()
    find = house.rows.owned

    async def find_late(room_id: UUID, people: Sequence[UUID]) -> Mapping[UUID, Sequence[str]]:
        owners.came(ROOM, somebody(ADA), SOMEBODY)
        return await find(room_id, people)

    house.rows.owned = find_late  # type: ignore[method-assign] # this is when they come
    pass_by(owners, ADA)
    await until(lambda: bool(house.rows.asked))
    await asyncio.sleep(0.01)
    assert house.left() == {"cup", "chair"}


async def test_lif_2_a_board_s_objects_have_no_lifetime() -> None:
    house = await House(BOARD).furnish()
    pass_by(house.owners(), ADA, document=BOARD)
    await asyncio.sleep(0.01)
    assert house.rows.asked == []


async def test_lif_5_all_who_leave_at_once_are_one_question() -> None:
    house = await House().furnish()
    crowd = [Identity(UUID(int=number)) for number in range(100, 600)]
    pass_by(house.owners(together=0.02), *crowd, ADA)
    await until(lambda: "cup" not in house.left())
    assert [len(people) for people in house.rows.asked] == [501]
    assert len(house.live.edits) == 1


async def test_lif_5_for_people_who_own_nothing_no_document_is_opened() -> None:
    house = await House().furnish()
    house.live.opened.clear()
    pass_by(house.owners(), BEN)
    await until(lambda: bool(house.rows.asked))
    await asyncio.sleep(0.01)
    assert house.live.opened == []


async def test_who_leaves_later_is_looked_at_later() -> None:
    house = await House().furnish()
    owners = house.owners()
    pass_by(owners, BEN)
    await until(lambda: len(house.rows.asked) == 1)
    pass_by(owners, ADA)
    await until(lambda: len(house.rows.asked) == 2)
    await until(lambda: "cup" not in house.left())


async def test_what_cannot_be_deleted_now_is_counted_and_tried_again() -> None:
    house = await House().furnish()
    owners = house.owners(grace=0.005)
    house.live.fail_with = StorageUnavailable("gone")
    pass_by(owners, ADA)
    await until(lambda: owners.failed == 1)
    house.rows.fail_with, house.live.fail_with = StorageUnavailable("gone"), None
    await until(lambda: owners.failed >= 2)
    house.rows.fail_with, house.live.is_stored = None, False
    before = owners.failed
    await until(lambda: owners.failed > before)
    house.live.is_stored = True
    await until(lambda: "cup" not in house.left())


async def test_a_document_that_is_broken_is_not_tried_again() -> None:
    house = await House().furnish()
    owners = house.owners()
    house.live.fail_with = DocumentBroken("it is")
    pass_by(owners, ADA)
    await until(lambda: owners.failed == 1)
    await asyncio.sleep(0.01)
    assert owners.failed == 1


async def test_nothing_is_deleted_when_the_server_stops() -> None:
    house = await House().furnish()
    owners = house.owners()
    pass_by(owners, ADA)
    owners.close()
    await asyncio.sleep(0.01)
    assert house.left() == {"cup", "chair"}


async def test_prv_9_what_somebody_owned_goes_before_they_are_forgotten() -> None:
    house = await House().furnish()
    owners = house.owners(grace=60.0)
    pass_by(owners, ADA, BEN)
    await owners.finish(ADA.user_id)
    assert house.left() == {"chair"}
    assert house.rows.asked == [[ADA.user_id]]
    assert owners.is_looking  # Ben may come back
    owners.close()


async def test_prv_9_what_is_just_being_deleted_is_deleted_before() -> None:
    house = await House().furnish()
    owners = house.owners()
    find, may_go_on = house.rows.owned, asyncio.Event()

    async def find_late(room_id: UUID, people: Sequence[UUID]) -> Mapping[UUID, Sequence[str]]:
        found = await find(room_id, people)
        await may_go_on.wait()
        return found

    house.rows.owned = find_late  # type: ignore[method-assign] # it takes a while
    pass_by(owners, ADA)
    await until(lambda: bool(house.rows.asked))
    finishing = asyncio.create_task(owners.finish(ADA.user_id))
    await asyncio.sleep(0.01)
    assert not finishing.done()
    may_go_on.set()
    await finishing
    assert house.left() == {"chair"}


async def test_prv_9_what_could_not_be_deleted_is_not_tried_again_in_their_name() -> None:
    house = await House().furnish()
    owners = house.owners()
    house.live.fail_with = StorageUnavailable("gone")
    pass_by(owners, ADA)
    await owners.finish(ADA.user_id)
    house.live.fail_with = None
    await until(lambda: not owners.is_looking)
    assert house.left() == {"cup", "chair"}
