"""Single objects, their versions, and what happened in a session, in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from crdt_docs.gestures import Author, ChangeKind
from crdt_docs.object_changes import ObjectRoot
from persistence.cursors import decode_cursor, encode_cursor
from persistence.lookup_ports import Event
from persistence.memory_objects import MemoryObject, MemoryObjects
from persistence.object_ports import HistoryFilter, ObjectRow
from persistence.object_rows import stated
from persistence.ports import Page

_ALL = 1 << 62


class MemoryObjectLookup(MemoryObjects):
    """`lookup_ports.ObjectLookup` in memory."""

    async def row(self, session_id: UUID, root: ObjectRoot, identifier: str) -> ObjectRow | None:
        """See `lookup_ports.ObjectLookup.row`."""
        if self._row(session_id, root, identifier) is None:
            return None
        rows = await self.objects(session_id, root, limit=_ALL, deleted=True)
        return next(row for row in rows if row.id == identifier)

    async def creator(self, session_id: UUID, root: ObjectRoot, identifier: str) -> Author | None:
        """See `lookup_ports.ObjectLookup.creator`."""
        found = self._row(session_id, root, identifier)
        versions = [] if found is None else [row for _, row in found.history]
        made = [row for row in versions if row.change_type is ChangeKind.CREATE]
        return made[-1].changed_by if made else None

    async def creators(self, session_id: UUID, root: ObjectRoot) -> Mapping[str, UUID]:
        """See `lookup_ports.ObjectLookup.creators`."""
        found = {
            identifier: await self.creator(session_id, root, identifier)
            for identifier in self.tables.get((session_id, root), {})
        }
        return {
            identifier: author.user_id
            for identifier, author in found.items()
            if author is not None and author.user_id is not None
        }

    async def state_of(
        self, session_id: UUID, root: ObjectRoot, identifier: str, version: int
    ) -> Mapping[str, Any] | None:
        """See `lookup_ports.ObjectLookup.state_of`."""
        found = self._row(session_id, root, identifier)
        if found is None or not 1 <= version <= len(found.history):
            return None
        if version < len(found.history):
            return found.history[version][1].previous_state
        return stated(found.state) if found.deleted_at is None else {}

    async def annotations_of(
        self,
        session_id: UUID,
        object_id: str,
        *,
        after: str = "",
        limit: int = 100,
        deleted: bool = False,
    ) -> Sequence[ObjectRow]:
        """See `lookup_ports.ObjectLookup.annotations_of`."""
        rows = await self.objects(
            session_id, ObjectRoot.ANNOTATIONS, after=after, limit=_ALL, deleted=deleted
        )
        return [row for row in rows if row.state["object_id"] == object_id][:limit]

    async def session_history(
        self,
        session_id: UUID,
        wanted: HistoryFilter,
        *,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Page[Event]:
        """See `lookup_ports.ObjectLookup.session_history`."""
        before = decode_cursor(cursor) if cursor is not None else None
        found = []
        for root in ObjectRoot:
            page = await self.history(session_id, root, wanted, limit=_ALL)
            numbers = self._numbers(session_id, root)
            for row in page.items:
                number = UUID(int=numbers[row.object_id, row.version])
                found.append((row.changed_at, number, Event(root, row)))
        found.sort(key=lambda each: each[:2], reverse=True)
        rest = [each for each in found if before is None or each[:2] < before]
        items = tuple(event for _, _, event in rest[:limit])
        more = len(rest) > len(items) > 0
        return Page(items, encode_cursor(*rest[limit - 1][:2]) if more else None)

    def _row(self, session_id: UUID, root: ObjectRoot, identifier: str) -> MemoryObject | None:
        return self.tables.get((session_id, root), {}).get(identifier)

    def _numbers(self, session_id: UUID, root: ObjectRoot) -> dict[tuple[str, int], int]:
        """The ids of the rows of history, by object and version."""
        table = self.tables.get((session_id, root), {})
        return {
            (identifier, row.version): number
            for identifier, each in table.items()
            for number, row in each.history
        }
