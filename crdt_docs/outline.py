"""What the server remembers of a document's structure, so that it can decide without asking yrs.

For every client the next clock, and for every clock how deep in the document its struct sits. From
these two follow whether an update connects (PROTOCOL: yrs loses what lies behind a gap), and
whether it would nest types deeper than the document may be.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from dataclasses import dataclass

from crdt_docs.content_guard import ContentLimits
from crdt_docs.errors import LimitExceeded, Malformed
from crdt_docs.placement import ABSENT, CHILD, FORMAT, GONE, KEYED, ROOT, TYPE, Placement
from crdt_docs.update_guard import MAX_CLOCK, GuardLimits, UpdateFacts, walk_update
from crdt_docs.varint import read_var_uint, var_uint


@dataclass(frozen=True, slots=True)
class DocumentLimits:
    """What a document may grow to, as far as its structure goes.

    Attributes:
        max_depth: types within types. With values nested up to 64 levels inside the deepest one,
            the sum stays below what JSON encoders take.
        max_clients: client ids that have ever written.
    """

    max_depth: int = 100
    max_clients: int = 50_000


UNLIMITED = 1 << 62
_TRUSTED = GuardLimits(
    structs=UNLIMITED,
    contents=ContentLimits(elements=UNLIMITED, subdocuments=UNLIMITED),
    key_writers=UNLIMITED,
)
_NO_LIMITS = DocumentLimits(max_depth=4_095, max_clients=UNLIMITED)

# A run is one integer: its first clock, then 16 bits for the level of the structs from there on.
# A level is a depth, then whether the structs are types, gone, or values under a key.
_LEVEL_BITS = 16
_LEVEL = 0xFFFF
_DEPTH_SHIFT = 4
_OWN = TYPE | GONE
_INHERITED = _LEVEL & ~_OWN
_PLACE = _INHERITED
_NOWHERE = GONE
"""A collected struct: it has no place, and neither has what is put beside or under it."""

_FORMAT_VERSION = 1


class Outline:
    """The structure of one document: clocks, and the depth of every struct."""

    __slots__ = ("_runs", "clocks")

    def __init__(self) -> None:
        self.clocks: dict[int, int] = {}
        """Per client the next clock: the document's state vector. To be read only."""
        self._runs: dict[int, array[int]] = {}

    @classmethod
    def of_update(cls, update: bytes) -> Outline:
        """The outline of a document whose full state is `update`, which is trusted.

        Raises:
            Malformed: it is not a full state: something is missing before what it holds.
        """
        outline = cls()
        facts = walk_update(update, _TRUSTED)
        if not outline.connects(facts):
            raise Malformed("a full state must not refer to what it does not hold")
        outline.admit(facts, _NO_LIMITS)
        return outline

    @property
    def client_count(self) -> int:
        """How many client ids have written."""
        return len(self.clocks)

    def state_vector(self) -> bytes:
        """The state vector as Yjs encodes it, higher clients first."""
        parts = [var_uint(len(self.clocks))]
        for client in sorted(self.clocks, reverse=True):
            parts += (var_uint(client), var_uint(self.clocks[client]))
        return b"".join(parts)

    def connects(self, facts: UpdateFacts) -> bool:
        """Whether the update leaves no gap: all it builds on is known, or in itself.

        What is known already does no harm: the document takes it as a duplicate.
        """
        clocks = self.clocks
        ranges = facts.ranges
        if len(ranges) == 1:
            client, start, end = ranges[0]
            if start > clocks.get(client, 0):
                return False
            for needed in (facts.references, facts.deletes):
                for other, clock in needed.items():
                    if clock > clocks.get(other, 0) and (other != client or clock > end):
                        return False
            return True
        return not self.missing(facts)

    def missing(self, facts: UpdateFacts) -> dict[int, int]:
        """Per client the clock up to which the document must know it before the update connects.

        Empty for an update that connects.
        """
        clocks = self.clocks
        reached: dict[int, int] = {}
        missing: dict[int, int] = {}
        for client, start, end in facts.ranges:
            known = reached.get(client) or clocks.get(client, 0)
            if start > known:
                missing[client] = start
            reached[client] = max(known, end)
        for needed in (facts.references, facts.deletes):
            for client, clock in needed.items():
                if clock > clocks.get(client, 0) and clock > reached.get(client, 0):
                    missing[client] = max(clock, missing.get(client, 0))
        return missing

    def admit(self, facts: UpdateFacts, limits: DocumentLimits) -> None:
        """Record an update that connects. All or nothing.

        Raises:
            LimitExceeded: types would nest too deeply, or too many client ids would have written.
            Malformed: a struct names as its parent what is no type, or as its neighbours what
                belongs to different parents.
        """
        ranges = facts.ranges
        if not facts.placements and len(ranges) == 1:
            # By far the most frequent: structs that continue what their client wrote before.
            client, _, end = ranges[0]
            known = self.clocks.get(client, 0)
            if end > known:
                runs = self._runs[client]
                if runs[-1] & _OWN:
                    runs.append(known << _LEVEL_BITS | runs[-1] & _INHERITED)
                self.clocks[client] = end
            return
        draft = _Draft(self.clocks, self._runs, limits.max_depth)
        new_clients = draft.enter(ranges)
        if new_clients and len(self.clocks) + new_clients > limits.max_clients:
            raise LimitExceeded(
                f"{limits.max_clients} client ids have written to this document: no more may"
            )
        for placement in facts.placements:
            draft.place(placement)
        for client, end in draft.finish().items():
            added = draft.runs[client]
            if client in self._runs:
                self._runs[client].extend(added)
            else:
                self._runs[client] = array("Q", added)
            self.clocks[client] = end

    def depth_of(self, client: int, clock: int) -> int:
        """How deep a struct sits: 1 for what a root type holds, 0 for a collected struct."""
        runs = self._runs[client]
        return (
            runs[bisect_right(runs, clock << _LEVEL_BITS | _LEVEL) - 1] & _LEVEL
        ) >> _DEPTH_SHIFT

    def to_bytes(self) -> bytes:
        """For storage: a version, then for each client its id, next clock and runs."""
        parts = [bytes((_FORMAT_VERSION,)), var_uint(len(self.clocks))]
        for client, clock in self.clocks.items():
            parts += (var_uint(client), var_uint(clock))
            runs = self._runs[client]
            parts.append(var_uint(len(runs)))
            before = 0
            for run in runs:
                parts.append(var_uint((run >> _LEVEL_BITS) - before))
                parts.append(var_uint(run & _LEVEL))
                before = run >> _LEVEL_BITS
        return b"".join(parts)

    @classmethod
    def from_bytes(cls, data: bytes) -> Outline:
        """Read what `to_bytes` wrote.

        Raises:
            Malformed: it is not that, or of another version.
        """
        if data[:1] != bytes((_FORMAT_VERSION,)):
            raise Malformed("an outline of an unknown version")
        outline = cls()
        clients, position = read_var_uint(data, 1)
        for _ in range(clients):
            client, position = read_var_uint(data, position)
            clock, position = read_var_uint(data, position)
            count, position = read_var_uint(data, position)
            runs = array("Q")
            start = -1
            for _ in range(count):
                step, position = read_var_uint(data, position)
                level, position = read_var_uint(data, position)
                if level > _LEVEL or (step == 0) != (start == -1):
                    raise Malformed("an outline whose runs are out of order")
                start = max(start, 0) + step
                runs.append(start << _LEVEL_BITS | level)
            if not runs or start >= clock or clock > MAX_CLOCK or client in outline.clocks:
                raise Malformed("an outline whose clocks do not fit")
            outline.clocks[client] = clock
            outline._runs[client] = runs
        if position != len(data):
            raise Malformed("bytes follow the outline")
        return outline


class _Draft:
    """What one update would add to an outline, until it is known that all of it may."""

    __slots__ = ("_base", "_clocks", "_ends", "_max_depth", "_reached", "runs")

    def __init__(self, clocks: dict[int, int], base: dict[int, array[int]], max_depth: int) -> None:
        self._clocks = clocks
        self._base = base
        self._max_depth = max_depth
        self._reached: dict[int, int] = {}
        self._ends: dict[int, int] = {}
        self.runs: dict[int, list[int]] = {}

    def enter(self, ranges: list[tuple[int, int, int]]) -> int:
        """Take up the clients for which the update brings something new; count the unknown."""
        unknown = 0
        for client, _, end in ranges:
            known = self._clocks.get(client)
            if known is None:
                unknown += client not in self.runs
                known = 0
            if end > known:
                self._reached[client] = known
                self._ends[client] = end
                self.runs[client] = []
        return unknown

    def place(self, placement: Placement) -> None:
        """Note the level of one struct, and of those before it that continue their client's."""
        client, start, end, shape, *_ = placement
        reached = self._reached.get(client)
        if reached is None or end <= reached:
            return
        if start > reached:
            self._append(client, reached, self._last(client) & _INHERITED)
        else:
            start = reached
        self._append(client, start, self._place(placement) | shape & _OWN)
        self._reached[client] = end

    def finish(self) -> dict[int, int]:
        """Note the structs after the last placement. Returns per client its next clock."""
        for client, end in self._ends.items():
            if end > self._reached[client]:
                self._append(client, self._reached[client], self._last(client) & _INHERITED)
        return self._ends

    def _append(self, client: int, start: int, level: int) -> None:
        runs = self.runs[client] or self._base.get(client)
        if not runs or runs[-1] & _LEVEL != level:
            self.runs[client].append(start << _LEVEL_BITS | level)

    def _last(self, client: int) -> int:
        return (self.runs[client] or self._base[client])[-1] & _LEVEL

    def _level_at(self, client: int, clock: int) -> int:
        runs: list[int] | array[int] | None = self.runs.get(client)
        if runs and clock >= runs[0] >> _LEVEL_BITS:
            if clock >= self._reached[client]:
                return runs[-1] & _INHERITED
        else:
            runs = self._base[client]
            if clock >= self._clocks[client]:
                return runs[-1] & _INHERITED
        return runs[bisect_right(runs, clock << _LEVEL_BITS | _LEVEL) - 1] & _LEVEL

    def _place(self, placement: Placement) -> int:
        """The level a struct has by its place alone, whatever it is itself."""
        _, _, _, shape, left_client, left_clock, right_client, right_clock = placement
        if shape & ROOT:
            return 1 << _DEPTH_SHIFT | shape & KEYED
        if shape & CHILD:
            parent = self._level_at(left_client, left_clock)
            if parent & GONE:
                return _NOWHERE
            if not parent & TYPE:
                raise Malformed("a struct names as its parent what is not a shared type")
            depth = (parent >> _DEPTH_SHIFT) + 1
            if depth > self._max_depth:
                raise LimitExceeded(f"types are nested deeper than {self._max_depth} levels")
            return depth << _DEPTH_SHIFT | shape & KEYED
        place = _NOWHERE
        if left_client != ABSENT:
            place = self._level_at(left_client, left_clock)
        if right_client != ABSENT:
            right = self._level_at(right_client, right_clock)
            if not place & _PLACE:
                place = right
            elif right & _PLACE and (place ^ right) & _PLACE:
                raise Malformed("a struct lies between neighbours of different parents")
        if shape & FORMAT and place & KEYED:
            raise Malformed("a formatting mark under a map key")
        return place & _PLACE if place & _PLACE else _NOWHERE
