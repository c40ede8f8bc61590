"""What the REST routes need from the rooms, as a protocol. The room directory keeps it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar
from uuid import UUID

from pycrdt import Doc

from crdt_docs.access import Role
from crdt_docs.identifiers import DocumentName, Identity
from crdt_docs.messages import CloseCode
from crdt_docs.ownership import Entry

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Edited(Generic[T]):
    """An edit of a document by the server.

    Attributes:
        result: what the edit's function returned.
        is_stored: it is in the database; otherwise it is in the room and waits for that.
        seq: position in the document's log of the edit, or of the last one if it wrote nothing.
    """

    result: T
    is_stored: bool
    seq: int


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether this process should be sent clients.

    Attributes:
        database: the database answered when it was last spoken to.
        backlog_bytes: edits waiting for the database.
        backlog_full: no more may wait; writers are turned away.
        rooms: documents in memory.
        connections: open sockets.
    """

    database: bool
    backlog_bytes: int
    backlog_full: bool
    rooms: int
    connections: int

    @property
    def is_ready(self) -> bool:
        """Edits are accepted and stored."""
        return self.database and not self.backlog_full


class LiveDocuments(Protocol):
    """Documents as they are now, with the edits that are not stored yet."""

    def is_at_rest(self, document: DocumentName) -> bool:
        """Whether it is not open, and everything of it is stored."""

    async def state(self, document: DocumentName) -> dict[str, object]:
        """The document's roots by name, as JSON-safe data. Opens the document if need be.

        Raises:
            StorageUnavailable: it is not open and cannot be loaded now.
            DocumentBroken: what is stored of it cannot be opened.
        """

    async def state_update(self, document: DocumentName) -> bytes:
        """The whole document as one Yjs update, v1. Raises like `state`."""

    async def edit(
        self,
        document: DocumentName,
        identity: Identity,
        change: Callable[[Doc[Any]], T],
        *,
        is_restore: bool = False,
        may_grow: bool = True,
        role: Role = Role.HOST,
        entries: Iterable[Entry] = (),
        is_moving: bool = False,
        within: float = 5.0,
    ) -> Edited[T]:
        """Edit a document in somebody's name; its members see it at once.

        Args:
            identity: whose edit it is.
            change: called once, inside a transaction, with the live document. It must check and
                raise before it changes anything.
            is_restore: the history says so of what it changes.
            may_grow: it may write; otherwise it only deletes, also in a full document.
            role: of whose edit it is.
            entries: the objects that it changes, which are held against the rules (RUL).
            is_moving: it says where they are, if they are in space (RUL-9).
            within: seconds to wait for the edit to be stored.

        Raises:
            RuleBroken: it would break a rule.
            NotNow: the database is behind and takes no more edits now.
            LimitExceeded: the document is full, and the edit may write.
            StorageUnavailable, DocumentBroken: as `state`.
            Exception: whatever `change` raises; nothing was changed.
        """

    async def all_stored(self, document: DocumentName, within: float = 5.0) -> bool:
        """Whether all of the document that there is now is stored, or is within so many seconds."""

    async def renew_rules(self, document: DocumentName) -> None:
        """Its config has changed: edits are held against what it asks for now (RUL-1).

        Raises:
            StorageUnavailable: that cannot be read now; if the document is open, it does not count
                yet.
        """

    async def close_document(self, document: DocumentName, code: CloseCode, reason: str) -> None:
        """Close every socket of the document with this code; nothing to do when it is not open."""

    def readiness(self) -> Readiness:
        """How things stand now; never waits."""


class LivePermissions(Protocol):
    """What was changed about people, told to the sockets that are open or just being opened.

    Nothing is waited for, and nothing is written: that was done before.
    """

    def set_role(self, document: DocumentName, user_id: UUID, role: Role) -> None:
        """Somebody has another role now."""

    def send_away(self, document: DocumentName, user_id: UUID, reason: str) -> None:
        """Somebody was removed, or has left: their sockets are closed with 4403."""

    def set_paused(self, document: DocumentName, *, is_paused: bool) -> None:
        """Its session is paused, or goes on."""

    def forget(self, document: DocumentName) -> None:
        """Something about it has changed, or it is gone: nobody comes in by what was known of it,
        and those who are in are looked at soon."""

    def close_revoked(self) -> None:
        """Close the sockets of tokens that were revoked, with 4401."""
