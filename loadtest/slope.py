"""Whether something grows: a straight line through samples, and how sure it is.

Samples of memory that follow one another resemble one another, so that an interval from all of
them would be far too narrow. Their means over a few long blocks hardly do.

What rises and falls with a period, as memory does with meetings, has to have blocks of whole
periods: each then holds all of a rise and all of a fall, wherever it begins. Blocks of other
lengths would begin at other heights one after the other, which looks like growth, or hides it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from itertools import pairwise
from math import sqrt
from typing import Final, NamedTuple

BLOCKS: Final = 20
"""Where there is no period."""

LEAST_BLOCKS: Final = 5
"""Fewer say nothing: five points are on a line by chance too often."""

NORMAL: Final = 1.959964
"""Within so many standard deviations lie 95 %."""


class Slope(NamedTuple):
    """By how much something grows in one unit of time, and between what that is (95 %)."""

    value: float
    low: float
    high: float

    @property
    def is_zero(self) -> bool:
        """Whether it cannot be told from zero."""
        return self.low <= 0.0 <= self.high


def slope_of(
    times: Sequence[float], values: Sequence[float], period: float | None = None
) -> Slope | None:
    """Least squares over the means of blocks; None for fewer samples, or periods, than blocks, and
    where there are no samples in a block.

    Args:
        times: evenly spaced.
        period: after which values repeat, if they do; of the rest that is no whole one, at the
            beginning, nothing is taken.
    """
    bounds = _even(len(times)) if period is None else _periods(times, period)
    count = len(bounds) - 1
    if count < LEAST_BLOCKS or any(begin == end for begin, end in pairwise(bounds)):
        return None
    x, y = _means(times, bounds), _means(values, bounds)
    middle_x, middle_y = sum(x) / count, sum(y) / count
    spread = sum((each - middle_x) ** 2 for each in x)
    if not spread:
        return None
    value = sum((a - middle_x) * (b - middle_y) for a, b in zip(x, y, strict=True)) / spread
    left = sum((b - middle_y - value * (a - middle_x)) ** 2 for a, b in zip(x, y, strict=True))
    doubt = student(count - 2) * sqrt(left / (count - 2) / spread)
    return Slope(value, value - doubt, value + doubt)


def student(freedom: int) -> float:
    """Within so many standard errors lie 95 % of Student's distribution; to a hundredth from three
    degrees of freedom on (Cornish and Fisher's expansion: Abramowitz and Stegun, 26.7.5)."""
    z = NORMAL
    first = (z**3 + z) / 4
    second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    return z + first / freedom + second / freedom**2 + third / freedom**3


def _even(count: int) -> list[int]:
    return [count * number // BLOCKS for number in range(BLOCKS + 1)]


def _periods(times: Sequence[float], period: float) -> list[int]:
    """Where whole periods begin, the last of which ends with the samples."""
    if not times:
        return [0]
    step = (times[-1] - times[0]) / max(len(times) - 1, 1)
    end = times[-1] + step  # the last sample stands for the time until the next one
    count = int((end - times[0]) / period * (1 + 1e-9))
    begins = [end - period * number - step / 2 for number in range(count, 0, -1)]
    return [*(bisect_left(times, each) for each in begins), len(times)]


def _means(values: Sequence[float], bounds: Sequence[int]) -> list[float]:
    return [sum(values[begin:end]) / (end - begin) for begin, end in pairwise(bounds)]
