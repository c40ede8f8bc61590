"""What every `xr_ports.XrRoomStore` keeps, in memory and in PostgreSQL."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from crdt_docs.access import Role
from persistence.ports import InvalidCursor
from persistence.xr_ports import (
    NOWHERE,
    RoomFilter,
    RoomMember,
    RoomStanding,
    RoomTemplate,
    RoomType,
    XrRoom,
    XrStatus,
)
from persistence.xr_stores import XrStores
from tests.helpers.commits import ANA, BEN
from tests.helpers.xr import (
    LATER,
    MINUTE,
    NOON,
    WORKSPACE,
    a_room,
    a_session,
    somebody_there,
    xr_stores,
)

ELSEWHERE, DATASPACE = UUID(int=200), UUID(int=300)
ROOM, MISSING = UUID(int=1), UUID(int=404)


@pytest.fixture(params=["memory", "postgres"])
def xr(request: pytest.FixtureRequest) -> XrStores:
    return xr_stores(request)


async def ids(xr: XrStores, wanted: RoomFilter) -> list[int]:
    return [found.id.int for found in (await xr.rooms.find(wanted)).items]


async def test_a_room_comes_back_as_it_was(xr: XrStores) -> None:
    created = replace(
        a_room(),
        room_type=RoomType.SHOWROOM,
        room_template=RoomTemplate.OPEN_SPACE,
        dimensions={"width": 12.5, "depth": 8},
        environment_config={"sky": "dusk", "list": [1, None, "é😀"]},
        config={"default_role": "editor"},
        dataspace_id=DATASPACE,
        meeting_id=UUID(int=7),
        is_persistent=True,
        is_public=True,
    )
    await xr.rooms.create(created)
    assert await xr.rooms.get(created.id) == created


async def test_unknown_ids_give_none(xr: XrStores) -> None:
    assert await xr.rooms.get(MISSING) is None
    assert await xr.rooms.change(MISSING, {"name": "x"}) is None
    assert await xr.rooms.change(MISSING, {}) is None
    assert await xr.rooms.delete(MISSING, LATER) is False


async def test_xrs_1_whoever_creates_a_room_is_its_host(xr: XrStores) -> None:
    await xr.rooms.create(a_room())
    assert await xr.members.member(ROOM, ANA) == RoomMember(ROOM, ANA, Role.HOST, NOON)


async def test_creating_an_id_again_changes_nothing(xr: XrStores) -> None:
    await xr.rooms.create(a_room())
    await xr.rooms.create(replace(a_room(by=BEN), name="another"))
    assert await xr.rooms.get(ROOM) == a_room()
    assert await xr.members.member(ROOM, BEN) is None


async def test_what_is_given_is_changed_and_nothing_else(xr: XrStores) -> None:
    before = replace(a_room(), dataspace_id=DATASPACE, dimensions={"width": 1})
    await xr.rooms.create(before)
    changed = await xr.rooms.change(ROOM, {"name": "Hall", "dataspace_id": None})
    assert changed == replace(before, name="Hall", dataspace_id=None)
    changed = await xr.rooms.change(
        ROOM,
        {
            "room_type": RoomType.PRESENTATION,
            "room_template": RoomTemplate.AMPHITHEATER,
            "max_participants": 3,
            "dimensions": {},
            "environment_config": {"sky": "night"},
            "config": {"default_role": "viewer"},
            "meeting_id": UUID(int=7),
            "is_persistent": True,
            "is_public": True,
        },
    )
    assert changed is not None
    assert changed == await xr.rooms.get(ROOM)
    assert (changed.name, changed.room_type, changed.dimensions) == (
        "Hall",
        RoomType.PRESENTATION,
        {},
    )
    assert (changed.config, changed.is_public) == ({"default_role": "viewer"}, True)
    assert await xr.rooms.change(ROOM, {}) == changed


async def test_xrs_3_a_deleted_room_is_gone_and_its_session_over(xr: XrStores) -> None:
    await xr.rooms.create(a_room())
    await xr.rooms.create(a_room(2))
    for number in (1, 2):
        session = a_session(number * 10, room=number)
        await xr.sessions.start(session)
        await xr.participants.join(somebody_there(session=number * 10))
    assert await xr.rooms.delete(ROOM, LATER) is True
    assert await xr.rooms.delete(ROOM, LATER + MINUTE) is False
    assert await xr.rooms.get(ROOM) is None
    assert await xr.rooms.change(ROOM, {"name": "x"}) is None
    assert await ids(xr, RoomFilter()) == [2]
    assert await xr.sessions.get(UUID(int=10)) is None
    assert await xr.sessions.active(ROOM) is None
    (gone,) = (await xr.participants.participants(UUID(int=10))).items
    assert gone.left_at == LATER
    assert await xr.sessions.active(UUID(int=2)) == a_session(20, room=2)
    (there,) = (await xr.participants.participants(UUID(int=20))).items
    assert there.left_at is None


async def test_a_list_is_newest_first_then_by_id(xr: XrStores) -> None:
    for number, minutes in [(1, 0), (2, 10), (3, 10), (4, 5)]:
        await xr.rooms.create(a_room(number, minutes=minutes))
    assert await ids(xr, RoomFilter()) == [3, 2, 4, 1]


async def test_filters_narrow_a_list(xr: XrStores) -> None:
    await xr.rooms.create(a_room(1))
    await xr.rooms.create(replace(a_room(2), room_type=RoomType.SHOWROOM))
    await xr.rooms.create(replace(a_room(3), workspace_id=ELSEWHERE))
    await xr.rooms.create(replace(a_room(4), dataspace_id=DATASPACE))
    await xr.rooms.create(replace(a_room(5), dataspace_id=DATASPACE, workspace_id=ELSEWHERE))
    expected = {
        RoomFilter(workspace_id=WORKSPACE): [4, 2, 1],
        RoomFilter(workspace_id=ELSEWHERE): [5, 3],
        RoomFilter(room_type=RoomType.SHOWROOM): [2],
        RoomFilter(dataspace_id=DATASPACE): [5, 4],
        RoomFilter(dataspace_id=DATASPACE, workspace_id=ELSEWHERE): [5],
        RoomFilter(dataspace_id=UUID(int=301)): [],
        RoomFilter(workspaces=(WORKSPACE, ELSEWHERE, ELSEWHERE)): [5, 4, 3, 2, 1],
        RoomFilter(workspaces=(ELSEWHERE,)): [5, 3],
        RoomFilter(workspaces=()): [],
        RoomFilter(workspaces=(), readable_by=ANA): [],
        RoomFilter(workspaces=(ELSEWHERE,), workspace_id=WORKSPACE): [],
        RoomFilter(workspaces=(WORKSPACE, ELSEWHERE), room_type=RoomType.MEETING): [5, 4, 3, 1],
    }
    for wanted, numbers in expected.items():
        assert await ids(xr, wanted) == numbers, wanted
        readable = replace(wanted, readable_by=ANA)
        assert await ids(xr, readable) == numbers, readable


async def test_a_person_sees_what_they_may_read(xr: XrStores) -> None:
    mine, added, removed, granted, granted_but_removed, not_mine, public, public_but_removed = (
        range(1, 9)
    )
    for number in range(1, 9):
        room = a_room(number, by=BEN if number == mine else ANA)
        await xr.rooms.create(replace(room, is_public=number in {public, public_but_removed}))
    await xr.members.put(UUID(int=added), BEN, Role.VIEWER, NOON)
    for number in (removed, granted_but_removed, public_but_removed):
        await xr.members.remove(UUID(int=number), BEN, LATER)
    wanted = RoomFilter(readable_by=BEN, granted=(UUID(int=granted), UUID(int=granted_but_removed)))
    assert await ids(xr, wanted) == [public, granted, added, mine]
    assert await ids(xr, replace(wanted, workspaces=(ELSEWHERE,))) == []
    assert await ids(xr, replace(wanted, workspace_id=WORKSPACE)) == [7, 4, 2, 1]
    assert await ids(xr, RoomFilter(readable_by=UUID(int=9))) == [public_but_removed, public]
    await xr.rooms.change(UUID(int=not_mine), {"is_public": True, "dataspace_id": DATASPACE})
    assert await ids(xr, replace(wanted, dataspace_id=DATASPACE)) == [not_mine]


FILTERS = [
    RoomFilter(),
    RoomFilter(workspaces=(WORKSPACE, ELSEWHERE)),
    RoomFilter(dataspace_id=DATASPACE),
    RoomFilter(readable_by=ANA),
    RoomFilter(readable_by=ANA, workspaces=(WORKSPACE, ELSEWHERE)),
    RoomFilter(readable_by=ANA, dataspace_id=DATASPACE),
]


@pytest.mark.parametrize("wanted", FILTERS)
async def test_pages_give_every_room_once(xr: XrStores, wanted: RoomFilter) -> None:
    dice = random.Random(1)
    rooms = [
        replace(
            a_room(number, minutes=dice.randint(0, 9)),
            workspace_id=dice.choice([WORKSPACE, ELSEWHERE]),
            dataspace_id=DATASPACE,
            is_public=dice.random() < 0.5,
        )
        for number in dice.sample(range(1, 1000), 23)
    ]
    for created in rooms:
        owner = ANA if created.is_public or dice.random() < 0.5 else BEN
        await xr.rooms.create(replace(created, created_by=owner))
        await xr.members.put(created.id, ANA, Role.VIEWER if owner == BEN else Role.HOST, NOON)
    seen: list[UUID] = []
    cursor = None
    while True:
        page = await xr.rooms.find(wanted, limit=5, cursor=cursor)
        assert len(page.items) <= 5
        seen += [room.id for room in page.items]
        if page.next_cursor is None:
            break
        cursor = page.next_cursor
        # What appears meanwhile at the front must not shift what follows.
        front = a_room(2000 + len(seen), minutes=100)
        await xr.rooms.create(replace(front, dataspace_id=DATASPACE, is_public=True))
    newest_first = sorted(rooms, key=lambda r: (r.created_at, r.id), reverse=True)
    assert seen == [room.id for room in newest_first]


@pytest.mark.parametrize("cursor", ["", "x", "é", "A" * 40])
async def test_a_cursor_of_somebody_else_is_refused(xr: XrStores, cursor: str) -> None:
    with pytest.raises(InvalidCursor):
        await xr.rooms.find(RoomFilter(), cursor=cursor)


async def test_standings_answer_many_in_their_order(xr: XrStores) -> None:
    rooms: list[XrRoom] = [a_room(number) for number in (1, 2, 3)]
    for created in rooms:
        await xr.rooms.create(created)
    session = a_session(10, room=1)
    await xr.sessions.start(a_session(9, room=1))
    await xr.sessions.end(UUID(int=9), NOON)
    await xr.sessions.start(session)
    await xr.members.remove(ROOM, BEN, LATER)
    await xr.rooms.delete(UUID(int=2), LATER)
    host = RoomMember(ROOM, ANA, Role.HOST, NOON)
    removed = RoomMember(ROOM, BEN, Role.SPECTATOR, LATER, LATER)
    wanted = {
        (ROOM, BEN): RoomStanding(rooms[0], session, removed),
        (UUID(int=2), ANA): NOWHERE,
        (MISSING, BEN): NOWHERE,
        (ROOM, ANA): RoomStanding(rooms[0], session, host),
        (UUID(int=3), BEN): RoomStanding(rooms[2], None, None),
    }
    assert list(await xr.rooms.standings([*wanted, *wanted])) == [*wanted.values()] * 2
    assert list(await xr.rooms.standings([])) == []


async def test_deleted_rooms_are_found_and_forgotten_for_good(xr: XrStores) -> None:
    for number in (1, 2, 3):
        await xr.rooms.create(a_room(number))
        await xr.sessions.start(a_session(number * 10, room=number))
        await xr.participants.join(somebody_there(session=number * 10))
    await xr.rooms.delete(UUID(int=2), NOON)
    await xr.rooms.delete(UUID(int=1), LATER)
    assert list(await xr.rooms.deleted_before(NOON)) == []
    much_later = LATER + timedelta(days=1)
    assert list(await xr.rooms.deleted_before(much_later)) == [UUID(int=2), UUID(int=1)]
    assert list(await xr.rooms.deleted_before(much_later, limit=1)) == [UUID(int=2)]
    await xr.rooms.forget([UUID(int=2), UUID(int=3), MISSING])
    assert list(await xr.rooms.deleted_before(much_later)) == [UUID(int=1)]
    assert await xr.members.member(UUID(int=2), ANA) is None
    assert (await xr.participants.participants(UUID(int=20))).items == ()
    kept = await xr.sessions.get(UUID(int=30))
    assert kept is not None
    assert kept.status is XrStatus.ACTIVE
    assert len((await xr.participants.participants(UUID(int=30))).items) == 1
