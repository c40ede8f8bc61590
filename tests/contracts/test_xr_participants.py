"""What every `xr_people_ports.XrParticipantStore` keeps, in memory and in PostgreSQL."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

import pytest

from persistence.ports import InvalidCursor
from persistence.xr_people_ports import DeviceType, Sighting, XrParticipant
from persistence.xr_stores import XrStores
from tests.helpers.commits import ANA, BEN
from tests.helpers.xr import (
    LATER,
    MINUTE,
    NOON,
    a_room,
    a_session,
    placed,
    somebody_there,
    xr_stores,
)

SESSION, OTHER, MISSING = UUID(int=10), UUID(int=20), UUID(int=404)
HEADSET, PHONE = UUID(int=1000), UUID(int=1001)


@pytest.fixture(params=["memory", "postgres"])
def stores(request: pytest.FixtureRequest) -> XrStores:
    return xr_stores(request)


@pytest.fixture
async def xr(stores: XrStores) -> XrStores:
    """With two rooms and a session in each."""
    for number in (1, 2):
        await stores.rooms.create(a_room(number))
        await stores.sessions.start(a_session(number * 10, room=number))
    return stores


async def row(xr: XrStores, connection_id: UUID = HEADSET) -> XrParticipant:
    found = await xr.participants.participant(SESSION, connection_id)
    assert found is not None
    return found


async def test_whoever_joins_gets_a_row(xr: XrStores) -> None:
    came = replace(
        somebody_there(), avatar_id=UUID(int=5), avatar_config={"hat": "é", "height": 1.8}
    )
    joined = await xr.participants.join(came)
    assert joined == replace(came, last_seen_at=NOON)
    assert joined.id is not None
    assert await row(xr) == joined
    assert (await row(xr)).id == joined.id
    assert await xr.participants.participant(OTHER, HEADSET) is None


async def test_xrs_4_somebody_is_there_with_two_devices(xr: XrStores) -> None:
    await xr.participants.join(somebody_there())
    await xr.participants.join(replace(somebody_there(1001), device_type=DeviceType.MOBILE))
    people = (await xr.participants.participants(SESSION)).items
    assert {person.device_type for person in people} == {DeviceType.VR_HEADSET, DeviceType.MOBILE}
    assert {person.user_id for person in people} == {ANA}


async def test_xrs_4_a_connection_stays_the_persons_who_opened_it(xr: XrStores) -> None:
    joined = await xr.participants.join(somebody_there())
    assert await xr.participants.join(somebody_there(by=BEN, minutes=5)) is None
    assert await row(xr) == joined
    assert await xr.participants.join(somebody_there(session=20, by=BEN)) is not None


async def test_who_left_comes_back_as_what_they_are_now(xr: XrStores) -> None:
    first = await xr.participants.join(replace(somebody_there(), avatar_config={"hat": 1}))
    assert first is not None
    await xr.participants.note([Sighting(SESSION, HEADSET, NOON + MINUTE, placed(1))])
    left = replace(first, last_seen_at=NOON + MINUTE, placed=placed(1), left_at=LATER)
    assert await xr.participants.leave(SESSION, HEADSET, LATER) == left
    assert await xr.participants.leave(SESSION, HEADSET, LATER + MINUTE) == left
    again = await xr.participants.join(
        replace(somebody_there(minutes=70), device_type=DeviceType.DESKTOP)
    )
    assert again == replace(
        left,
        device_type=DeviceType.DESKTOP,
        avatar_config=None,
        last_seen_at=NOON + 70 * MINUTE,
        left_at=None,
    )
    assert again.id == first.id
    assert await row(xr) == again


async def test_nobody_joins_or_leaves_what_is_not_there(xr: XrStores) -> None:
    assert await xr.participants.join(somebody_there(session=404)) is None
    assert await xr.participants.leave(SESSION, HEADSET, LATER) is None
    assert await xr.participants.leave(MISSING, HEADSET, LATER) is None


async def test_a_person_leaves_with_all_connections_at_once(xr: XrStores) -> None:
    for number in range(4):
        await xr.participants.join(somebody_there(number, minutes=number))
    await xr.participants.join(somebody_there(4, by=BEN))
    await xr.participants.join(somebody_there(session=20))
    await xr.participants.leave(SESSION, UUID(int=0), NOON)
    there = [await row(xr, UUID(int=number)) for number in range(1, 4)]
    assert list(await xr.participants.of_person(SESSION, ANA, limit=9)) == there
    assert list(await xr.participants.of_person(SESSION, ANA, limit=2)) == there[:2]
    left = await xr.participants.leave_all(SESSION, ANA, LATER)
    assert list(left) == [replace(person, left_at=LATER) for person in there]
    assert await xr.participants.leave_all(SESSION, ANA, LATER) == []
    assert list(await xr.participants.of_person(SESSION, ANA, limit=9)) == []
    assert (await row(xr, UUID(int=0))).left_at == NOON
    assert (await row(xr, UUID(int=4))).left_at is None
    assert await xr.participants.of_person(OTHER, ANA, limit=9) != []


async def test_people_are_listed_as_they_joined(xr: XrStores) -> None:
    for number in range(6):
        await xr.participants.join(somebody_there(number, minutes=number // 2))
    await xr.participants.join(somebody_there(session=20))
    await xr.participants.leave(SESSION, UUID(int=2), LATER)
    for only_there, expected in ((False, 6), (True, 5)):
        seen: list[XrParticipant] = []
        cursor = None
        while True:
            page = await xr.participants.participants(
                SESSION, only_there=only_there, limit=2, cursor=cursor
            )
            seen += page.items
            cursor = page.next_cursor
            if cursor is None:
                break
        assert len({person.connection_id for person in seen}) == len(seen) == expected
        assert [person.joined_at for person in seen] == sorted(person.joined_at for person in seen)
        assert (UUID(int=2) in {person.connection_id for person in seen}) is not only_there
    assert (await xr.participants.participants(MISSING)).items == ()
    with pytest.raises(InvalidCursor):
        await xr.participants.participants(SESSION, cursor="made up")


async def test_where_many_were_is_noted_at_once(xr: XrStores) -> None:
    for number in range(4):
        await xr.participants.join(somebody_there(number))
    at = NOON + MINUTE
    unknown = [Sighting(SESSION, UUID(int=99), at, placed(9)), Sighting(OTHER, HEADSET, at, None)]
    known = [Sighting(SESSION, UUID(int=n), at, placed(n + 0.25)) for n in range(3)]
    await xr.participants.note([*known, *unknown])
    for number in range(3):
        person = await row(xr, UUID(int=number))
        assert (person.placed, person.last_seen_at) == (placed(number + 0.25), at)
    untouched = await row(xr, UUID(int=3))
    assert (untouched.placed, untouched.last_seen_at) == (None, NOON)
    await xr.participants.note([])


async def test_xrs_5_the_later_place_counts_whichever_is_told_first(xr: XrStores) -> None:
    await xr.participants.join(somebody_there())
    early, late = (
        Sighting(SESSION, HEADSET, NOON + minutes * MINUTE, placed(minutes)) for minutes in (1, 2)
    )
    await xr.participants.note([late])
    await xr.participants.note([early])
    assert ((await row(xr)).placed, (await row(xr)).last_seen_at) == (placed(2), late.at)
    together = [each._replace(at=each.at + 5 * MINUTE) for each in (late, early)]
    await xr.participants.note(together)
    assert ((await row(xr)).placed, (await row(xr)).last_seen_at) == (placed(2), together[0].at)


async def test_who_is_there_and_nobody_knows_where_stays_in_the_last_place(xr: XrStores) -> None:
    await xr.participants.join(somebody_there())
    times = [NOON + minutes * MINUTE for minutes in range(1, 5)]
    await xr.participants.note([Sighting(SESSION, HEADSET, times[0], None)])
    assert ((await row(xr)).placed, (await row(xr)).last_seen_at) == (None, times[0])
    await xr.participants.note(
        [
            Sighting(SESSION, HEADSET, times[2], None),
            Sighting(SESSION, HEADSET, times[1], placed(1)),
        ]
    )
    assert ((await row(xr)).placed, (await row(xr)).last_seen_at) == (placed(1), times[2])
    await xr.participants.note([Sighting(SESSION, HEADSET, times[3], None)])
    assert ((await row(xr)).placed, (await row(xr)).last_seen_at) == (placed(1), times[3])


async def test_the_last_place_is_noted_of_who_has_just_left(xr: XrStores) -> None:
    await xr.participants.join(somebody_there())
    await xr.participants.leave(SESSION, HEADSET, LATER)
    await xr.participants.note([Sighting(SESSION, HEADSET, LATER - MINUTE, placed(3))])
    person = await row(xr)
    assert (person.placed, person.left_at) == (placed(3), LATER)


async def test_who_left_long_ago_is_kept_no_longer(xr: XrStores) -> None:
    for number in range(5):
        await xr.participants.join(somebody_there(number))
        if number < 4:
            await xr.participants.leave(SESSION, UUID(int=number), NOON + number * MINUTE)
    moment = NOON + 3 * MINUTE
    assert await xr.participants.forget_before(moment, limit=2) == 2
    assert await xr.participants.participant(SESSION, UUID(int=2)) is not None
    assert await xr.participants.forget_before(moment) == 1
    assert await xr.participants.forget_before(moment) == 0
    people = (await xr.participants.participants(SESSION)).items
    assert {person.connection_id.int for person in people} == {3, 4}


async def test_xrs_7_what_a_crash_left_open_is_closed(xr: XrStores) -> None:
    for connection, session, minutes in ((1, 10, 0), (2, 20, 1), (3, 10, 0), (4, 10, 30)):
        person = somebody_there(connection, session=session, minutes=minutes)
        await xr.participants.join(person)
    await xr.participants.leave(SESSION, UUID(int=3), NOON + MINUTE)
    await xr.participants.note([Sighting(SESSION, UUID(int=1), NOON + 7 * MINUTE, None)])
    assert await xr.participants.close_open(NOON + 20 * MINUTE) == 2
    assert await xr.participants.close_open(NOON + 20 * MINUTE) == 0
    assert (await row(xr, UUID(int=1))).left_at == NOON + 7 * MINUTE
    assert (await row(xr, UUID(int=3))).left_at == NOON + MINUTE
    assert (await row(xr, UUID(int=4))).left_at is None
    (elsewhere,) = (await xr.participants.participants(OTHER)).items
    assert elsewhere.left_at == NOON + MINUTE
    still = await xr.sessions.get(SESSION)
    assert still is not None
    assert still.ended_at is None, "people may come back to it"
