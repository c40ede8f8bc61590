"""Objects and their history in memory, as `memory_store` keeps them beside the log."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID

from crdt_docs.gestures import ChangeKind
from crdt_docs.identifiers import DocumentName, document_name, id_of
from crdt_docs.object_changes import ObjectChange, State
from crdt_docs.object_kinds import ObjectKind, kinds_in
from persistence.cursors import decode_cursor, encode_cursor
from persistence.object_ports import HistoryFilter, HistoryRow, ObjectRow
from persistence.object_rows import stated
from persistence.object_tables import TABLES
from persistence.ports import Commit, Page


@dataclass(slots=True)
class MemoryObject:
    """One row. The history has the rows' ids, which order what was committed together."""

    state: State
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None = None
    updated_by: UUID | None = None
    history: list[tuple[int, HistoryRow]] = field(default_factory=list)


MemoryTable = dict[str, MemoryObject]


class MemoryObjects:
    """`object_ports.ObjectReader` in memory; written to by the store whose part it is.

    Attributes:
        tables: the rows, by the id in the document's name and by kind.
        rows: of history, written until now.
    """

    def __init__(self) -> None:
        self.tables: dict[tuple[UUID, ObjectKind], MemoryTable] = {}
        self.rows = 0

    def store(self, commit: Commit, now: datetime) -> None:
        """Write what an entry of the log changed, a change at a time (HST-5, HST-6)."""
        kinds, owner_id = kinds_in(commit.document), id_of(commit.document)
        for change in commit.changes:
            if change.kind in kinds:
                table = self.tables.setdefault((owner_id, change.kind), {})
                self._store(table, change, commit.seq, now)

    def _store(self, table: MemoryTable, change: ObjectChange, seq: int, now: datetime) -> None:
        row = table.get(change.id)
        is_new = row is None
        if row is None:
            row = table[change.id] = MemoryObject(TABLES[change.kind].blank, now, now)
        if change.step.starts or is_new:
            self._begin(row, change, seq, now, is_there=not is_new and row.deleted_at is None)
        else:
            row_id, open_row = row.history[-1]
            row.history[-1] = (
                row_id,
                replace(
                    open_row,
                    contributors=change.step.contributors,
                    relayed_by=change.step.relayed_by,
                    changed_until=now,
                ),
            )
        if change.state is not None:
            row.state = change.state
        row.deleted_at = now if change.state is None else None
        row.updated_by, row.updated_at = change.author.user_id, now

    def _begin(
        self, row: MemoryObject, change: ObjectChange, seq: int, now: datetime, *, is_there: bool
    ) -> None:
        step = change.step
        if step.kind is ChangeKind.CREATE:
            row.created_at = now
        self.rows += 1
        begun = HistoryRow(
            object_id=change.id,
            version=len(row.history) + 1,
            change_type=step.kind,
            previous_state=stated(row.state) if is_there else {},
            changed_by=step.changed_by,
            contributors=step.contributors,
            relayed_by=step.relayed_by,
            changed_at=now,
            changed_until=now,
            update_seq=seq,
        )
        row.history.append((self.rows, begun))

    def documents_of(self, user_id: UUID) -> set[DocumentName]:
        """Documents in whose rows or history somebody is."""
        return {
            document_name(kind.document, owner_id)
            for (owner_id, kind), table in self.tables.items()
            for row in table.values()
            if row.updated_by == user_id or any(_is_in(each, user_id) for _, each in row.history)
        }

    def put_alias(self, document: DocumentName, user_id: UUID, alias: UUID) -> int:
        """Put an alias in somebody's place, in all rows of a document; how many changed."""
        count = 0
        for kind in kinds_in(document):
            for row in self.tables.get((id_of(document), kind), {}).values():
                if row.updated_by == user_id:
                    row.updated_by = alias
                    count += 1
                for index, (number, each) in enumerate(row.history):
                    if _is_in(each, user_id):
                        row.history[index] = number, _aliased(each, user_id, alias)
                        count += 1
        return count

    def forget(self, document: DocumentName) -> None:
        """Remove a document's objects with their history."""
        for kind in kinds_in(document):
            self.tables.pop((id_of(document), kind), None)

    async def objects(
        self,
        owner_id: UUID,
        kind: ObjectKind,
        *,
        after: str = "",
        limit: int = 100,
        deleted: bool = False,
    ) -> Sequence[ObjectRow]:
        """See `object_ports.ObjectReader.objects`."""
        table = self.tables.get((owner_id, kind), {})
        found = sorted(
            (
                (identifier.encode(), identifier, row)
                for identifier, row in table.items()
                if identifier.encode() > after.encode() and (deleted or row.deleted_at is None)
            ),
            key=lambda each: each[0],
        )
        return [
            ObjectRow(
                id=identifier,
                state=stated(row.state),
                version=len(row.history),
                created_at=row.created_at,
                updated_by=row.updated_by,
                updated_at=row.updated_at,
                deleted_at=row.deleted_at,
            )
            for _, identifier, row in found[:limit]
        ]

    async def history(
        self,
        owner_id: UUID,
        kind: ObjectKind,
        wanted: HistoryFilter,
        *,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Page[HistoryRow]:
        """See `object_ports.ObjectReader.history`."""
        before = decode_cursor(cursor) if cursor is not None else None
        newest_first = sorted(
            (
                (row.changed_at, UUID(int=row_id), row)
                for each in self.tables.get((owner_id, kind), {}).values()
                for row_id, row in each.history
                if _matches(row, wanted)
            ),
            key=lambda each: each[:2],
            reverse=True,
        )
        rest = [each for each in newest_first if before is None or each[:2] < before]
        items = tuple(row for _, _, row in rest[:limit])
        more = len(rest) > len(items) > 0
        return Page(items, encode_cursor(*rest[limit - 1][:2]) if more else None)


def _is_in(row: HistoryRow, user_id: UUID) -> bool:
    return user_id in {row.changed_by.user_id, row.relayed_by, *row.contributors}


def _aliased(row: HistoryRow, user_id: UUID, alias: UUID) -> HistoryRow:
    def named(person: UUID | None) -> UUID | None:
        return alias if person == user_id else person

    return replace(
        row,
        changed_by=row.changed_by._replace(user_id=named(row.changed_by.user_id)),
        relayed_by=named(row.relayed_by),
        contributors=tuple(alias if each == user_id else each for each in row.contributors),
    )


def _matches(row: HistoryRow, wanted: HistoryFilter) -> bool:
    return (
        wanted.object_id in (None, row.object_id)
        and (
            wanted.user_id is None
            or wanted.user_id == row.changed_by.user_id
            or wanted.user_id in row.contributors
        )
        and (wanted.since is None or row.changed_at >= wanted.since)
        and (wanted.before is None or row.changed_at < wanted.before)
    )
