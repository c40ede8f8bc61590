"""What every `xr_ports.XrMemberStore` keeps, in memory and in PostgreSQL."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from uuid import UUID

import pytest

from crdt_docs.access import Role
from persistence.ports import InvalidCursor, LastHost
from persistence.xr_ports import RoomMember
from persistence.xr_stores import XrStores
from tests.helpers.commits import ANA, BEN
from tests.helpers.xr import LATER, MINUTE, NOON, a_room, xr_stores

ROOM, MISSING = UUID(int=1), UUID(int=404)
STRANGER = UUID(int=77)


@pytest.fixture(params=["memory", "postgres"])
def stores(request: pytest.FixtureRequest) -> XrStores:
    return xr_stores(request)


@pytest.fixture
async def xr(stores: XrStores) -> XrStores:
    """With a room of Ana's, and another one."""
    await stores.rooms.create(a_room())
    await stores.rooms.create(a_room(2))
    return stores


async def test_xrs_1_somebody_is_given_a_role(xr: XrStores) -> None:
    viewer = RoomMember(ROOM, BEN, Role.VIEWER, NOON)
    assert await xr.members.put(ROOM, BEN, Role.VIEWER, NOON) == viewer
    editor = replace(viewer, role=Role.EDITOR)
    assert await xr.members.put(ROOM, BEN, Role.EDITOR, LATER) == editor
    assert await xr.members.member(ROOM, BEN) == editor
    assert await xr.members.member(UUID(int=2), BEN) is None
    assert await xr.members.member(ROOM, STRANGER) is None


async def test_xrs_1_somebody_is_removed_once(xr: XrStores) -> None:
    await xr.members.put(ROOM, BEN, Role.EDITOR, NOON)
    removed = RoomMember(ROOM, BEN, Role.EDITOR, NOON, LATER)
    assert await xr.members.remove(ROOM, BEN, LATER) == removed
    assert await xr.members.remove(ROOM, BEN, LATER + MINUTE) == removed
    assert await xr.members.member(ROOM, BEN) == removed
    assert [row.user_id for row in (await xr.members.members(ROOM)).items] == [ANA]


async def test_who_never_was_a_member_is_kept_out_as_well(xr: XrStores) -> None:
    removed = await xr.members.remove(ROOM, STRANGER, NOON)
    assert removed is not None
    assert removed.removed_at == NOON
    assert await xr.members.member(ROOM, STRANGER) == removed


async def test_who_was_removed_can_be_let_in_again(xr: XrStores) -> None:
    await xr.members.put(ROOM, BEN, Role.EDITOR, NOON)
    await xr.members.remove(ROOM, BEN, LATER)
    again = RoomMember(ROOM, BEN, Role.VIEWER, NOON)
    assert await xr.members.put(ROOM, BEN, Role.VIEWER, LATER) == again
    assert await xr.members.member(ROOM, BEN) == again


async def test_nobody_is_a_member_of_what_is_not_there(xr: XrStores) -> None:
    await xr.rooms.delete(UUID(int=2), LATER)
    for room_id in (MISSING, UUID(int=2)):
        assert await xr.members.put(room_id, BEN, Role.VIEWER, NOON) is None
        assert await xr.members.remove(room_id, BEN, NOON) is None
        assert await xr.members.member(room_id, BEN) is None


async def test_members_are_listed_as_they_were_added(xr: XrStores) -> None:
    people = [UUID(int=number) for number in (9, 8, 7, 6)]
    for minute, person in enumerate(people, start=2):
        await xr.members.put(ROOM, person, Role.VIEWER, NOON + minute // 2 * MINUTE)
    await xr.members.remove(ROOM, UUID(int=5), NOON)
    await xr.members.put(UUID(int=2), UUID(int=4), Role.VIEWER, NOON)
    seen: list[UUID] = []
    cursor = None
    for expected in (2, 2, 1):
        page = await xr.members.members(ROOM, limit=2, cursor=cursor)
        assert len(page.items) == expected
        seen += [row.user_id for row in page.items]
        cursor = page.next_cursor
    assert cursor is None
    assert seen == [ANA, UUID(int=8), UUID(int=9), UUID(int=6), UUID(int=7)]
    assert (await xr.members.members(MISSING)).items == ()
    with pytest.raises(InvalidCursor):
        await xr.members.members(ROOM, cursor="made up")


async def test_xrs_1_a_room_keeps_a_host(xr: XrStores) -> None:
    removed = UUID(int=5)
    await xr.members.put(ROOM, removed, Role.HOST, NOON)
    await xr.members.remove(ROOM, removed, NOON)
    await xr.members.put(ROOM, BEN, Role.EDITOR, NOON)
    with pytest.raises(LastHost):
        await xr.members.put(ROOM, ANA, Role.EDITOR, LATER)
    with pytest.raises(LastHost):
        await xr.members.remove(ROOM, ANA, LATER)
    assert await xr.members.put(ROOM, ANA, Role.HOST, LATER) is not None
    await xr.members.put(ROOM, BEN, Role.HOST, LATER)
    demoted = await xr.members.put(ROOM, ANA, Role.VIEWER, LATER)
    assert demoted == RoomMember(ROOM, ANA, Role.VIEWER, NOON)
    with pytest.raises(LastHost):
        await xr.members.put(ROOM, BEN, Role.SPECTATOR, LATER)
    assert await xr.members.remove(ROOM, ANA, LATER) is not None
    with pytest.raises(LastHost):
        await xr.members.remove(ROOM, BEN, LATER)


async def test_two_hosts_do_not_put_each_other_out(xr: XrStores) -> None:
    await xr.members.put(ROOM, BEN, Role.HOST, NOON)
    outcomes = await asyncio.gather(
        xr.members.put(ROOM, ANA, Role.VIEWER, LATER),
        xr.members.remove(ROOM, BEN, LATER),
        return_exceptions=True,
    )
    assert [type(outcome) for outcome in outcomes].count(LastHost) == 1
