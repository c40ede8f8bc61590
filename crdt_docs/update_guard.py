"""The walk over an untrusted Yjs update, before yrs or `merge_updates` sees it (GRD).

yrs trusts its input: a count may make it allocate gigabytes, nesting overflows its stack, and what
it reads differently from others corrupts the document. So every update from outside is walked here
first. The walk keeps nothing of the contents; what it learns about clocks and places is an
`UpdateFacts`, from which an outline decides whether the document can take the update.

The encoding is version 1 (yjs, `encodeStateAsUpdate`): a number of clients; for each its number of
structs, its id, the first clock, the structs; then the delete set.
"""

from __future__ import annotations

from array import array
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from zlib import crc32

from crdt_docs.clocks import MAX_CLOCK, ClockRanges
from crdt_docs.content_guard import (
    ANY,
    ANY_STRING,
    ANY_TRUE,
    ARRAY_TYPE,
    BINARY,
    COLLECTED,
    DELETED,
    EMBED,
    FORMATTING,
    SHARED_TYPE,
    SKIPPED,
    STRING,
    SUBDOCUMENT,
    TEXT_AT_ONCE,
    UNENDING,
    XML_ELEMENT_TYPE,
    XML_FRAGMENT_TYPE,
    ContentLimits,
    ContentWalk,
    Mend,
    decode,
    low_surrogates,
    utf16_length,
    walk_long_text,
)
from crdt_docs.delete_set_guard import read_span, walk_deletes
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
    in_causal_order,
)
from crdt_docs.update_facts import UpdateFacts
from crdt_docs.varint import read_var_uint


@dataclass(frozen=True, slots=True)
class GuardLimits:
    """What a well-formed update may amount to; above it the update is refused.

    Attributes:
        structs: per update.
        blind_writers: clients that, in one update, set one map key or begin one list without
            having seen one another.
        repeated_places: structs of one client between the same two neighbours as another of its,
            or under the same key without an origin, which editors hardly ever write; yrs compares
            each with all between them.
        deletes: ranges per update. A document's history may hold many.
        contents: of all structs together.
    """

    structs: int = 200_000
    blind_writers: int = 1_000
    repeated_places: int = 64
    deletes: int = 1_000_000
    contents: ContentLimits = field(default_factory=ContentLimits)


DEFAULT_LIMITS = GuardLimits()


def walk_update(data: bytes, limits: GuardLimits = DEFAULT_LIMITS) -> UpdateFacts:
    """Walk an update to its end.

    Raises:
        Malformed: the bytes are not an update that any Yjs encoder produces, or not one that yrs
            reads as others do.
        LimitExceeded: they are, but it is more than `limits` allow.
    """
    facts = _advance(_walk(data, limits, UNENDING))
    if facts is None:
        raise AssertionError("a walk without a budget does not pause")
    return facts


class GuardWalk:
    """The same walk in slices, for updates that would hold up everybody else (GRD-14)."""

    __slots__ = ("_data", "_limits", "_walk")

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
        return _advance(self._walk)


def _advance(walk: Generator[None, None, UpdateFacts]) -> UpdateFacts | None:
    try:
        next(walk)
    except StopIteration as done:
        facts: UpdateFacts = done.value
        return facts
    except IndexError:
        # Checked nowhere in the walk: reading past the end is the check.
        raise Malformed("the update ends before it is complete") from None
    return None


_ONLY_IN_TEXTS = frozenset((STRING, EMBED, FORMATTING))
_TYPE_SHAPES = {
    ARRAY_TYPE: TYPE | ARRAY,
    XML_ELEMENT_TYPE: TYPE | XML,
    XML_FRAGMENT_TYPE: TYPE | XML,
}
_PLACED = GONE | INLINE | TYPE
_JOINED = frozenset((STRING, ANY))
_VALUE_SIZE = 48
"""Bytes of a value in the memory of yrs, measured."""
_NOTED_COST = 1 << 16
_NO_ROOTS: frozenset[str] = frozenset()


def _walk(  # noqa: C901, PLR0912, PLR0915 - the hot path: a call a field would triple its cost
    data: bytes, limits: GuardLimits, budget: int
) -> Generator[None, None, UpdateFacts]:
    size = len(data)
    walked = 0
    position = 1
    clients = data[0]
    if clients >= 0x80:
        clients, position = read_var_uint(data, 0)
    # GRD-1: a client takes five bytes at least: count, id, clock, and one struct of two.
    if clients * 5 > size - position:
        raise Malformed(f"{clients} clients do not fit in an update of {size} bytes")

    ranges: list[tuple[int, int, int]] = []
    references: dict[int, int] = {}
    placements: list[Placement] = []
    pairs: dict[int, array[int]] | None = None
    first_clocks: dict[int, int] = {}
    roots: dict[bytes, str] | None = None
    writers: dict[tuple[object, bytes | None], tuple[int, int]] | None = None
    joins: list[tuple[int, int, int]] | None = None
    contents: ContentWalk | None = None
    dropped: list[Mend] | None = None
    client_bytes = b"\x00"
    client_size = client = struct_count = shape = 0
    crosses = placed = says_true = False

    for _ in range(clients):
        structs = data[position]
        position += 1
        if structs >= 0x80:
            structs, position = read_var_uint(data, position - 1)
        if structs == 0:
            raise Malformed("a client is listed without structs")
        if structs * 2 > size - position:
            raise Malformed(f"{structs} structs do not fit in the bytes that remain")
        struct_count += structs
        if struct_count > limits.structs:
            raise LimitExceeded(
                f"an update may hold {limits.structs} structs; send several smaller ones"
            )
        start = position
        client, position = read_var_uint(data, position)
        client_bytes = data[start:position]
        client_size = position - start
        clock = data[position]
        position += 1
        if clock >= 0x80:
            clock, position = read_var_uint(data, position - 1)
        range_start = clock
        if clients > 1:
            if client in first_clocks:
                raise Malformed(f"client {client} is listed twice")
            first_clocks[client] = clock
        proven = 0
        last_kind = last_right = ABSENT
        last_right_clock = row = row_start = row_cost = repeated = 0
        places: set[tuple[int, int, int, int]] | None = None

        for _ in range(structs):
            walked += 1
            if walked >= budget:
                walked = 0
                yield
            info = data[position]
            info_at = position
            position += 1
            kind = info & 0x1F
            if kind in (COLLECTED, SKIPPED):
                if info != kind:
                    raise Malformed("a collected or skipped struct has neither place nor content")
                length, position = read_var_uint(data, position)
                if length == 0:
                    raise Malformed("a struct takes no clock")
                if kind == COLLECTED:
                    placements.append(
                        Placement(client, clock, clock + length, GONE, ABSENT, 0, ABSENT, 0)
                    )
                else:
                    if clock > range_start:
                        ranges.append((client, range_start, clock))
                    range_start = clock + length
                clock += length
                proven = 0
                last_kind = last_right = ABSENT
                last_right_clock = 0
                continue

            # Where it is: its origins or, without any, its parent.
            shape = left_clock = right_clock = place = 0
            left_client = right_client = ABSENT
            placed = True
            if info & 0x80:
                if data.startswith(client_bytes, position):
                    left_client = client
                    position += client_size
                else:
                    left_client, position = read_var_uint(data, position)
                left_clock = data[position]
                position += 1
                if left_clock >= 0x80:
                    left_clock, position = read_var_uint(data, position - 1)
                if left_client != client:
                    crosses = True
                elif left_clock >= clock:
                    raise Malformed("a struct has its origin at or after itself")
                else:
                    # What continues the clock before it is placed with that.
                    placed = left_clock + 1 != clock
                if references.get(left_client, 0) <= left_clock:
                    references[left_client] = left_clock + 1
            if info & 0x40:
                right_at = position
                if data.startswith(client_bytes, position):
                    right_client = client
                    position += client_size
                else:
                    right_client, position = read_var_uint(data, position)
                right_clock = data[position]
                position += 1
                if right_clock >= 0x80:
                    right_clock, position = read_var_uint(data, position - 1)
                if right_client != client:
                    crosses = True
                elif right_clock >= clock:
                    raise Malformed("a struct has its right origin at or after itself")
                if right_clock == left_clock and right_client == left_client:
                    # GRD-29: it is read as if it had only the left one, from here on.
                    dropped = dropped or []
                    dropped.append((info_at, info_at + 1, bytes((info & 0xBF,))))
                    dropped.append((right_at, position, b""))
                    right_client, right_clock = ABSENT, 0
                else:
                    # Unless the struct before it stands left of the same neighbour.
                    placed = placed or right_client != last_right or right_clock != last_right_clock
                    if references.get(right_client, 0) <= right_clock:
                        references[right_client] = right_clock + 1
            elif left_client == ABSENT:
                owner: object
                place_start = position
                named = data[position]
                position += 1
                if named == 1:
                    shape = ROOT
                    length = data[position]
                    position += 1
                    if length >= 0x80:
                        length, position = read_var_uint(data, position - 1)
                    start = position
                    position += length
                    if position > size:
                        raise Malformed("the name of a root type does not fit in what remains")
                    owner = name = data[start:position]
                    if roots is None:
                        roots = {name: decode(name)}
                    elif name not in roots:
                        roots[name] = decode(name)
                elif named == 0:
                    shape = CHILD
                    left_client, position = read_var_uint(data, position)
                    left_clock, position = read_var_uint(data, position)
                    if left_client != client:
                        crosses = True
                    elif left_clock >= clock:
                        raise Malformed("a struct has its parent at or after itself")
                    owner = (left_client, left_clock)
                    if references.get(left_client, 0) <= left_clock:
                        references[left_client] = left_clock + 1
                else:
                    raise Malformed("a parent is either named (1) or given by id (0)")
                key = None
                if info & 0x20:
                    shape |= KEYED
                    if kind in _ONLY_IN_TEXTS:
                        raise Malformed("characters or marks stand under a map key")
                    length = data[position]
                    position += 1
                    if length >= 0x80:
                        length, position = read_var_uint(data, position - 1)
                    start = position
                    position += length
                    if position > size:
                        raise Malformed("a map key does not fit in what remains")
                    key = data[start:position]
                    if not key.isascii():
                        decode(key)
                # GRD-27: numbers have one spelling each, so these bytes are the name of a place.
                place = crc32(data[place_start:position])
                if structs > 1 or clients > 1:
                    # GRD-11: yrs compares each writer of a place with all before it.
                    if writers is None:
                        writers = {}
                    last, count = writers.get((owner, key), (ABSENT, 0))
                    if last == client:
                        repeated += 1
                    elif count == limits.blind_writers:
                        raise LimitExceeded(
                            f"more than {count} clients write to one place without an origin"
                        )
                    writers[owner, key] = (client, count + 1)

            # What it is.
            if kind == ANY and data[position] == 1 and data[position + 1] == ANY_STRING:
                # One string, by far the most frequent value.
                length = data[position + 2]
                position += 3
                if length >= 0x80:
                    length, position = read_var_uint(data, position - 1)
                start = position
                position += length
                if position > size:
                    raise Malformed("a string does not fit in the bytes that remain")
                text = data[start:position]
                if not text.isascii():
                    decode(text)
                length = 1
                shape |= SINGLE
            elif kind == STRING:
                length, position = read_var_uint(data, position)
                start = position
                position += length
                if position > size:
                    raise Malformed("a text does not fit in the bytes that remain")
                if length == 0:
                    raise Malformed("a text without characters")
                text = data[start:position]
                if length > TEXT_AT_ONCE and not text.isascii():
                    found = array("I")
                    length = yield from walk_long_text(text, clock, found, budget)
                    if found:
                        pairs = pairs or {}
                        pairs.setdefault(client, array("I")).extend(found)
                elif not text.isascii():
                    length, units = utf16_length(text)
                    if units is not None:
                        if clock + length > MAX_CLOCK:
                            raise Malformed(f"a clock is above {MAX_CLOCK}")
                        if pairs is None:
                            pairs = {}
                        found = pairs.setdefault(client, array("I"))
                        yield from low_surrogates(units, clock, found, budget)
                shape |= TEXT
            else:
                if contents is None:
                    contents = ContentWalk(data, limits.contents)
                if kind == ANY:
                    says_true = says_true or data[position + 1] == ANY_TRUE
                    length, position = yield from contents.values(position, budget)
                    shape |= SEVERAL if length > 1 else SINGLE
                elif kind == SUBDOCUMENT:
                    shape |= SINGLE
                    length, position = yield from contents.subdocument(position, budget)
                else:
                    if kind == DELETED:
                        shape |= GONE
                    elif kind in (EMBED, FORMATTING):
                        shape |= INLINE
                    elif kind == SHARED_TYPE:
                        shape |= _TYPE_SHAPES.get(data[position], TYPE)
                    elif kind == BINARY:
                        shape |= SINGLE
                    length, position = contents.single(kind, position)
                    if contents.work:
                        walked += contents.work
                        contents.work = 0
            if structs > 1:
                same_right = right_client == last_right and right_clock == last_right_clock
                if same_right and not placed and kind == last_kind and kind in _JOINED:
                    row += 1
                    row_cost += row * (position - start if kind == STRING else length * _VALUE_SIZE)
                else:
                    if row_cost > _NOTED_COST:
                        joins = joins or []
                        joins.append((client, row_start, row_cost))
                    row = row_cost = 0
                    row_start = clock
                last_kind = kind
                if placed and not shape & (ROOT | CHILD):
                    neighbours = (left_client, left_clock, right_client, right_clock)
                    if places is None:
                        places = {neighbours}
                    elif neighbours in places:
                        repeated += 1
                    else:
                        places.add(neighbours)
            content = shape & CONTENT
            if placed:
                proven = content & ~SEVERAL
            else:
                if shape & _PLACED:
                    placed = True
                elif content & ~proven:
                    # That it may stand here is not known from the structs before it. Of several
                    # values it never is: each is deleted by the same update, or not (GRD-22).
                    placed = struct_count + clients > 2
                proven |= content & ~SEVERAL
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
                        place,
                    )
                )
            last_right = right_client
            last_right_clock = right_clock
            clock += length
        if clock > MAX_CLOCK:
            raise Malformed(f"a clock is above {MAX_CLOCK}")
        if clock > range_start:
            ranges.append((client, range_start, clock))
        if row_cost > _NOTED_COST:
            joins = joins or []
            joins.append((client, row_start, row_cost))
        if repeated > limits.repeated_places:
            raise LimitExceeded(
                f"a client puts more than {limits.repeated_places} structs in one place"
            )

    for known in references.values():
        if known > MAX_CLOCK:
            raise Malformed(f"a clock that is referred to is above {MAX_CLOCK}")
    deletes: ClockRanges = {}
    if data[position] == 0:
        position += 1
    elif data.startswith(b"\x01" + client_bytes + b"\x01", position):
        # One range of the client that writes: it replaces a value of its own.
        span, position = read_span(data, position + client_size + 2, 0)
        deletes[client] = [span]
    else:
        position = yield from walk_deletes(data, position, deletes, limits.deletes, budget)
    if position != size:
        raise Malformed(f"{size - position} bytes follow the update")
    if crosses and clients > 1:
        placements = yield from in_causal_order(placements, first_clocks, budget)
    return UpdateFacts(
        ranges,
        references,
        deletes,
        placements,
        pairs,
        joins or (),
        0 if placed else shape,
        struct_count,
        _NO_ROOTS if roots is None else frozenset(roots.values()),
        _mends(contents, dropped),
        says_true,
    )


def _mends(contents: ContentWalk | None, dropped: list[Mend] | None) -> Sequence[Mend]:
    found = () if contents is None else contents.mends
    return tuple(found if dropped is None else sorted((*found, *dropped)))
