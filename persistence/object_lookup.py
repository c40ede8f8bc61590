"""Single objects, their versions, and what happened in a document, from PostgreSQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import asyncpg

from crdt_docs.gestures import Author
from crdt_docs.identifiers import ActorKind, DocumentName, id_of
from crdt_docs.object_kinds import ObjectKind, kinds_in
from persistence.cursors import encode_cursor
from persistence.lookup_ports import Event
from persistence.object_history import (
    ALWAYS,
    PostgresObjectReader,
    history_query,
    history_row,
    start_of_page,
)
from persistence.object_ports import HistoryFilter, ObjectRow
from persistence.object_tables import TABLES
from persistence.ports import Page


def _row(kind: ObjectKind) -> str:
    table = TABLES[kind]
    return f"""
        SELECT o.id, {table.state} AS state, o.version, o.created_at, o.updated_by, o.updated_at,
            o.deleted_at
        FROM {table.name} AS o WHERE o.{table.owner} = $1 AND o.id = $2
    """  # noqa: S608 - constants


def _creator(kind: ObjectKind) -> str:
    table = TABLES[kind]
    return f"""
        SELECT changed_by, actor_kind FROM {table.history}
        WHERE {table.owner} = $1 AND object_id = $2 AND change_type = 'create'
        ORDER BY version DESC LIMIT 1
    """  # noqa: S608 - constants


def _creators(kind: ObjectKind) -> str:
    table = TABLES[kind]
    return f"""
        SELECT DISTINCT ON (object_id) object_id, changed_by FROM {table.history}
        WHERE {table.owner} = $1 AND change_type = 'create' AND changed_by IS NOT NULL
        ORDER BY object_id, version DESC
    """  # noqa: S608 - constants


OWNED = f"""
    SELECT created_by, array_agg(id) AS ids FROM {TABLES[ObjectKind.XR_OBJECT].name}
    WHERE room_id = $1 AND created_by = ANY ($2::text[])
        AND deleted_at IS NULL AND lifetime = 'owner'
    GROUP BY created_by
"""  # noqa: S608 - constants


def _state_of(kind: ObjectKind) -> str:
    """In one statement, so that no gesture can begin between the two."""
    table = TABLES[kind]
    return f"""
        SELECT previous_state FROM {table.history}
        WHERE {table.owner} = $1 AND object_id = $2 AND version = $3 + 1 AND $3 > 0
        UNION ALL
        SELECT CASE WHEN o.deleted_at IS NULL THEN {table.state} ELSE '{{}}' END
        FROM {table.name} AS o WHERE o.{table.owner} = $1 AND o.id = $2 AND o.version = $3
    """  # noqa: S608 - constants


ROW = {kind: _row(kind) for kind in ObjectKind}
CREATOR = {kind: _creator(kind) for kind in ObjectKind}
CREATORS = {kind: _creators(kind) for kind in ObjectKind}
STATE_OF = {kind: _state_of(kind) for kind in ObjectKind}

ANNOTATIONS_OF = f"""
    SELECT o.id, {TABLES[ObjectKind.OCW_ANNOTATION].state} AS state, o.version, o.created_at,
        o.updated_by, o.updated_at, o.deleted_at
    FROM {TABLES[ObjectKind.OCW_ANNOTATION].name} AS o
    WHERE o.session_id = $1 AND o.object_id = $2 AND o.id > $3 AND (o.deleted_at IS NULL OR $5)
    ORDER BY o.id LIMIT $4
"""  # noqa: S608 - constants


class PostgresObjectLookup(PostgresObjectReader):
    """`lookup_ports.ObjectLookup` in PostgreSQL."""

    async def row(self, owner_id: UUID, kind: ObjectKind, identifier: str) -> ObjectRow | None:
        """See `lookup_ports.ObjectLookup.row`."""
        found = await self._one(ROW[kind], owner_id, identifier)
        return None if found is None else ObjectRow(*found.values())

    async def creator(self, owner_id: UUID, kind: ObjectKind, identifier: str) -> Author | None:
        """See `lookup_ports.ObjectLookup.creator`."""
        found = await self._one(CREATOR[kind], owner_id, identifier)
        if found is None:
            return None
        return Author(found["changed_by"], ActorKind(found["actor_kind"]))

    async def creators(self, owner_id: UUID, kind: ObjectKind) -> Mapping[str, UUID]:
        """See `lookup_ports.ObjectLookup.creators`."""
        async with self._pool.borrow() as connection:
            rows = await connection.fetch(CREATORS[kind], owner_id)
        return {row["object_id"]: row["changed_by"] for row in rows}

    async def owned(self, room_id: UUID, people: Sequence[UUID]) -> Mapping[UUID, Sequence[str]]:
        """See `lookup_ports.ObjectLookup.owned`."""
        async with self._pool.borrow() as connection:
            rows = await connection.fetch(OWNED, room_id, [str(person) for person in people])
        return {UUID(row["created_by"]): row["ids"] for row in rows}

    async def state_of(
        self, owner_id: UUID, kind: ObjectKind, identifier: str, version: int
    ) -> Mapping[str, Any] | None:
        """See `lookup_ports.ObjectLookup.state_of`."""
        found = await self._one(STATE_OF[kind], owner_id, identifier, version)
        return None if found is None else found["previous_state"]

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
        async with self._pool.borrow() as connection:
            rows = await connection.fetch(
                ANNOTATIONS_OF, session_id, object_id, after, limit, deleted
            )
        return [ObjectRow(*row.values()) for row in rows]

    async def document_history(
        self,
        document: DocumentName,
        wanted: HistoryFilter,
        *,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Page[Event]:
        """See `lookup_ports.ObjectLookup.document_history`.

        Each table numbers its rows; in the list, a row's number is that times as many as there are
        tables, and one more for each table before its own, so that two rows of one moment have an
        order.
        """
        kinds = kinds_in(document)
        at, number = start_of_page(wanted, cursor)
        since = wanted.since or ALWAYS
        found = []
        async with self._pool.borrow() as connection:
            for order, kind in enumerate(kinds):
                query, further = history_query(kind, wanted)
                before = -((order - number) // len(kinds))
                rows = await connection.fetch(
                    query, id_of(document), at, before, since, limit + 1, *further
                )
                found += [
                    (row["changed_at"], row["id"] * len(kinds) + order, kind.root, row)
                    for row in rows
                ]
        found.sort(key=lambda each: each[:2], reverse=True)
        items = tuple(Event(root, history_row(row)) for _, _, root, row in found[:limit])
        more = len(found) > len(items) > 0
        last = found[len(items) - 1] if more else None
        return Page(items, last and encode_cursor(last[0], UUID(int=last[1])))

    async def _one(self, query: str, *arguments: object) -> asyncpg.Record | None:
        async with self._pool.borrow() as connection:
            return await connection.fetchrow(query, *arguments)
