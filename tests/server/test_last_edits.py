"""What people did last is stored before it is looked for them (PRV-9)."""

from __future__ import annotations

import pytest

from crdt_docs import long_edits
from crdt_docs.room_limits import RoomLimits
from persistence.ports import StorageUnavailable
from server.last_edits import LastEdits
from server.lifetimes import OwnersGone
from tests.helpers.people import Person
from tests.server.rest_client import FakeLiveDocuments
from tests.server.rooms import House
from tests.server.test_lifetimes import ADA, Rows
from tests.server.test_pose_host import XR, furnish, headset, transform


def last_edits(house: House, *, within: float = 10.0) -> LastEdits:
    """Of people who own nothing."""
    owners = OwnersGone(FakeLiveDocuments(), Rows())
    return LastEdits(house.directory, house.journal, owners, within=within)


async def test_prv_9_what_was_received_is_stored() -> None:
    async with House() as house:
        seat = await house.sit(Person(1))
        await house.settle()
        seat.person.set("note", "a")
        seat.pump()
        assert await house.store.read_log(house.name) == []
        await last_edits(house).store(ADA.user_id)
        (entry,) = await house.store.read_log(house.name)
        assert entry.user_id == seat.person.identity.user_id


async def test_prv_9_a_long_update_is_applied_to_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    async with House(limits=RoomLimits(apply_at_once=4)) as house:
        seat = await house.sit(Person(1))
        await house.settle()
        monkeypatch.setattr(long_edits, "APPLYING_SECONDS", 1e-9)  # a piece in each turn
        seat.person.set_many({f"note-{n}": "a" for n in range(50)})
        seat.pump()
        house.stand_up(seat)
        assert house.host().room.is_applying
        await last_edits(house).store(ADA.user_id)
        assert not house.host().room.is_applying
        assert house.journal.committed == house.host().log.position


async def test_prv_9_what_was_put_down_while_the_database_was_behind_is_stored() -> None:
    async with House(name=XR, backlog=1) as house:
        ada = await headset(house, 1)
        await furnish(house, ada)
        ada.claim("chair")
        hold = await ada.holding("chair")
        await house.journal.flush()
        house.store.pause()
        ada.seat.person.set("note", "a")
        await house.settle()
        ada.carry(hold, 4.0)
        house.stand_up(ada.seat)
        assert transform(house) is None
        house.store.resume()
        await last_edits(house).store(ADA.user_id)
        at = transform(house)
        assert at is not None
        assert at["position"]["x"] == 4.0
        assert house.journal.committed == house.host().log.position


async def test_prv_9_it_is_told_that_it_could_not_be_stored_in_time() -> None:
    async with House() as house:
        seat = await house.sit(Person(1))
        await house.settle()
        house.store.pause()
        seat.person.set("note", "a")
        seat.pump()
        with pytest.raises(StorageUnavailable, match="in time"):
            await last_edits(house, within=0.01).store(ADA.user_id)
