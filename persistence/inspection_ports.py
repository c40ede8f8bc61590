"""What it takes to compare rows with the documents they come from, and to write them anew.

`collab verify` reads, `collab rebuild` writes; both look at one document at a time, as it was at
one moment, so that neither needs more memory than the largest document, nor verifying hinders a
running server.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple, Protocol
from uuid import UUID

from crdt_docs.identifiers import ActorKind, DocumentName
from crdt_docs.object_changes import State
from crdt_docs.object_kinds import ObjectKind
from crdt_docs.ownership import Entry
from persistence.object_ports import HistoryRow
from persistence.ports import StoredDocument


class LogSpan(NamedTuple):
    """Which entries of a document's log are there.

    Attributes:
        first: position of the oldest; 0 without any.
        last: of the newest; 0 without any.
        entries: how many; without gaps as many as from the first to the last.
    """

    first: int = 0
    last: int = 0
    entries: int = 0


class LoggedUpdate(NamedTuple):
    """An entry of the log. The time is that of its commit, UTC; the user None for the server.

    Attributes:
        taken_back: objects that it left as they were (RUL-5).
    """

    seq: int
    update: bytes
    user_id: UUID | None
    actor_kind: ActorKind
    committed_at: datetime
    taken_back: frozenset[Entry] = frozenset()


class Base(NamedTuple):
    """What a document was before the oldest entry that its log still has.

    Attributes:
        seq: the last position that it contains; 0: the log is whole, and it is empty.
        state: as one Yjs update, v1; None for an empty document.
        at: when that was, UTC; as near as is known.
    """

    seq: int
    state: bytes | None
    at: datetime


@dataclass(frozen=True, slots=True)
class InspectedRow:
    """A row of objects or annotations with all that is compared. Times are those of commits, UTC.

    Attributes:
        state: the columns that come from the document, without the search text.
        agent_id: who made an annotation, if that was an agent.
    """

    id: str
    state: Mapping[str, Any]
    search_text: str
    version: int
    created_at: datetime
    updated_by: UUID | None
    updated_at: datetime
    deleted_at: datetime | None
    agent_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class RebuiltRow:
    """A row as it should be. Times are those of commits, UTC.

    Attributes:
        state: as the document has it; of a deleted object the last it had. None: nobody knows any
            more; what is there stays.
        version: the newest in its history.
        agent_id: who made an annotation, if that was an agent.
    """

    id: str
    state: State | None
    version: int
    created_at: datetime
    updated_by: UUID | None
    updated_at: datetime
    deleted_at: datetime | None = None
    agent_id: UUID | None = None


class Moment(Protocol):
    """A document and its rows, all as they were at one moment. Every method may raise
    StorageUnavailable."""

    async def document(self) -> StoredDocument:
        """What opening it reads; an unknown one is empty.

        Raises:
            SequenceGap: its log is damaged.
        """

    async def span(self) -> LogSpan:
        """Which entries its log has."""

    async def base(self) -> Base | None:
        """What the log goes on from; None: nothing is kept that the oldest entry follows on."""

    def log(self, *, after: int = 0) -> AsyncGenerator[LoggedUpdate]:
        """The log after a position, oldest first."""

    def rows(self, kind: ObjectKind) -> AsyncGenerator[InspectedRow]:
        """All rows, also of what was deleted, ordered by the bytes of their ids."""

    def versions(self, kind: ObjectKind) -> AsyncGenerator[HistoryRow]:
        """The whole history, ordered by the bytes of the objects' ids, then by version."""


class Repair(Moment, Protocol):
    """The same, and what is written of it, which becomes true at the end, all at once."""

    async def cut(self, kind: ObjectKind, ids: Sequence[str], *, after: int) -> Mapping[str, int]:
        """Remove what the histories of these objects say of a time after a log position, and
        number what remains 1, 2, 3…

        Returns:
            How many versions each still has; none is left out.
        """

    async def add_versions(self, kind: ObjectKind, versions: Sequence[HistoryRow]) -> int:
        """Write further versions.

        Returns:
            How many the database refused; they are stored without their content (HST-7).
        """

    async def put_rows(self, kind: ObjectKind, rows: Sequence[RebuiltRow]) -> int:
        """Put rows in the place of those with the same ids, or beside the others.

        Returns:
            How many the database refused; they are stored without their content (HST-7).
        """

    async def forget(self, kind: ObjectKind, ids: Sequence[str]) -> None:
        """Remove these objects' rows with their history."""


class Inspection(Protocol):
    """All documents with their rows. Every method may raise StorageUnavailable."""

    async def documents(self, *, after: str = "", limit: int = 1000) -> Sequence[DocumentName]:
        """Names of documents whose objects have tables, in order: those that are stored, and those
        of which only rows are there.

        Args:
            after: the name after which the page starts.
        """

    async def knows(self, document: DocumentName) -> bool:
        """Whether there is a document or a row of this name, or what it belongs to."""

    def moment(self, document: DocumentName) -> AbstractAsyncContextManager[Moment]:
        """Look at a document."""

    def repair(self, document: DocumentName) -> AbstractAsyncContextManager[Repair]:
        """Look at a document and write its rows, in one transaction. If it is left by an exception,
        nothing is changed. Nobody else may write to the document meanwhile."""
