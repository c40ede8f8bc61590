"""Delays counted by size: any number of them in little memory, each within 0.1 % of what it was.

The places are those of an HdrHistogram with three digits, in microseconds up to an hour, so what
is written into results can be read by the tools that read those. A place is a key here, because a
second of a run touches few of them, and adding to a dict takes a third of the time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Self

from hdrh.histogram import HdrHistogram

MOST = 3_600_000_000  # microseconds
DIGITS = 3
HALF = 1024  # places of the second half of a bucket; below 2 * HALF microseconds each has its own
PLACE_BITS = 11

Pairs = list[tuple[int, int]]
"""(place, how many)."""


def place_of(microseconds: int) -> int:
    """Where a delay is counted. What is below nothing is nothing; above an hour is an hour."""
    value = min(max(microseconds, 0), MOST)
    shift = max(value.bit_length() - PLACE_BITS, 0)
    return shift * HALF + (value >> shift)


def lowest_of(place: int) -> int:
    """The least of the delays, in microseconds, that are counted at a place."""
    shift = max(place // HALF - 1, 0)
    return (place - shift * HALF) << shift


def highest_of(place: int) -> int:
    """The greatest of them."""
    return lowest_of(place + 1) - 1


class Histogram:
    """How often which delay was.

    Attributes:
        at: how many at each place; whoever is in a hurry adds to it directly.
    """

    __slots__ = ("at",)

    def __init__(self, pairs: Iterable[tuple[int, int]] = ()) -> None:
        self.at: dict[int, int] = dict(pairs)

    def add(self, microseconds: int, times: int = 1) -> None:
        """Count a delay."""
        place = place_of(microseconds)
        self.at[place] = self.at.get(place, 0) + times

    def merge(self, pairs: Iterable[tuple[int, int]]) -> None:
        """Count what was counted elsewhere, too."""
        for place, times in pairs:
            self.at[place] = self.at.get(place, 0) + times

    def pairs(self) -> Pairs:
        """What `merge` takes, from the least to the greatest."""
        return sorted(self.at.items())

    @property
    def count(self) -> int:
        """How many delays."""
        return sum(self.at.values())

    def percentiles(self, *wanted: float) -> list[float]:
        """Milliseconds that so many percent of the delays do not exceed; NaN if there are none.

        As HdrHistogram rounds: the greatest delay of the place.
        """
        ranks = self._ranks(wanted)
        found = dict.fromkeys(ranks, float("nan"))
        reached = 0
        for place, times in self.pairs():
            for rank in ranks:
                if reached < rank <= reached + times:
                    found[rank] = highest_of(place) / 1000
            reached += times
        return [found[rank] for rank in ranks]

    def _ranks(self, wanted: Iterable[float]) -> list[int]:
        count = self.count
        return [max(int(percent / 100 * count + 0.5), 1) for percent in wanted]

    def summary(self) -> dict[str, float]:
        """`count`, and in milliseconds `min`, `mean`, the percentiles and `max`; only `count` if
        there is nothing else to say."""
        if not self.at:
            return {"count": 0}
        total = sum(times * (lowest_of(at) + highest_of(at)) / 2 for at, times in self.at.items())
        p50, p95, p99, p999 = self.percentiles(50, 95, 99, 99.9)
        return {
            "count": self.count,
            "min": lowest_of(min(self.at)) / 1000,
            "mean": total / self.count / 1000,
            "p50": p50,
            "p95": p95,
            "p99": p99,
            "p999": p999,
            "max": highest_of(max(self.at)) / 1000,
        }

    def to_base64(self) -> str:
        """As HdrHistogram writes itself (V2, compressed), in microseconds."""
        written = HdrHistogram(1, MOST, DIGITS)
        for place, times in self.at.items():
            written.record_value(lowest_of(place), times)
        return str(written.encode().decode("ascii"))

    @classmethod
    def from_base64(cls, text: str) -> Self:
        """What `to_base64` gave."""
        read = HdrHistogram.decode(text)
        return cls((place, times) for place, times in enumerate(read.counts) if times)


def merged(parts: Iterable[Mapping[str, Pairs]], name: str) -> Histogram:
    """What all parts counted under a name."""
    whole = Histogram()
    for part in parts:
        whole.merge((place, times) for place, times in part.get(name, ()))
    return whole
