"""Cutting accepted updates, as bytes: the part that connects, pieces, placeholders, what is news.

Everything here takes updates that the guard has walked. Structs are sliced, not encoded again, so
that a cut update says exactly what its sender said.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from crdt_docs.update_guard import ClockRanges, UpdateFacts
from crdt_docs.update_structs import Section, Struct, read_sections
from crdt_docs.varint import read_var_uint, var_uint


def connecting_part(update: bytes, clocks: Mapping[int, int]) -> bytes | None:
    """The largest part of a walked update that connects to a document with these clocks.

    Of each client the structs up to the first gap, as long as what they refer to is known to the
    document or kept too; of the delete set what deletes known or kept structs. Structs that are
    wholly known are left out. None if nothing is left.
    """
    sections, delete_set_at = read_sections(update)
    reached = {section.client: clocks.get(section.client, 0) for section in sections}
    kept: dict[int, list[int]] = {}
    for client, index in _connect(sections, reached, clocks):
        kept.setdefault(client, []).append(index)
    deletes = {
        client: cut
        for client, spans in _read_spans(update, delete_set_at).items()
        if (cut := _before(spans, reached.get(client) or clocks.get(client, 0)))
    }
    if not kept and not deletes:
        return None
    return _assemble(update, sections, kept, deletes)


def in_pieces(update: bytes, clocks: Mapping[int, int], structs: int) -> Iterator[bytes]:
    """Cut a walked update that connects to a document with these clocks into smaller updates.

    Each holds about `structs` structs or delete ranges and connects once those before it are
    applied; applied one transaction each, they come to the same as the whole. What one of them
    costs yrs is bounded. For a long update it is not: to place one struct may take a pass over
    the document, and to join many takes memory that grows with the square of their number.

    What the update deletes of its own structs goes with the structs (GRD-22 asks for that).
    """
    sections, delete_set_at = read_sections(update)
    reached = {section.client: clocks.get(section.client, 0) for section in sections}
    deletes = _read_spans(update, delete_set_at)
    later = {client: _from(spans, reached.get(client, 0)) for client, spans in deletes.items()}
    kept: dict[int, list[int]] = {}
    count = 0
    for client, index in _connect(sections, reached, clocks):
        kept.setdefault(client, []).append(index)
        count += 1
        if count >= structs:
            yield _assemble(update, sections, kept, _take(later, kept, reached))
            kept, count = {}, 0
    if kept:
        yield _assemble(update, sections, kept, _take(later, kept, reached))
    for client, spans in deletes.items():
        known = _before(spans, clocks.get(client, 0))
        for start in range(0, len(known), structs):
            yield _assemble(update, sections, {}, {client: known[start : start + structs]})


def _connect(
    sections: list[Section], reached: dict[int, int], clocks: Mapping[int, int]
) -> Iterator[tuple[int, int]]:
    """Take structs in an order in which each connects, as long as there are any.

    Yields client and index of each that is not wholly known, and moves `reached` on with it.
    `clocks` is for the clients that the update has no structs of.
    """
    queues = {section.client: section.structs for section in sections}
    heads = dict.fromkeys(queues, 0)
    waiting: dict[int, list[int]] = {}
    ready = list(queues)
    while ready:
        client = ready.pop()
        structs = queues[client]
        while heads[client] < len(structs):
            struct = structs[heads[client]]
            if struct.end > reached[client]:
                if struct.is_skip or struct.clock > reached[client]:
                    break
                needed = _first_unknown(struct, reached, clocks)
                if needed is not None:
                    waiting.setdefault(needed, []).append(client)
                    break
                reached[client] = struct.end
                ready += waiting.pop(client, ())
                yield client, heads[client]
            heads[client] += 1


def _first_unknown(
    struct: Struct, reached: Mapping[int, int], clocks: Mapping[int, int]
) -> int | None:
    """A client of which the struct needs more than there is."""
    for client, clock in struct.references:
        known = reached.get(client)
        if clock >= (clocks.get(client, 0) if known is None else known):
            return client
    return None


def _assemble(
    update: bytes, sections: Iterable[Section], kept: Mapping[int, list[int]], deletes: ClockRanges
) -> bytes:
    """An update of consecutive structs of some clients, given by their indexes, and deletes."""
    parts = [var_uint(len(kept))]
    for client, start, structs in sections:
        indexes = kept.get(client)
        if indexes:
            first, last = indexes[0], indexes[-1]
            begin = structs[first - 1].stop if first else start
            parts.append(var_uint(len(indexes)) + var_uint(client) + var_uint(structs[first].clock))
            parts.append(update[begin : structs[last].stop])
    parts.append(var_uint(len(deletes)))
    for client, spans in deletes.items():
        parts.append(var_uint(client) + var_uint(len(spans)))
        parts += [var_uint(start) + var_uint(end - start) for start, end in spans]
    return b"".join(parts)


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
        start = end = 0
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


def _before(spans: Sequence[tuple[int, int]], clock: int) -> list[tuple[int, int]]:
    return [(start, min(end, clock)) for start, end in spans if start < clock]


def _from(spans: Sequence[tuple[int, int]], clock: int) -> list[tuple[int, int]]:
    return [(max(start, clock), end) for start, end in spans if end > clock]


def _take(deletes: ClockRanges, clients: Iterable[int], reached: Mapping[int, int]) -> ClockRanges:
    """Take out of `deletes` what these clients have written by now."""
    taken: ClockRanges = {}
    for client in clients:
        spans = deletes.get(client)
        if spans and (ripe := _before(spans, reached[client])):
            taken[client] = ripe
            deletes[client] = _from(spans, reached[client])
    return taken
