"""Single objects, their versions, and what happened in a document, as REST asks for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol
from uuid import UUID

from crdt_docs.gestures import Author
from crdt_docs.identifiers import DocumentName
from crdt_docs.object_kinds import ObjectKind, ObjectRoot
from persistence.object_ports import HistoryFilter, HistoryRow, ObjectReader, ObjectRow
from persistence.ports import Page


class Event(NamedTuple):
    """A gesture in a document, and where its object is."""

    root: ObjectRoot
    row: HistoryRow


class ObjectLookup(ObjectReader, Protocol):
    """Reads objects one by one, besides lists. Every method may raise StorageUnavailable."""

    async def row(self, owner_id: UUID, kind: ObjectKind, identifier: str) -> ObjectRow | None:
        """The row of an object, also of one that was deleted."""

    async def creator(self, owner_id: UUID, kind: ObjectKind, identifier: str) -> Author | None:
        """Who created it last: whose client id it was, not what the document claims."""

    async def creators(self, owner_id: UUID, kind: ObjectKind) -> Mapping[str, UUID]:
        """Who created which object last, by id, as `creator` tells of one; also of deleted ones."""

    async def owned(self, room_id: UUID, people: Sequence[UUID]) -> Mapping[UUID, Sequence[str]]:
        """By person, the ids of the objects of a room that live as long as they are there, as the
        rows say (LIF-2); of whoever has none, nothing."""

    async def state_of(
        self, owner_id: UUID, kind: ObjectKind, identifier: str, version: int
    ) -> Mapping[str, Any] | None:
        """What an object was in a version (HST-5): empty when it was not there.

        Returns:
            None for a version that the object does not have.
        """

    async def annotations_of(
        self,
        session_id: UUID,
        object_id: str,
        *,
        after: str = "",
        limit: int = 100,
        deleted: bool = False,
    ) -> Sequence[ObjectRow]:
        """The annotations that are about an object; arguments as of `objects`."""

    async def document_history(
        self,
        document: DocumentName,
        wanted: HistoryFilter,
        *,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Page[Event]:
        """Gestures of all kinds of objects together, newest first.

        Raises:
            InvalidCursor: the cursor was not made by this method.
        """
