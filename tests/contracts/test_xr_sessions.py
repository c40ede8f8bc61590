"""What every `xr_ports.XrSessionStore` keeps, in memory and in PostgreSQL."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from uuid import UUID

import pytest

from crdt_docs.access import Role
from persistence.ports import InvalidCursor
from persistence.xr_ports import NOWHERE, EndedSession, RoomMember, RoomStanding, XrStatus
from persistence.xr_stores import XrStores
from tests.helpers.commits import ANA, BEN
from tests.helpers.xr import LATER, MINUTE, NOON, a_room, a_session, somebody_there, xr_stores

ROOM, OTHER, MISSING = UUID(int=1), UUID(int=2), UUID(int=404)
SESSION = UUID(int=10)


@pytest.fixture(params=["memory", "postgres"])
def stores(request: pytest.FixtureRequest) -> XrStores:
    return xr_stores(request)


@pytest.fixture
async def xr(stores: XrStores) -> XrStores:
    """With two rooms of Ana's."""
    await stores.rooms.create(a_room())
    await stores.rooms.create(a_room(2))
    return stores


async def test_a_session_is_started(xr: XrStores) -> None:
    assert await xr.sessions.active(ROOM) is None
    assert await xr.sessions.start(a_session()) == a_session()
    assert await xr.sessions.get(SESSION) == a_session()
    assert await xr.sessions.active(ROOM) == a_session()
    assert await xr.sessions.active(OTHER) is None


async def test_xrs_2_whoever_starts_one_finds_the_one_that_is_there(xr: XrStores) -> None:
    await xr.sessions.start(a_session(10))
    assert await xr.sessions.start(a_session(11, minutes=5)) == a_session(10)
    assert await xr.sessions.start(a_session(10)) == a_session(10)
    assert await xr.sessions.get(UUID(int=11)) is None
    assert await xr.sessions.start(a_session(12, room=2)) == a_session(12, room=2)
    await xr.sessions.end(SESSION, LATER)
    assert await xr.sessions.start(a_session(13)) == a_session(13)


async def test_xrs_2_of_many_who_start_one_all_get_the_same(xr: XrStores) -> None:
    started = await asyncio.gather(*(xr.sessions.start(a_session(n)) for n in range(10, 18)))
    assert len({session and session.id for session in started}) == 1
    assert started[0] == await xr.sessions.active(ROOM)


async def test_nothing_is_started_where_there_is_no_room(xr: XrStores) -> None:
    await xr.rooms.delete(OTHER, LATER)
    assert await xr.sessions.start(a_session(room=404)) is None
    assert await xr.sessions.start(a_session(room=2)) is None
    assert await xr.sessions.get(MISSING) is None
    assert await xr.sessions.end(MISSING, LATER) is None


async def left(xr: XrStores) -> dict[int, set[int]]:
    """The rooms that are to be emptied, and the sessions after which."""
    found = await xr.sessions.all_to_empty()
    for each in found:
        assert await xr.sessions.to_empty(each.room.id) == each
    return {each.room.id.int: {number.int for number in each.session_ids} for each in found}


async def test_xrs_8_a_room_is_to_be_emptied_from_the_end_of_its_session(xr: XrStores) -> None:
    await xr.sessions.start(a_session(10))
    await xr.sessions.start(a_session(20, room=2))
    assert await left(xr) == {}
    assert await xr.sessions.to_empty(ROOM) is None
    await xr.sessions.end(SESSION, LATER)
    assert await left(xr) == {1: {10}}
    await xr.sessions.emptied([SESSION, UUID(int=20)], LATER)
    assert await left(xr) == {}
    await xr.sessions.end(UUID(int=20), LATER)
    assert await left(xr) == {2: {20}}


async def test_xrs_8_not_while_there_is_another_session(xr: XrStores) -> None:
    await xr.sessions.start(a_session(10))
    await xr.sessions.end(SESSION, LATER)
    await xr.sessions.start(a_session(11))
    assert await left(xr) == {}
    await xr.sessions.end(UUID(int=11), LATER)
    assert await left(xr) == {1: {10, 11}}
    await xr.sessions.emptied([SESSION, UUID(int=11)], LATER)
    assert await left(xr) == {}


async def test_xrs_8_nor_once_it_was_deleted(xr: XrStores) -> None:
    await xr.sessions.start(a_session(10))
    await xr.sessions.start(a_session(20, room=2))
    await xr.sessions.end(SESSION, LATER)
    await xr.rooms.delete(ROOM, LATER)
    await xr.rooms.delete(OTHER, LATER)
    assert await left(xr) == {}
    await xr.rooms.forget([ROOM, OTHER])
    assert await left(xr) == {}


async def test_xrs_8_all_of_them_come_in_pages(xr: XrStores) -> None:
    for number in range(1, 6):
        await xr.rooms.create(a_room(number))
        await xr.sessions.start(a_session(10 * number, room=number))
        await xr.sessions.end(UUID(int=10 * number), LATER)
    first = await xr.sessions.all_to_empty(limit=3)
    rest = await xr.sessions.all_to_empty(after=first[-1].room.id, limit=3)
    assert [each.room.id.int for each in (*first, *rest)] == [1, 2, 3, 4, 5]


async def test_xrs_3_a_session_ends_once_and_all_who_are_in_it_are_gone(xr: XrStores) -> None:
    await xr.sessions.start(a_session())
    await xr.sessions.start(a_session(20, room=2))
    for connection, session in ((1, 10), (2, 10), (3, 20)):
        await xr.participants.join(somebody_there(connection, session=session))
    await xr.participants.leave(SESSION, UUID(int=1), NOON + MINUTE)
    ended = replace(a_session(), status=XrStatus.ENDED, ended_at=LATER)
    assert await xr.sessions.end(SESSION, LATER) == EndedSession(ended, was_active=True)
    again = LATER + MINUTE
    assert await xr.sessions.end(SESSION, again) == EndedSession(ended, was_active=False)
    assert await xr.sessions.get(SESSION) == ended
    people = (await xr.participants.participants(SESSION)).items
    left = {person.connection_id.int: person.left_at for person in people}
    assert left == {1: NOON + MINUTE, 2: LATER}
    assert await xr.participants.join(somebody_there(4)) is None
    (elsewhere,) = (await xr.participants.participants(UUID(int=20))).items
    assert elsewhere.left_at is None


async def test_xrs_3_nobody_stays_in_a_session_that_ends_while_they_join(xr: XrStores) -> None:
    await xr.sessions.start(a_session())
    await asyncio.gather(
        *(xr.participants.join(somebody_there(n)) for n in range(4)),
        xr.sessions.end(SESSION, LATER),
        *(xr.participants.join(somebody_there(n)) for n in range(4, 8)),
    )
    assert (await xr.participants.participants(SESSION, only_there=True)).items == ()


async def test_a_rooms_sessions_are_listed_newest_first(xr: XrStores) -> None:
    for number in range(10, 15):
        await xr.sessions.start(a_session(number, minutes=number // 2))
        await xr.sessions.end(UUID(int=number), LATER)
    await xr.sessions.start(a_session(20, room=2))
    seen: list[int] = []
    cursor = None
    for expected in (2, 2, 1):
        page = await xr.sessions.of_room(ROOM, limit=2, cursor=cursor)
        assert len(page.items) == expected
        seen += [session.id.int for session in page.items]
        cursor = page.next_cursor
    assert cursor is None
    assert seen == [14, 13, 12, 11, 10]
    with pytest.raises(InvalidCursor):
        await xr.sessions.of_room(ROOM, cursor="made up")
    await xr.rooms.delete(ROOM, LATER)
    assert (await xr.sessions.of_room(ROOM)).items == ()
    assert (await xr.sessions.of_room(MISSING)).items == ()


async def test_standings_answer_many_in_their_order(xr: XrStores) -> None:
    await xr.sessions.start(a_session(10))
    await xr.sessions.end(SESSION, LATER)
    ended = replace(a_session(10), status=XrStatus.ENDED, ended_at=LATER)
    await xr.sessions.start(a_session(11))
    await xr.sessions.start(a_session(20, room=2))
    await xr.members.remove(ROOM, BEN, LATER)
    await xr.rooms.delete(OTHER, LATER)
    host = RoomMember(ROOM, ANA, Role.HOST, NOON)
    removed = RoomMember(ROOM, BEN, Role.SPECTATOR, LATER, LATER)
    wanted = {
        (UUID(int=11), BEN): RoomStanding(a_room(), a_session(11), removed),
        (SESSION, ANA): RoomStanding(a_room(), ended, host),
        (MISSING, ANA): NOWHERE,
        (UUID(int=20), ANA): NOWHERE,
        (UUID(int=11), UUID(int=77)): RoomStanding(a_room(), a_session(11), None),
    }
    assert list(await xr.sessions.standings([*wanted, *wanted])) == [*wanted.values()] * 2
    assert list(await xr.sessions.standings([])) == []
