"""The ladder: who is sent how much, when it becomes less, and when more again."""

from __future__ import annotations

from itertools import pairwise

import pytest

from crdt_docs.pose_clock import TickClock
from crdt_docs.pose_interest import Circles, circles
from crdt_docs.pose_rates import (
    BETWEEN_STEPS_DOWN,
    FULL,
    LEVELS,
    ORDINARY,
    WORST,
    Pace,
    PoseSettings,
    RoomPace,
    room_steps,
)

SETTINGS = PoseSettings()
TICK = 1 / 30

# POS-20


def test_pos_20_the_order_in_which_less_is_sent() -> None:
    """What each step leaves: ticks at 30 Hz between frames, near, middle, their turns."""
    ladder = [(level.every, *circles(level, SETTINGS)) for level in LEVELS]
    assert ladder == [
        (1, 24, 32, 2, 10, False),  # at 60 Hz, where the room is small
        (1, 24, 32, 2, 10, False),
        (1, 24, 32, 4, 20, True),
        (1, 12, 16, 4, 20, True),
        (2, 12, 16, 4, 20, True),
        (6, 12, 16, 4, 20, True),
        (30, 12, 16, 4, 20, True),
    ]


def test_pos_20_turns_take_as_long_where_ticks_are_shorter() -> None:
    assert circles(LEVELS[2], SETTINGS, ticks=2) == Circles(24, 32, 8, 40, middle_is_head_only=True)


@pytest.mark.parametrize(
    ("participants", "steps"),
    [
        (1, (0, 1, 4, 5, 6)),
        (8, (0, 1, 4, 5, 6)),
        (9, (1, 4, 5, 6)),
        (50, (1, 4, 5, 6)),
        (51, (1, 2, 3, 4, 5, 6)),
    ],
)
def test_pos_20_the_room_leaves_out_what_would_make_nothing_cheaper(
    participants: int, steps: tuple[int, ...]
) -> None:
    assert room_steps(participants, SETTINGS) == steps


@pytest.mark.parametrize(("participants", "rate"), [(1, 60), (8, 60), (9, 30), (200, 30)])
def test_pos_18_small_rooms_tick_twice_as_often(participants: int, rate: int) -> None:
    clock = TickClock(SETTINGS)
    clock.count(participants)
    assert clock.rate == rate
    assert clock.ticks_each == rate // 30


# POS-21


class Way:
    """Frames to one participant, and what it acknowledges of them."""

    def __init__(self, best: int = ORDINARY) -> None:
        self.pace = Pace(0.0)
        self.best = best
        self.now = 0.0
        self.tick = 0
        self.levels: list[int] = []

    def run(self, seconds: float, lag: float) -> list[int]:
        """Thirty frames a second; each tick what has arrived `lag` seconds ago is acknowledged.

        Returns the levels it went through meanwhile.
        """
        went = [self.pace.level]
        for _ in range(round(seconds / TICK)):
            self.tick += 1
            self.now += TICK
            self.pace.sent((self.tick, self.now))
            arrived = self.tick - round(lag / TICK)
            if arrived > 0:
                self.pace.acknowledge(arrived, self.now, self.best)
            if self.pace.level != went[-1]:
                went.append(self.pace.level)
        return went


def test_pos_21_who_is_as_late_as_ever_is_not_late() -> None:
    assert Way().run(60.0, lag=0.7) == [FULL]


def test_pos_21_it_becomes_less_step_by_step_and_more_in_the_reverse_order() -> None:
    way = Way(best=FULL)
    way.run(5.0, lag=0.1)
    assert way.run(6.0, lag=1.0) == [0, 1, 2, 3, 4, 5, 6]
    assert way.run(30.0, lag=0.1) == [6, 5, 4, 3, 2, 1, 0]


def test_pos_21_steps_down_leave_time_for_what_was_taken_away_to_show() -> None:
    way = Way()
    way.run(5.0, lag=0.1)
    stepped_at = []
    for _ in range(90):
        before = way.pace.level
        way.run(TICK, lag=1.0)
        if way.pace.level != before:
            stepped_at.append(way.now)
    assert len(stepped_at) == 5
    for one, other in pairwise(stepped_at):
        assert other - one == pytest.approx(BETWEEN_STEPS_DOWN, abs=1.1 * TICK)


def test_pos_21_a_step_up_takes_three_seconds() -> None:
    way = Way()
    way.run(5.0, lag=0.1)
    way.run(0.7, lag=1.0)
    assert way.pace.level == 2
    way.run(2.9, lag=0.1)
    assert way.pace.level == 2
    way.run(0.3, lag=0.1)
    assert way.pace.level == ORDINARY
    way.run(30.0, lag=0.1)
    assert way.pace.level == ORDINARY  # there is no better one here


def test_pos_21_at_the_end_of_the_ladder_it_stays() -> None:
    way = Way()
    way.run(9.5, lag=0.1)
    way.run(8.0, lag=5.0)
    assert way.pace.level == WORST


def test_pos_21_half_a_second_more_than_usual_is_late_and_less_is_not() -> None:
    patient, late = Way(), Way()
    for way in (patient, late):
        way.run(5.0, lag=0.1)
    patient.run(3.0, lag=0.56)
    late.run(3.0, lag=0.7)
    assert (patient.pace.level, late.pace.level > ORDINARY) == (FULL, True)


def test_pos_21_after_ten_seconds_what_was_late_is_usual() -> None:
    way = Way()
    way.run(5.0, lag=0.1)
    way.run(9.0, lag=0.8)
    assert way.pace.level > ORDINARY
    way.run(30.0, lag=0.8)
    assert way.pace.level == ORDINARY


def test_pos_21_who_is_sent_little_and_says_little_is_not_late() -> None:
    """A frame a second, of which the next beat tells, up to a second later."""
    pace = Pace(0.0)
    for second in range(1, 60):
        pace.sent((second, float(second)))
        wait = 0.05 if second < 20 else 0.95
        pace.acknowledge(second, second + wait, ORDINARY)
    assert pace.level == FULL


def test_pos_21_who_says_little_of_many_frames_is_not_late() -> None:
    pace = Pace(0.0)
    for tick in range(1, 1800):
        pace.sent((tick, tick * TICK))
        if tick < 300 or tick % 30 == 0:
            pace.acknowledge(tick - 2, tick * TICK, ORDINARY)
    assert pace.level == FULL


# POS-22


def test_pos_22_who_acknowledges_nothing_for_a_second_is_stuck() -> None:
    pace = Pace(0.0)
    assert not pace.is_stuck(100.0)  # there was nothing to acknowledge
    pace.sent((1, 100.0))
    assert not pace.is_stuck(100.99)
    assert pace.is_stuck(101.0)
    pace.acknowledge(1, 101.5, ORDINARY)
    assert not pace.is_stuck(101.5)


def test_pos_22_who_acknowledges_the_same_again_is_stuck_all_the_same() -> None:
    pace = Pace(0.0)
    for tick in range(1, 31):
        pace.sent((tick, tick * TICK))
        pace.acknowledge(1, tick * TICK, ORDINARY)
    assert pace.is_stuck(2 * TICK + 1.0)


def test_pos_22_what_is_remembered_of_the_way_is_bounded() -> None:
    pace = Pace(0.0)
    for tick in range(100_000):
        pace.sent((tick, tick * 0.5))
    assert len(pace._in_flight) < 1000
    assert pace.is_stuck(50_000.0)


# POS-23


def test_pos_23_one_stall_is_no_reason() -> None:
    pace = RoomPace()
    pace.ticked(1000.0, 0.0, (0, 1, 4, 5, 6))
    assert pace.level == FULL


def test_pos_23_a_room_whose_ticks_are_late_becomes_slower_step_by_step() -> None:
    pace = RoomPace()
    steps = (1, 2, 3, 4, 5, 6)
    went = [0]
    for tick in range(300):
        pace.ticked(1.5, tick * TICK, steps)
        if pace.level != went[-1]:
            went.append(pace.level)
    assert went == [0, 1, 2, 3, 4, 5, 6]
    for tick in range(300, 1200):
        pace.ticked(0.2, tick * TICK, steps)
        if pace.level != went[-1]:
            went.append(pace.level)
    assert went[7:] == [5, 4, 3, 2, 1]


def test_pos_23_between_busy_and_easy_nothing_changes() -> None:
    pace = RoomPace()
    for tick in range(30):
        pace.ticked(2.0, tick * TICK, (0, 1, 4, 5, 6))
    for tick in range(30, 60):
        pace.ticked(0.8, tick * TICK, (0, 1, 4, 5, 6))
    level = pace.level
    assert level >= ORDINARY
    for tick in range(60, 900):
        pace.ticked(0.8, tick * TICK, (0, 1, 4, 5, 6))
    assert pace.level == level


def test_pos_23_ticks_that_begin_late_or_take_long_are_counted() -> None:
    for late, took in ((0.05, 0.0), (0.0, 0.05)):
        clock = TickClock(SETTINGS)
        clock.count(60)
        clock.wake(0.0)
        for _ in range(60):
            assert clock.next_at is not None
            clock.begin(clock.next_at + late)
            clock.took(took)
            clock.go_on()
        assert clock.level > ORDINARY


def test_pos_23_a_small_room_that_is_late_ticks_at_thirty() -> None:
    clock = TickClock(SETTINGS)
    clock.count(5)
    assert clock.rate == 60
    for tick in range(40):
        clock.took(0.03)
        clock.begin(tick / 60)
    assert clock.rate == 30


# POS-18


def test_pos_18_ticks_are_on_a_grid() -> None:
    clock = TickClock(SETTINGS)
    clock.count(20)
    assert clock.next_at == float("inf")
    clock.wake(5.0)
    for number in range(10):
        due = 5.0 + number * TICK
        assert clock.next_at == pytest.approx(due)
        clock.begin(due + 0.004)
        clock.go_on()


def test_pos_18_after_a_stall_the_grid_begins_anew() -> None:
    clock = TickClock(SETTINGS)
    clock.count(20)
    clock.wake(0.0)
    assert clock.begin(0.0) == 0.0
    clock.go_on()
    assert clock.begin(10.0) == pytest.approx(10.0 - TICK)
    assert clock.next_at == pytest.approx(10.0 + TICK)


def test_pos_18_a_room_that_rests_is_woken_at_once() -> None:
    clock = TickClock(SETTINGS)
    clock.count(20)
    clock.wake(0.0)
    clock.begin(0.0)
    clock.rest(0.9)
    assert clock.next_at == 0.9
    clock.wake(0.5)
    assert clock.next_at == 0.5
    clock.begin(0.5)
    clock.rest(1.4)
    clock.wake(0.51)
    assert clock.next_at == pytest.approx(0.5 + TICK)  # never faster than its rate


def test_pos_18_where_nobody_is_no_tick_is_wanted() -> None:
    clock = TickClock(SETTINGS)
    clock.wake(0.0)
    assert clock.next_at is None
