"""What the server remembers of a document's structure, so that it can decide without asking yrs.

For every client the next clock, and for every clock how deep in the document its struct sits. From
these two follow whether an update connects (PROTOCOL: yrs loses what lies behind a gap), and
whether it would nest types deeper than the document may be.
"""

from __future__ import annotations

import sys
import zlib
from array import array
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass
from operator import lt

from crdt_docs.client_spread import ClientSpread
from crdt_docs.clocks import MAX_CLOCK
from crdt_docs.content_guard import NO_CONTENT_LIMITS, UNENDING
from crdt_docs.crowding import COUNTERS, Crowding, crowded_place
from crdt_docs.errors import LimitExceeded, Malformed
from crdt_docs.outline_draft import (
    BITS,
    DEEPEST,
    DEPTH_SHIFT,
    FORBIDDEN,
    LEVEL_BITS,
    LEVEL_MASK,
    NOWHERE,
    OWN,
    PLACE,
    Draft,
    check_content,
    check_cuts,
    check_deleted,
    check_known,
    check_neighbours,
    check_overlap,
    level_at,
)
from crdt_docs.placement import ABSENT, Placement
from crdt_docs.state_vector import encode_state_vector
from crdt_docs.update_facts import UpdateFacts
from crdt_docs.update_guard import GuardLimits, walk_update
from crdt_docs.varint import read_var_uint, var_uint


@dataclass(frozen=True, slots=True)
class DocumentLimits:
    """What a document may grow to, as far as its structure goes.

    Attributes:
        max_depth: types within types. With values nested up to 64 levels inside the deepest one,
            the sum stays below what JSON encoders take.
        max_clients: client ids that have ever written.
        max_joined: bytes that yrs may copy to join the structs of one update.
        max_blind_writes: structs that may have been put into one place without having seen one
            another; for several such places, the root of the sum of the squares.
    """

    max_depth: int = 100
    max_clients: int = 50_000
    max_joined: int = 64 << 20
    max_blind_writes: int = 14_000


_TRUSTED = GuardLimits(
    structs=UNENDING,
    blind_writers=UNENDING,
    repeated_places=UNENDING,
    deletes=UNENDING,
    contents=NO_CONTENT_LIMITS,
)
_NO_LIMITS = DocumentLimits(
    max_depth=DEEPEST, max_clients=UNENDING, max_joined=UNENDING, max_blind_writes=UNENDING
)
_FORMAT_VERSION = 2
_WITHOUT_CROWDING = 1
"""The version before: what it does not tell is counted from where it was written."""


class Outline:
    """The structure of one document: clocks, and the depth of every struct."""

    __slots__ = ("_crowding", "_pairs", "_runs", "_spread", "clocks")

    def __init__(self) -> None:
        self.clocks: dict[int, int] = {}
        """Per client the next clock: the document's state vector. To be read only."""
        self._runs: dict[int, array[int]] = {}
        self._pairs: dict[int, array[int]] = {}
        self._crowding = Crowding()
        self._spread = ClientSpread()

    @classmethod
    def of_update(cls, update: bytes) -> Outline:
        """The outline of a document whose full state is `update`, which is trusted.

        Raises:
            Malformed: it is not a full state: something is missing before what it holds.
        """
        outline = cls()
        outline.absorb(update)
        return outline

    def absorb(self, update: bytes) -> None:
        """Record a trusted update that connects, such as one from the log.

        Nothing but that it connects is checked: what the document has taken must always load.

        Raises:
            Malformed: something is missing before what it holds.
        """
        facts = walk_update(update, _TRUSTED)
        if not self.connects(facts):
            raise Malformed("a stored update refers to what is not stored before it")
        self._place(facts, _NO_LIMITS, is_trusted=True)

    @property
    def client_count(self) -> int:
        """How many client ids have written."""
        return len(self.clocks)

    @property
    def blind_cost(self) -> int:
        """Comparisons that structs in crowded places have cost, as GRD-27 charges them."""
        return self._crowding.spent

    def state_vector(self) -> bytes:
        """The state vector as Yjs encodes it, higher clients first."""
        return encode_state_vector(self.clocks)

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
            for other, clock in facts.references.items():
                if clock > clocks.get(other, 0) and (other != client or clock > end):
                    return False
            for other, spans in facts.deletes.items():
                clock = spans[-1][1]
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
        needed = [*facts.references.items()]
        needed += [(client, spans[-1][1]) for client, spans in facts.deletes.items()]
        for client, clock in needed:
            if clock > clocks.get(client, 0) and clock > reached.get(client, 0):
                missing[client] = max(clock, missing.get(client, 0))
        return missing

    def check_clients(self, clients: Iterable[int], limits: DocumentLimits) -> None:
        """That these client ids may write to the document, all together.

        Raises:
            LimitExceeded: too many would have written (GRD-17), or they crowd (GRD-30).
        """
        clocks = self.clocks
        new = {client for client in clients if client not in clocks}
        if not new:
            return
        total = len(clocks) + len(new)
        if total > limits.max_clients:
            raise LimitExceeded(
                f"{limits.max_clients} client ids have written to this document: no more may"
            )
        self._spread.check(new, clocks, total)

    def admit(self, facts: UpdateFacts, limits: DocumentLimits) -> None:
        """Record an update that connects. All or nothing.

        Raises:
            LimitExceeded: types would nest too deeply (GRD-16), too many client ids would have
                written (GRD-17) or would crowd (GRD-30), a surrogate pair would be torn apart
                (GRD-20), joining structs would cost too much (GRD-23), a struct builds on a
                collected one (GRD-24), or too many were put into one place (GRD-27).
            Malformed: a struct names as its parent what is no type (GRD-18), as its neighbours
                what has different parents (GRD-19), or has content that does not go where it is
                (GRD-12, GRD-21, GRD-22, GRD-25).
        """
        if self._pairs or facts.pairs is not None:
            self._check_pairs(facts)
        ranges, placements = facts.ranges, facts.placements
        if len(ranges) != 1 or len(placements) > 1 or facts.joins:
            self._place(facts, limits, is_trusted=False)
        elif not placements:
            self._continue(facts)
        elif facts.struct_count > 1 or not self._insert(placements[0], facts, limits):
            self._place(facts, limits, is_trusted=False)

    def _continue(self, facts: UpdateFacts) -> None:
        """By far the most frequent: structs that continue what their client wrote before."""
        client, start, end = facts.ranges[0]
        known = self.clocks.get(client, 0)
        if end > known:
            runs = self._runs[client]
            last = runs[-1]
            if start < known:
                check_known(runs, start - 1, known, 0, 0)
            if facts.continues & FORBIDDEN[last & BITS]:
                check_content(facts.continues, last, facts.ranges[0], facts.deletes)
            level = last & PLACE or NOWHERE
            if level != last & LEVEL_MASK:
                runs.append(known << LEVEL_BITS | level)
            if facts.pairs is not None:
                self._add_pairs(facts.pairs)
            self.clocks[client] = end

    def _insert(self, placement: Placement, facts: UpdateFacts, limits: DocumentLimits) -> bool:
        """The next in frequency: one struct of a known client with a right neighbour.

        Returns False, and has done nothing, for any other.
        """
        client, start, end, shape, left_client, left_clock, right_client, right_clock, _ = placement
        if right_client == ABSENT or start == 0 or start != self.clocks.get(client):
            return False
        runs = self._runs
        left = right = level_at(runs[right_client], right_clock)
        if left_client != ABSENT:
            left = level_at(runs[left_client], left_clock)
        check_neighbours(left, right)
        place = left & PLACE or right & PLACE or NOWHERE
        if shape & FORBIDDEN[place & BITS]:
            check_content(shape, place, facts.ranges[0], facts.deletes)
        if left_client != client or left_clock + 1 != start:
            self._crowding.add((hash(placement[4:8]),), limits.max_blind_writes)
        own = runs[client]
        level = place | shape & OWN
        if level != own[-1] & LEVEL_MASK:
            own.append(start << LEVEL_BITS | level)
        if facts.pairs is not None:
            self._add_pairs(facts.pairs)
        self.clocks[client] = end
        return True

    def _place(self, facts: UpdateFacts, limits: DocumentLimits, *, is_trusted: bool) -> None:
        draft = Draft(
            self.clocks, self._runs, facts.deletes, limits.max_depth, is_trusted=is_trusted
        )
        unknown = draft.enter(facts.ranges)
        if unknown and not is_trusted:
            self.check_clients(draft.ends, limits)
        for placement in facts.placements:
            draft.place(placement)
        draft.finish()
        if facts.joins and draft.joined(facts.joins) > limits.max_joined:
            raise LimitExceeded(
                "an update holds too many structs that continue one another; send it as the"
                " document's own diff, not as a merge of its history"
            )
        self._crowd(facts.placements, limits)
        if facts.pairs is not None:
            self._add_pairs(facts.pairs)
        if unknown:
            new = [client for client in draft.ends if client not in self.clocks]
            self._spread.add(new, self.clocks, len(self.clocks) + unknown)
        for client, end in draft.ends.items():
            if client in self._runs:
                self._runs[client].extend(draft.runs[client])
            else:
                self._runs[client] = array("Q", draft.runs[client])
            self.clocks[client] = end

    def _crowd(self, placements: list[Placement], limits: DocumentLimits) -> None:
        """Count what is put where; what is known already is counted already."""
        clocks = self.clocks
        places = [
            place
            for placement in placements
            if placement.start >= clocks.get(placement.client, 0)
            and (place := crowded_place(placement)) is not None
        ]
        if places:
            self._crowding.add(places, limits.max_blind_writes)

    def _check_pairs(self, facts: UpdateFacts) -> None:
        brought = facts.pairs or {}
        check_cuts(facts.placements, self._pairs, brought)
        check_deleted(facts.deletes, self._pairs, brought)
        check_overlap(facts.ranges, self.clocks, brought)

    def _add_pairs(self, pairs: dict[int, array[int]]) -> None:
        """Before the clocks are moved on: what is known already is not added again."""
        for client, middles in pairs.items():
            new = middles[bisect_left(middles, self.clocks.get(client, 0)) :]
            if not new:
                continue
            if client in self._pairs:
                self._pairs[client].extend(new)
            else:
                self._pairs[client] = new

    def depth_of(self, client: int, clock: int) -> int:
        """How deep a struct sits: 1 for what a root type holds, 0 for a collected struct."""
        return level_at(self._runs[client], clock) >> DEPTH_SHIFT

    def to_bytes(self) -> bytes:
        """For storage: a version, then compressed for each client what is known of it."""
        parts = [var_uint(len(self.clocks))]
        for client, clock in self.clocks.items():
            parts += (var_uint(client), var_uint(clock))
            parts.append(_pack(self._runs[client]))
            parts.append(_pack(self._pairs.get(client, array("I"))))
        parts += (var_uint(self._crowding.spent), _pack(self._crowding.counts))
        return bytes((_FORMAT_VERSION,)) + zlib.compress(b"".join(parts), 1)

    @classmethod
    def from_bytes(cls, data: bytes) -> Outline:
        """Read what `to_bytes` wrote.

        Raises:
            Malformed: it is not that, or of another version.
        """
        version = data[0] if data else 0
        if version not in (_WITHOUT_CROWDING, _FORMAT_VERSION):
            raise Malformed("an outline of an unknown version")
        try:
            content = zlib.decompress(data[1:])
        except zlib.error:
            raise Malformed("an outline that cannot be unpacked") from None
        outline = cls()
        clients, position = read_var_uint(content, 0)
        for _ in range(clients):
            client, position = read_var_uint(content, position)
            clock, position = read_var_uint(content, position)
            runs, position = _unpack("Q", content, position)
            pairs, position = _unpack("I", content, position)
            if not (_is_ascending(runs) and _is_ascending(pairs)):
                raise Malformed("an outline out of order")
            if client in outline.clocks or clock > MAX_CLOCK:
                raise Malformed("an outline with a client or clock that cannot be")
            if not runs or runs[0] >> LEVEL_BITS or runs[-1] >> LEVEL_BITS >= clock:
                raise Malformed("an outline that does not cover its clocks")
            outline.clocks[client] = clock
            outline._runs[client] = runs
            if pairs:
                outline._pairs[client] = pairs
        if version != _WITHOUT_CROWDING:
            spent, position = read_var_uint(content, position)
            counts, position = _unpack("I", content, position)
            if len(counts) not in (0, COUNTERS):
                raise Malformed("an outline with another number of counters")
            outline._crowding = Crowding(counts, spent)
        if position != len(content):
            raise Malformed("bytes follow the outline")
        outline._spread.add(outline.clocks, (), len(outline.clocks))
        return outline


def _pack(numbers: array[int]) -> bytes:
    """A count, then the numbers, lowest byte first."""
    if sys.byteorder == "big":
        numbers = numbers[:]
        numbers.byteswap()
    return var_uint(len(numbers)) + numbers.tobytes()


def _unpack(typecode: str, data: bytes, position: int) -> tuple[array[int], int]:
    """Read numbers; return them and where they end."""
    count, position = read_var_uint(data, position)
    numbers: array[int] = array(typecode)
    end = position + count * numbers.itemsize
    if end > len(data):
        raise Malformed("an outline that is cut off")
    numbers.frombytes(data[position:end])
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers, end


def _is_ascending(numbers: array[int]) -> bool:
    return all(map(lt, numbers, numbers[1:]))
