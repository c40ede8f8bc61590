"""Which clocks of a document are deleted, known without a walk over it for each question."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from typing import Any, Final

from pycrdt import Doc

from crdt_docs.clocks import ClockRanges
from crdt_docs.content_guard import COLLECTED, DELETED
from crdt_docs.update_structs import read_sections
from crdt_docs.update_surgery import read_delete_set

READ_AT_ONCE: Final = 64 * 1024
"""Bytes that the document emitted and that are read before somebody asks; a few milliseconds."""

KEPT_UNASKED: Final = 1024 * 1024
"""Bytes after which nobody asks any more: until somebody does again nothing is kept."""


class DeletedRanges:
    """Reads them from the document when it is asked for the first time, and from then on from what
    the document emits."""

    __slots__ = ("_doc", "_ranges", "_unasked", "_unread", "_waiting")

    def __init__(self, doc: Doc[Any]) -> None:
        self._doc = doc
        self._ranges: ClockRanges | None = None
        self._waiting: list[bytes] = []
        self._unread = self._unasked = 0

    def note(self, emitted: bytes) -> None:
        """The document has emitted this."""
        if self._ranges is None:
            return
        self._waiting.append(emitted)
        self._unread += len(emitted)
        if self._unread > READ_AT_ONCE:
            self._unasked += self._unread
            self._read(self._ranges)
            if self._unasked > KEPT_UNASKED:
                self._ranges = None

    def now(self) -> ClockRanges:
        """As they are now; not to be kept."""
        self._unasked = 0
        if self._ranges is None:
            self._ranges = read_delete_set(self._doc.get_update(self._doc.get_state()))
        else:
            self._read(self._ranges)
        return self._ranges

    def _read(self, ranges: ClockRanges) -> None:
        for emitted in self._waiting:
            for client, start, end in _deleted_in(emitted):
                _add(ranges.setdefault(client, []), start, end)
        self._waiting.clear()
        self._unread = 0


def _deleted_in(emitted: bytes) -> Iterator[tuple[int, int, int]]:
    """Client, start and end of what an update says is deleted. Structs of which nothing is left
    say so themselves, and need not be in its delete set."""
    for client, spans in read_delete_set(emitted).items():
        for start, end in spans:
            yield client, start, end
    if emitted[:1] == b"\x00":
        return
    for section in read_sections(emitted)[0]:
        position = section.start
        for struct in section.structs:
            if emitted[position] & 0x1F in (COLLECTED, DELETED):
                yield section.client, struct.clock, struct.end
            position = struct.stop


def _add(spans: list[tuple[int, int]], start: int, end: int) -> None:
    """Add a range to others, and join those that it touches."""
    first = bisect_left(spans, (start,))
    if first and spans[first - 1][1] >= start:
        first -= 1
        start = spans[first][0]
    behind = first
    while behind < len(spans) and spans[behind][0] <= end:
        end = max(end, spans[behind][1])
        behind += 1
    spans[first:behind] = [(start, end)]
