"""What one process of a run measures, and how the measures of all of them come together.

Three times: while people arrive only joins count. While it is measured everything does. After
that nobody writes any more, but what was written may still be seen, stored or answered, and how
long that took counts: leaving it out would flatter a server that is slow at the end.

What was due before the measuring began is left out of the delays, however late it came.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum, IntEnum, auto
from typing import Any, Self

from loadtest.histogram import HALF, MOST, PLACE_BITS, Histogram

MOST_ERRORS = 50  # different texts that are kept; all are counted
MOST_TEXT = 300  # characters of one
OTHERS = "(others)"


class Delay(IntEnum):
    """What takes time.

    All but LATE begin when something was due by its author's own time, not when it was sent.
    """

    SEEN = 0  # an edit, until somebody else has it
    CURSOR = auto()  # a cursor, until somebody else has it
    STORED = auto()  # an edit, until the server says that it is stored
    POSE_AGE = auto()  # how old the pose of somebody near is when it comes
    JOIN = auto()  # from being due to connect until the first synchronisation is complete
    REST = auto()  # a call
    LATE = auto()  # by how much this generator was late: of the others, its own part


class Count(IntEnum):
    """What is counted."""

    EDITS_SENT = 0
    EDITS_STORED = auto()  # those the server called stored
    PRESENCE_SENT = auto()
    POSES_SENT = auto()
    POSES_SEEN = auto()
    MARKS_SEEN = auto()  # deliveries: of one edit or cursor as many as people who got it
    FRAMES_IN = auto()
    BYTES_IN = auto()
    BYTES_OUT = auto()
    JOINED = auto()  # first synchronisation complete
    LEFT = auto()  # somebody who had joined has no connection any more, for whatever reason
    REST_CALLS = auto()
    REST_ERRORS = auto()  # answers of 500 and above, and none at all
    REFUSALS = auto()  # answers of 400 to 499, edits refused
    THROTTLED = auto()  # answers of 429: calls that came too fast


DELAYS = tuple(each.name.lower() for each in Delay)
COUNTS = tuple(each.name.lower() for each in Count)
_ALWAYS = (Count.JOINED, Count.LEFT)  # arriving is measured while people arrive


class Phase(Enum):
    """Where a run is."""

    ARRIVING = auto()
    MEASURED = auto()
    DRAINING = auto()


class Measures:
    """Everything that one process measures.

    `delay` and `count` are for the hot path: they add to what this second has, and `tick` adds
    seconds to the whole.
    """

    __slots__ = (
        "_begun",
        "_closes",
        "_counts",
        "_counts_told",
        "_delays",
        "_errors",
        "_phase",
        "_second",
        "_sums",
        "_ticked",
        "_told",
    )

    def __init__(self) -> None:
        self._phase = Phase.ARRIVING
        self._begun = 0
        self._ticked: int | None = None
        self._second = tuple(Histogram() for _ in Delay)
        self._told = tuple(Histogram() for _ in Delay)  # by the next tick, counted or not
        self._delays = tuple(Histogram() for _ in Delay)
        self._counts = [0] * len(Count)
        self._counts_told = [0] * len(Count)
        self._sums = [0] * len(Count)
        self._closes: Counter[str] = Counter()
        self._errors: Counter[str] = Counter()

    @property
    def is_measuring(self) -> bool:
        """Whether this is the measured part of the run."""
        return self._phase is Phase.MEASURED

    def begin(self, now: int) -> None:
        """People have arrived: from now on all counts."""
        self._enter(Phase.MEASURED)
        self._begun = now

    def end(self) -> None:
        """Nobody writes any more. Delays still count: of what was written before."""
        self._enter(Phase.DRAINING)

    def _enter(self, phase: Phase) -> None:
        self._fold()
        self._phase = phase

    def delay(self, what: Delay, now: int, nanoseconds: int, weight: int = 1) -> None:
        """Something took so long, and is complete now; it stands for `weight` of its kind."""
        if now - nanoseconds < self._begun and what != Delay.JOIN:
            return
        value = nanoseconds // 1000
        if not 0 <= value <= MOST:
            value = 0 if value < 0 else MOST
        shift = value.bit_length() - PLACE_BITS  # `place_of`, without the calls
        place = shift * HALF + (value >> shift) if shift > 0 else value
        at = self._second[what].at
        at[place] = at.get(place, 0) + weight

    def count(self, what: Count, by: int = 1) -> None:
        """Something happened so many times."""
        self._counts[what] += by

    def close(self, code: int, reason: str) -> None:
        """A connection ended that should not have; 0 if without a close frame."""
        self._closes[str(code)] += 1
        if reason:
            self.error(f"closed with {code}: {reason}")

    def error(self, text: str) -> None:
        """Something went wrong. The first texts are kept, the others only counted."""
        short = text[:MOST_TEXT]
        known = short in self._errors or len(self._errors) < MOST_ERRORS
        self._errors[short if known else OTHERS] += 1

    def tick(self, now: int) -> dict[str, Any]:
        """What happened since the last call, as a JSON object: `merge_seconds` reads it.

        Args:
            now: nanoseconds. It was measured if measuring had begun when it did.
        """
        self._fold()
        is_whole = self._ticked is None or self._begun <= self._ticked
        second = {
            "is_measured": self.is_measuring and is_whole,
            "delays": _by_name(self._told),
            "counts": dict(zip(COUNTS, self._counts_told, strict=True)),
            "connected": self._sums[Count.JOINED] - self._sums[Count.LEFT],
            "closes": self._closes.total(),
            "errors": self._errors.total(),
        }
        for each in self._told:
            each.at.clear()
        self._counts_told = [0] * len(Count)
        self._ticked = now
        return second

    def dump(self) -> dict[str, Any]:
        """The whole until now, as a JSON object: `Totals.merge` reads it."""
        self._fold()
        return {
            "delays": _by_name(self._delays),
            "counts": dict(zip(COUNTS, self._sums, strict=True)),
            "closes": dict(self._closes),
            "errors": dict(self._errors),
        }

    def _fold(self) -> None:
        """Add what there is to what the next tick tells, and to the whole as far as it counts."""
        is_counted = self._phase is Phase.MEASURED
        has_delays = self._phase is not Phase.ARRIVING
        for what, now in zip(Delay, self._second, strict=True):
            self._told[what].merge(now.at.items())
            if has_delays or what is Delay.JOIN:
                self._delays[what].merge(now.at.items())
            now.at.clear()
        for each in Count:
            self._counts_told[each] += self._counts[each]
            if is_counted or each in _ALWAYS:
                self._sums[each] += self._counts[each]
            self._counts[each] = 0


def _by_name(histograms: Iterable[Histogram]) -> dict[str, Any]:
    return {name: each.pairs() for name, each in zip(DELAYS, histograms, strict=True) if each.at}


@dataclass(slots=True)
class Totals:
    """What all processes of a run measured, by the names of `Delay` and `Count` in small letters.

    Attributes:
        closes: connections that ended and should not have, by close code.
        errors: how often which text.
    """

    delays: dict[str, Histogram] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    closes: dict[str, int] = field(default_factory=dict)
    errors: dict[str, int] = field(default_factory=dict)

    @classmethod
    def merge(cls, dumps: Iterable[Mapping[str, Any]]) -> Self:
        """The dumps of processes, together."""
        whole = cls({name: Histogram() for name in DELAYS}, dict.fromkeys(COUNTS, 0))
        for dump in dumps:
            for name, pairs in dump["delays"].items():
                whole.delays[name].merge(pairs)
            for kind in ("counts", "closes", "errors"):
                _add(getattr(whole, kind), dump[kind])
        return whole


def _add(whole: dict[str, int], part: Mapping[str, int]) -> None:
    for name, times in part.items():
        whole[name] = whole.get(name, 0) + times
