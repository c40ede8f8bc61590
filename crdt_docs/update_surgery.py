"""Cutting accepted updates, as bytes: the part that connects, placeholders, what is news.

Everything here takes updates that the guard has walked. `update_pieces` cuts long ones.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from typing import TypeVar

from crdt_docs.clocks import MAX_CLOCK, ClockRanges
from crdt_docs.content_guard import UNENDING
from crdt_docs.update_cursors import Runs, assemble, find_cursors, in_order
from crdt_docs.update_facts import UpdateFacts
from crdt_docs.update_structs import read_sections
from crdt_docs.varint import read_var_uint, var_uint

T = TypeVar("T")


def connecting_part(update: bytes, clocks: Mapping[int, int]) -> bytes | None:
    """The largest part of a walked update that connects to a document with these clocks.

    Of each client the structs up to the first gap, as long as what they refer to is known to the
    document or kept too; of the delete set what deletes known or kept structs. Structs that are
    wholly known are left out. None if nothing is left.
    """
    cursors, delete_set_at = _finished(find_cursors(update, UNENDING))
    reached = {cursor.client: clocks.get(cursor.client, 0) for cursor in cursors}
    kept = Runs()
    for cursor, is_new in in_order(cursors, reached, clocks):
        if is_new:
            kept.add(cursor)
    deletes = {
        client: cut
        for client, spans in _read_spans(update, delete_set_at).items()
        if (cut := _before(spans, reached.get(client) or clocks.get(client, 0)))
    }
    if not kept.structs and not deletes:
        return None
    return assemble(update, kept, deletes)


def _finished(walk: Generator[None, None, T]) -> T:
    """What a walk without pauses comes to."""
    try:
        next(walk)
    except StopIteration as done:
        found: T = done.value
        return found
    raise AssertionError("a walk without a budget does not pause")


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


def deletion(deletes: ClockRanges) -> bytes:
    """An update that deletes clock ranges, and brings nothing."""
    return assemble(b"", Runs(), deletes)


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
    return all(
        _holds(delete_set.get(client, ()), start, end)
        for client, spans in deletes.items()
        for start, end in spans
    )


def _holds(known: Sequence[tuple[int, int]], start: int, end: int) -> bool:
    """Whether ascending ranges hold all of another; adjacent ones need not be joined."""
    place = bisect_right(known, (start, MAX_CLOCK)) - 1
    if place < 0 or known[place][1] <= start:
        return False
    while (reached := known[place][1]) < end:
        place += 1
        if place == len(known) or known[place][0] != reached:
            return False
    return True


def not_deleted_yet(deletes: ClockRanges, delete_set: ClockRanges) -> ClockRanges:
    """The clocks of `deletes` that are not in `delete_set`; both ascend, without overlaps."""
    new: ClockRanges = {}
    for client, spans in deletes.items():
        known = delete_set.get(client, ())
        left = [piece for span in spans for piece in _outside(span, known)]
        if left:
            new[client] = left
    return new


def _outside(
    span: tuple[int, int], known: Sequence[tuple[int, int]]
) -> Generator[tuple[int, int], None, None]:
    start, end = span
    for place in range(max(0, bisect_right(known, (start, start)) - 1), len(known)):
        begin, stop = known[place]
        if begin >= end or start >= end:
            break
        if begin > start:
            yield start, begin
        start = max(start, stop)
    if start < end:
        yield start, end


def brings_news(
    facts: UpdateFacts, clocks: Mapping[int, int], delete_set: Callable[[], ClockRanges]
) -> bool:
    """Whether an update would change anything in a document with these clocks and deletes.

    `delete_set` gives what `read_delete_set(doc.get_update(doc.get_state()))` does; it is asked
    only where nothing else decides, because that may take a walk over the document.
    """
    if any(end > clocks.get(client, 0) for client, _, end in facts.ranges):
        return True
    return facts.has_deletes and not is_deleted_already(facts.deletes, delete_set())


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
