"""Cutting accepted updates, as bytes: the part that connects, placeholders, what is news.

Everything here takes updates that the guard has walked. Structs are sliced, not encoded again, so
that a cut update says exactly what its sender said.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from crdt_docs.content_guard import (
    ANY,
    COLLECTED,
    SKIPPED,
    STRING,
    UNENDING,
    ContentLimits,
    ContentWalk,
    utf16_length,
)
from crdt_docs.update_guard import ClockRanges, UpdateFacts
from crdt_docs.varint import read_var_bytes, read_var_uint, var_uint

EMPTY_UPDATE = b"\x00\x00"
"""Brings nothing, deletes nothing."""

_NO_LIMITS = ContentLimits(UNENDING, UNENDING, UNENDING)


class Struct(NamedTuple):
    """One struct within an update.

    Attributes:
        clock: its first clock.
        end: one past its last clock.
        stop: where its bytes end; the next struct begins there.
        is_skip: it only says that something is left out.
        references: client and clock of its origins and its parent, as many as it has.
    """

    clock: int
    end: int
    stop: int
    is_skip: bool
    references: tuple[tuple[int, int], ...]


class Section(NamedTuple):
    """One client's structs within an update; their bytes begin at `start`."""

    client: int
    start: int
    structs: list[Struct]


def read_sections(update: bytes) -> tuple[list[Section], int]:
    """Find the structs of a walked update; return them and where its delete set begins."""
    contents = ContentWalk(update, _NO_LIMITS)
    clients, position = read_var_uint(update, 0)
    sections = []
    for _ in range(clients):
        count, position = read_var_uint(update, position)
        client, position = read_var_uint(update, position)
        clock, position = read_var_uint(update, position)
        section = Section(client, position, [])
        for _ in range(count):
            struct = _read_struct(update, position, clock, contents)
            section.structs.append(struct)
            position, clock = struct.stop, struct.end
        sections.append(section)
    return sections, position


def _read_struct(update: bytes, position: int, clock: int, contents: ContentWalk) -> Struct:
    info = update[position]
    kind = info & 0x1F
    position += 1
    if kind in (COLLECTED, SKIPPED):
        length, position = read_var_uint(update, position)
        return Struct(clock, clock + length, position, is_skip=kind == SKIPPED, references=())
    references = []
    for _ in range((info >> 7) + (info >> 6 & 1)):
        reference, position = _read_id(update, position)
        references.append(reference)
    if not references:
        named, position = read_var_uint(update, position)
        if named:
            _, position = read_var_bytes(update, position)
        else:
            reference, position = _read_id(update, position)
            references.append(reference)
        if info & 0x20:
            _, position = read_var_bytes(update, position)
    length, position = _read_content(update, position, kind, contents)
    return Struct(clock, clock + length, position, is_skip=False, references=tuple(references))


def _read_id(update: bytes, position: int) -> tuple[tuple[int, int], int]:
    client, position = read_var_uint(update, position)
    clock, position = read_var_uint(update, position)
    return (client, clock), position


def _read_content(
    update: bytes, position: int, kind: int, contents: ContentWalk
) -> tuple[int, int]:
    """How many clocks the content takes, and where it ends."""
    if kind == STRING:
        text, position = read_var_bytes(update, position)
        return utf16_length(text)[0], position
    if kind != ANY:
        return contents.single(kind, position)
    walk = contents.values(position, UNENDING)
    try:
        next(walk)
    except StopIteration as done:
        found: tuple[int, int] = done.value
        return found
    raise AssertionError("a walk without a budget does not pause")


def connecting_part(update: bytes, clocks: Mapping[int, int]) -> bytes | None:
    """The largest part of a walked update that connects to a document with these clocks.

    Of each client the structs up to the first gap, as long as what they refer to is known to the
    document or kept too; of the delete set what deletes known or kept structs. Structs that are
    wholly known are left out. None if nothing is left.
    """
    sections, delete_set_at = read_sections(update)
    reached = _connected(sections, clocks)
    parts = [b""]
    for client, start, structs in sections:
        known = clocks.get(client, 0)
        kept = [struct for struct in structs if known < struct.end <= reached[client]]
        while kept and kept[0].is_skip:
            kept.pop(0)
        if not kept:
            continue
        first = structs.index(kept[0])
        begin = structs[first - 1].stop if first else start
        header = var_uint(len(kept)) + var_uint(client) + var_uint(kept[0].clock)
        parts.append(header + update[begin : kept[-1].stop])
    deletes = {
        client: cut
        for client, spans in _read_spans(update, delete_set_at).items()
        if (cut := _cut(spans, reached.get(client) or clocks.get(client, 0)))
    }
    if len(parts) == 1 and not deletes:
        return None
    parts[0] = var_uint(len(parts) - 1)
    return b"".join(parts) + _write_spans(deletes)


def _connected(sections: list[Section], clocks: Mapping[int, int]) -> dict[int, int]:
    """Per client of the update how far its structs connect."""
    queues = {section.client: iter(section.structs) for section in sections}
    heads = {client: next(queue, None) for client, queue in queues.items()}
    reached = {client: clocks.get(client, 0) for client in queues}
    waiting: dict[int, list[int]] = {}
    ready = list(queues)
    while ready:
        client = ready.pop()
        while (struct := heads[client]) is not None:
            if struct.end > reached[client]:
                if struct.is_skip or struct.clock > reached[client]:
                    break
                needed = _first_unknown(struct.references, reached, clocks)
                if needed is not None:
                    waiting.setdefault(needed, []).append(client)
                    break
                reached[client] = struct.end
            heads[client] = next(queues[client], None)
            ready += waiting.pop(client, ())
    return reached


def _first_unknown(
    references: Iterable[tuple[int, int]], reached: Mapping[int, int], clocks: Mapping[int, int]
) -> int | None:
    for client, clock in references:
        known = reached.get(client)
        if clock >= (clocks.get(client, 0) if known is None else known):
            return client
    return None


def placeholder(ranges: Iterable[tuple[int, int, int]]) -> bytes:
    """An update that fills clock ranges (client, start, end) with collected structs.

    Ranges of one client must be disjoint and ascending. It deletes nothing.
    """
    by_client: ClockRanges = {}
    for client, start, end in ranges:
        by_client.setdefault(client, []).append((start, end))
    clients = sorted(by_client, reverse=True)
    sections = (_collected(client, by_client[client]) for client in clients)
    return var_uint(len(clients)) + b"".join(sections) + b"\x00"


def _collected(client: int, spans: list[tuple[int, int]]) -> bytes:
    structs = []
    position = first = spans[0][0]
    for start, end in spans:
        if start > position:
            structs.append(b"\x0a" + var_uint(start - position))
        structs.append(b"\x00" + var_uint(end - start))
        position = end
    return var_uint(len(structs)) + var_uint(client) + var_uint(first) + b"".join(structs)


def read_delete_set(update: bytes) -> ClockRanges:
    """What a walked update deletes."""
    at = 1 if update[:1] == b"\x00" else read_sections(update)[1]
    return _read_spans(update, at)


def is_deleted_already(deletes: ClockRanges, delete_set: ClockRanges) -> bool:
    """Whether every clock of `deletes` is in `delete_set`."""
    for client, spans in deletes.items():
        known = iter(delete_set.get(client, ()))
        start, end = 0, 0
        for wanted_start, wanted_end in spans:
            while end < wanted_end:
                if (span := next(known, None)) is None:
                    return False
                # Adjacent ranges need not be joined.
                start, end = (start, span[1]) if span[0] == end else span
            if start > wanted_start:
                return False
    return True


def brings_news(facts: UpdateFacts, clocks: Mapping[int, int], delete_set: ClockRanges) -> bool:
    """Whether an update would change anything in a document with these clocks and deletes.

    `delete_set` is what `read_delete_set(doc.get_update(doc.get_state()))` gives.
    """
    if any(end > clocks.get(client, 0) for client, _, end in facts.ranges):
        return True
    return facts.has_deletes and not is_deleted_already(facts.deletes, delete_set)


def _read_spans(update: bytes, position: int) -> ClockRanges:
    clients, position = read_var_uint(update, position)
    deletes: ClockRanges = {}
    for _ in range(clients):
        client, position = read_var_uint(update, position)
        count, position = read_var_uint(update, position)
        spans = []
        for _ in range(count):
            start, position = read_var_uint(update, position)
            length, position = read_var_uint(update, position)
            spans.append((start, start + length))
        deletes[client] = spans
    return deletes


def _cut(spans: Iterable[tuple[int, int]], known: int) -> list[tuple[int, int]]:
    return [(start, min(end, known)) for start, end in spans if start < known]


def _write_spans(deletes: ClockRanges) -> bytes:
    return b"".join(_spans_of(deletes))


def _spans_of(deletes: ClockRanges) -> Iterator[bytes]:
    yield var_uint(len(deletes))
    for client, spans in deletes.items():
        yield var_uint(client) + var_uint(len(spans))
        for start, end in spans:
            yield var_uint(start) + var_uint(end - start)
