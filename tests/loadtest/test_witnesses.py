"""What witnesses find in a room: held against a newcomer, and against what people wrote."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from pycrdt import Doc, Map

from crdt_docs import messages
from loadtest import warden
from loadtest.board import Board
from loadtest.measures import Measures
from loadtest.plan import Plan
from loadtest.result import Checks
from loadtest.witness import Lost, Witness
from loadtest.witnesses import Wardens
from tests.loadtest.small_server import SmallServer

CLIENT = 7
PLAN = Plan("none", people=1, rooms=1, seconds=1, ramp=0, seed=1, processes=1, witnesses=1)


@pytest.fixture(autouse=True)
def _nobody_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warden, "SETTLE_SECONDS", 0.0)


def document(**entries: int) -> Doc[Any]:
    """One that client 7 wrote."""
    doc: Doc[Any] = Doc(client_id=CLIENT)
    for key, value in entries.items():
        doc.get("objects", type=Map)[key] = value
    return doc


async def wardens(server: SmallServer, *, acknowledges: bool = True) -> Wardens:
    """One witness, and a keeper, in one room."""
    seats = [server.seat(number) for number in range(2)]
    found = Wardens(PLAN, seats, Measures(), acknowledges=acknowledges)
    await found.open(())
    return found


async def checked(
    server: SmallServer, *, sent: int = 0, stored: int = 0, acknowledges: bool = True
) -> Checks:
    """What is found at a server where client 7 wrote so much."""
    room = await wardens(server, acknowledges=acknowledges)
    try:
        return await room.check([(0, CLIENT, sent, stored)])
    finally:
        await room.leave()


async def test_a_room_where_all_is_well() -> None:
    async with SmallServer() as server:
        server.document = document(a=1, b=2).get_update()
        assert await checked(server, sent=2, stored=2) == Checks(1, converged=True)


async def test_a_witness_hears_what_others_write_and_counts_what_it_was_sent() -> None:
    async with SmallServer() as server:
        one, other = Witness(server.seat(0), Measures()), Witness(server.seat(1), Measures())
        await one.join()
        await other.join()
        await other.write(document(a=1).get_update())
        assert one.copy() == other.copy()
        assert one.copy().contents["objects"] == {"a": 1}
        await one.leave()
        await other.leave()


async def test_updates_in_another_order_are_all_there() -> None:
    """pycrdt-websocket sends them so at times, and Yjs clients have all of them."""
    board = Board(CLIENT, lambda: "")
    sticky, update = board.sticky(1, 2)
    updates = [update, *(board.type_word(sticky, f"word {number}") for number in range(20))]
    async with SmallServer() as server:
        witness = Witness(server.seat(), Measures())
        await witness.join()
        for update in reversed(updates):
            witness.hear(messages.sync_update(update))
        assert witness.copy().clocks == {CLIENT: board.clock}
        await witness.leave()


async def test_clocks_called_stored_that_nobody_has_are_missing() -> None:
    async with SmallServer() as server:
        server.document = document(a=1).get_update()
        checks = await checked(server, sent=9, stored=4)
    assert (checks.missing_acknowledged, checks.missing_sent) == (3, 0)
    assert "3 clocks" in checks.notes[0]
    assert not checks.passed


async def test_where_nothing_is_called_stored_what_was_sent_has_to_be_there() -> None:
    async with SmallServer() as server:
        server.document = document(a=1).get_update()
        checks = await checked(server, sent=9, acknowledges=False)
    assert (checks.missing_acknowledged, checks.missing_sent) == (0, 8)


async def test_a_witness_that_has_more_than_a_newcomer_is_given_is_noted() -> None:
    async with SmallServer() as server:
        server.document = document(a=1, b=2).get_update()
        room = await wardens(server)
        server.document = document(a=1).get_update()
        checks = await room.check([])
        await room.leave()
    assert checks.converged is False
    assert checks.notes == (
        "room 0: a witness has 1 clocks that a newcomer is not given, and lacks 0",
    )


async def test_a_deletion_that_did_not_reach_a_witness_is_noted() -> None:
    async with SmallServer() as server:
        doc = document(a=1, b=2)
        server.document = doc.get_update()
        room = await wardens(server)
        del doc.get("objects", type=Map)["b"]
        server.document = doc.get_update()
        checks = await room.check([])
        await room.leave()
    assert checks.notes == ("room 0: a witness reads something else",)


async def test_a_witness_whose_connection_ended_is_noted() -> None:
    async with SmallServer() as server:
        room = await wardens(server)
        await server.sockets[0].close(1011, "a fault")
        checks = await room.check([])
        await room.leave()
    assert checks.converged is False
    assert "1011: a fault" in checks.notes[0]


async def test_whoever_comes_to_look_stays_and_comes_ever_less_often(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(warden, "SETTLE_SECONDS", 0.2)
    monkeypatch.setattr(warden, "QUIET_SECONDS", 0.01)
    async with SmallServer() as server:
        room = await wardens(server)
        checks = await room.check([(0, CLIENT, 1, 1)])
        assert len(server.sockets) == server.joined <= 7
        await room.leave()
    assert checks.missing_acknowledged == 1


async def test_a_newcomer_who_is_turned_away_is_noted() -> None:
    async with SmallServer() as server:
        room = await wardens(server)
        server.refusals = [4503]
        checks = await room.check([])
        await room.leave()
    assert checks.converged is False
    assert "4503" in checks.notes[0]


async def test_a_room_that_cannot_be_entered_is_lost() -> None:
    async with SmallServer() as server:
        server.refusals = [4404]
        with pytest.raises(Lost, match="4404"):
            await wardens(server)
    with pytest.raises(Lost, match="no connection"):
        await Witness(server.seat(), Measures()).join()


@pytest.mark.parametrize("update", [b"\xff\xff\xff", b"\x01\x01\x07"], ids=["garbage", "short"])
async def test_an_update_that_is_none_is_noted(update: bytes) -> None:
    async with SmallServer() as server:
        server.document = update
        checks = await checked(server)
    assert checks.converged is False
    assert "cannot be applied" in checks.notes[0]


async def test_rooms_are_prepared_before_anybody_comes() -> None:
    async with SmallServer() as server:
        update = document(a=1).get_update()
        seats = [server.seat(number) for number in range(2)]
        room = Wardens(PLAN, seats, Measures(), acknowledges=True)
        await room.open([update])
        assert any(update in message for message in server.heard)
        await room.leave()


async def test_a_room_is_opened_and_prepared_by_one_who_stays_and_then_others_come() -> None:
    prepared = [document(a=1).get_update(), document(b=2).get_update()]
    async with SmallServer() as server:
        seats = [server.seat(number) for number in range(4)]
        found = Wardens(PLAN, seats, Measures(), acknowledges=True)
        await found.open(prepared)

        # By one: step 1, the answer to the server's, and each update with a step 1 behind it.
        assert sorted(each[1] for each in server.heard[:6]) == [0, 0, 0, 1, 2, 2]
        assert (server.joined, len(server.sockets)) == (3, 3)
        await found.leave()


async def test_without_witnesses_a_room_is_prepared_all_the_same() -> None:
    async with SmallServer() as server:
        found = Wardens(PLAN, [server.seat()], Measures(), acknowledges=True)
        await found.open([document(a=1).get_update()])

        assert server.joined == 1
        assert sorted(each[1] for each in server.heard) == [0, 0, 1, 2]


# Meetings, one after the other

LONG_AGO = 0
"""A run that began then: what is due in it is due."""


async def meetings(server: SmallServer, count: int = 2) -> Wardens:
    """Two people in one room meet so many times; all the rooms are open."""
    plan = replace(PLAN, people=2, meetings=count)
    seats = [
        replace(server.seat(number), room=room, path=f"/{room}")
        for room in range(count)
        for number in range(2)
    ]
    found = Wardens(plan, seats, Measures(), acknowledges=True)
    await found.open(())
    await found.attend((), LONG_AGO)
    return found


async def until_there_are(server: SmallServer, count: int) -> None:
    async with asyncio.timeout(10):
        while len(server.sockets) != count:  # noqa: ASYNC110 - about which nobody is told
            await asyncio.sleep(0)


async def test_a_meeting_is_looked_at_and_left_when_the_last_one_has_gone() -> None:
    async with SmallServer() as server:
        server.document = document(a=1).get_update()
        both = await meetings(server)
        assert len(server.sockets) == 2  # a witness in each
        both.left((0, CLIENT, 1, 1))
        assert both._ending == []
        both.left((0, 8, 0, 0))
        await until_there_are(server, 1)
        checks = await both.check([(1, CLIENT, 1, 1)])
        await both.leave()
    assert checks == Checks(2, converged=True)


async def test_what_is_missing_of_a_meeting_that_is_over_is_told_at_the_end() -> None:
    async with SmallServer() as server:
        three = await meetings(server, 3)
        for client in (CLIENT, 8):
            three.left((1, client, 5, 5))
        await until_there_are(server, 2)
        server.document = document(a=1).get_update()
        checks = await three.check([])
        await three.leave()
    assert checks.missing_acknowledged == 10
    assert "room 0, meeting 1: 10 clocks of what was written are missing" in checks.notes


async def test_a_meeting_that_somebody_never_left_is_looked_at_in_the_end() -> None:
    async with SmallServer() as server:
        both = await meetings(server)
        both.left((0, CLIENT, 9, 4))
        checks = await both.check([])
        await both.leave()
    assert checks.missing_acknowledged == 4


async def test_a_later_room_that_cannot_be_entered_is_found() -> None:
    async with SmallServer() as server:
        plan = replace(PLAN, meetings=2)
        seats = [replace(server.seat(number), room=number // 2) for number in range(4)]
        both = Wardens(plan, seats, Measures(), acknowledges=True)
        await both.open(())
        server.refusals = [4503]
        await both.attend((), LONG_AGO)
        both.left((1, CLIENT, 0, 0))
        checks = await both.check([])
        await both.leave()
    assert (checks.witnesses, checks.converged) == (1, False)
    assert "room 0, meeting 1: " in checks.notes[0]
    assert "4503" in checks.notes[0]


async def test_a_document_that_nobody_looked_at_is_not_said_to_be_well() -> None:
    """Its witness was still being let in when the run ended."""
    async with SmallServer() as server:
        plan = replace(PLAN, meetings=2)
        seats = [replace(server.seat(number), room=number // 2) for number in range(4)]
        both = Wardens(plan, seats, Measures(), acknowledges=True)
        await both.open(())
        server.document = None
        coming = asyncio.create_task(both.attend((), LONG_AGO))
        await until_there_are(server, 2)
        coming.cancel()
        server.document = b"\x00\x00"
        checks = await both.check([(1, CLIENT, 3, 3)])
        await both.leave()
        await asyncio.gather(coming, return_exceptions=True)
    assert checks.converged is False
    assert checks.notes == ("room 0, meeting 1: nobody was let in to look at it",)
