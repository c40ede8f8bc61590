"""Whether memory grows, and whether one can tell."""

from __future__ import annotations

import random

import pytest

from loadtest.slope import BLOCKS, LEAST_BLOCKS, Slope, slope_of, student

PERIOD = 240
"""Seconds of a meeting."""


def walk(seed: int, count: int, drift: float = 0.0) -> list[float]:
    """Samples that resemble the ones before them, as those of memory do."""
    dice = random.Random(seed)
    level, values = 0.0, []
    for number in range(count):
        level = 0.9 * level + dice.gauss(0, 1)
        values.append(1000 + level + drift * number)
    return values


def test_a_straight_line_is_found_exactly() -> None:
    found = slope_of(range(100), [5 + 2.0 * each for each in range(100)])
    assert found is not None
    assert found.value == pytest.approx(2.0)
    assert found.low == pytest.approx(found.high)
    assert not found.is_zero


def test_memory_that_only_wavers_does_not_grow() -> None:
    wrong = [seed for seed in range(200) if not _slope(seed, 0.0).is_zero]
    assert len(wrong) <= 20  # 5 % are to be expected


def test_a_leak_is_told_from_wavering() -> None:
    assert all(not _slope(seed, 0.01).is_zero for seed in range(50))


def test_too_few_samples_say_nothing() -> None:
    assert slope_of(range(BLOCKS - 1), [0.0] * (BLOCKS - 1)) is None
    assert slope_of([1.0] * BLOCKS, [0.0] * BLOCKS) is None


def meetings(phase: int, count: int = 3000, drift: float = 0.0) -> list[float]:
    """Memory that grows by 1000 during a meeting, and falls when it is put away."""
    return [1000 / PERIOD * ((at + phase) % PERIOD) + drift * at for at in range(count)]


@pytest.mark.parametrize("phase", range(0, PERIOD, 16))
def test_what_rises_and_falls_with_meetings_does_not_grow_wherever_one_begins(phase: int) -> None:
    found = slope_of(range(3000), meetings(phase), PERIOD)
    assert found is not None
    assert found.value == pytest.approx(0.0, abs=1e-9)
    plain = slope_of(range(3000), meetings(phase))
    assert plain is not None
    assert plain.high - plain.low > 100 * (found.high - found.low)


def test_a_leak_much_smaller_than_a_meeting_is_found() -> None:
    wavering = walk(5, 3000)
    values = [a + b for a, b in zip(meetings(7, drift=0.01), wavering, strict=True)]
    found = slope_of(range(3000), values, PERIOD)
    assert found is not None
    assert 0.005 < found.low < 0.01 < found.high < 0.015


def test_wavering_meetings_do_not_grow() -> None:
    found = []
    for seed in range(50):
        values = [a + b for a, b in zip(meetings(seed), walk(seed, 3000), strict=True)]
        found.append(slope_of(range(3000), values, PERIOD))
    assert sum(each is None or not each.is_zero for each in found) <= 7


def test_of_too_few_meetings_nothing_is_said() -> None:
    enough = LEAST_BLOCKS * PERIOD
    assert slope_of(range(enough), meetings(0, enough), PERIOD) is not None
    assert slope_of(range(enough - 1), meetings(0, enough - 1), PERIOD) is None
    assert slope_of([], [], PERIOD) is None
    assert slope_of([1.0], [1.0], PERIOD) is None


def test_of_a_meeting_in_which_nobody_looked_nothing_is_said() -> None:
    times = [at for at in range(10 * PERIOD) if not 4 * PERIOD <= at < 6 * PERIOD]
    assert slope_of(times, [1.0] * len(times), PERIOD) is None


@pytest.mark.parametrize(("freedom", "known"), [(3, 3.182), (10, 2.228), (18, 2.101), (120, 1.980)])
def test_students_distribution_is_that_of_the_tables(freedom: int, known: float) -> None:
    assert student(freedom) == pytest.approx(known, rel=0.01)


def _slope(seed: int, drift: float) -> Slope:
    found = slope_of(range(2000), walk(seed, 2000, drift))
    assert found is not None
    return found
