"""The walk over an untrusted Yjs update, before yrs or `merge_updates` sees it (GRD).

yrs trusts its input: a count may make it allocate gigabytes, deep nesting overflows its stack, and
invalid text is undefined behaviour. So every update from outside is walked here first. The walk
keeps nothing of the contents; what it learns about clocks and places is an `UpdateFacts`.

The encoding is version 1 (yjs, `encodeStateAsUpdate`): a number of clients; for each its number of
structs, its id, the first clock, the structs; then the delete set.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field
from typing import NamedTuple

from crdt_docs.content_guard import UNENDING, ContentLimits, ContentWalk, utf16_length
from crdt_docs.errors import LimitExceeded, Malformed
from crdt_docs.placement import (
    ABSENT,
    CHILD,
    FORMAT,
    GONE,
    KEYED,
    ROOT,
    TYPE,
    Placement,
    causally_ordered,
)
from crdt_docs.varint import read_var_uint

MAX_CLOCK = 2**31 - 1
"""The highest value a clock, or the end of a clock range, may have: yrs calculates in 32 bits."""


@dataclass(frozen=True, slots=True)
class GuardLimits:
    """What a well-formed update may amount to; above it the update is refused.

    Attributes:
        structs: per update.
        contents: see there.
        key_writers: clients that set the same map key in one update without seeing one another.
    """

    structs: int = 20_000
    contents: ContentLimits = field(default_factory=ContentLimits)
    key_writers: int = 1_000


DEFAULT_LIMITS = GuardLimits()


class UpdateFacts(NamedTuple):
    """What the guard learnt from an update it accepted.

    Attributes:
        ranges: clock ranges (client, start, end) it brings, in order of appearance. Skips are
            left out; adjacent structs are joined.
        references: per client one past the highest clock that an origin, right origin or parent
            names, including those that the update itself brings.
        deletes: per client one past the highest clock it deletes.
        placements: of the structs that do not simply continue the one before them, ordered so
            that each follows what it refers to.
        struct_count: structs in it, skips included.
        roots: names of the root types it mentions.
        delete_set_at: where in the bytes its delete set begins.
    """

    ranges: list[tuple[int, int, int]]
    references: dict[int, int]
    deletes: dict[int, int]
    placements: list[Placement]
    struct_count: int
    roots: frozenset[str]
    delete_set_at: int

    @property
    def has_deletes(self) -> bool:
        """Whether it deletes anything."""
        return bool(self.deletes)

    @property
    def is_empty(self) -> bool:
        """Whether it neither brings nor deletes anything."""
        return not self.ranges and not self.deletes


_NO_ROOTS: frozenset[str] = frozenset()


def walk_update(data: bytes, limits: GuardLimits = DEFAULT_LIMITS) -> UpdateFacts:
    """Walk an update to its end.

    Raises:
        Malformed: the bytes are not an update that any Yjs encoder produces.
        LimitExceeded: they are, but it is more than `limits` allow.
    """
    try:
        next(_walk(data, limits, UNENDING))
    except StopIteration as done:
        facts: UpdateFacts = done.value
        return facts
    except IndexError:
        raise Malformed("the update ends within a struct or a delete set") from None
    raise AssertionError("a walk without a budget does not pause")


class GuardWalk:
    """The same walk in slices, for updates that would hold up everybody else."""

    def __init__(self, data: bytes, limits: GuardLimits = DEFAULT_LIMITS) -> None:
        self._data = data
        self._limits = limits
        self._walk: Generator[None, None, UpdateFacts] | None = None

    def advance(self, structs: int) -> UpdateFacts | None:
        """Walk about `structs` further structs, values or delete ranges.

        The number given first holds for the whole walk. Returns None while there is more to do.

        Raises:
            Malformed, LimitExceeded: as `walk_update`.
        """
        if self._walk is None:
            self._walk = _walk(self._data, self._limits, structs)
        try:
            next(self._walk)
        except StopIteration as done:
            facts: UpdateFacts = done.value
            return facts
        except IndexError:
            raise Malformed("the update ends within a struct or a delete set") from None
        return None


def _walk(  # noqa: C901, PLR0912, PLR0915 - the hot path: a call a field would triple its cost
    data: bytes, limits: GuardLimits, budget: int
) -> Generator[None, None, UpdateFacts]:
    size = len(data)
    done = 0
    position = 1
    clients = data[0]
    if clients >= 0x80:
        clients, position = read_var_uint(data, 0)
    # A client takes five bytes at least: count, id, clock, and one struct of two.
    if clients * 5 > size - position:
        raise Malformed(f"{clients} clients do not fit in {size} bytes")

    ranges: list[tuple[int, int, int]] = []
    references: dict[int, int] = {}
    placements: list[Placement] = []
    first_clocks: dict[int, int] = {}
    root_names: set[bytes] | None = None
    writers: dict[object, tuple[int, int]] | None = None
    contents: ContentWalk | None = None
    total = 0
    crossing = False

    for _ in range(clients):
        structs = data[position]
        if structs < 0x80:
            position += 1
        else:
            structs, position = read_var_uint(data, position)
        if structs == 0:
            raise Malformed("a client without structs")
        if structs * 2 > size - position:
            raise Malformed(f"{structs} structs do not fit in the bytes that remain")
        total += structs
        if total > limits.structs:
            raise LimitExceeded(
                f"an update may hold {limits.structs} structs; send it as several smaller ones"
            )
        start = position
        client, position = read_var_uint(data, position)
        client_bytes = data[start:position]
        client_size = position - start
        clock = data[position]
        if clock < 0x80:
            position += 1
        else:
            clock, position = read_var_uint(data, position)
        if client in first_clocks:
            raise Malformed(f"client {client} appears twice")
        first_clocks[client] = range_start = clock
        last_right = ABSENT
        last_right_clock = 0

        for _ in range(structs):
            done += 1
            if done >= budget:
                done = 0
                yield
            info = data[position]
            position += 1
            kind = info & 0x1F
            if kind in (0, 10):
                if info != kind:
                    raise Malformed("a collected or skipped struct has no origins")
                length, position = read_var_uint(data, position)
                if length == 0:
                    raise Malformed("a struct of no length")
                if kind == 0:
                    placements.append(
                        Placement(client, clock, clock + length, GONE, ABSENT, 0, ABSENT, 0)
                    )
                else:
                    if clock > range_start:
                        ranges.append((client, range_start, clock))
                    range_start = clock + length
                clock += length
                last_right = ABSENT
                continue

            # Where it is: origins, or else the parent.
            left_client = right_client = ABSENT
            left_clock = right_clock = 0
            shape = 0
            placed = True
            if info & 0x80:
                if data.startswith(client_bytes, position):
                    left_client = client
                    position += client_size
                else:
                    left_client, position = read_var_uint(data, position)
                left_clock = data[position]
                if left_clock < 0x80:
                    position += 1
                else:
                    left_clock, position = read_var_uint(data, position)
                if left_client == client:
                    if left_clock >= clock:
                        raise Malformed("a struct has its origin at or after itself")
                    # GRD: it continues the clock before it, so its place is known with that.
                    placed = left_clock + 1 != clock
                else:
                    crossing = True
                if references.get(left_client, 0) <= left_clock:
                    references[left_client] = left_clock + 1
            if info & 0x40:
                if data.startswith(client_bytes, position):
                    right_client = client
                    position += client_size
                else:
                    right_client, position = read_var_uint(data, position)
                right_clock = data[position]
                if right_clock < 0x80:
                    position += 1
                else:
                    right_clock, position = read_var_uint(data, position)
                if right_client == client:
                    if right_clock >= clock:
                        raise Malformed("a struct has its right origin at or after itself")
                else:
                    crossing = True
                # GRD: unless it stands, like the struct before it, left of the same neighbour.
                placed = placed or right_client != last_right or right_clock != last_right_clock
                if right_client == left_client and right_clock == left_clock:
                    raise Malformed("a struct has the same left and right origin")
                if references.get(right_client, 0) <= right_clock:
                    references[right_client] = right_clock + 1
            elif left_client == ABSENT:
                named = data[position]
                position += 1
                owner: object
                if named == 1:
                    shape = ROOT
                    length = data[position]
                    if length < 0x80:
                        position += 1
                    else:
                        length, position = read_var_uint(data, position)
                    start = position
                    position += length
                    if position > size:
                        raise Malformed("the name of a root type does not fit")
                    owner = name = data[start:position]
                    if root_names is None:
                        root_names = {name}
                    else:
                        root_names.add(name)
                elif named == 0:
                    shape = CHILD
                    left_client, position = read_var_uint(data, position)
                    left_clock, position = read_var_uint(data, position)
                    if left_client == client:
                        if left_clock >= clock:
                            raise Malformed("a struct has its parent at or after itself")
                    else:
                        crossing = True
                    if references.get(left_client, 0) <= left_clock:
                        references[left_client] = left_clock + 1
                    owner = (left_client, left_clock)
                else:
                    raise Malformed("a parent is either named (1) or given by id (0)")
                if info & 0x20:
                    shape |= KEYED
                    length = data[position]
                    if length < 0x80:
                        position += 1
                    else:
                        length, position = read_var_uint(data, position)
                    start = position
                    position += length
                    if position > size:
                        raise Malformed("a map key does not fit")
                    key = data[start:position]
                    if not key.isascii():
                        utf16_length(key)
                    if structs > 1 or clients > 1:
                        if writers is None:
                            writers = {}
                        place = (owner, key)
                        last, count = writers.get(place, (ABSENT, 0))
                        if last == client:
                            raise Malformed("a map key is set twice without an origin")
                        if count >= limits.key_writers:
                            raise LimitExceeded(
                                f"more than {limits.key_writers} clients set the same map key"
                            )
                        writers[place] = (client, count + 1)

            # What it is.
            if kind == 8 and data[position] == 1 and data[position + 1] == 119:
                # One string, by far the most frequent value.
                position += 2
                length = data[position]
                if length < 0x80:
                    position += 1
                else:
                    length, position = read_var_uint(data, position)
                start = position
                position += length
                if position > size:
                    raise Malformed("a string does not fit in the bytes that remain")
                text = data[start:position]
                if not text.isascii():
                    utf16_length(text)
                length = 1
            elif kind == 4:
                length, position = read_var_uint(data, position)
                start = position
                position += length
                if position > size:
                    raise Malformed("a text does not fit in the bytes that remain")
                text = data[start:position]
                if not text.isascii():
                    length = utf16_length(text)
                if length == 0:
                    raise Malformed("an empty text")
            else:
                if contents is None:
                    contents = ContentWalk(data, limits.contents)
                if kind == 1:
                    shape |= GONE
                    placed = True
                elif kind == 6:
                    if shape & KEYED:
                        raise Malformed("a formatting mark under a map key")
                    shape |= FORMAT
                    placed = True
                elif kind == 7:
                    shape |= TYPE
                    placed = True
                if kind in (2, 8):
                    length, position = yield from contents.values(kind, position, budget)
                else:
                    length, position = contents.single(kind, position)
            if placed:
                placements.append(
                    Placement(
                        client,
                        clock,
                        clock + length,
                        shape,
                        left_client,
                        left_clock,
                        right_client,
                        right_clock,
                    )
                )
            last_right = right_client
            last_right_clock = right_clock
            clock += length
        if clock > MAX_CLOCK:
            raise Malformed(f"a clock is above {MAX_CLOCK}")
        if clock > range_start:
            ranges.append((client, range_start, clock))

    # The delete set.
    deletes: dict[int, int] = {}
    delete_set_at = position
    deleting = data[position]
    if deleting < 0x80:
        position += 1
    else:
        deleting, position = read_var_uint(data, position)
    if deleting:
        # Client, count, and one range of two bytes.
        if deleting * 4 > size - position:
            raise Malformed(f"{deleting} clients in the delete set do not fit")
        client_bytes = b""
        for _ in range(deleting):
            client, position = read_var_uint(data, position)
            spans = data[position]
            if spans < 0x80:
                position += 1
            else:
                spans, position = read_var_uint(data, position)
            if spans * 2 > size - position:
                raise Malformed(f"{spans} delete ranges do not fit in the bytes that remain")
            if client in deletes:
                raise Malformed(f"client {client} appears twice in the delete set")
            end = 0
            for _ in range(spans):
                done += 1
                if done >= budget:
                    done = 0
                    yield
                clock = data[position]
                if clock < 0x80:
                    position += 1
                else:
                    clock, position = read_var_uint(data, position)
                length = data[position]
                if length < 0x80:
                    position += 1
                else:
                    length, position = read_var_uint(data, position)
                if clock < end or length == 0:
                    raise Malformed("delete ranges overlap, are empty or out of order")
                end = clock + length
            if end > MAX_CLOCK:
                raise Malformed(f"a deleted clock is above {MAX_CLOCK}")
            if spans:
                deletes[client] = end
    if position != size:
        raise Malformed(f"{size - position} bytes follow the update")

    roots = _NO_ROOTS if root_names is None else frozenset(map(_text, root_names))
    if crossing and clients > 1:
        placements = yield from _in_order(placements, first_clocks, budget)
    return UpdateFacts(ranges, references, deletes, placements, total, roots, delete_set_at)


def _in_order(
    placements: list[Placement], first_clocks: dict[int, int], budget: int
) -> Generator[None, None, list[Placement]]:
    """`causally_ordered`, pausing after about `budget` placements."""
    walk = causally_ordered(placements, first_clocks)
    while True:
        try:
            for _ in range(min(budget, len(placements) + 1)):
                next(walk)
        except StopIteration as done:
            ordered: list[Placement] = done.value
            return ordered
        yield


def _text(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise Malformed("a text is not valid UTF-8") from None


def walk_state_vector(data: bytes) -> dict[int, int]:
    """Read an untrusted state vector: per client the next clock wanted.

    Raises:
        Malformed: counts, clients or clocks that no Yjs encoder produces.
    """
    clients, position = read_var_uint(data, 0)
    if clients * 2 > len(data) - position:
        raise Malformed(f"{clients} clients do not fit in a state vector of {len(data)} bytes")
    vector: dict[int, int] = {}
    for _ in range(clients):
        client, position = read_var_uint(data, position)
        clock, position = read_var_uint(data, position)
        if client in vector:
            raise Malformed(f"client {client} appears twice in the state vector")
        if clock > MAX_CLOCK:
            raise Malformed(f"a clock is above {MAX_CLOCK}")
        vector[client] = clock
    if position != len(data):
        raise Malformed(f"{len(data) - position} bytes follow the state vector")
    return vector
