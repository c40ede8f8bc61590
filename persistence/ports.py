"""What the server needs from storage, as protocols: PostgreSQL and memory both keep them.

One contract suite (`tests/contracts`) runs against every implementation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Generic, NamedTuple, Protocol, TypeVar
from uuid import UUID

from crdt_docs.access import Role
from crdt_docs.document import StoredState
from crdt_docs.identifiers import ActorKind, DocumentName
from crdt_docs.object_changes import ObjectChange
from crdt_docs.ownership import Entry
from persistence import errors

T = TypeVar("T")

StorageUnavailable = errors.StorageUnavailable
"""What every call here may raise; its own place has it for those who know no documents."""


class Commit(NamedTuple):
    """One update a document emitted, on its way into the log.

    Attributes:
        document: which document.
        seq: position in that document's log, from 1, without gaps; given by whoever hosts it.
        update: Yjs update, v1 encoding.
        user_id: whose edit it was; None for the server's own.
        actor_kind: what kind of actor that was.
        introduced: client ids that this update brought into the document for the first time.
        changes: what it changed of the document's objects, in order; stored with it, not in the
            log (HST-6).
        by_server: the server wrote it, in the user's name: what it introduced is nobody's.
        of_nobody: further client ids that it introduced, of the server's own edits.
        taken_back: objects that it left as they were, because their author broke a rule (RUL-5).
        has_lost_changes: what it or an entry before it changed is not known any more (HST-8).
    """

    document: DocumentName
    seq: int
    update: bytes
    user_id: UUID | None
    actor_kind: ActorKind = ActorKind.USER
    introduced: tuple[int, ...] = ()
    changes: tuple[ObjectChange, ...] = ()
    by_server: bool = False
    has_lost_changes: bool = False
    of_nobody: tuple[int, ...] = ()
    taken_back: frozenset[Entry] = frozenset()

    @property
    def new_authors(self) -> Iterator[tuple[int, UUID | None]]:
        """The client ids that it introduced, and whose they are."""
        by = None if self.by_server else self.user_id
        yield from ((client, by) for client in self.introduced)
        yield from ((client, None) for client in self.of_nobody)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A whole document at one position of its log.

    Attributes:
        seq: the last log position it contains.
        state: the document as one Yjs update, v1.
        outline: what the server knows of its structure (`crdt_docs.outline`), serialised.
    """

    seq: int
    state: bytes
    outline: bytes


@dataclass(frozen=True, slots=True)
class StoredDocument:
    """What opening a document reads: the latest snapshot and the log after it.

    Attributes:
        snapshot: None when there is none yet.
        tail: updates after the snapshot, oldest first, their seqs consecutive.
        last_seq: of the whole log; 0 for a document that does not exist yet.
        authors: who first introduced each client id; None for the server's own.
        has_lost_changes: its rows are not what its log says, until `note_repaired` (HST-8).
    """

    snapshot: Snapshot | None = None
    tail: tuple[bytes, ...] = ()
    last_seq: int = 0
    authors: Mapping[int, UUID | None] = field(default_factory=dict)
    has_lost_changes: bool = False

    def state(self) -> StoredState:
        """What a document takes of it."""
        snapshot = self.snapshot
        return StoredState(
            state=snapshot.state if snapshot else None,
            outline=snapshot.outline if snapshot else None,
            tail=self.tail,
        )


class DocumentStore(Protocol):
    """Documents as logs of updates with snapshots."""

    async def load(self, document: DocumentName) -> StoredDocument:
        """Read what opening the document needs; an unknown document is empty, not an error.

        Raises:
            StorageUnavailable: nothing could be read.
        """

    async def commit(self, batch: Sequence[Commit]) -> None:
        """Store a batch in one transaction, durable when this returns.

        Committing the same seq of a document again is not an error and changes nothing, so that
        a batch whose outcome was lost with the connection can be sent again.

        Raises:
            StorageUnavailable: it is not known whether the batch was stored.
        """

    async def save_snapshot(self, document: DocumentName, snapshot: Snapshot) -> None:
        """Keep a snapshot for faster opening. An older one than is kept already is ignored.

        The log is not shortened.

        Raises:
            StorageUnavailable: it may not have been kept.
        """

    async def read_log(
        self, document: DocumentName, *, after: int = 0, limit: int = 1000
    ) -> Sequence[Commit]:
        """The log after position `after`, oldest first, at most `limit` entries."""

    async def note_repaired(self, document: DocumentName) -> None:
        """The document's rows are what its log says again.

        Raises:
            StorageUnavailable: it may not have been noted.
        """

    async def delete(self, document: DocumentName) -> None:
        """Forget the document with its log, snapshots and objects."""


class SessionType(StrEnum):
    """What an OCW session is for (`ocw_sessions.session_type`)."""

    SHAREVIEW = "shareview"
    WHITEBOARD = "whiteboard"
    COCKPIT = "cockpit"
    COLLABORATION = "collaboration"


class SessionStatus(StrEnum):
    """Where a session is in its life (`ocw_sessions.status`)."""

    ACTIVE = "active"
    PAUSED = "paused"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Session:
    """One OCW session (a row of `ocw_sessions`). Times are timezone-aware UTC."""

    id: UUID
    workspace_id: UUID
    session_type: SessionType
    host_user_id: UUID
    status: SessionStatus
    config: Mapping[str, Any]
    max_participants: int
    is_recording: bool
    started_at: datetime
    ended_at: datetime | None = None
    deleted_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Participant:
    """One person's standing in a session (a row of `ocw_participants`).

    Attributes:
        left_at: they are not there now; says nothing about access.
        removed_at: a host took the person out: the row then denies access, whatever a token
            grants.
        last_active_at: when they last joined.
        id: the row's own id, given by the store.
    """

    session_id: UUID
    user_id: UUID
    role: Role
    joined_at: datetime
    left_at: datetime | None = None
    removed_at: datetime | None = None
    last_active_at: datetime | None = None
    id: UUID | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class SessionFilter:
    """Which sessions a list shows. `readable_by`/`granted` bound it by access; None is no bound.

    Attributes:
        readable_by: only sessions this user hosts or has an unremoved participants row in, and
            those in `granted`.
        granted: session ids a token grants besides.
        workspaces: only sessions in these workspaces (a service restricted to some).
    """

    workspace_id: UUID | None = None
    session_type: SessionType | None = None
    status: SessionStatus | None = None
    readable_by: UUID | None = None
    granted: tuple[UUID, ...] = ()
    workspaces: tuple[UUID, ...] | None = None


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page of a list. `next_cursor` is opaque; None on the last page."""

    items: tuple[T, ...]
    next_cursor: str | None = None


class Standing(NamedTuple):
    """What decides whether somebody may open a session: as `get` and `participant` answer."""

    session: Session | None
    participant: Participant | None


class SessionStore(Protocol):
    """OCW sessions and who takes part in them. Every method may raise StorageUnavailable."""

    async def create(self, session: Session) -> None:
        """Store a new session and, in the same transaction, its host's participants row."""

    async def get(self, session_id: UUID) -> Session | None:
        """The session, or None when there is none or it was deleted."""

    async def find(
        self, wanted: SessionFilter, *, limit: int = 50, cursor: str | None = None
    ) -> Page[Session]:
        """Sessions, newest first (`started_at`, then id).

        Raises:
            InvalidCursor: the cursor was not made by this method.
        """

    async def end(self, session_id: UUID, at: datetime) -> Session | None:
        """Mark it ended, once; ending an ended session changes nothing. None when unknown."""

    async def set_paused(self, session_id: UUID, *, is_paused: bool) -> Session | None:
        """Pause it or let it go on; one that has ended stays as it is. None when unknown."""

    async def delete(self, session_id: UUID, at: datetime) -> bool:
        """Mark it deleted (and ended); its contents go after a grace time. False when unknown."""

    async def participant(self, session_id: UUID, user_id: UUID) -> Participant | None:
        """The row that decides this user's access, also one that records a removal."""

    async def deleted_before(self, moment: datetime, *, limit: int = 100) -> Sequence[UUID]:
        """Sessions that were deleted before a moment, longest ago first."""

    async def forget(self, session_ids: Sequence[UUID]) -> None:
        """Remove deleted sessions with their participants for good; others are left alone."""

    async def standings(self, wanted: Sequence[tuple[UUID, UUID]]) -> Sequence[Standing]:
        """What decides about access, for (session id, user id) pairs at once, in their order."""

    async def put_participant(self, participant: Participant) -> None:
        """Insert or replace that row."""

    async def join(
        self, session_id: UUID, user_id: UUID, role: Role, at: datetime
    ) -> Participant | None:
        """Note that somebody takes part; the role counts only if they have no row yet.

        Returns:
            Their row, unchanged if it records a removal. None when there is no such session, or it
            has ended.
        """

    async def leave(self, session_id: UUID, user_id: UUID, at: datetime) -> Participant | None:
        """Note that they are not there now, once. None when they have no row, or were removed."""

    async def participants(
        self, session_id: UUID, *, limit: int = 50, cursor: str | None = None
    ) -> Page[Participant]:
        """The people of a session that were not removed, in the order in which they joined.

        Raises:
            InvalidCursor: the cursor was not made by this method.
        """

    async def set_role(self, session_id: UUID, user_id: UUID, role: Role) -> Participant | None:
        """Change somebody's role. None when they have no row, or were removed.

        Raises:
            LastHost: the session would be left without a host.
        """

    async def remove(self, session_id: UUID, user_id: UUID, at: datetime) -> Participant | None:
        """Take somebody out, who need not have a row: it then denies access, whatever a token
        grants. Removing them again changes nothing. None when there is no such session.

        Raises:
            LastHost: the session would be left without a host.
        """


class LastHost(Exception):  # noqa: N818 - says what is the case
    """A session keeps at least one host."""


class InvalidCursor(Exception):  # noqa: N818 - says what is the case
    """A cursor that this list did not hand out."""


class ChangeSource(Protocol):
    """Knows what the updates of a document do to its objects."""

    @property
    def has_lost_changes(self) -> bool:
        """Something that was appended has changed what nobody can tell any more."""

    def take_changes(self) -> tuple[ObjectChange, ...]:
        """What has changed by all that was appended to the journal since the last call. Raises
        nothing."""


CommitListener = Callable[[int], None]
"""Called in the event loop with the journal position up to which everything is stored."""


class Journal(Protocol):
    """Write-behind into a `DocumentStore`: one writer, group commit, bounded by bytes.

    Positions count entries from 1 over all documents. Entries are stored in order.
    """

    @property
    def position(self) -> int:
        """Of the newest entry accepted."""

    @property
    def committed(self) -> int:
        """Up to which every entry is stored."""

    @property
    def is_full(self) -> bool:
        """The backlog has reached its limit: writers must be turned away."""

    def append(self, commits: Sequence[Commit], source: ChangeSource | None = None) -> int:
        """Accept entries; never blocks, never refuses. Returns the position of the last one.

        Args:
            commits: with a source all of one document, which must hold just what was appended.
            source: is asked for what they changed, later and for many at once, before they are
                stored; the answer is stored with the last of them.
        """

    def seal(self, document: DocumentName) -> None:
        """Ask the document's source now, so that what is appended next is kept apart."""

    def subscribe(self, listener: CommitListener) -> None:
        """Call `listener` after every group commit."""

    async def flush(self) -> None:
        """Return when everything accepted before this call is stored."""
