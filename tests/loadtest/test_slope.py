"""Whether memory grows, and whether one can tell."""

from __future__ import annotations

import random

import pytest

from loadtest.slope import BLOCKS, Slope, slope_of


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


def _slope(seed: int, drift: float) -> Slope:
    found = slope_of(range(2000), walk(seed, 2000, drift))
    assert found is not None
    return found
