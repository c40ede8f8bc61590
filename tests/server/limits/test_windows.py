"""So many a minute: windows, their ends, and how much of them is remembered."""

from __future__ import annotations

import time

from server.limits.windows import PerMinute


class HandClock:
    """A clock that stands still until it is turned."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def test_a_minute_begins_with_the_first_hit() -> None:
    clock = HandClock()
    limit = PerMinute(3, clock=clock)
    assert [limit.hit("ada") for _ in range(4)] == [True, True, True, False]
    clock.now += 59.9
    assert not limit.hit("ada")
    clock.now += 0.1
    assert limit.hit("ada")


def test_it_says_how_long_to_wait() -> None:
    clock = HandClock()
    limit = PerMinute(1, clock=clock)
    assert limit.seconds_left("ada") == 1
    limit.hit("ada")
    assert limit.seconds_left("ada") == 60
    clock.now += 30.5
    assert limit.seconds_left("ada") == 30
    clock.now += 29.4
    assert limit.seconds_left("ada") == 1


def test_keys_do_not_share() -> None:
    limit = PerMinute(1)
    assert limit.hit("ada")
    assert limit.hit("ben")
    assert not limit.hit("ada")


def test_looking_counts_nothing() -> None:
    limit = PerMinute(1)
    assert [limit.count("ada") for _ in range(10)] == [0] * 10
    limit.hit("ada")
    assert [limit.count("ada") for _ in range(10)] == [1] * 10


def test_a_million_callers_take_no_more_memory_than_the_most() -> None:
    limit = PerMinute(5, most_keys=1_000)
    for number in range(20_000):
        limit.hit(str(number))
        limit.hit("busy")
    assert len(limit) == 1_000
    assert not limit.hit("busy"), "whoever goes on is not the one forgotten"


def test_a_hit_takes_no_longer_with_many_callers() -> None:
    """Whoever looked at every caller, or at those who are forgotten, would take ten times as long
    or more."""

    def seconds(callers: int) -> float:
        """Of a hit by somebody new, for whom somebody else is forgotten."""
        limit = PerMinute(5, most_keys=callers)
        for number in range(callers):
            limit.hit(str(number))
        began = time.process_time()
        for number in range(callers):
            limit.hit(f"another {number}")
        return (time.process_time() - began) / callers

    assert seconds(100_000) < 5 * seconds(1_000)


def test_a_window_that_is_over_counts_nothing() -> None:
    clock = HandClock()
    limit = PerMinute(1, clock=clock)
    limit.hit("ada")
    clock.now += 60
    assert limit.count("ada") == 0
    assert limit.seconds_left("ada") == 1


def test_hits_past_the_limit_do_not_make_the_minute_longer() -> None:
    clock = HandClock()
    limit = PerMinute(1, clock=clock)
    for _ in range(6):
        limit.hit("ada")
        clock.now += 10
    assert limit.hit("ada")
