"""A room in the event loop."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence

import pytest

from crdt_docs import messages
from crdt_docs.access import Role
from crdt_docs.edited_document import PENDING_AT_ONCE
from crdt_docs.member import Member
from crdt_docs.messages import KEEPALIVE, CloseCode
from crdt_docs.room_limits import RoomLimits
from server.leases import Lease
from server.room_host import HostSettings
from server.turn_timer import QUIET_SECONDS
from tests.helpers.paced import paced
from tests.server.rooms import NAME, House, Person, viewer


async def test_people_converge_and_the_log_holds_what_they_did() -> None:
    async with House() as house:
        ada, ben = Person(1), Person(2)
        await house.sit(ada)
        await house.sit(ben)
        ada.set("a", 1)
        ben.set("b", 2)
        await house.settle()
        assert ada.json() == ben.json() == {"a": 1, "b": 2}
        await house.journal.flush()
        stored = await house.store.load(NAME)
        assert stored.last_seq == 2
        assert stored.authors == {
            ada.client_id: ada.identity.user_id,
            ben.client_id: ben.identity.user_id,
        }


async def test_rom_5_a_receipt_comes_only_after_the_commit() -> None:
    async with House() as house:
        ada = Person(1)
        await house.sit(ada, wants_receipts=True)
        await house.settle()
        before = ada.stored
        house.store.pause()
        ada.set("a", 1)
        await house.settle()
        assert ada.stored == before
        house.store.resume()
        await house.journal.flush()
        await house.settle()
        assert ada.stored == before + 1
        assert (await house.store.load(NAME)).last_seq == 1


async def test_rom_5_a_duplicate_waits_for_what_it_duplicates() -> None:
    async with House() as house:
        ada = Person(1)
        seat = await house.sit(ada, wants_receipts=True)
        await house.settle()
        before = ada.stored
        house.store.pause()
        frame = ada.set("a", 1)
        await house.settle()
        house.host().receive(seat.member, frame)
        await house.settle()
        assert ada.stored == before
        house.store.resume()
        await house.journal.flush()
        await house.settle()
        assert ada.stored == before + 2


async def test_a_flood_is_cut_into_turns() -> None:
    async with House() as house:
        ada, ben = Person(1), Person(2)
        seat = await house.sit(ada)
        await house.sit(ben)
        await house.settle()
        for number in range(1000):
            ada.set("a", number)
        heard = len(house.seats[1].channel.sent)
        while ada.outbox:
            house.host().receive(seat.member, ada.outbox.popleft())
        assert len(house.seats[1].channel.sent) - heard == 4, "one at once, then 256 a turn"
        await house.settle()
        assert ben.json() == {"a": 999}


async def test_rom_20_a_turn_that_takes_long_leaves_the_rest_to_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with House() as house:
        ada, ben = Person(1), Person(2)
        first, second = [await house.sit(person) for person in (ada, ben)]
        await house.settle()
        host = house.host()
        document = host.room.document
        transact = document._transact

        def toil(updates: Sequence[bytes], sender: bytes) -> None:
            transact(updates, sender)
            document.labour += 0.02

        monkeypatch.setattr(document, "_transact", toil)
        monkeypatch.setattr(host._timer, "_ended_at", math.inf)  # not quiet: frames wait
        for number in range(2 * PENDING_AT_ONCE):
            host.receive(first.member, ada.set(f"a{number}", number))
        host.receive(second.member, ben.set("b", 1))
        ada.outbox.clear()
        ben.outbox.clear()
        heard = len(second.channel.sent)
        await asyncio.sleep(0)
        assert len(second.channel.sent) == heard + 1
        assert len(host._inbox) == PENDING_AT_ONCE + 1
        assert host._inbox_bytes == sum(len(frame) for _, frame in host._inbox)
        host.set_role(ada.identity.user_id, Role.VIEWER)
        assert not host._inbox, "all that came before is judged as before"
        await house.settle()
        assert ada.json() == ben.json()
        assert len(ben.json()) == 2 * PENDING_AT_ONCE + 1


async def test_rom_20_the_rest_is_taken_in_without_being_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with House() as house:
        ada = Person(1)
        seat = await house.sit(ada)
        await house.settle()
        host = house.host()
        monkeypatch.setattr(host.room, "_labour_before", -1.0)
        monkeypatch.setattr(host._timer, "_ended_at", math.inf)  # not quiet: frames wait
        host.receive(seat.member, ada.set("a", 1))
        await asyncio.sleep(0)
        assert host._inbox
        await asyncio.sleep(0)
        assert not host._inbox


async def test_awr_11_a_quiet_socket_is_kept_open() -> None:
    async with House(host_settings=HostSettings(keepalive=0.0)) as house:
        seat = await house.sit(viewer(1))
        await house.settle()
        house.host().tick()
        assert seat.channel.sent[-1] == KEEPALIVE


async def test_awr_11_a_busy_socket_is_left_alone() -> None:
    async with House() as house:
        seat = await house.sit(Person(1))
        await house.settle()
        house.host().tick()
        assert KEEPALIVE not in seat.channel.sent


async def test_rom_8_a_full_channel_gets_one_update_afterwards() -> None:
    async with House() as house:
        ada, ben = Person(1), Person(2)
        await house.sit(ada)
        slow = await house.sit(ben)
        await house.settle()
        slow.channel.is_behind = True
        ada.set("first", 0)
        await house.settle()
        sent = len(slow.channel.sent)
        for number in range(100):
            ada.set("a", number)
            await house.settle()
        assert len(slow.channel.sent) == sent, "nothing is queued for it"
        slow.channel.is_behind = False
        house.host().writable(slow.member)
        await house.settle()
        assert ben.json() == ada.json()
        assert len(slow.channel.sent) - sent == 2


async def test_a_member_behind_for_too_long_is_closed() -> None:
    async with House(host_settings=HostSettings(slow_member=0.0)) as house:
        ada, ben = Person(1), Person(2)
        await house.sit(ada)
        slow = await house.sit(ben)
        await house.settle()
        slow.channel.is_behind = True
        ada.set("a", 0)
        await house.settle()
        await asyncio.sleep(0.001)
        house.host().tick()
        assert slow.channel.closed is not None
        assert slow.channel.closed[0] == CloseCode.TRY_LATER
        assert house.counters.closes == {CloseCode.TRY_LATER: 1}


async def test_rom_6_a_large_update_pauses_its_socket() -> None:
    async with House(limits=RoomLimits(walk_at_once=1000)) as house:
        ada, ben = Person(1), Person(2)
        seat = await house.sit(ada)
        await house.sit(ben)
        await house.settle()
        ada.set_many({f"k{number}": number for number in range(2000)})
        house.host().receive(seat.member, ada.outbox.popleft())
        assert seat.channel.is_paused
        while seat.channel.is_paused:  # noqa: ASYNC110 - each round of the loop is a turn
            await asyncio.sleep(0)
        await house.settle()
        assert len(ben.json()) == 2000


async def test_rom_13_a_full_backlog_turns_writers_away() -> None:
    async with House(backlog=2000) as house:
        ada, ben = Person(1), Person(2)
        seat = await house.sit(ada)
        reader = await house.sit(ben)
        await house.settle()
        house.store.pause()
        for number in range(20):
            if seat.channel.closed is None:
                ada.set("a", str(number) * 200)
                seat.pump()
                await asyncio.sleep(0)
        assert seat.channel.closed is not None
        assert seat.channel.closed[0] == CloseCode.TRY_LATER
        assert reader.channel.closed is None
        house.seats.remove(seat)
        house.store.resume()
        await house.journal.flush()
        await house.sit(ada)
        await house.settle()
        assert ben.json() == ada.json()


async def test_refusals_and_closes_are_counted() -> None:
    async with House() as house:
        ben = viewer(1)
        seat = await house.sit(ben)
        await house.settle()
        ben.set("a", 1)
        await house.settle()
        assert house.counters.refused_edits == 1
        house.host().receive(seat.member, b"\xff\xff")
        await house.settle()
        assert seat.channel.closed is not None
        assert house.counters.closes == {CloseCode.MALFORMED: 1}
        house.host().receive(seat.member, messages.sync_step1(b"\x00"))
        house.host().leave(seat.member)
        house.seats.clear()


async def test_rom_7_an_edit_and_a_cursor_that_were_read_together_are_passed_on_together() -> None:
    async with House() as house:
        ada, ben = Person(1), Person(2)
        seat, _ = await house.sit(ada), await house.sit(ben)
        await house.settle()
        await asyncio.sleep(2 * QUIET_SECONDS)
        host, sent = house.host(), house.seats[1].channel.sent
        before = len(sent)
        host.receive(seat.member, ada.set("a", 1), more=True)
        assert len(sent) == before, "not yet: more is coming"
        host.receive(seat.member, ada.presence({"x": 1}))
        await asyncio.sleep(0)
        kinds = [frame[0] for frame in sent[before:]]
        assert kinds == [messages.MessageType.SYNC, messages.MessageType.AWARENESS]


async def test_a_paced_room_wakes_by_itself() -> None:
    async with House(pacing=paced(update_interval=0.1)) as house:
        people = [Person(number) for number in range(1, 12)]
        for person in people:
            await house.sit(person)
        await house.settle()
        await asyncio.sleep(0.05)
        for number in range(5):
            people[0].set("a", number)
            house.seats[0].pump()
            house.host().run_turn()  # nothing but its own waking tells the others of the last ones
        sent = house.seats[5].channel.sent
        before = len(sent)
        await asyncio.sleep(0.2)
        assert len(sent) == before + 1
        await house.settle()
        assert people[5].json() == {"a": 4}


async def test_one_can_be_closed_for_what_it_sent() -> None:
    async with House() as house:
        seat = await house.sit(Person(1))
        house.host().expel(seat.member, CloseCode.TOO_BIG, "too big")
        await asyncio.sleep(0)
        assert seat.channel.closed == (CloseCode.TOO_BIG, "too big")
        assert house.host().connections == 0
        house.seats.clear()


async def test_acc_13_a_member_whose_token_has_expired_is_closed() -> None:
    async with House() as house:
        seat = await house.sit(Person(1))
        await house.settle()
        house.host()._leases.put(seat.member, Lease(None, 0.0))
        house.host().tick()
        assert seat.channel.closed is not None
        assert seat.channel.closed[0] == CloseCode.TOKEN_EXPIRED


async def test_rom_5_what_came_before_a_token_ran_out_is_taken() -> None:
    """It may still wait for the room's interval when the clock strikes."""
    async with House() as house:
        people = [Person(number) for number in range(1, 14)]
        for person in people:
            await house.sit(person)
        await house.settle()
        await asyncio.sleep(0.02)
        host = house.host()
        first, second = house.seats[0], house.seats[1]
        people[1].set("b", 1)
        second.pump()
        people[0].set("a", 1)
        host.receive(first.member, people[0].outbox.popleft())
        assert host._inbox, "the gate is closed: it waits"
        host._leases.put(first.member, Lease(None, host.now))
        host.tick()
        assert people[0].client_id in host.room.document.outline.clocks


async def test_rom_9_a_room_that_was_thrown_away_turns_no_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with House() as house:
        ada, ben = Person(1), Person(2)
        seat, other = await house.sit(ada), await house.sit(ben)
        await house.settle()
        host = house.host()
        document = host.room.document
        transact = document._transact

        def fail_for_ben(updates: Sequence[bytes], sender: bytes) -> None:
            if sender == other.member.sender:
                raise ValueError("yrs failed")
            transact(updates, sender)

        monkeypatch.setattr(document, "_transact", fail_for_ben)
        monkeypatch.setattr(host._timer, "_ended_at", math.inf)  # not quiet: frames wait
        ada.set("a", 1)
        ben.set("b", 1)
        host.receive(seat.member, ada.outbox.popleft())
        host.receive(other.member, ben.outbox.popleft())
        await asyncio.sleep(0.01)
        assert host.room.is_broken
        host.receive(seat.member, messages.KEEPALIVE)  # a closing socket may still deliver some
        assert not host._inbox
        assert not host._timer.is_scheduled
        assert host._timer._timer is None


async def test_rom_9_a_frame_that_fails_costs_nobody_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What was received behind it is not lost: everybody comes back and brings it."""
    async with House() as house:
        ada, ben = Person(1), Person(2)
        await house.sit(ada)
        await house.sit(ben)
        await house.settle()
        host, [first, second] = house.host(), house.seats
        receive = host.room.receive

        def fail(member: Member, frame: bytes) -> None:
            if member is first.member:
                raise IndexError("something nobody thought of")
            receive(member, frame)

        monkeypatch.setattr(host.room, "receive", fail)
        monkeypatch.setattr(host._timer, "_ended_at", math.inf)  # not quiet: the frames wait
        host.receive(first.member, ada.set("a", 1))
        host.receive(second.member, ben.set("b", 2))
        host.run_turn()
        assert [seat.channel.closed for seat in (first, second)] == [
            (CloseCode.MALFORMED, "the update could not be applied"),
            (CloseCode.RESTART, "the room restarts; reconnect"),
        ]
        assert house.counters.failed_frames == 1
