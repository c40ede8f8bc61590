"""What the guard learns from an update that it accepts."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import NamedTuple

from crdt_docs.clocks import ClockRanges
from crdt_docs.content_guard import Mend
from crdt_docs.placement import Placement


class UpdateFacts(NamedTuple):
    """An update, as far as it matters where it is to go.

    Attributes:
        ranges: clock ranges (client, start, end) it brings, in order of appearance. Skips are
            left out; adjacent structs are joined.
        references: per client one past the highest clock that an origin, right origin or parent
            names, including those that the update itself brings.
        deletes: the clock ranges it deletes.
        placements: of the structs that do not simply continue the one before them, ordered so
            that each follows what it refers to.
        pairs: per client the clocks in the middle of surrogate pairs, ascending; None without any.
        joins: (client, clock, bytes) of long rows of structs that yrs will join into one: what it
            copies while it does, all of it in memory at once.
        continues: the shape (see `Placement`) of its only struct, if that continues the clock
            before it; else 0.
        struct_count: structs in it, skips included.
        roots: names of the root types it mentions.
        mends: what is to be written otherwise (GRD-26, GRD-29): see `mended`, whose result is to
            be applied in its place; all else that is said here holds of it.
        says_true: one of its structs is the value true (or several, of which the first is).
    """

    ranges: list[tuple[int, int, int]]
    references: dict[int, int]
    deletes: ClockRanges
    placements: list[Placement]
    pairs: dict[int, array[int]] | None
    joins: Sequence[tuple[int, int, int]]
    continues: int
    struct_count: int
    roots: frozenset[str]
    mends: Sequence[Mend]
    says_true: bool

    @property
    def has_deletes(self) -> bool:
        """Whether it deletes anything."""
        return bool(self.deletes)

    @property
    def deleted_ranges(self) -> int:
        """How many ranges it deletes."""
        return sum(map(len, self.deletes.values()))

    @property
    def is_empty(self) -> bool:
        """Whether it neither brings nor deletes anything."""
        return not self.ranges and not self.deletes
