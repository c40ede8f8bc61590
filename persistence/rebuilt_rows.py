"""Writing rows and histories anew, other than by the changes that made them.

What the database refuses is halved until it is alone, and stored without its content (HST-7).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import asdict, replace
from typing import Any, TypeAlias, TypeVar
from uuid import UUID

from crdt_docs.object_changes import State
from crdt_docs.object_kinds import ObjectKind
from persistence.inspection_ports import RebuiltRow
from persistence.json_values import encode_json
from persistence.object_ports import HistoryRow
from persistence.object_rows import stated
from persistence.object_tables import TABLES
from persistence.pool import BorrowedConnection
from persistence.refusals import is_row_refusal

T = TypeVar("T")
_Write: TypeAlias = Callable[[Sequence[T]], Awaitable[None]]

MAX_BYTES = 32 * 1024 * 1024
"""Of JSON in one statement, unless a single row has more."""


async def store_versions(
    connection: BorrowedConnection,
    owner_id: UUID,
    kind: ObjectKind,
    versions: Sequence[HistoryRow],
    *,
    within: float,
) -> int:
    """Write versions of histories; return how many were refused."""

    async def write(part: Sequence[HistoryRow]) -> None:
        encoded = encode_json([_version_fields(row) for row in part])
        await connection.execute(_INSERT[kind], owner_id, encoded, timeout=within)

    blank = stated(TABLES[kind].blank)
    return await _store(
        connection,
        write,
        _portions(versions, lambda row: row.previous_state),
        lambda row: replace(row, previous_state=row.previous_state and blank),
    )


async def store_rows(
    connection: BorrowedConnection,
    owner_id: UUID,
    kind: ObjectKind,
    rows: Sequence[RebuiltRow],
    *,
    within: float,
) -> int:
    """Write rows, or what they are by now; return how many were refused."""

    blank = TABLES[kind].blank

    async def write(part: Sequence[RebuiltRow]) -> None:
        encoded = encode_json([_row_fields(row, blank) for row in part])
        await connection.execute(_PUT[kind], owner_id, encoded, timeout=within)

    return await _store(
        connection,
        write,
        _portions(rows, lambda row: row.state),
        lambda row: replace(row, state=row.state and blank),
    )


async def _store(
    connection: BorrowedConnection,
    write: _Write[T],
    portions: Iterator[Sequence[T]],
    blanked: Callable[[T], T],
) -> int:
    refused = 0
    for portion in portions:
        refused += await _store_what_is_taken(connection, write, portion, blanked)
    return refused


async def _store_what_is_taken(
    connection: BorrowedConnection,
    write: _Write[T],
    rows: Sequence[T],
    blanked: Callable[[T], T],
) -> int:
    if await _is_taken(connection, write, rows):
        return 0
    if len(rows) == 1:
        async with connection.transaction():
            await write([blanked(rows[0])])
        return 1
    middle = len(rows) // 2
    first = await _store_what_is_taken(connection, write, rows[:middle], blanked)
    return first + await _store_what_is_taken(connection, write, rows[middle:], blanked)


async def _is_taken(connection: BorrowedConnection, write: _Write[T], rows: Sequence[T]) -> bool:
    try:
        async with connection.transaction():  # a savepoint
            await write(rows)
    except Exception as error:
        if not is_row_refusal(error):
            raise
        return False
    return True


def _portions(rows: Sequence[T], content: Callable[[T], object]) -> Iterator[Sequence[T]]:
    """Cut them so that what each portion holds fits into a statement."""
    start = size = 0
    for end, row in enumerate(rows):
        one = len(encode_json(content(row)))
        if end > start and size + one > MAX_BYTES:
            yield rows[start:end]
            start, size = end, 0
        size += one
    if rows[start:]:
        yield rows[start:]


def _version_fields(row: HistoryRow) -> dict[str, Any]:
    fields = asdict(row)
    fields["changed_by"] = row.changed_by.user_id
    fields["actor_kind"] = row.changed_by.kind
    return fields


def _row_fields(row: RebuiltRow, blank: State) -> dict[str, Any]:
    return {
        **(row.state or blank)._asdict(),
        "has_state": row.state is not None,
        "id": row.id,
        "version": row.version,
        "created_at": row.created_at,
        "updated_by": row.updated_by,
        "updated_at": row.updated_at,
        "deleted_at": row.deleted_at,
        "agent_id": row.agent_id,
    }


_HISTORY_COLUMNS = {
    "object_id": "text",
    "version": "integer",
    "previous_state": "jsonb",
    "changed_by": "uuid",
    "actor_kind": "text",
    "contributors": "uuid[]",
    "relayed_by": "uuid",
    "changed_at": "timestamptz",
    "changed_until": "timestamptz",
    "change_type": "text",
    "update_seq": "bigint",
}

_ROW_COLUMNS = {
    "id": "text",
    "search_text": "text",
    "version": "integer",
    "created_at": "timestamptz",
    "updated_by": "uuid",
    "updated_at": "timestamptz",
    "deleted_at": "timestamptz",
}


def _declared(columns: dict[str, str]) -> str:
    return ", ".join(f"{name} {its_type}" for name, its_type in columns.items())


def _insert(kind: ObjectKind) -> str:
    table = TABLES[kind]
    names, declared = ", ".join(_HISTORY_COLUMNS), _declared(_HISTORY_COLUMNS)
    return f"""
        INSERT INTO {table.history} ({table.owner}, {names})
        SELECT $1, {names}
        FROM jsonb_to_recordset(convert_from($2, 'UTF8')::jsonb) AS w ({declared})
        ORDER BY update_seq, object_id, version
    """  # noqa: S608 - constants


def _put(kind: ObjectKind) -> str:
    table = TABLES[kind]
    columns = {**_ROW_COLUMNS, **table.columns}
    if table.by_agents:
        columns["agent_id"] = "uuid"
    names = ", ".join(columns)
    of_document = (*table.columns, "search_text")
    given = ", ".join(
        f"CASE WHEN w.has_state OR o.id IS NULL THEN w.{name} ELSE o.{name} END"
        if name in of_document
        else f"w.{name}"
        for name in columns
    )
    changes = ", ".join(f"{name} = excluded.{name}" for name in columns if name != "id")
    return f"""
        INSERT INTO {table.name} ({table.owner}, {names})
        SELECT $1, {given}
        FROM jsonb_to_recordset(convert_from($2, 'UTF8')::jsonb)
            AS w (has_state boolean, {_declared(columns)})
        LEFT JOIN {table.name} AS o ON o.{table.owner} = $1 AND o.id = w.id
        ON CONFLICT ({table.owner}, id) DO UPDATE SET {changes}
    """  # noqa: S608 - constants


_INSERT = {kind: _insert(kind) for kind in ObjectKind}
_PUT = {kind: _put(kind) for kind in ObjectKind}
