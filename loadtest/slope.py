"""Whether something grows: a straight line through samples, and how sure it is.

Samples of memory that follow one another resemble one another, so that an interval from all of
them would be far too narrow. Their means over a few long blocks hardly do.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import sqrt
from typing import Final, NamedTuple

BLOCKS: Final = 20
STUDENT: Final = 2.101
"""95 % of Student's distribution with `BLOCKS - 2` degrees of freedom."""


class Slope(NamedTuple):
    """By how much something grows in one unit of time, and between what that is (95 %)."""

    value: float
    low: float
    high: float

    @property
    def is_zero(self) -> bool:
        """Whether it cannot be told from zero."""
        return self.low <= 0.0 <= self.high


def slope_of(times: Sequence[float], values: Sequence[float]) -> Slope | None:
    """Least squares over the means of blocks; None for fewer samples than blocks."""
    if len(times) < BLOCKS:
        return None
    x, y = _means(times), _means(values)
    middle_x, middle_y = sum(x) / BLOCKS, sum(y) / BLOCKS
    spread = sum((each - middle_x) ** 2 for each in x)
    if not spread:
        return None
    value = sum((a - middle_x) * (b - middle_y) for a, b in zip(x, y, strict=True)) / spread
    left = sum((b - middle_y - value * (a - middle_x)) ** 2 for a, b in zip(x, y, strict=True))
    doubt = STUDENT * sqrt(left / (BLOCKS - 2) / spread)
    return Slope(value, value - doubt, value + doubt)


def _means(values: Sequence[float]) -> list[float]:
    bounds = [len(values) * number // BLOCKS for number in range(BLOCKS + 1)]
    return [sum(values[begin:end]) / (end - begin) for begin, end in pairwise(bounds)]
