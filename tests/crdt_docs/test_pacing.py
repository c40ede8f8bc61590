"""ROM-7: what is little is passed on at once, and what is much, in ticks."""

from __future__ import annotations

import pytest

from crdt_docs import messages
from crdt_docs.messages import AwarenessEntry
from crdt_docs.pacing import BURST, MEMORY, Demand, Pacing
from crdt_docs.room_presence import ECHOING_SECONDS
from crdt_docs.varint import read_var_bytes
from tests.helpers.paced import paced
from tests.helpers.people import Gathering, Person

SECOND = 100
"""Steps of a hundredth."""

LONG = 8.0
"""Seconds after which nothing counts that was before."""


def asked_for(demand: Demand, frames: int, *, seconds: float = LONG, since: float = 0.0) -> float:
    """The rate, after so many frames in each hundredth of a second."""
    rate = 0.0
    for step in range(round(seconds * SECOND)):
        rate = demand.ask(frames, since + step / SECOND)
    return rate


def test_demand_is_what_is_asked_for_in_a_second() -> None:
    assert asked_for(Demand(), 30) == pytest.approx(3000, rel=0.03)


def test_demand_is_forgotten_soon_and_comes_as_soon() -> None:
    demand = Demand()
    asked_for(demand, 100)
    assert demand.ask(0, LONG + MEMORY) < 10_000 / 2
    assert demand.ask(0, 60.0) == pytest.approx(0)
    assert asked_for(Demand(), 100, seconds=MEMORY) > 10_000 / 2


def test_a_room_whose_clock_is_behind_takes_nothing_back() -> None:
    demand = Demand()
    demand.ask(100, 5.0)
    assert demand.ask(100, 4.0) == pytest.approx(200 / MEMORY)


def test_rom_7_little_is_passed_on_at_once() -> None:
    pacing = Pacing()
    assert asked_for(pacing.updates, 400) < pacing.updates_at_once
    assert asked_for(pacing.presence, 200) < pacing.presence_at_once
    assert pacing.after_updates(50, 1, LONG) == 0
    assert pacing.after_presence(50, 1, LONG) == 50 / BURST < 0.001


def test_rom_7_much_waits_and_in_between_a_part_of_it() -> None:
    pacing = Pacing(update_interval=0.01, update_budget=1, updates_at_once=10_000)
    assert asked_for(pacing.updates, 125) == pytest.approx(12_500, rel=0.03)
    assert pacing.after_updates(50, 0, LONG) == pytest.approx(0.0025, rel=0.4)
    asked_for(pacing.updates, 160, since=LONG)
    assert pacing.after_updates(50, 0, 2 * LONG) == 0.01


def test_rom_7_what_counts_is_what_all_rooms_are_asked_for() -> None:
    pacing = Pacing(presence_at_once=10_000, presence_interval=0.03)
    waits = [pacing.after_presence(20, 1, step / 1000) for step in range(3000) for _ in range(5)]
    assert waits[0] == 20 / BURST
    assert waits[-1] == 0.03, "100,000 frames a second, of five rooms"


@pytest.mark.parametrize(("edits", "waits"), [(10, False), (80, True)])
def test_rom_7_presence_waits_where_there_are_many_edits(edits: int, *, waits: bool) -> None:
    pacing = Pacing(updates_at_once=10_000, presence_at_once=10_000)
    asked_for(pacing.presence, 80)
    asked_for(pacing.updates, edits)
    assert (pacing.after_presence(50, 0, LONG) > 50 / BURST) is waits
    assert pacing.after_updates(50, 0, LONG) == 0


def test_rom_7_what_comes_back_from_stock_clients_is_asked_for_as_well() -> None:
    silent, echoing = Pacing(presence_at_once=10_000), Pacing(presence_at_once=10_000)
    for step in range(int(LONG * SECOND)):
        waits = silent.after_presence(50, 1, step / SECOND)
        waits_with_echoes = echoing.after_presence(50, 1, step / SECOND, echoing=50)
    assert waits == 50 / BURST, "5,000 frames a second"
    assert waits_with_echoes == 1 / 30, "50,000"
    rate = silent.presence.ask(0, LONG)
    assert echoing.presence.ask(0, LONG) == pytest.approx(10 * rate)


def test_small_rooms_wait_for_nobody() -> None:
    pacing = paced()
    asked_for(pacing.updates, 10_000)
    assert pacing.after_updates(8, 1, LONG) == pacing.after_presence(8, 1, LONG) == 0


def test_very_large_rooms_keep_to_the_presence_budget() -> None:
    pacing = paced()
    assert pacing.after_presence(500, 1, 0.0) == pytest.approx(500 / 6000)
    assert pacing.after_presence(100, 1, 0.0) == pytest.approx(1 / 30)


def test_edits_wait_the_less_the_smaller_a_room_is() -> None:
    pacing = paced(update_budget=12_500)
    assert pacing.after_updates(50, 1, 0.0) == pytest.approx(0.004)
    assert pacing.after_updates(100, 1, 0.0) == pacing.after_updates(1000, 1, 0.0) == 0.008


def crowd(size: int) -> tuple[list[Person], Gathering]:
    people = [Person(number) for number in range(1, size + 1)]
    room = Gathering(*people)
    room.turn(after=10)
    return people, room


def test_a_quiet_room_passes_on_each_edit_and_each_cursor_at_once() -> None:
    people, room = crowd(12)
    for number in range(10):
        people[0].set("a", number)
        room.send(people[0])
        room.send(people[1], people[1].presence({"x": number}))
        kinds = [each.is_update for each in room.turn(after=0.001).broadcasts]
        assert kinds == [True, False]


def test_a_room_in_which_all_move_gets_ticks_within_seconds() -> None:
    people, room = crowd(70)
    frames = 0
    for step in range(60):
        if step == 50:
            frames = 0
        for person in people:
            room.send(person, person.presence({"x": step}))
            frames += len(room.turn(after=0.05 / len(people)).broadcasts)
    assert frames <= 15 + 1, "half a second at 30 Hz, of 98,000 frames a second"


def patient() -> tuple[Gathering, list[Person]]:
    """A room in which presence waits, and edits hardly do."""
    people = [Person(number) for number in range(1, 13)]
    room = Gathering(*people, pacing=paced(update_interval=0.001))
    room.turn(after=10)
    return room, people


def test_rom_7_presence_that_comes_back_does_not_go_with_edits() -> None:
    room, (ada, ben, cleo, *_) = patient()
    room.send(ben, ben.presence({"x": 0}))
    room.send(cleo, cleo.presence({"x": 0}))
    (told,) = room.turn(after=1).broadcasts
    assert move_and_edit(room, ada, ben) == [True, False]
    room.send(cleo, told.frame)
    assert move_and_edit(room, ada, ben) == [True], "not before its time"
    assert [each.is_update for each in room.turn(after=1).broadcasts] == [False]
    room.leave(cleo)
    room.turn(after=1)
    assert move_and_edit(room, ada, ben) == [True, False], "with its time, and from now on without"
    assert move_and_edit(room, ada, ben) == [True, False]


def test_rom_7_who_has_sent_nothing_back_for_a_while_counts_as_one_again() -> None:
    room, (ada, ben, cleo, *_) = patient()
    room.send(ben, ben.presence({"x": 0}))
    room.send(cleo, cleo.presence({"x": 0}))
    (told,) = room.turn(after=1).broadcasts
    room.send(cleo, told.frame)
    room.turn(after=ECHOING_SECONDS - 0.05)
    assert move_and_edit(room, ada, ben) == [True, False], "the gate was open"
    assert move_and_edit(room, ada, ben) == [True]
    room.turn(after=1)
    assert move_and_edit(room, ada, ben) == [True, False]
    assert move_and_edit(room, ada, ben) == [True, False], "no echo for so long"


@pytest.mark.parametrize("own", [False, True], ids=["nothing", "itself, twice"])
def test_rom_7_who_says_nothing_of_others_sends_nothing_back(*, own: bool) -> None:
    room, (ada, ben, cleo, *_) = patient()
    said = cleo.presence({"x": 0})
    room.send(cleo, said)
    room.send(cleo, said if own else messages.KEEPALIVE)
    room.turn(after=1)
    assert move_and_edit(room, ada, ben) == [True, False]
    assert move_and_edit(room, ada, ben) == [True, False]


def test_rom_7_what_is_asked_for_is_what_is_said_and_not_what_is_sent() -> None:
    """Who moves faster than ticks asks for more than a tick; many names in one message, for one."""
    pacing = paced()
    ada, *_ = people = [Person(number) for number in range(1, 11)]
    room = Gathering(*people, pacing=pacing)
    room.turn(after=10)
    before = pacing.presence.ask(0, room.now)
    for number in range(5):
        room.send(ada, ada.presence({"x": number}))
    ids = [AwarenessEntry(100 + number, 1, b"{}") for number in range(10)]
    room.send(ada, messages.awareness_frame(messages.awareness_payload(ids)))
    (told,) = room.turn().broadcasts
    payload, _ = read_var_bytes(told.frame, 1)
    assert len(messages.read_awareness(payload)) > 6
    assert pacing.presence.ask(0, room.now) - before == 6 * 10


def move_and_edit(room: Gathering, ada: Person, ben: Person) -> list[bool]:
    """What is sent of an edit and a movement in one turn, a hundredth of a second later."""
    ada.set("a", room.now)
    room.send(ada)
    room.send(ben, ben.presence({"x": room.now}))
    return [each.is_update for each in room.turn(after=0.01).broadcasts]
