"""Reading objects and their history from PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from uuid import UUID

import asyncpg

from crdt_docs.gestures import Author, ChangeKind
from crdt_docs.identifiers import ActorKind
from crdt_docs.object_kinds import ObjectKind
from persistence.cursors import decode_cursor, encode_cursor
from persistence.object_ports import HistoryFilter, HistoryRow, ObjectRow
from persistence.object_tables import TABLES
from persistence.pool import DatabasePool
from persistence.ports import InvalidCursor, Page

_COLUMNS = """h.id, h.object_id, h.version, h.change_type, h.previous_state, h.changed_by,
    h.actor_kind, h.contributors, h.relayed_by, h.changed_at, h.changed_until, h.update_seq"""

_ORDER = "ORDER BY h.changed_at DESC, h.id DESC LIMIT $5"


def _page(kind: ObjectKind) -> str:
    """What is common to all. $1: whose; $2, $3: the row after which it starts, always given, so
    that an index can begin there; $4: since when; $5: how many rows."""
    owner = TABLES[kind].owner
    return f"h.{owner} = $1 AND (h.changed_at, h.id) < ($2, $3) AND h.changed_at >= $4"


def _objects(kind: ObjectKind) -> str:
    table = TABLES[kind]
    return f"""
        SELECT o.id, {table.state} AS state, o.version, o.created_at, o.updated_by, o.updated_at,
            o.deleted_at
        FROM {table.name} AS o
        WHERE o.{table.owner} = $1 AND o.id > $2 AND (o.deleted_at IS NULL OR $4)
        ORDER BY o.id LIMIT $3
    """  # noqa: S608 - constants


def _any_rows(kind: ObjectKind) -> str:
    table = TABLES[kind].history
    return f"SELECT {_COLUMNS} FROM {table} AS h WHERE {_page(kind)} {_ORDER}"  # noqa: S608 - constants


def _rows_of_object(kind: ObjectKind) -> str:
    """All versions of one object are few: they are sorted."""
    return f"""
        SELECT {_COLUMNS} FROM {TABLES[kind].history} AS h
        WHERE h.object_id = $6 AND ($7::uuid IS NULL OR $7 = ANY (h.contributors)) AND {_page(kind)}
        {_ORDER}
    """  # noqa: S608 - constants


def _rows_of_user(kind: ObjectKind) -> str:
    """A page of what they began, and one of what they joined."""
    table, page = TABLES[kind].history, _page(kind)
    return f"""
        SELECT * FROM (
            (SELECT {_COLUMNS} FROM {table} AS h WHERE h.changed_by = $6 AND {page} {_ORDER})
            UNION ALL
            (SELECT {_COLUMNS} FROM {table} AS h
            WHERE (cardinality(h.contributors) > 1 OR h.changed_by IS NULL)
                AND $6 = ANY (h.contributors) AND h.changed_by IS DISTINCT FROM $6 AND {page}
            {_ORDER})
        ) AS h {_ORDER}
    """  # noqa: S608 - constants


def _for_each_kind(query: Callable[[ObjectKind], str]) -> dict[ObjectKind, str]:
    return {kind: query(kind) for kind in ObjectKind}


_OBJECTS = _for_each_kind(_objects)
_ANY_ROWS = _for_each_kind(_any_rows)
_ROWS_OF_OBJECT = _for_each_kind(_rows_of_object)
_ROWS_OF_USER = _for_each_kind(_rows_of_user)

ALWAYS = datetime(1, 1, 2, tzinfo=UTC)
"""Before everything: a bound where none is wanted."""

_AFTER_ALL = (datetime(9999, 12, 31, tzinfo=UTC), UUID(int=2**63 - 1))


class PostgresObjectReader:
    """`object_ports.ObjectReader` in PostgreSQL."""

    def __init__(self, pool: DatabasePool) -> None:
        self._pool = pool

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
        async with self._pool.borrow() as connection:
            rows = await connection.fetch(_OBJECTS[kind], owner_id, after, limit, deleted)
        return [ObjectRow(*row.values()) for row in rows]

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
        query, further = history_query(kind, wanted)
        at, row_id = start_of_page(wanted, cursor)
        since = wanted.since or ALWAYS
        async with self._pool.borrow() as connection:
            rows = await connection.fetch(  # one more row tells whether there is another page
                query, owner_id, at, row_id, since, limit + 1, *further
            )
        items = tuple(history_row(row) for row in rows[:limit])
        if len(rows) <= limit or not items:
            return Page(items)
        return Page(items, encode_cursor(items[-1].changed_at, UUID(int=rows[limit - 1]["id"])))


def history_query(kind: ObjectKind, wanted: HistoryFilter) -> tuple[str, Sequence[object]]:
    """The statement for a list, and its arguments from the sixth on."""
    if wanted.object_id is not None:
        return _ROWS_OF_OBJECT[kind], (wanted.object_id, wanted.user_id)
    if wanted.user_id is not None:
        return _ROWS_OF_USER[kind], (wanted.user_id,)
    return _ANY_ROWS[kind], ()


def start_of_page(wanted: HistoryFilter, cursor: str | None) -> tuple[datetime, int]:
    """The time and the id before which the rows of a page are.

    Raises:
        InvalidCursor: it is none.
    """
    at, row_id = decode_cursor(cursor) if cursor is not None else _AFTER_ALL
    if row_id.int >= 2**63:
        raise InvalidCursor("not a cursor of this list")  # but of one of things with UUIDs
    if wanted.before is not None and wanted.before <= at:
        return wanted.before, 0
    return at, row_id.int


def history_row(row: asyncpg.Record) -> HistoryRow:
    """A version as its columns tell it."""
    return HistoryRow(
        object_id=row["object_id"],
        version=row["version"],
        change_type=ChangeKind(row["change_type"]),
        previous_state=row["previous_state"],
        changed_by=Author(row["changed_by"], ActorKind(row["actor_kind"])),
        contributors=tuple(row["contributors"]),
        relayed_by=row["relayed_by"],
        changed_at=row["changed_at"],
        changed_until=row["changed_until"],
        update_seq=row["update_seq"],
    )
