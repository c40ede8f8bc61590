"""What the REST routes need from the rooms, as a protocol. The room directory keeps it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from crdt_docs.identifiers import DocumentName
from crdt_docs.messages import CloseCode


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

    async def state(self, document: DocumentName) -> dict[str, object]:
        """The document's roots by name, as JSON-safe data. Opens the document if need be.

        Raises:
            StorageUnavailable: it is not open and cannot be loaded now.
            DocumentBroken: what is stored of it cannot be opened.
        """

    async def state_update(self, document: DocumentName) -> bytes:
        """The whole document as one Yjs update, v1. Raises like `state`."""

    async def close_document(self, document: DocumentName, code: CloseCode, reason: str) -> None:
        """Close every socket of the document with this code; nothing to do when it is not open."""

    def readiness(self) -> Readiness:
        """How things stand now; never waits."""
