"""A worker is replaced at once, unless workers keep ending."""

from __future__ import annotations

from server.restarts import ATTEMPTS, FIRST_DELAY, LONGEST_DELAY, STEADY, Restarts


def test_a_worker_that_served_is_replaced_at_once() -> None:
    assert Restarts().after_serving(STEADY) == 0.0


def test_a_first_short_life_is_an_accident_and_costs_no_pause() -> None:
    assert Restarts().after_serving(0.1) == 0.0


def test_short_lives_in_a_row_are_followed_by_longer_pauses_up_to_a_limit() -> None:
    restarts = Restarts()
    pauses = [restarts.after_serving(0.1) for _ in range(20)]
    assert pauses[:4] == [0.0, FIRST_DELAY, 2 * FIRST_DELAY, 4 * FIRST_DELAY]
    assert pauses[-1] == LONGEST_DELAY
    assert not restarts.is_hopeless


def test_a_long_life_makes_good_for_short_ones() -> None:
    restarts = Restarts()
    for _ in range(5):
        restarts.after_serving(0.1)
    restarts.after_serving(STEADY)
    assert restarts.after_serving(0.1) == 0.0


def test_workers_that_never_serve_are_tried_a_few_times_with_longer_pauses() -> None:
    restarts = Restarts()
    pauses = []
    while not restarts.is_hopeless:
        pauses.append(restarts.after_failed_start())
    assert len(pauses) == ATTEMPTS
    assert pauses == sorted(pauses)
    assert pauses[0] == FIRST_DELAY


def test_a_worker_that_served_makes_good_for_failed_starts() -> None:
    restarts = Restarts()
    for _ in range(ATTEMPTS - 1):
        restarts.after_failed_start()
    restarts.after_serving(0.1)
    assert restarts.after_failed_start() == FIRST_DELAY
    assert not restarts.is_hopeless
