"""The past of documents as storage sees it: moments, checkpoints, named snapshots, retention.

The rules are PST in `crdt_docs/SPEC.md`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeAlias
from uuid import UUID

from crdt_docs.identifiers import DocumentName
from persistence.ports import Page


@dataclass(frozen=True, slots=True)
class AtTime:
    """What was committed at this time or before."""

    at: datetime


@dataclass(frozen=True, slots=True)
class AtSeq:
    """Up to this position of the log, included; 0 is before everything."""

    seq: int


@dataclass(frozen=True, slots=True)
class AtSnapshot:
    """Where somebody has put a name."""

    id: UUID


Moment: TypeAlias = AtTime | AtSeq | AtSnapshot
"""Which state of a document is meant."""


@dataclass(frozen=True, slots=True)
class PastDocument:
    """What a document as it was is made from.

    Attributes:
        seq: position of the log that this shows; 0: nothing was there yet.
        at: when that entry was committed; None for 0.
        state: the document at `after`, as one Yjs update; None: empty, or known to who asked.
        after: the position from which `tail` goes on.
        tail: updates from there to `seq`, oldest first.
        is_rounded: the log of that time has been merged: this is the nearest kept state before it.
    """

    seq: int = 0
    at: datetime | None = None
    state: bytes | None = None
    after: int = 0
    tail: tuple[bytes, ...] = ()
    is_rounded: bool = False

    @property
    def size(self) -> int:
        """Bytes of state and tail."""
        return len(self.state or b"") + sum(map(len, self.tail))


@dataclass(frozen=True, slots=True)
class NamedSnapshot:
    """A position of a document's log that somebody has given a name.

    Attributes:
        at: when the entry at that position was committed.
        created_by: None for a name that nobody stands behind.
    """

    id: UUID
    label: str
    seq: int
    at: datetime
    created_by: UUID | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Merge:
    """A part of a log, from its beginning, that is old enough to become a checkpoint.

    Attributes:
        seq: its last entry, where the checkpoint is.
        is_kept: the checkpoint is there already; the entries may go.
    """

    seq: int
    is_kept: bool


class UnknownMoment(Exception):  # noqa: N818 - says what is the case
    """A position that the log has not reached, or a snapshot that is not there."""


class UnknownSnapshot(UnknownMoment):
    """A snapshot that is not there."""


class PastTooLarge(Exception):  # noqa: N818 - says what is the case
    """Too many bytes lie between the moment and the nearest checkpoint before it."""


class TooManySnapshots(Exception):  # noqa: N818 - says what is the case
    """A document has as many named snapshots as it may."""


MAX_NAMED = 1000
"""Named snapshots of one document."""

MAX_PAST_BYTES = 256 * 1024 * 1024
"""Of state and log that are read for one moment. Ordinary documents stay far below: there is a
checkpoint at least every `checkpoints.MOST_UPDATES` entries."""

REMOVED_AT_ONCE = 5000
"""Entries of a log that go in one transaction."""


class Archive(Protocol):
    """Documents as they were. Every method may raise StorageUnavailable."""

    async def past(
        self, document: DocumentName, moment: Moment, *, known_seq: int | None = None
    ) -> PastDocument:
        """What the document at that moment is made from, as of one moment of the database.

        Args:
            document: one that does not exist was always empty.
            moment: which.
            known_seq: the position of a state that the caller has. Where the log leads from it to
                the moment, only that is returned, and no state.

        Raises:
            UnknownMoment: there is no such position or snapshot.
            PastTooLarge: see there.
        """

    async def keep(self, document: DocumentName, seq: int, state: bytes) -> bool:
        """Keep a checkpoint; False where the log has no entry at `seq`. Once is enough."""

    async def keep_view(self, document: DocumentName, seq: int, view: bytes) -> None:
        """Keep what the whole document looks like, as JSON text; ignored unless its log ends there.

        One is kept of a document, and it is of no use after the next edit.
        """

    async def viewed_seq(self, document: DocumentName) -> int:
        """The position of the view that is kept; 0 without one."""

    async def view(self, document: DocumentName) -> bytes | None:
        """The view that is kept, if it shows the end of the log."""

    async def last_seq(self, document: DocumentName) -> int:
        """How long the log is, merged parts included; 0 for a document that does not exist."""

    async def name(
        self, document: DocumentName, seq: int, label: str, created_by: UUID | None
    ) -> NamedSnapshot:
        """Give a position a name. Names need not differ.

        Raises:
            UnknownMoment: neither the log nor a checkpoint has that position.
            TooManySnapshots: there are `MAX_NAMED`.
        """

    async def named(
        self, document: DocumentName, *, limit: int = 50, cursor: str | None = None
    ) -> Page[NamedSnapshot]:
        """Named snapshots, newest first (`created_at`, then id).

        Raises:
            InvalidCursor: the cursor was not made by this method.
        """

    async def find_named(self, document: DocumentName, snapshot_id: UUID) -> NamedSnapshot | None:
        """One of them."""

    async def forget_named(self, document: DocumentName, snapshot_id: UUID) -> bool:
        """Take a name away; False when there is none."""

    async def due(
        self, before: datetime, *, after: DocumentName | None = None, limit: int = 100
    ) -> Sequence[DocumentName]:
        """Documents whose logs begin before a moment and have a snapshot, in order of names."""

    async def next_merge(self, document: DocumentName, before: datetime) -> Merge | None:
        """The first part of the log that can become a checkpoint; None when there is none.

        It ends with a day (UTC), with the current snapshot, or where a name needs a checkpoint.

        Args:
            before: only days that were over then.
        """

    async def remove_merged(self, document: DocumentName, seq: int) -> int:
        """Remove the oldest entries of the log up to a checkpoint; at most `REMOVED_AT_ONCE`.

        With the last of them, checkpoints of the same day before this one go, too, but for those
        that have a name.

        Returns:
            How many entries went; 0 when all are gone, or nothing is kept at `seq`.
        """
