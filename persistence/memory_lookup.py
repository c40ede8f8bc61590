"""Single objects, their versions, and what happened in a document, in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from crdt_docs.gestures import Author, ChangeKind
from crdt_docs.identifiers import DocumentName, id_of
from crdt_docs.object_kinds import ObjectKind, kinds_in
from persistence.cursors import decode_cursor, encode_cursor
from persistence.lookup_ports import Event
from persistence.memory_objects import MemoryObject, MemoryObjects
from persistence.object_ports import HistoryFilter, ObjectRow
from persistence.object_rows import stated
from persistence.ports import Page

_ALL = 1 << 62


class MemoryObjectLookup(MemoryObjects):
    """`lookup_ports.ObjectLookup` in memory."""

    async def row(self, owner_id: UUID, kind: ObjectKind, identifier: str) -> ObjectRow | None:
        """See `lookup_ports.ObjectLookup.row`."""
        if self._row(owner_id, kind, identifier) is None:
            return None
        rows = await self.objects(owner_id, kind, limit=_ALL, deleted=True)
        return next(row for row in rows if row.id == identifier)

    async def creator(self, owner_id: UUID, kind: ObjectKind, identifier: str) -> Author | None:
        """See `lookup_ports.ObjectLookup.creator`."""
        found = self._row(owner_id, kind, identifier)
        versions = [] if found is None else [row for _, row in found.history]
        made = [row for row in versions if row.change_type is ChangeKind.CREATE]
        return made[-1].changed_by if made else None

    async def creators(self, owner_id: UUID, kind: ObjectKind) -> Mapping[str, UUID]:
        """See `lookup_ports.ObjectLookup.creators`."""
        found = {
            identifier: await self.creator(owner_id, kind, identifier)
            for identifier in self.tables.get((owner_id, kind), {})
        }
        return {
            identifier: author.user_id
            for identifier, author in found.items()
            if author is not None and author.user_id is not None
        }

    async def owned(self, room_id: UUID, people: Sequence[UUID]) -> Mapping[UUID, Sequence[str]]:
        """See `lookup_ports.ObjectLookup.owned`."""
        by_creator = {str(person): person for person in people}
        found: dict[UUID, list[str]] = {}
        for row in await self.objects(room_id, ObjectKind.XR_OBJECT, limit=_ALL):
            owner = by_creator.get(str(row.state["created_by"]))
            if owner is not None and row.state["lifetime"] == "owner":
                found.setdefault(owner, []).append(row.id)
        return found

    async def state_of(
        self, owner_id: UUID, kind: ObjectKind, identifier: str, version: int
    ) -> Mapping[str, Any] | None:
        """See `lookup_ports.ObjectLookup.state_of`."""
        found = self._row(owner_id, kind, identifier)
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
            session_id, ObjectKind.OCW_ANNOTATION, after=after, limit=_ALL, deleted=deleted
        )
        return [row for row in rows if row.state["object_id"] == object_id][:limit]

    async def document_history(
        self,
        document: DocumentName,
        wanted: HistoryFilter,
        *,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Page[Event]:
        """See `lookup_ports.ObjectLookup.document_history`."""
        before = decode_cursor(cursor) if cursor is not None else None
        owner_id, found = id_of(document), []
        for kind in kinds_in(document):
            page = await self.history(owner_id, kind, wanted, limit=_ALL)
            numbers = self._numbers(owner_id, kind)
            for row in page.items:
                number = UUID(int=numbers[row.object_id, row.version])
                found.append((row.changed_at, number, Event(kind.root, row)))
        found.sort(key=lambda each: each[:2], reverse=True)
        rest = [each for each in found if before is None or each[:2] < before]
        items = tuple(event for _, _, event in rest[:limit])
        more = len(rest) > len(items) > 0
        return Page(items, encode_cursor(*rest[limit - 1][:2]) if more else None)

    def _row(self, owner_id: UUID, kind: ObjectKind, identifier: str) -> MemoryObject | None:
        return self.tables.get((owner_id, kind), {}).get(identifier)

    def _numbers(self, owner_id: UUID, kind: ObjectKind) -> dict[tuple[str, int], int]:
        """The ids of the rows of history, by object and version."""
        table = self.tables.get((owner_id, kind), {})
        return {
            (identifier, row.version): number
            for identifier, each in table.items()
            for number, row in each.history
        }
