"""Slots, generations and silence."""

from __future__ import annotations

import pytest

from crdt_docs.errors import LimitExceeded
from crdt_docs.pose_messages import Device, Hello, Presence
from crdt_docs.pose_slots import MOST_SEATS, Seat, Seats, Slots


def hello(client_id: int = 1) -> Hello:
    return Hello(1, Device.DESKTOP, client_id)


def seats() -> Seats[str]:
    return Seats(quiet_after=3.0, gone_after=10.0, quarantine=10.0)


def told(all_seats: Seats[str]) -> list[tuple[int, int, Presence]]:
    return [(seat.slot, seat.generation, seat.presence) for seat in all_seats.take_changed()]


# POS-10


def test_pos_10_slots_begin_with_the_lowest() -> None:
    slots: Slots[str] = Slots(10.0)
    assert [slots.take(name, 0.0) for name in "abc"] == [(0, 1), (1, 1), (2, 1)]


def test_pos_10_a_slot_rests_before_others_have_it_again() -> None:
    slots: Slots[str] = Slots(10.0)
    slots.take("a", 0.0)
    slots.take("b", 0.0)
    slots.give_back(0, "a", 5.0)
    assert slots.take("c", 14.999) == (2, 1)
    assert slots.take("d", 15.0) == (0, 2)


def test_pos_10_of_several_free_slots_the_lowest_is_taken() -> None:
    slots: Slots[str] = Slots(10.0)
    for name in "abcd":
        slots.take(name, 0.0)
    for slot, name in ((2, "c"), (0, "a"), (1, "b")):
        slots.give_back(slot, name, 1.0)
    assert [slots.take(name, 11.0) for name in "xyz"] == [(0, 2), (1, 2), (2, 2)]


def test_pos_10_generations_wrap() -> None:
    slots: Slots[str] = Slots(0.0)
    generations = []
    for number in range(300):
        slot, generation = slots.take(str(number), float(number))
        assert slot == 0
        generations.append(generation)
        slots.give_back(0, str(number), float(number))
    assert generations == [(number + 1) % 256 for number in range(300)]


def test_pos_10_who_comes_back_on_the_same_socket_gets_its_own() -> None:
    """Otherwise one socket could use up all slots."""
    slots: Slots[str] = Slots(10.0)
    assert [slots.take(name, 0.0) for name in "ab"] == [(0, 1), (1, 1)]
    for generation in range(2, 1000):
        slots.give_back(1, "b", 0.0)
        assert slots.take("b", 0.0) == (1, generation & 0xFF)
    slots.give_back(1, "b", 0.0)
    assert slots.take("c", 10.0)[0] == 1
    assert slots.take("b", 10.0) == (2, 1)  # somebody else has it


def test_pos_10_there_are_65_535_slots() -> None:
    slots: Slots[int] = Slots(10.0)
    assert {slots.take(number, 0.0)[0] for number in range(MOST_SEATS)} == set(range(65_535))
    with pytest.raises(LimitExceeded):
        slots.take(-1, 0.0)
    slots.give_back(7, 7, 0.0)
    with pytest.raises(LimitExceeded):
        slots.take(-1, 9.9)
    assert slots.take(-1, 10.0) == (7, 2)


# POS-13


def test_pos_13_a_change_is_told_once() -> None:
    room = seats()
    room.take("a", hello(), "ana", 0.0)
    assert told(room) == [(0, 1, Presence.THERE)]
    assert told(room) == []


def test_pos_13_who_is_gone_is_told_before_who_has_the_slot_now() -> None:
    room = seats()
    room.take("a", hello(), "ana", 0.0)
    told(room)
    room.leave("a", 1.0)
    room.take("a", hello(), "ana", 1.0)
    assert told(room) == [(0, 1, Presence.GONE), (0, 2, Presence.THERE)]


def test_pos_13_who_came_and_went_between_two_ticks_is_not_told() -> None:
    room = seats()
    for _ in range(1000):
        room.take("a", hello(), "ana", 0.0)
        room.leave("a", 0.0)
    assert told(room) == []


def test_pos_13_the_same_client_of_the_same_user_is_found_on_its_other_socket() -> None:
    room = seats()
    seat = room.take("old socket", hello(7), "ana", 0.0)
    assert room.rival("new socket", hello(7), "ana") is seat
    assert room.rival("new socket", hello(7), "ben") is None  # an imposture puts nobody out
    assert room.rival("new socket", hello(8), "ana") is None
    assert room.rival("old socket", hello(7), "ana") is None
    room.leave("old socket", 0.0)
    assert room.rival("new socket", hello(7), "ana") is None


# POS-14


def at(room: Seats[str], now: float) -> list[str]:
    return [seat.key for seat in room.look_for_silence(now)]


def test_pos_14_silence_shows_after_three_seconds_and_ends_a_seat_after_ten() -> None:
    room = seats()
    seat = room.take("a", hello(), "ana", 0.0)
    told(room)
    assert at(room, 2.999) == []
    assert seat.presence is Presence.THERE
    assert at(room, 3.0) == []
    assert told(room) == [(0, 1, Presence.SILENT)]
    assert at(room, 9.999) == []
    assert told(room) == []
    assert at(room, 10.0) == ["a"]
    assert told(room) == [(0, 1, Presence.GONE)]
    assert room.get("a") is None
    assert room.at(0) is None


def test_pos_14_whoever_is_heard_of_is_there() -> None:
    room = seats()
    seat = room.take("a", hello(), "ana", 0.0)
    at(room, 5.0)
    told(room)
    assert room.hear(seat, 6.0)
    assert told(room) == [(0, 1, Presence.THERE)]
    assert not room.hear(seat, 7.0)
    assert at(room, 9.9) == []
    assert told(room) == []


def test_pos_14_who_was_gone_by_silence_is_remembered_until_the_socket_ends() -> None:
    room = seats()
    room.take("a", hello(7), "ana", 0.0)
    at(room, 10.0)
    assert room.silent_one("a") == (hello(7), "ana")
    room.leave("a", 11.0)
    assert room.silent_one("a") is None


def test_pos_14_next_silence_is_when_something_changes_next() -> None:
    room = seats()
    first = room.take("a", hello(1), "ana", 0.0)
    room.take("b", hello(2), "ben", 2.0)
    assert room.next_silence() == 3.0
    at(room, 3.0)
    assert room.next_silence() == 5.0
    at(room, 5.0)
    assert room.next_silence() == 10.0
    room.hear(first, 6.0)
    assert room.next_silence() == 9.0


# POS-15


def test_pos_15_time_in_which_the_server_did_not_listen_is_no_silence() -> None:
    room = seats()
    before: Seat[str] = room.take("a", hello(1), "ana", 0.0)
    after = room.take("b", hello(2), "ben", 19.0)  # heard after the stall, before the tick
    room.excuse(18.0, 20.0)
    assert (before.heard_at, after.heard_at) == (18.0, 20.0)
    assert at(room, 20.0) == []
