"""Who of a crowd is sent, and how often."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from crdt_docs.pose_interest import Circles, View, circles
from crdt_docs.pose_rates import LEVELS, ORDINARY, PoseSettings
from crdt_docs.pose_table import PoseTable
from crdt_docs.poses import HEAD_SIZE, POSE_SIZES, head_only, read_header
from tests.helpers.headsets import standing
from tests.helpers.proving import few_or_many

SIZES = circles(LEVELS[ORDINARY], PoseSettings())
LOOK = 15


class Crowd:
    """People in a row, a metre apart: the one in slot *n* stands at *n* metres."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.tick = 0
        self.table = PoseTable()
        self.sequence = 0

    def move(self, *slots: int, by: float = 0.0) -> None:
        """These move; to be sent in the next tick."""
        self.sequence += 1
        for slot in slots:
            self.table.put(slot, self.record(slot, by), self.tick + 1)

    def record(self, slot: int, by: float = 0.0) -> bytes:
        return standing(slot, 1, self.sequence, (slot + by, 1.5, 0.0))

    def begin(self) -> int:
        self.tick += 1
        self.table.begin_tick(is_crowd=True)
        return self.tick

    def take(self, view: View, sizes: Circles = SIZES) -> list[bytes]:
        """What the view is sent in a tick."""
        tick = self.begin()
        view.look(self.table, sizes, tick, LOOK)
        return view.take(tick, self.table)


def slots(records: list[bytes]) -> set[int]:
    assert len({read_header(record).slot for record in records}) == len(records)
    return {read_header(record).slot for record in records}


def with_hands(records: list[bytes]) -> set[int]:
    return slots([record for record in records if len(record) > HEAD_SIZE])


def first_frame(crowd: Crowd) -> View:
    """A view of somebody in slot 0 who was sent everything."""
    crowd.move(*range(crowd.size))
    return View(0, crowd.begin())


# POS-25


def test_pos_25_the_nearest_are_sent_in_each_tick_and_the_own_record_never() -> None:
    crowd = Crowd(100)
    view = first_frame(crowd)
    counted: Counter[int] = Counter()
    for _ in range(60):
        crowd.move(*range(100))
        counted.update(slots(crowd.take(view)))
    assert [counted[slot] for slot in range(100)] == [0] + 24 * [60] + 32 * [30] + 43 * [6]


def test_pos_25_hands_are_sent_of_those_who_are_near_and_in_the_middle() -> None:
    crowd = Crowd(100)
    view = first_frame(crowd)
    hands: set[int] = set()
    for _ in range(20):
        crowd.move(*range(100))
        hands |= with_hands(crowd.take(view))
    assert hands == set(range(1, 57))


def test_pos_25_from_the_second_level_on_those_in_the_middle_have_none() -> None:
    crowd = Crowd(100)
    view = first_frame(crowd)
    counted: Counter[int] = Counter()
    sizes = circles(LEVELS[2], PoseSettings())
    for _ in range(60):
        crowd.move(*range(100))
        records = crowd.take(view, sizes)
        counted.update(slots(records))
        assert with_hands(records) == set(range(1, 25))
    assert [counted[slot] for slot in range(100)] == [0] + 24 * [60] + 32 * [15] + 43 * [3]


def test_pos_25_distance_is_in_space() -> None:
    table = PoseTable()
    places = [(0, 0, 0), (0, 0, 8), (0, 7, 0), (-6, 0, 0), (5, 5, 5), (-4, 0, -4), (1, -1, 1)]
    for slot, place in enumerate(places):
        table.put(slot, standing(slot, 1, 0, place), 1)
    table.begin_tick(is_crowd=True)
    view = View(0, 0)
    view.look(table, Circles(3, 0, 2, 10, middle_is_head_only=False), 1, LOOK)
    records = view.take(1, table)
    assert with_hands(records) == {3, 5, 6}


def test_pos_25_who_never_said_where_it_is_looks_from_the_origin() -> None:
    crowd = Crowd(30)
    crowd.move(*range(30))
    crowd.tick = 1
    crowd.table.begin_tick(is_crowd=True)
    view = View(500, 1)
    crowd.move(*range(30))
    records = crowd.take(view, Circles(3, 0, 2, 10, middle_is_head_only=False))
    assert with_hands(records) == {0, 1, 2}


def test_pos_25_who_is_near_is_looked_at_every_half_second() -> None:
    crowd = Crowd(100)
    view = first_frame(crowd)
    crowd.take(view)
    crowd.move(99, by=-98.5)  # the last one comes to the front
    seen_in = None
    for tick in range(LOOK + 1):
        if 99 in with_hands(crowd.take(view)):
            seen_in = tick
            break
    assert seen_in is not None
    assert seen_in <= LOOK


def test_pos_25_not_everybody_looks_in_the_same_tick() -> None:
    crowd = Crowd(60)
    crowd.move(*range(60))
    views = [View(slot, crowd.begin()) for slot in range(60)]
    looks: Counter[int] = Counter()
    for tick in range(100, 161):
        crowd.table.begin_tick(is_crowd=True)
        for view in views:
            before = view._looked_in
            view.look(crowd.table, SIZES, tick, LOOK)
            looks[tick] += tick > 100 and view._looked_in != before
    assert max(looks.values()) == 60 // LOOK
    assert sum(looks.values()) == 60 * 4


# POS-26


def test_pos_26_turns_are_spread_over_the_ticks() -> None:
    crowd = Crowd(200)
    view = first_frame(crowd)
    sizes = set()
    for _ in range(60):
        crowd.move(*range(200))
        sizes.add(len(crowd.take(view)))
    assert max(sizes) - min(sizes) <= 2


@pytest.mark.parametrize("seed", range(few_or_many(2, 20)))
def test_pos_26_nobody_starves_however_the_crowd_moves(seed: int) -> None:
    """Everybody runs to and fro, so that who is near changes all the time."""
    rng = random.Random(seed)
    crowd = Crowd(200)
    view = first_frame(crowd)
    last = dict.fromkeys(range(1, 200), crowd.tick)
    longest = 0
    for _ in range(150):
        for slot in range(200):
            place = (rng.uniform(-150, 150), 1.5, 0.0)
            crowd.table.put(slot, standing(slot, 1, 0, place, hands=False), crowd.tick + 1)
        for slot in slots(crowd.take(view)):
            last[slot] = crowd.tick
        longest = max(longest, crowd.tick - min(last.values()))
    assert longest <= 2 * SIZES.far_every


def test_pos_26_after_a_pause_everything_that_changed_is_sent_once() -> None:
    crowd = Crowd(100)
    view = first_frame(crowd)
    crowd.take(view)
    for _ in range(50):
        crowd.move(*range(0, 100, 3))
        crowd.begin()
    records = crowd.take(view)
    assert slots(records) == set(range(3, 100, 3))
    latest = {crowd.record(slot) for slot in range(100)}
    assert all(record in latest | {head_only(each) for each in latest} for record in records)
    for _ in range(20):
        assert crowd.take(view) == []


def test_pos_26_after_a_short_pause_turns_that_were_missed_are_made_up_for() -> None:
    crowd = Crowd(200)
    view = first_frame(crowd)
    seen: set[int] = set()
    for tick in range(30):
        crowd.move(*range(200))
        if tick % 3:
            crowd.begin()
        else:
            seen |= slots(crowd.take(view))
    assert seen == set(range(1, 200))


def test_pos_26_what_waits_for_its_turn_is_not_lost_when_less_is_sent() -> None:
    crowd = Crowd(100)
    view = first_frame(crowd)
    for _ in range(30):
        crowd.take(view)
    for level in (2, 3, 2, ORDINARY):
        crowd.move(*range(60, 100))
        expected = {slot: head_only(crowd.record(slot)) for slot in range(60, 100)}
        received: dict[int, bytes] = {}
        for sizes in [SIZES] + 40 * [circles(LEVELS[level], PoseSettings())]:
            received |= {read_header(each).slot: each for each in crowd.take(view, sizes)}
        assert received.items() >= expected.items()


def test_pos_26_a_view_knows_what_waits_for_its_turn() -> None:
    crowd = Crowd(100)
    view = first_frame(crowd)
    crowd.take(view)
    crowd.move(99)
    sent: set[int] = set()
    while view.lacks(crowd.table.changed_in):
        assert crowd.tick < 20
        sent |= slots(crowd.take(view))
    assert sent == {99}


# POS-27


def test_pos_27_who_comes_near_and_stands_still_is_sent_with_hands() -> None:
    crowd = Crowd(100)
    view = first_frame(crowd)
    crowd.take(view)
    crowd.move(99, by=-98.5)
    received: dict[int, bytes] = {}
    for _ in range(2 * LOOK):
        for record in crowd.take(view):
            received[read_header(record).slot] = record
    assert received[99] == crowd.record(99, by=-98.5)


def test_pos_27_a_view_is_not_done_before_it_has_looked() -> None:
    """A room where nothing moves rests when nobody lacks anything."""
    crowd = Crowd(100)
    view = first_frame(crowd)
    crowd.take(view)
    crowd.move(99, by=-98.5)
    received: dict[int, bytes] = {}
    while view.lacks(crowd.table.changed_in):
        assert crowd.tick < 2 * LOOK
        received |= {read_header(record).slot: record for record in crowd.take(view)}
    assert received[99] == crowd.record(99, by=-98.5)


def test_pos_27_who_is_let_in_from_afar_by_one_who_goes_is_sent_with_hands() -> None:
    """Nobody moves; only who is near changes."""
    crowd = Crowd(100)
    view = first_frame(crowd)
    crowd.take(view)
    for _ in range(20):
        crowd.move(60)
        crowd.take(view)
    for slot in range(5, 9):
        crowd.table.clear(slot)
    received: dict[int, bytes] = {}
    for _ in range(2 * LOOK):
        for record in crowd.take(view):
            received[read_header(record).slot] = record
    assert len(received[60]) == POSE_SIZES[7]


def test_pos_27_when_more_is_given_again_hands_come_back() -> None:
    crowd = Crowd(100)
    view = first_frame(crowd)
    for level in (2, 3):
        for _ in range(30):
            crowd.move(*range(100))
            crowd.take(view, circles(LEVELS[level], PoseSettings()))
    hands: set[int] = set()
    for _ in range(3):
        hands |= with_hands(crowd.take(view))  # nobody moves
    assert hands == set(range(13, 57))
    for _ in range(30):
        assert with_hands(crowd.take(view)) == set()
    assert crowd.take(view) == []


def test_pos_16_of_who_left_nothing_is_sent() -> None:
    crowd = Crowd(100)
    view = first_frame(crowd)
    crowd.take(view)
    crowd.move(*range(100))
    for slot in range(0, 100, 2):
        crowd.table.clear(slot)
    seen: set[int] = set()
    for _ in range(30):
        seen |= slots(crowd.take(view))
    assert seen == set(range(1, 100, 2))
    assert crowd.table.slots == tuple(range(1, 100, 2))
