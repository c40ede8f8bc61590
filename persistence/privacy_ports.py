"""What is held about a person, and forgetting it, as a protocol and its types.

PRV-1 Once a person is forgotten, their id is in no column of any table, except in what people
      wrote (`Fate.CONTENT`) and, until their last token has ended, in its revocation.
PRV-2 Logs and histories stay, in the name of an alias that is drawn anew for each session, means
      nobody and is kept nowhere else: rows still agree with the log, and nobody can tell what one
      person did in two sessions.
PRV-3 A session is done with in one transaction. What is interrupted can be done again.
PRV-4 The trail stays as it is; whom its pseudonym meant is gone, in the transaction that adds that
      somebody was forgotten.
PRV-5 All that is held about a person can be read, a row after the other: every row that forgetting
      them would change or remove.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import NamedTuple, Protocol
from uuid import UUID

from crdt_docs.identifiers import DocumentName
from crdt_docs.projection import Json
from persistence.audit_ports import AuditEntry

Counts = Mapping[str, int]
"""How many rows were changed or removed, by table."""

MOST_MENTIONS = 1000


class HeldRow(NamedTuple):
    """Something that is held about a person. What people wrote is not part of it."""

    table: str
    row: Mapping[str, Json]


class PrivacyStore(Protocol):
    """Persons, across all tables. Every method may raise StorageUnavailable."""

    async def documents_of(self, user_id: UUID) -> Sequence[DocumentName]:
        """Documents in whose log or history somebody is, or whose session is theirs."""

    async def forget_in(self, document: DocumentName, user_id: UUID) -> Counts:
        """Put an alias in somebody's place, in one document and its session (PRV-2, PRV-3)."""

    async def forget(self, user_id: UUID, entry: AuditEntry) -> Counts:
        """Remove all else that is held about somebody, and tell the trail (PRV-4).

        Args:
            entry: says that it was done.
        """

    async def mentions(self, user_id: UUID) -> Sequence[DocumentName]:
        """Documents in whose objects, annotations or labels of snapshots somebody's id is, and of
        rooms that have it in what they are called or look like: at most `MOST_MENTIONS`."""

    def held(self, user_id: UUID) -> AsyncGenerator[HeldRow]:
        """All that is held about somebody, as of one moment (PRV-5)."""
