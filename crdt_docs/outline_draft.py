"""What one update would add to an outline, worked out before any of it is recorded.

A level says how deep a struct sits and what may be said of its place. A run, one integer, is the
first clock of consecutive structs with the same level, then that level.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Final

from crdt_docs.errors import LimitExceeded, Malformed
from crdt_docs.placement import (
    ABSENT,
    ARRAY,
    CHILD,
    CONTENT,
    GONE,
    INLINE,
    KEYED,
    ROOT,
    SEVERAL,
    SINGLE,
    TEXT,
    TYPE,
    XML,
    Placement,
)

# A level: KEYED, GONE, TYPE, ARRAY and XML, these two, and from DEPTH_SHIFT on the depth.
IN_ARRAY: Final = 32
"""It stands in the sequence of an array."""
IN_XML: Final = 64
"""It stands in the sequence of an XML element or fragment."""
DEPTH_SHIFT: Final = 7
LEVEL_BITS: Final = 20
LEVEL_MASK: Final = (1 << LEVEL_BITS) - 1
OWN: Final = GONE | TYPE | ARRAY | XML
"""What a struct is itself; the rest of its level it shares with its neighbours."""
PLACE: Final = LEVEL_MASK & ~OWN
DEEPEST: Final = LEVEL_MASK >> DEPTH_SHIFT
NOWHERE: Final = GONE
"""A collected struct has no place, nor has what is put beside or under it."""

ClockRanges = Mapping[int, Sequence[tuple[int, int]]]
"""Per client disjoint clock ranges (start, end), ascending."""

BITS: Final = (1 << DEPTH_SHIFT) - 1
FORBIDDEN: Final = tuple(
    (TEXT | INLINE | SEVERAL if place & KEYED else 0)
    | (TEXT if place & IN_ARRAY else 0)
    | (CONTENT if place & IN_XML else 0)
    for place in range(1 << DEPTH_SHIFT)
)
"""By the bits of a place, the content that may not stand there."""

Pairs = Mapping[int, "array[int]"]
"""Per client the clocks in the middle of surrogate pairs, ascending."""

_FEW = 32


@dataclass(slots=True)
class _Claim:
    """What an update says of the clocks of a client that are known, where it goes on after them.

    Attributes:
        start: the last clock of which it says where it stands; what follows continues it.
        known: the next clock of the client.
        place: where the struct stands that is known in part; 0 where that is not said.
        content: what stands there from then on.
    """

    start: int
    known: int
    place: int = 0
    content: int = 0


def level_at(runs: array[int] | list[int], clock: int) -> int:
    """The level of the struct with this clock, from a client's runs."""
    return runs[bisect_right(runs, clock << LEVEL_BITS | LEVEL_MASK) - 1] & LEVEL_MASK


class Draft:
    """The levels an update would add. `runs` are those of each client that writes something new."""

    __slots__ = (
        "_base",
        "_claims",
        "_clocks",
        "_deletes",
        "_is_trusted",
        "_max_depth",
        "_reached",
        "ends",
        "runs",
    )

    def __init__(
        self,
        clocks: Mapping[int, int],
        base: Mapping[int, array[int]],
        deletes: ClockRanges,
        max_depth: int,
        *,
        is_trusted: bool = False,
    ) -> None:
        self._clocks = clocks
        self._base = base
        self._deletes = deletes
        self._max_depth = max_depth
        self._is_trusted = is_trusted
        self._reached: dict[int, int] = {}
        self._claims: dict[int, _Claim] = {}
        self.ends: dict[int, int] = {}
        """Per client the next clock after the update."""
        self.runs: dict[int, list[int]] = {}

    def enter(self, ranges: Iterable[tuple[int, int, int]]) -> int:
        """Take up the clients for which the update brings something new; count the unknown."""
        unknown = 0
        for client, start, end in ranges:
            known = self._clocks.get(client)
            if known is None:
                unknown += client not in self.runs
                known = 0
            if end > known:
                self._reached[client] = known
                self.ends[client] = end
                self.runs[client] = []
                if start < known and not self._is_trusted:
                    self._claims[client] = _Claim(max(start - 1, 0), known)
        return unknown

    def place(self, placement: Placement) -> None:
        """Note the level of one struct, and of those before it that continue their client's.

        Raises:
            LimitExceeded, Malformed: as `Outline.admit`.
        """
        client, start, end, shape, *_ = placement
        reached = self._reached.get(client)
        claim = self._claims.get(client)
        if claim is not None and start < claim.known:
            self._note(claim, placement)
        if reached is None or end <= reached:
            return
        if start > reached:
            self._continue(client, reached)
        self._append(client, max(start, reached), self._place(placement) | shape & OWN)
        self._reached[client] = end

    def finish(self) -> None:
        """Note the structs after the last placement of each client.

        Raises:
            Malformed: what the update says of known clocks is not what is there (GRD-28).
        """
        for client, end in self.ends.items():
            reached = self._reached[client]
            if end > reached:
                self._continue(client, reached)
        for client, claim in self._claims.items():
            check_known(self._base[client], claim.start, claim.known, claim.place, claim.content)

    def _note(self, claim: _Claim, placement: Placement) -> None:
        """Remember what the update says of a struct that is known, at least its beginning."""
        client, start, end, shape, left_client, left_clock, *_ = placement
        if shape & (ROOT | CHILD) or left_client != client or left_clock + 1 != start:
            claim.content = 0
        claim.content |= shape & CONTENT
        claim.start = min(end, claim.known) - 1
        if end > claim.known:
            claim.place = self._place(placement) & PLACE

    def joined(self, joins: Iterable[tuple[int, int, int]]) -> int:
        """The bytes that yrs copies to join rows of structs; not those under map keys.

        There only the last of them is not deleted, so that nothing is left to join.
        """
        return sum(
            cost
            for client, clock, cost in joins
            if client in self.runs and not self._level_at(client, clock) & KEYED
        )

    def _continue(self, client: int, start: int) -> None:
        before = (self.runs[client] or self._base[client])[-1]
        self._append(client, start, before & PLACE or NOWHERE)

    def _append(self, client: int, start: int, level: int) -> None:
        runs = self.runs[client] or self._base.get(client)
        if not runs or runs[-1] & LEVEL_MASK != level:
            self.runs[client].append(start << LEVEL_BITS | level)

    def _level_at(self, client: int, clock: int) -> int:
        runs: list[int] | array[int] | None = self.runs.get(client)
        if not runs or clock < runs[0] >> LEVEL_BITS:
            runs = self._base[client]
        if clock >= self._reached.get(client, clock + 1):
            # Not noted yet, since it continues the struct before it.
            return runs[-1] & PLACE or NOWHERE
        return level_at(runs, clock)

    def _place(self, placement: Placement) -> int:
        """The level that a struct has by its place alone, whatever it is itself."""
        client, start, end, shape, *_ = placement
        if shape & ROOT:
            place = 1 << DEPTH_SHIFT | shape & KEYED
        elif shape & CHILD:
            place = self._under(placement)
        else:
            place = self._beside(placement)
        if shape & FORBIDDEN[place & BITS] and not self._is_trusted:
            check_content(shape, place, (client, start, end), self._deletes)
        return place

    def _under(self, placement: Placement) -> int:
        """The place of a child of the type that the placement names."""
        parent = self._level_at(placement.left_client, placement.left_clock)
        if parent & GONE:
            return NOWHERE
        if not parent & TYPE:
            if self._is_trusted:
                return NOWHERE
            raise Malformed("a struct names as its parent what is not a shared type")
        depth = (parent >> DEPTH_SHIFT) + 1
        if depth > self._max_depth:
            raise LimitExceeded(f"types are nested deeper than {self._max_depth} levels")
        if placement.shape & KEYED:
            return depth << DEPTH_SHIFT | KEYED
        # IN_ARRAY and IN_XML lie two bits above ARRAY and XML.
        return depth << DEPTH_SHIFT | (parent & (ARRAY | XML)) << 2

    def _beside(self, placement: Placement) -> int:
        """The place between the neighbours that the placement names."""
        _, _, _, _, left_client, left_clock, right_client, right_clock, _ = placement
        left = right = NOWHERE
        if left_client != ABSENT:
            left = right = self._level_at(left_client, left_clock)
        if right_client != ABSENT:
            right = self._level_at(right_client, right_clock)
            if left_client == ABSENT:
                left = right
            if not self._is_trusted:
                check_neighbours(left, right)
        return left & PLACE or right & PLACE or NOWHERE


def check_neighbours(left: int, right: int) -> None:
    """That a struct may name neighbours of these levels; without a left one they are the same.

    Raises:
        Malformed: they have different parents (GRD-19).
        LimitExceeded: one of them is collected and the other is there (GRD-24).
    """
    if right & KEYED:
        # A new value of a key goes after all others.
        raise Malformed("a value of a map key has a right origin")
    if not (left ^ right) & PLACE:
        return
    if left & PLACE and right & PLACE:
        raise Malformed("a struct lies between neighbours of different parents")
    # GRD-24: Yjs collects such a struct, yrs shows it.
    raise LimitExceeded(
        "an edit builds on one that was refused or is gone; reload the document to go on"
    )


def check_known(
    runs: array[int] | list[int], start: int, known: int, place: int, content: int
) -> None:
    """GRD-28: what goes on after known clocks stands where those do, with what they hold.

    The document keeps what it knows and takes only the rest. Were it told to go on after
    something else, the rest would have one parent and its neighbour another, or be what may not
    stand there.

    Args:
        runs: of the client, in the document.
        start: the first clock that was said to be continued.
        known: the next clock of the document.
        place: as in `_Claim`.
        content: likewise.

    Raises:
        Malformed: it does not.
    """
    last = runs[-1]
    index = bisect_right(runs, start << LEVEL_BITS | LEVEL_MASK) - 1
    places = {run & PLACE for run in runs[index:]} | {place}
    places.discard(0)
    if len(places) > 1 or content & (TEXT | INLINE | SINGLE) & FORBIDDEN[last & BITS]:
        raise Malformed(
            f"an update contradicts what was written before clock {known}; reload the document"
        )


def check_content(
    shape: int, place: int, clocks: tuple[int, int, int], deletes: ClockRanges
) -> None:
    """That content of this shape may stand in this place.

    Args:
        shape: of a `Placement`.
        place: a level.
        clocks: (client, start, end) of the struct.
        deletes: what the same update deletes.

    Raises:
        Malformed: it may not, and no editor puts it there.
    """
    refused = shape & FORBIDDEN[place & BITS]
    if place & IN_XML and refused:
        # GRD-25: Yjs throws when the fragment is read, and so does whatever holds it.
        raise Malformed("something else than elements and texts stands in an XML fragment")
    if place & IN_ARRAY and refused:
        # GRD-21: yrs loops for ever over an array that holds characters beyond U+FFFF.
        raise Malformed("characters stand in an array, not in a text")
    if refused & (TEXT | INLINE):
        # GRD-12: yrs takes them and fails when the map is read.
        raise Malformed("characters or marks stand under a map key")
    client, start, end = clocks
    if refused and not any(
        first <= start and end <= last for first, last in deletes.get(client, ())
    ):
        # GRD-22: only values that were replaced are ever joined. Of others, yrs keeps all but the
        # last when it frees the map, and they point into freed memory.
        raise Malformed("several values stand under a map key at once")


def check_cuts(placements: Iterable[Placement], *pairs: Pairs) -> None:
    """GRD-20: no origin lies where it would cut a text within a surrogate pair.

    Raises:
        LimitExceeded: one does. yrs cannot cut there: it miscounts, and everything after it in
            the document is shifted, for everybody.
    """
    for placement in placements:
        _, _, _, shape, left_client, left_clock, right_client, right_clock, _ = placement
        for known in pairs:
            if left_client in known and not shape & CHILD:
                _check_cut(known[left_client], left_clock + 1)
            if right_client in known:
                _check_cut(known[right_client], right_clock)


def check_deleted(deletes: ClockRanges, *pairs: Pairs) -> None:
    """GRD-20: no deletion begins or ends within a surrogate pair.

    Raises:
        LimitExceeded: one does.
    """
    for client, spans in deletes.items():
        for known in pairs:
            middles = known.get(client)
            if middles is None:
                continue
            if len(spans) < _FEW:
                for cut in chain.from_iterable(spans):
                    _check_cut(middles, cut)
            elif not set(chain.from_iterable(spans)).isdisjoint(middles):
                raise LimitExceeded(_TORN)


def check_overlap(
    ranges: Iterable[tuple[int, int, int]], clocks: Mapping[int, int], pairs: Pairs
) -> None:
    """GRD-20: what is known already does not end within a pair that the update brings.

    Raises:
        LimitExceeded: it does.
    """
    for client, start, end in ranges:
        if start < clocks.get(client, 0) < end and client in pairs:
            _check_cut(pairs[client], clocks[client])


_TORN = "an edit splits a character in two (a surrogate pair); edit whole characters"


def _check_cut(middles: array[int], cut: int) -> None:
    index = bisect_left(middles, cut)
    if index < len(middles) and middles[index] == cut:
        raise LimitExceeded(_TORN)
