"""What the guard, the outline and the owners ought to say, worked out clock by clock.

Slow and plain: one entry for each clock of a document. Nothing is shared with what it checks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from crdt_docs.varint import read_var_bytes
from tests.fuzz.written import COLLECTED, SKIP, TEXT, TYPE, Id, Section, Struct, Written

Owner = tuple[str, str]
"""A root map and a key in it."""

Ranges = dict[int, list[tuple[int, int]]]


class Facts(NamedTuple):
    """What `UpdateFacts` says, as far as it is not about cost."""

    ranges: list[tuple[int, int, int]]
    references: dict[int, int]
    deletes: Ranges
    pairs: dict[int, list[int]]
    struct_count: int
    roots: frozenset[str]


class Spot(NamedTuple):
    """Where one clock of a document stands.

    Attributes:
        depth: 1 for what a root holds, 0 for what has no place.
        owner: the object it belongs to.
        is_type: whether it is a shared type.
    """

    depth: int
    owner: Owner | None
    is_type: bool


NOWHERE = Spot(0, None, is_type=False)


def with_clocks(section: Section) -> Iterator[tuple[int, Struct]]:
    """Its structs, each with its first clock."""
    clock = section.clock
    for struct in section.structs:
        yield clock, struct
        clock += struct.length


def facts(written: Written) -> Facts:
    """What the guard has to tell of an update that it accepts."""
    found = Facts(
        [], {}, {}, {}, sum(len(each.structs) for each in written.sections), _roots(written)
    )
    for section in written.sections:
        for clock, struct in with_clocks(section):
            if struct.kind != SKIP:
                _extend(found.ranges, section.client, clock, clock + struct.length)
            for client, named in _references(struct):
                found.references[client] = max(found.references.get(client, 0), named + 1)
            if struct.kind == TEXT:
                middles = list(_middles(struct, clock))
                if middles:
                    found.pairs.setdefault(section.client, []).extend(middles)
    for client, spans in written.deletes.items():
        found.deletes[client] = [(clock, clock + length) for clock, length in spans]
    return found


def _roots(written: Written) -> frozenset[str]:
    parents = [struct.parent for section in written.sections for struct in section.structs]
    return frozenset(parent.decode() for parent in parents if isinstance(parent, bytes))


def _extend(ranges: list[tuple[int, int, int]], client: int, start: int, end: int) -> None:
    if ranges and ranges[-1][0] == client and ranges[-1][2] == start:
        ranges[-1] = (client, ranges[-1][1], end)
    else:
        ranges.append((client, start, end))


def _references(struct: Struct) -> list[Id]:
    named = [struct.origin, struct.right]
    if isinstance(struct.parent, tuple):
        named.append(struct.parent)
    return [each for each in named if each is not None]


def _middles(struct: Struct, clock: int) -> Iterator[int]:
    """The clocks at which second halves of surrogate pairs stand."""
    units = _text(struct).encode("utf-16-le")
    for index in range(0, len(units), 2):
        if 0xDC <= units[index + 1] <= 0xDF:
            yield clock + index // 2


def _text(struct: Struct) -> str:
    return read_var_bytes(struct.content, 0)[0].decode()


@dataclass
class Reference:
    """The structure of a document. `roots` are those whose entries own what is in them."""

    roots: tuple[str, ...]
    spots: dict[int, list[Spot]] = field(default_factory=dict)

    @property
    def clocks(self) -> dict[int, int]:
        """Per client the next clock."""
        return {client: len(spots) for client, spots in self.spots.items() if spots}

    def take(self, written: Written) -> list[tuple[int, set[Owner | None]]]:
        """Add an update that connects; return the owners of what is new, by client."""
        brought: dict[int, set[Owner | None]] = {each.client: set() for each in written.sections}
        queues = {each.client: list(with_clocks(each)) for each in written.sections}
        while any(queues.values()):
            before = sum(map(len, queues.values()))
            for client, queue in queues.items():
                while queue and self._is_known(client, queue[0]):
                    clock, struct = queue.pop(0)
                    brought[client] |= self._add(client, clock, struct)
            if sum(map(len, queues.values())) == before:
                raise AssertionError("an update that was said to connect does not")
        return list(brought.items())

    def owners_of(self, deletes: Ranges) -> set[Owner | None]:
        """To whom what is deleted belongs."""
        return {
            spot.owner
            for client, spans in deletes.items()
            for start, end in spans
            for spot in self.spots.get(client, [])[start:end]
        }

    def _is_known(self, client: int, placed: tuple[int, Struct]) -> bool:
        clock, struct = placed
        if struct.kind == SKIP:
            return True
        if clock > len(self.spots.get(client, ())):
            return False
        return all(named < len(self.spots.get(other, ())) for other, named in _references(struct))

    def _add(self, client: int, clock: int, struct: Struct) -> set[Owner | None]:
        spots = self.spots.setdefault(client, [])
        new = clock + struct.length - len(spots)
        if struct.kind == SKIP or new <= 0:
            return set()
        # yrs puts the rest of what continues its client's behind what it knows: nowhere, if that
        # was collected meanwhile.
        goes_on = clock < len(spots) and struct.origin == (client, clock - 1)
        spot = spots[-1] if goes_on else self._spot(struct)
        spots += [spot] * new
        return {spot.owner}

    def _spot(self, struct: Struct) -> Spot:
        if struct.kind == COLLECTED:
            return NOWHERE
        is_type = struct.kind == TYPE
        beside = [each for each in (struct.origin, struct.right) if each is not None]
        if beside:
            around = [self._at(each) for each in beside]
            depth = next((spot.depth for spot in around if spot.depth), 0)
            return Spot(depth, around[0].owner, is_type)
        if isinstance(struct.parent, tuple):
            above = self._at(struct.parent)
            is_there = above.is_type and above.depth
            return Spot(above.depth + 1 if is_there else 0, above.owner, is_type)
        return Spot(1, self._entry(struct), is_type)

    def _entry(self, struct: Struct) -> Owner | None:
        assert isinstance(struct.parent, bytes)
        root = struct.parent.decode()
        if struct.key is None or root not in self.roots:
            return None
        return root, struct.key.decode()

    def _at(self, identifier: Id) -> Spot:
        return self.spots[identifier[0]][identifier[1]]


def united(ranges: Iterable[tuple[int, int, int]]) -> set[tuple[int, int]]:
    """Every (client, clock) of some ranges; they have to be short."""
    return {(client, clock) for client, start, end in ranges for clock in range(start, end)}
