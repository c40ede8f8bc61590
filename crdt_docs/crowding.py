"""How many structs of a document were put into the same place (GRD-27).

yrs compares a struct with those that stand where it is put, unless it names the last of them. Many
that name none, or all the same neighbours, cost it the square of their number: 40,000 values that
one client id sets under one key take 10 s, and again whenever the document is opened. Within one
update the guard counts them exactly; along a document there may be millions of places, so here
they share a fixed number of counters.

Measured with the yrs of pycrdt: 14,000 values under one key take 0.4 s whenever the document is
opened. 14,000 structs of as many clients, in one place of a list, take 7 s in all when they come
one by one, in the worst order of their ids, and nothing when the document is opened.

Not counted are structs that name neighbours far from one another, each of them others: a place has
one of each, and how far apart its neighbours are only the document knows. Among 5,000 structs,
5,000 of that kind take 5 s, also when the document is opened; such a document is opened a step at a
time (ROM-18).
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from typing import Final

from crdt_docs.errors import LimitExceeded
from crdt_docs.placement import ABSENT, CHILD, ROOT, Placement

COUNTERS: Final = 4096
_FREE = 256
"""So many in one place cost next to nothing, and are not charged."""
_MOST = 2**32 - 1


def crowded_place(placement: Placement) -> int | None:
    """A number for the place that a struct names; None where no other can be of that name."""
    client, start, _, shape, left_client, left_clock, right_client, _, place = placement
    if shape & (ROOT | CHILD):
        return place
    if left_client == client and left_clock + 1 == start:
        return None  # what continues is the only one to do so
    if left_client == right_client == ABSENT:
        return None
    # Of integers, so the same in every process. Should an interpreter calculate it otherwise, a
    # stored count is no longer found, and counting begins anew.
    return hash(placement[4:8])


class Crowding:
    """Counts of structs by place, and what they cost so far.

    A place whose counter is high is charged its count with every further struct. What all counters
    are high by is not: in a document of very many places that is chance.
    """

    __slots__ = ("_counts", "_total", "spent")

    def __init__(self, counts: Sequence[int] = (), spent: int = 0) -> None:
        """
        Args:
            counts: as many as there are counters, or none.
            spent: comparisons charged so far.
        """
        self._counts = array("I", counts)
        self._total = sum(self._counts)
        self.spent = spent

    @property
    def counts(self) -> array[int]:
        """The counters; none before the first is needed."""
        return self._counts

    def add(self, places: Iterable[int], most: int) -> None:
        """Count structs in these places. All or nothing.

        Args:
            places: as `crowded_place` numbers them.
            most: structs that one place may hold, if it is the only one with many: what they
                cost together, about half the square of it, is what all places may cost together.

        Raises:
            LimitExceeded: they would cost more.
        """
        if not self._counts:
            self._counts = array("I", bytes(4 * COUNTERS))
        counts = self._counts
        charged = 0
        counted = []
        # Twice the mean of all counters.
        free = _FREE + (self._total >> 11)
        for place in places:
            slot = place & (COUNTERS - 1)
            count = counts[slot]
            if count > free:
                charged += count
                if count == _MOST:
                    continue
            counts[slot] = count + 1
            counted.append(slot)
        if charged and self.spent + charged > most * most >> 1:
            for slot in counted:
                counts[slot] -= 1
            raise LimitExceeded(
                "too many edits of this document were made in one place without having seen one"
                " another: no more may"
            )
        self.spent += charged
        self._total += len(counted)
