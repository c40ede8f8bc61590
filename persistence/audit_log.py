"""The audit trail in PostgreSQL."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg

from crdt_docs.identifiers import ActorKind
from persistence.audit_ports import AuditEntry, AuditFilter, StoredEntry
from persistence.cursors import decode_cursor, encode_cursor
from persistence.errors import BatchRefused
from persistence.pool import BorrowedConnection, DatabasePool
from persistence.ports import Page, StorageUnavailable
from persistence.pseudonyms import persons_of, pseudonymous, pseudonyms_in, with_persons
from persistence.refusals import is_refusal

MONTHS_AHEAD = 2

_COLUMNS = (
    "entry.id, entry.at, entry.action, entry.actor, entry.actor_kind, entry.via, "
    "entry.session_id, entry.target, entry.request_id, entry.identity_id, entry.network, "
    "entry.details"
)

_ADD = """
    INSERT INTO audit_log (
        id, at, action, actor, actor_kind, via, session_id, target, request_id, identity_id,
        network, details, workspace_id
    )
    SELECT given.*, coalesce(session.workspace_id, room.workspace_id)
    FROM unnest(
        $1::uuid[], $2::timestamptz[], $3::text[], $4::uuid[], $5::text[], $6::uuid[], $7::uuid[],
        $8::text[], $9::text[], $10::uuid[], $11::text[], $12::jsonb[]
    ) AS given (
        id, at, action, actor, actor_kind, via, session_id, target, request_id, identity_id,
        network, details
    ) LEFT JOIN ocw_sessions AS session ON session.id = given.session_id
        LEFT JOIN xr_rooms AS room ON room.id = given.session_id
    ON CONFLICT (at, id) DO NOTHING
"""

# Kept until the entries are stored: who is forgotten meanwhile is forgotten after that.
_PSEUDONYMS = """
    SELECT user_id, pseudonym FROM audit_subjects
    WHERE user_id = ANY ($1::uuid[]) ORDER BY user_id FOR KEY SHARE
"""

_NEW_SUBJECTS = """
    INSERT INTO audit_subjects (user_id)
    SELECT unnest($1::uuid[]) AS user_id ORDER BY user_id
    ON CONFLICT DO NOTHING
"""

_PSEUDONYM = "SELECT pseudonym FROM audit_subjects WHERE user_id = $1"

_PERSONS = "SELECT pseudonym, user_id FROM audit_subjects WHERE pseudonym = ANY ($1::uuid[])"

_LOOKS = 10
"""Somebody may be forgotten between being entered and being looked up, but not again and again."""

_MONTHS = """
    SELECT part.relname FROM pg_inherits AS link JOIN pg_class AS part ON part.oid = link.inhrelid
    WHERE link.inhparent = 'audit_log'::regclass ORDER BY part.relname
"""

_MONTH = re.compile(r"audit_log_(\d{4})_(\d{2})", re.ASCII)

_DEFAULT_IS_OLD = "SELECT max(at) < $1 FROM audit_log_default"

_REMAKE_DEFAULT = """
    DROP TABLE audit_log_default;
    SELECT audit_log_add_partition('audit_log_default', 'DEFAULT');
"""

_BEFORE_ALL = (datetime(9999, 12, 31, tzinfo=UTC), UUID(int=2**128 - 1))


class PostgresAuditStore:
    """`audit_ports.AuditStore` in PostgreSQL."""

    def __init__(self, pool: DatabasePool) -> None:
        self._pool = pool

    async def add(self, entries: Sequence[AuditEntry]) -> None:
        """See `audit_ports.AuditStore.add`.

        Raises:
            BatchRefused: the content of one of them is not taken.
        """
        async with self._pool.borrow() as connection:
            try:
                async with connection.transaction():
                    await add_entries(connection, entries)
            except (asyncpg.PostgresError, ValueError) as error:
                if is_refusal(error):
                    raise BatchRefused(str(error)) from error
                raise

    async def find(
        self, wanted: AuditFilter, *, limit: int, cursor: str | None = None
    ) -> Page[StoredEntry]:
        """See `audit_ports.AuditStore.find`."""
        at, after = _BEFORE_ALL if cursor is None else decode_cursor(cursor)
        async with self._pool.borrow() as connection:
            actor = None
            if wanted.user_id is not None:
                found = await connection.fetchrow(_PSEUDONYM, wanted.user_id)
                if found is None:
                    return Page(())
                actor = found["pseudonym"]
            query, arguments = find_query(wanted, actor)
            rows = await connection.fetch(query, at, after, limit + 1, *arguments)
            items = await _with_persons(connection, map(_entry, rows[:limit]))
        is_last = len(rows) <= limit
        return Page(items, None if is_last else encode_cursor(items[-1].at, items[-1].id))

    async def prepare(self, now: datetime) -> None:
        """See `audit_ports.AuditStore.prepare`."""
        async with self._pool.borrow() as connection:
            month = now
            for _ in range(MONTHS_AHEAD + 1):
                await connection.execute("SELECT audit_log_make_month($1)", month)
                month = _next_month(month)

    async def drop_before(self, moment: datetime) -> int:
        """See `audit_ports.AuditStore.drop_before`."""
        first = moment.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        async with self._pool.borrow() as connection:
            names = [row["relname"] for row in await connection.fetch(_MONTHS)]
            over = [name for name in names if _is_before(name, first)]
            for name in over:
                await connection.execute(f"DROP TABLE {name}")  # as _MONTH has read it
            dropped = len(over)
            if await connection.fetchval(_DEFAULT_IS_OLD, first):
                await connection.execute(_REMAKE_DEFAULT)
                dropped += 1
        return dropped


def _is_before(name: str, first: datetime) -> bool:
    """Whether a partition is of a month before the one that begins then."""
    month = _MONTH.fullmatch(name)
    return month is not None and (int(month[1]), int(month[2])) < (first.year, first.month)


def _next_month(moment: datetime) -> datetime:
    return (moment.replace(day=1) + timedelta(days=32)).replace(day=1)


async def add_entries(connection: BorrowedConnection, entries: Sequence[AuditEntry]) -> None:
    """Store entries within a transaction."""
    persons = frozenset[UUID]().union(*(persons_of(entry.event) for entry in entries))
    pseudonyms = await pseudonyms_of(connection, persons)
    rows = [_values(pseudonymous(entry, pseudonyms)) for entry in entries]
    await connection.execute(_ADD, *map(list, zip(*rows, strict=True)))


async def pseudonyms_of(
    connection: BorrowedConnection, persons: frozenset[UUID]
) -> Mapping[UUID, UUID]:
    """The pseudonyms of persons, given to those who have none; kept for this transaction."""
    if not persons:
        return {}
    for _ in range(_LOOKS):
        rows = await connection.fetch(_PSEUDONYMS, list(persons))
        found = {UUID(int=row["user_id"].int): row["pseudonym"] for row in rows}
        missing = persons - found.keys()
        if not missing:
            return found
        await connection.execute(_NEW_SUBJECTS, list(missing))
    raise StorageUnavailable("persons are forgotten faster than they are entered")


def _values(entry: StoredEntry) -> tuple[object, ...]:
    return (
        entry.id,
        entry.at,
        entry.action,
        entry.actor,
        entry.actor_kind and entry.actor_kind.value,
        entry.via,
        entry.session_id,
        entry.target,
        entry.request_id,
        entry.identity_id,
        entry.network,
        entry.details,
    )


def find_query(wanted: AuditFilter, actor: UUID | None) -> tuple[str, list[object]]:
    """The statement of one page, and its arguments from $4 on.

    Its first are the row after which it starts, always given, so that an index can begin there,
    and how many rows.

    Args:
        actor: the pseudonym of `wanted.user_id`.
    """
    conditions = ["(entry.at, entry.id) < ($1::timestamptz, $2::uuid)"]
    arguments: list[object] = []
    for condition, value in (
        ("entry.session_id = ${}::uuid", wanted.session_id),
        ("entry.action = ${}::text", wanted.action),
        ("entry.actor = ${}::uuid", actor),
        ("entry.at >= ${}::timestamptz", wanted.since),
        ("entry.at < ${}::timestamptz", wanted.until),
    ):
        if value is not None:
            arguments.append(value)
            conditions.append(condition.format(len(arguments) + 3))
    where = " AND ".join(conditions)
    order = "ORDER BY entry.at DESC, entry.id DESC LIMIT $3"
    if wanted.workspaces is None:
        return f"SELECT {_COLUMNS} FROM audit_log AS entry WHERE {where} {order}", arguments  # noqa: S608 - constants
    arguments.append(list(wanted.workspaces))
    # The newest of each workspace from its index, then the newest of those.
    query = f"""
        SELECT {_COLUMNS}
        FROM unnest(${len(arguments) + 3}::uuid[]) AS workspace (id) CROSS JOIN LATERAL (
            SELECT {_COLUMNS} FROM audit_log AS entry
            WHERE entry.workspace_id = workspace.id AND {where} {order}
        ) AS entry
        {order}
    """  # noqa: S608 - constants
    return query, arguments


async def _with_persons(
    connection: BorrowedConnection, found: Iterable[StoredEntry]
) -> tuple[StoredEntry, ...]:
    entries = tuple(found)
    named = frozenset[UUID]().union(*map(pseudonyms_in, entries))
    rows = await connection.fetch(_PERSONS, list(named))
    persons = {row["pseudonym"]: row["user_id"] for row in rows}
    return tuple(with_persons(entry, persons) for entry in entries)


def _entry(row: asyncpg.Record) -> StoredEntry:
    fields: dict[str, Any] = dict(row)
    kind = fields.pop("actor_kind")
    return StoredEntry(**fields, actor_kind=None if kind is None else ActorKind(kind))
