"""Single objects, their versions, and what happened in a session, as REST asks for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol
from uuid import UUID

from crdt_docs.gestures import Author
from crdt_docs.object_changes import ObjectRoot
from persistence.object_ports import HistoryFilter, HistoryRow, ObjectReader, ObjectRow
from persistence.ports import Page


class Event(NamedTuple):
    """A gesture in a session, and where its object is."""

    root: ObjectRoot
    row: HistoryRow


class ObjectLookup(ObjectReader, Protocol):
    """Reads objects one by one, besides lists. Every method may raise StorageUnavailable."""

    async def row(self, session_id: UUID, root: ObjectRoot, identifier: str) -> ObjectRow | None:
        """The row of an object, also of one that was deleted."""

    async def creator(self, session_id: UUID, root: ObjectRoot, identifier: str) -> Author | None:
        """Who created it last: whose client id it was, not what the document claims."""

    async def creators(self, session_id: UUID, root: ObjectRoot) -> Mapping[str, UUID]:
        """Who created which object last, by id, as `creator` tells of one; also of deleted ones."""

    async def state_of(
        self, session_id: UUID, root: ObjectRoot, identifier: str, version: int
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

    async def session_history(
        self,
        session_id: UUID,
        wanted: HistoryFilter,
        *,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Page[Event]:
        """Gestures of objects and annotations together, newest first.

        Raises:
            InvalidCursor: the cursor was not made by this method.
        """
