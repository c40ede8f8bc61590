"""Documents and their rows in memory, looked at and written anew: the reference of
`inspection_ports`."""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

from crdt_docs.gestures import ChangeKind
from crdt_docs.identifiers import ActorKind, DocumentName, document_name, id_of
from crdt_docs.object_kinds import ObjectKind, kinds_in
from persistence.inspection_ports import Base, InspectedRow, LoggedUpdate, LogSpan, RebuiltRow
from persistence.memory_archive import MemoryDocument
from persistence.memory_objects import MemoryObject, MemoryObjects, MemoryTable
from persistence.object_ports import HistoryRow
from persistence.object_rows import stated
from persistence.object_tables import TABLES
from persistence.ports import StoredDocument

_Documents = dict[DocumentName, MemoryDocument]


class MemoryInspection:
    """`inspection_ports.Inspection` over what `memory_store` keeps."""

    def __init__(self, documents: _Documents, objects: MemoryObjects) -> None:
        self._documents = documents
        self._objects = objects

    async def documents(self, *, after: str = "", limit: int = 1000) -> Sequence[DocumentName]:
        """See `inspection_ports.Inspection.documents`."""
        stored = {name for name in self._documents if kinds_in(name)}
        with_rows = {
            document_name(kind.document, owner_id) for owner_id, kind in self._objects.tables
        }
        return [name for name in sorted(stored | with_rows) if name > after][:limit]

    async def knows(self, document: DocumentName) -> bool:
        """See `inspection_ports.Inspection.knows`."""
        return document in await self.documents(limit=sys.maxsize)

    @asynccontextmanager
    async def moment(self, document: DocumentName) -> AsyncIterator[MemoryMoment]:
        """See `inspection_ports.Inspection.moment`."""
        yield MemoryMoment(deepcopy(self._documents.get(document)), self._copies(document))

    @asynccontextmanager
    async def repair(self, document: DocumentName) -> AsyncIterator[MemoryRepair]:
        """See `inspection_ports.Inspection.repair`."""
        copies = self._copies(document)
        yield MemoryRepair(self._documents.get(document), copies, self._objects)
        for kind, table in copies.items():
            self._objects.tables[id_of(document), kind] = table

    def _copies(self, document: DocumentName) -> dict[ObjectKind, MemoryTable]:
        kinds, owner_id = kinds_in(document), id_of(document)
        if not kinds:
            raise ValueError(f"{document} has no rows")
        tables = self._objects.tables
        return {kind: deepcopy(tables.get((owner_id, kind), {})) for kind in kinds}


class MemoryMoment:
    """`inspection_ports.Moment` of copies."""

    def __init__(
        self, stored: MemoryDocument | None, tables: dict[ObjectKind, MemoryTable]
    ) -> None:
        self._stored = stored or MemoryDocument()
        self._tables = tables

    async def document(self) -> StoredDocument:
        """See `inspection_ports.Moment.document`."""
        stored = self._stored
        tail = stored.entries(stored.snapshot_seq, stored.last_seq)
        return StoredDocument(
            snapshot=stored.snapshot,
            tail=tuple(commit.update for commit in tail),
            last_seq=stored.last_seq,
            authors=dict(stored.authors),
            has_lost_changes=stored.has_lost_changes,
        )

    async def span(self) -> LogSpan:
        """See `inspection_ports.Moment.span`."""
        stored = self._stored
        if not stored.log:
            return LogSpan()
        return LogSpan(stored.removed + 1, stored.last_seq, len(stored.log))

    async def base(self) -> Base | None:
        """See `inspection_ports.Moment.base`."""
        stored = self._stored
        if not stored.removed:
            return Base(0, None, datetime.fromtimestamp(0, UTC))
        found = [seq for seq in stored.checkpoints if seq >= stored.removed]
        if found:
            kept = stored.checkpoints[min(found)]
            return Base(min(found), kept.state, kept.at)
        snapshot = stored.snapshot
        if snapshot is None or snapshot.seq < stored.removed:
            return None
        at = stored.time_of(snapshot.seq) or stored.times[0]
        return Base(snapshot.seq, snapshot.state, at)

    async def log(self, *, after: int = 0) -> AsyncGenerator[LoggedUpdate]:
        """See `inspection_ports.Moment.log`."""
        for commit, at in zip(self._stored.log, self._stored.times, strict=True):
            if commit.seq > after:
                yield LoggedUpdate(
                    commit.seq,
                    commit.update,
                    commit.user_id,
                    commit.actor_kind,
                    at,
                    commit.taken_back,
                )

    async def rows(self, kind: ObjectKind) -> AsyncGenerator[InspectedRow]:
        """See `inspection_ports.Moment.rows`."""
        for identifier, each in _ordered(self._tables[kind]):
            yield InspectedRow(
                id=identifier,
                state=stated(each.state),
                search_text=each.state.search_text,
                version=len(each.history),
                created_at=each.created_at,
                updated_by=each.updated_by,
                updated_at=each.updated_at,
                deleted_at=each.deleted_at,
                agent_id=_agent(each) if TABLES[kind].by_agents else None,
            )

    async def versions(self, kind: ObjectKind) -> AsyncGenerator[HistoryRow]:
        """See `inspection_ports.Moment.versions`."""
        for _, each in _ordered(self._tables[kind]):
            for _, row in each.history:
                yield row


class MemoryRepair(MemoryMoment):
    """`inspection_ports.Repair` of copies that are put in their place at the end."""

    def __init__(
        self,
        stored: MemoryDocument | None,
        tables: dict[ObjectKind, MemoryTable],
        objects: MemoryObjects,
    ) -> None:
        super().__init__(stored, tables)
        self._objects = objects

    async def cut(self, kind: ObjectKind, ids: Sequence[str], *, after: int) -> Mapping[str, int]:
        """See `inspection_ports.Repair.cut`."""
        kept = dict.fromkeys(ids, 0)
        for identifier in ids:
            each = self._tables[kind].get(identifier)
            if each is None:
                continue
            rows = [row for row in each.history if row[1].update_seq <= after]
            each.history = [
                (row_id, replace(row, version=number))
                for number, (row_id, row) in enumerate(rows, start=1)
            ]
            kept[identifier] = len(rows)
        return kept

    async def add_versions(self, kind: ObjectKind, versions: Sequence[HistoryRow]) -> int:
        """See `inspection_ports.Repair.add_versions`; nothing is ever refused."""
        for row in versions:
            blank = MemoryObject(TABLES[kind].blank, row.changed_at, row.changed_at)
            each = self._tables[kind].setdefault(row.object_id, blank)
            self._objects.rows += 1
            each.history.append((self._objects.rows, row))
        return 0

    async def put_rows(self, kind: ObjectKind, rows: Sequence[RebuiltRow]) -> int:
        """See `inspection_ports.Repair.put_rows`; nothing is ever refused."""
        for row in rows:
            before = self._tables[kind].get(row.id)
            known = before.state if before is not None else TABLES[kind].blank
            self._tables[kind][row.id] = MemoryObject(
                state=row.state or known,
                created_at=row.created_at,
                updated_at=row.updated_at,
                deleted_at=row.deleted_at,
                updated_by=row.updated_by,
                history=before.history if before is not None else [],
            )
        return 0

    async def forget(self, kind: ObjectKind, ids: Sequence[str]) -> None:
        """See `inspection_ports.Repair.forget`."""
        for identifier in ids:
            self._tables[kind].pop(identifier, None)


def _ordered(table: MemoryTable) -> Iterator[tuple[str, MemoryObject]]:
    yield from sorted(table.items(), key=lambda item: item[0].encode())


def _agent(each: MemoryObject) -> UUID | None:
    """Who made it, if that was an agent."""
    created = [row for _, row in each.history if row.change_type is ChangeKind.CREATE]
    if not created or created[-1].changed_by.kind is not ActorKind.AGENT:
        return None
    return created[-1].changed_by.user_id
