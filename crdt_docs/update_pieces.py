"""Cutting a long update into pieces, a little at a time (ROM-16).

What one update costs yrs is not bounded by its length: to place one struct may take a pass over
the document, and to join many takes memory that grows with the square of their number. What one
piece costs is. Applied one transaction each, the pieces come to the same as the whole.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping

from crdt_docs.clocks import ClockRanges
from crdt_docs.update_cursors import Cursor, Runs, assemble, find_cursors, in_order

PIECE_BYTES = 64 * 1024
"""A piece is closed at this size too, however few structs it holds."""

STRETCH = 8
"""How many times as long a piece may be, so that an object is not cut in two (RUL-3)."""

LOOKED_AT_ONCE = 500
"""Structs that are looked at without a pause."""


class Pieces:
    """The pieces of an update that the guard has walked, each of which connects to a document
    once those before it are applied. What does not connect is left out.

    What the update deletes of its own structs as a whole goes with the structs (GRD-22 asks for
    that), other deletions come last.

    Attributes:
        is_done: there are no more.
        is_whole: once it is done, whether all of its structs connected.
    """

    __slots__ = (
        "_clocks",
        "_cutting",
        "_deletes",
        "_stretch",
        "_structs",
        "_update",
        "is_done",
        "is_whole",
    )

    def __init__(
        self,
        update: bytes,
        deletes: ClockRanges,
        clocks: Mapping[int, int],
        *,
        whole_entries: bool = False,
    ) -> None:
        """
        Args:
            deletes: what the update deletes, from its `UpdateFacts`.
            clocks: of the document, as they are at any time: not a copy.
            whole_entries: cut before what begins an entry of a root map, unless a piece would be
                `STRETCH` times as long as it should.
        """
        self._stretch = STRETCH if whole_entries else 1
        self._update = update
        self._deletes = deletes
        self._clocks = clocks
        self._structs = 1
        self._cutting = self._cut()
        self.is_done = False
        self.is_whole = False

    def take(self, structs: int) -> bytes | None:
        """The next piece, of about `structs` structs or delete ranges.

        None says only that it takes longer to find one, or that there are no more.
        """
        self._structs = structs
        piece = next(self._cutting, b"")
        self.is_done = piece == b""
        return piece or None

    def _cut(self) -> Generator[bytes | None, None, None]:
        cursors, _ = yield from find_cursors(self._update, LOOKED_AT_ONCE, to_end=False)
        reached = {cursor.client: self._clocks.get(cursor.client, 0) for cursor in cursors}
        spans = {client: _Spans(ranges) for client, ranges in self._deletes.items()}
        runs, deletes = Runs(), ClockRanges()
        looked = 0
        for cursor, is_new in in_order(cursors, reached, self._clocks):
            looked += 1
            if is_new:
                if runs.structs >= self._structs and _begins_entry(self._update, cursor.begin):
                    yield assemble(self._update, runs, deletes)
                    runs, deletes = Runs(), {}
                    looked = 0
                runs.add(cursor)
                _add_deleted(deletes, cursor, spans)
                if runs.structs >= self._structs * self._stretch or runs.size >= PIECE_BYTES:
                    yield assemble(self._update, runs, deletes)
                    runs, deletes = Runs(), {}
                    looked = 0
            elif looked >= LOOKED_AT_ONCE:
                looked = 0
                yield None
        if runs.structs:
            yield assemble(self._update, runs, deletes)
        self.is_whole = not any(cursor.left for cursor in cursors)
        yield from self._deletions(reached)

    def _deletions(self, reached: Mapping[int, int]) -> Generator[bytes, None, None]:
        for client, ranges in self._deletes.items():
            known = reached.get(client) or self._clocks.get(client, 0)
            start = 0
            while start < len(ranges) and ranges[start][0] < known:
                part = ranges[start : start + self._structs]
                start += len(part)
                cut = [(first, min(last, known)) for first, last in part if first < known]
                yield assemble(self._update, Runs(), {client: cut})


def _begins_entry(update: bytes, begin: int) -> bool:
    """Whether a struct names a root map and a key in it."""
    info = update[begin]
    return info & 0xE0 == 0x20 and update[begin + 1] == 1


class _Spans:
    """Ascending deleted ranges of one client, asked about ascending structs."""

    __slots__ = ("_index", "_spans")

    def __init__(self, spans: list[tuple[int, int]]) -> None:
        self._spans = spans
        self._index = 0

    def hold(self, start: int, end: int) -> bool:
        """Whether one range covers this one."""
        spans, index = self._spans, self._index
        while index < len(spans) and spans[index][1] <= start:
            index += 1
        self._index = index
        return index < len(spans) and spans[index][0] <= start and end <= spans[index][1]


def _add_deleted(deletes: ClockRanges, cursor: Cursor, spans: Mapping[int, _Spans]) -> None:
    of_client = spans.get(cursor.client)
    start, end = cursor.clock, cursor.struct.end
    if of_client is None or not of_client.hold(start, end):
        return
    ranges = deletes.setdefault(cursor.client, [])
    if ranges and ranges[-1][1] == start:
        ranges[-1] = (ranges[-1][0], end)
    else:
        ranges.append((start, end))
