"""Who was connected when, in PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from crdt_docs.identifiers import ActorKind
from persistence.errors import BatchRefused
from persistence.pool import DatabasePool, rows_changed
from persistence.refusals import is_refusal
from persistence.visit_ports import Visit

# In order of ids: two groups at the same time must not wait for one another.
_PUT = """
    INSERT INTO user_sessions AS visit (
        id, session_id, user_id, actor_kind, device, connected_at, disconnected_at, close_code
    )
    SELECT * FROM unnest(
        $1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::timestamptz[],
        $7::timestamptz[], $8::integer[]
    ) AS given (
        id, session_id, user_id, actor_kind, device, connected_at, disconnected_at, close_code
    ) ORDER BY id
    ON CONFLICT (id) DO UPDATE
    SET disconnected_at = excluded.disconnected_at, close_code = excluded.close_code
    WHERE visit.disconnected_at IS NULL AND excluded.disconnected_at IS NOT NULL
"""

_SEEN = """
    UPDATE ocw_participants AS person SET last_active_at = seen.at
    FROM (
        SELECT session_id, user_id, max(at) AS at
        FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[]) AS given (session_id, user_id, at)
        GROUP BY session_id, user_id
    ) AS seen
    WHERE person.session_id = seen.session_id AND person.user_id = seen.user_id
        AND person.removed_at IS NULL
        AND (person.last_active_at IS NULL OR person.last_active_at < seen.at)
"""

CLOSE_OPEN = """
    UPDATE user_sessions SET disconnected_at = greatest($1, connected_at)
    WHERE disconnected_at IS NULL AND connected_at < $1
"""

FORGET = """
    DELETE FROM user_sessions WHERE id IN (
        SELECT id FROM user_sessions
        WHERE disconnected_at < $1 ORDER BY disconnected_at LIMIT $2
    )
"""

OF_USER = """
    SELECT id, session_id, user_id, actor_kind, device, connected_at, disconnected_at, close_code
    FROM user_sessions WHERE user_id = $1 ORDER BY connected_at, id
"""


class PostgresVisitStore:
    """`visit_ports.VisitStore` in PostgreSQL."""

    def __init__(self, pool: DatabasePool) -> None:
        self._pool = pool

    async def put(self, visits: Sequence[Visit]) -> None:
        """See `visit_ports.VisitStore.put`.

        Raises:
            BatchRefused: one of them cannot be stored as it is.
        """
        newest = list({visit.id: visit for visit in visits}.values())
        columns = list(map(list, zip(*map(_values, newest), strict=True)))
        seen = [visit.disconnected_at or visit.connected_at for visit in newest]
        async with self._pool.borrow() as connection:
            try:
                async with connection.transaction():
                    await connection.execute(_PUT, *columns)
                    await connection.execute(_SEEN, columns[1], columns[2], seen)
            except (asyncpg.PostgresError, ValueError) as error:
                if is_refusal(error):
                    raise BatchRefused(str(error)) from error
                raise

    async def close_open(self, moment: datetime) -> int:
        """See `visit_ports.VisitStore.close_open`."""
        return await self._count(CLOSE_OPEN, moment)

    async def forget_before(self, moment: datetime, *, limit: int = 1000) -> int:
        """See `visit_ports.VisitStore.forget_before`."""
        return await self._count(FORGET, moment, limit)

    async def _count(self, statement: str, *arguments: object) -> int:
        async with self._pool.borrow() as connection:
            done = await connection.execute(statement, *arguments)
        return rows_changed(done)

    async def of_user(self, user_id: UUID) -> Sequence[Visit]:
        """See `visit_ports.VisitStore.of_user`."""
        async with self._pool.borrow() as connection:
            rows = await connection.fetch(OF_USER, user_id)
        return [_visit(row) for row in rows]


def _values(visit: Visit) -> tuple[object, ...]:
    return (
        visit.id,
        visit.session_id,
        visit.user_id,
        visit.actor_kind.value,
        visit.device,
        visit.connected_at,
        visit.disconnected_at,
        visit.close_code,
    )


def _visit(row: asyncpg.Record) -> Visit:
    fields: dict[str, Any] = dict(row)
    return Visit(**{**fields, "actor_kind": ActorKind(fields["actor_kind"])})
