"""What waits to be stored, in the segments in which it is stored.

Between updates that have been appended and what they changed lies reading the document, which is
done for many updates at once: an object that is dragged is read once a segment. So a segment ends
where every document in it has told what changed, and groups are made of whole segments:

LOG-11  What a document's entries changed is stored in the same group as they are, with the last of
        them, and was read when they were the newest.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from crdt_docs.identifiers import DocumentName
from persistence.ports import ChangeSource, Commit

ENTRY_OVERHEAD = 400
"""Bytes of memory that an entry costs beside its update; bounds a flood of tiny updates."""

CHANGE_OVERHEAD = 1000
"""Likewise a changed object beside its state."""

LARGEST_SEGMENT = 64 * 1024
"""Bytes of updates after which a segment ends although nothing is stored: an update of 20 bytes may
change an object, and while thousands of them are read, everybody waits."""

LONGEST_SEGMENT = 1.0
"""Seconds after which a segment ends although nothing is stored: while the database is away, the
gestures of the history must not become one."""


@dataclass(slots=True)
class Entry:
    """One commit on its way; `size` is the memory that it holds, bytes, about."""

    position: int
    commit: Commit
    size: int
    arrived: float


class Backlog:
    """Entries in order, with positions from 1."""

    def __init__(self, max_entries: int, max_bytes: int) -> None:
        """
        Args:
            max_entries: in a group.
            max_bytes: of updates in a group; a larger update goes alone.
        """
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._entries: deque[Entry] = deque()  # a group stays in it until it is stored
        self._sources: dict[DocumentName, tuple[Entry, ChangeSource]] = {}
        # Of the segments that have ended, the position of the last entry, their entries and bytes.
        self._segments: deque[tuple[int, int, int]] = deque()
        self._open_entries = 0
        self._open_bytes = 0
        self._open_since = 0.0
        self.position = 0
        self.size = 0

    def __len__(self) -> int:
        """How many entries are waiting."""
        return len(self._entries)

    @property
    def oldest(self) -> Entry:
        """The first in the line.

        Raises:
            IndexError: nothing is waiting.
        """
        return self._entries[0]

    def append(self, commits: Sequence[Commit], source: ChangeSource | None, now: float) -> None:
        """Add entries, all of one turn of the source's document."""
        entry = None
        for commit in commits:
            length = len(commit.update)
            # The source's own document is ahead of what was appended until all of it is.
            if source is None and self._is_full_with(length):
                self._end_segment()
            if not self._open_entries:
                self._open_since = now
            self.position += 1
            entry = Entry(self.position, commit, length + ENTRY_OVERHEAD, now)
            self._entries.append(entry)
            self.size += entry.size
            self._open_entries += 1
            self._open_bytes += length
        if source is not None and entry is not None:
            self._sources[entry.commit.document] = entry, source
            if self._open_bytes >= LARGEST_SEGMENT or self._is_full_with(0):
                self._end_segment()
            else:
                self.end_long_segment(now)

    def end_long_segment(self, now: float) -> None:
        """End the segment that is open if it has been for long. To be asked again and again while
        nothing is stored, too: what comes after a pause has already changed the documents, and
        would be read with what came before it."""
        if self._open_entries and now - self._open_since >= LONGEST_SEGMENT:
            self._end_segment()

    def _is_full_with(self, length: int) -> bool:
        return self._open_entries > 0 and (
            self._open_entries >= self._max_entries or self._open_bytes + length > self._max_bytes
        )

    def seal(self, document: DocumentName) -> None:
        """Have told what a document's entries up to now have changed."""
        waiting = self._sources.pop(document, None)
        if waiting is None:
            return
        entry, source = waiting
        changes = source.take_changes()
        if source.has_lost_changes:
            entry.commit = entry.commit._replace(has_lost_changes=True)
        if changes:
            entry.commit = entry.commit._replace(changes=entry.commit.changes + changes)
            size = sum(change.size for change in changes) + len(changes) * CHANGE_OVERHEAD
            entry.size += size
            self.size += size

    def abandon(self, document: DocumentName) -> None:
        """Ask a document's source no more: its document is no longer what was appended."""
        self._sources.pop(document, None)

    def _end_segment(self) -> None:
        for document in list(self._sources):
            self.seal(document)
        self._segments.append((self.position, self._open_entries, self._open_bytes))
        self._open_entries = self._open_bytes = 0

    def next_group(self) -> list[Entry]:
        """Whole segments from the front, one at least, that are stored together."""
        if not self._segments:
            self._end_segment()
        entries = size = last = 0
        for position, more, length in self._segments:
            entries, size = entries + more, size + length
            if last and (entries > self._max_entries or size > self._max_bytes):
                break
            last = position
        group = []
        for entry in self._entries:
            if entry.position > last:
                break
            group.append(entry)
        return group

    def remove(self, position: int) -> None:
        """Take out everything up to a position, which is the end of a segment or within the first
        group."""
        while self._entries and self._entries[0].position <= position:
            self.size -= self._entries.popleft().size
        while self._segments and self._segments[0][0] <= position:
            self._segments.popleft()
