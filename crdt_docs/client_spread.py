"""How evenly the client ids of a document lie in the tables of yrs (GRD-30).

yrs keeps clients in tables whose places are the lowest bits of the ids, by themselves: ids in which
these are the same all begin at one place, and each is compared with all that lie before it. 8,000
such ids make every edit of a document take 0.4 s, and opening it as long. Ids that are chosen at
random, as Yjs does, never crowd; here it is seen to that those of others hardly do.

Two things are counted. How many ids share their twelve lowest bits bounds how many begin at one
place. How many begin in each sixty-fourth of a table of their number bounds how many lie between a
place and the next free one.
"""

from __future__ import annotations

import math
from array import array
from collections import Counter
from collections.abc import Collection, Iterable
from typing import Final

from crdt_docs.errors import LimitExceeded

_FREE: Final = 256
"""Ids up to which they may be any: to compare them all takes some hundredths of a millisecond."""

_PLACES: Final = 1 << 12
_REGION_BITS: Final = 6
_REGIONS: Final = 1 << _REGION_BITS
_LEEWAY: Final = 16


class ClientSpread:
    """Counts of a document's client ids; none while it has few."""

    __slots__ = ("_in_place", "_in_region", "_shift")

    def __init__(self) -> None:
        self._in_place: array[int] = array("I")
        self._in_region: array[int] = array("I")
        self._shift = 0
        """Of an id, to know in which region of the table it begins."""

    def check(self, new: Collection[int], known: Iterable[int], total: int) -> None:
        """That these ids may come to those that are known.

        Args:
            total: how many there are then.

        Raises:
            LimitExceeded: they crowd.
        """
        if total <= _FREE:
            return
        if not self._in_place or _shift(total) != self._shift:
            self._count_anew(known, total)
        _check(self._in_place, Counter(_places(new)), _LEEWAY + 4 * total / _PLACES)
        mean = total / _REGIONS
        # Seven times the standard deviation of ids chosen at random; or as many as there is room
        # for, such as ids in a row have.
        in_region = max(1 << self._shift, mean + 7 * math.sqrt(mean) + _LEEWAY)
        _check(self._in_region, Counter(_regions(new, self._shift)), in_region)

    def add(self, new: Collection[int], known: Iterable[int], total: int) -> None:
        """Count ids that were let in.

        Args:
            known: those that are counted.
            total: how many there are with the new ones.
        """
        if total <= _FREE:
            return
        if not self._in_place or _shift(total) != self._shift:
            self._count_anew(known, total)
        for place in _places(new):
            self._in_place[place] += 1
        for region in _regions(new, self._shift):
            self._in_region[region] += 1

    def _count_anew(self, known: Iterable[int], total: int) -> None:
        """For a table of another size."""
        known = list(known)
        self._shift = _shift(total)
        self._in_place = _counted(_places(known), _PLACES)
        self._in_region = _counted(_regions(known, self._shift), _REGIONS)


def _shift(total: int) -> int:
    """The bits of a place within its region. At most seven eighths of a table are filled."""
    return (total * 8 // 7 - 1).bit_length() - _REGION_BITS


def _places(clients: Iterable[int]) -> Iterable[int]:
    return map((_PLACES - 1).__and__, clients)


def _regions(clients: Iterable[int], shift: int) -> Iterable[int]:
    return (client >> shift & _REGIONS - 1 for client in clients)


def _counted(numbers: Iterable[int], size: int) -> array[int]:
    counts = array("I", bytes(4 * size))
    for number, count in Counter(numbers).items():
        counts[number] = count
    return counts


def _check(counts: array[int], new: Counter[int], most: float) -> None:
    for number, count in new.items():
        if counts[number] + count > most:
            raise LimitExceeded(
                "too many client ids of this document are alike in their lowest bits; let Yjs"
                " choose them, at random"
            )
