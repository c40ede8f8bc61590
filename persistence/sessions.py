"""OCW sessions and their participants in PostgreSQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg

from crdt_docs.access import Role
from persistence.cursors import decode_cursor, encode_cursor
from persistence.errors import UnknownSession
from persistence.pool import DatabasePool
from persistence.ports import (
    Page,
    Participant,
    Session,
    SessionFilter,
    SessionStatus,
    SessionType,
    Standing,
)

_COLUMNS = (
    "session.id, session.workspace_id, session.session_type, session.host_user_id, "
    "session.status, session.config, session.max_participants, session.is_recording, "
    "session.started_at, session.ended_at, session.deleted_at"
)

# A page: what is common to the lists below. $1, $2: type and status, or NULL; $3, $4: the row after
# which it starts, always given, so that an index can begin there; $5: how many rows.
_PAGE = """
    session.deleted_at IS NULL
    AND ($1::text IS NULL OR session.session_type = $1)
    AND ($2::text IS NULL OR session.status = $2)
    AND (session.started_at, session.id) < ($3::timestamptz, $4::uuid)
"""
_ORDER = "ORDER BY session.started_at DESC, session.id DESC LIMIT $5"

_FIND_ANY = f"SELECT {_COLUMNS} FROM ocw_sessions AS session WHERE {_PAGE} {_ORDER}"  # noqa: S608 - constants

# The newest of each workspace from its index, then the newest of those.
_FIND_IN_WORKSPACES = f"""
    SELECT {_COLUMNS}
    FROM unnest($6::uuid[]) AS workspace (id) CROSS JOIN LATERAL (
        SELECT {_COLUMNS} FROM ocw_sessions AS session
        WHERE session.workspace_id = workspace.id AND {_PAGE} {_ORDER}
    ) AS session
    {_ORDER}
"""  # noqa: S608 - constants

# First what the person may read at all, which is few; a removal outweighs hosting and grants.
_FIND_READABLE = f"""
    WITH readable AS (
        SELECT id FROM ocw_sessions WHERE host_user_id = $7::uuid AND deleted_at IS NULL
        UNION
        SELECT session_id FROM ocw_participants WHERE user_id = $7
        UNION
        SELECT unnest($8::uuid[])
        EXCEPT
        SELECT session_id FROM ocw_participants WHERE user_id = $7 AND removed_at IS NOT NULL
    )
    SELECT {_COLUMNS}
    FROM readable JOIN ocw_sessions AS session USING (id)
    WHERE ($6::uuid[] IS NULL OR session.workspace_id = ANY ($6)) AND {_PAGE}
    {_ORDER}
"""  # noqa: S608 - constants

_CREATE = """
    WITH created AS (
        INSERT INTO ocw_sessions (
            id, workspace_id, session_type, host_user_id, status, config, max_participants,
            is_recording, started_at, ended_at, deleted_at
        )
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
        ON CONFLICT (id) DO NOTHING
        RETURNING id, host_user_id, started_at
    )
    INSERT INTO ocw_participants (session_id, user_id, role, joined_at)
    SELECT id, host_user_id, 'host', started_at FROM created
"""

_GET = f"""
    SELECT {_COLUMNS} FROM ocw_sessions AS session WHERE id = $1 AND deleted_at IS NULL
"""  # noqa: S608 - constants

_END = f"""
    UPDATE ocw_sessions AS session SET status = 'ended', ended_at = coalesce(ended_at, $2)
    WHERE id = $1 AND deleted_at IS NULL
    RETURNING {_COLUMNS}
"""  # noqa: S608 - constants

_DELETE = """
    UPDATE ocw_sessions
    SET status = 'ended', ended_at = coalesce(ended_at, $2), deleted_at = $2
    WHERE id = $1 AND deleted_at IS NULL
    RETURNING id
"""

_PARTICIPANT = """
    SELECT session_id, user_id, role, joined_at, left_at, removed_at
    FROM ocw_participants WHERE session_id = $1 AND user_id = $2
"""

_SESSIONS = f"""
    SELECT {_COLUMNS} FROM ocw_sessions AS session
    WHERE id = ANY ($1::uuid[]) AND deleted_at IS NULL
"""  # noqa: S608 - constants

_PARTICIPANTS = """
    SELECT session_id, user_id, role, joined_at, left_at, removed_at
    FROM ocw_participants JOIN unnest($1::uuid[], $2::uuid[]) AS wanted (session_id, user_id)
        USING (session_id, user_id)
"""

_DELETED_BEFORE = """
    SELECT id FROM ocw_sessions WHERE deleted_at < $1 ORDER BY deleted_at, id LIMIT $2
"""

_FORGET = "DELETE FROM ocw_sessions WHERE id = ANY ($1::uuid[]) AND deleted_at IS NOT NULL"

_PUT_PARTICIPANT = """
    INSERT INTO ocw_participants (session_id, user_id, role, joined_at, left_at, removed_at)
    VALUES ($1, $2, $3, $4, $5, $6)
    ON CONFLICT (session_id, user_id) WHERE user_id IS NOT NULL DO UPDATE
    SET role = excluded.role, joined_at = excluded.joined_at, left_at = excluded.left_at,
        removed_at = excluded.removed_at
"""

_BEFORE_ALL = (datetime(9999, 12, 31, tzinfo=UTC), UUID(int=2**128 - 1))
"""Where the first page starts."""


class PostgresSessionStore:
    """`ports.SessionStore` in PostgreSQL."""

    def __init__(self, pool: DatabasePool) -> None:
        self._pool = pool

    async def create(self, session: Session) -> None:
        """See `ports.SessionStore.create`; an id that exists already is left as it is."""
        async with self._pool.borrow() as connection:
            await connection.execute(
                _CREATE,
                session.id,
                session.workspace_id,
                session.session_type.value,
                session.host_user_id,
                session.status.value,
                dict(session.config),
                session.max_participants,
                session.is_recording,
                session.started_at,
                session.ended_at,
                session.deleted_at,
            )

    async def get(self, session_id: UUID) -> Session | None:
        """See `ports.SessionStore.get`."""
        return await self._one(_GET, session_id)

    async def find(
        self, wanted: SessionFilter, *, limit: int = 50, cursor: str | None = None
    ) -> Page[Session]:
        """See `ports.SessionStore.find`."""
        started_at, identifier = decode_cursor(cursor) if cursor is not None else _BEFORE_ALL
        query, arguments = find_query(wanted)
        if not query:
            return Page(())
        async with self._pool.borrow() as connection:
            rows = await connection.fetch(
                query,
                wanted.session_type and wanted.session_type.value,
                wanted.status and wanted.status.value,
                started_at,
                identifier,
                limit + 1,  # one more tells whether there is another page
                *arguments,
            )
        items = tuple(_session(row) for row in rows[:limit])
        if len(rows) <= limit or not items:
            return Page(items)
        return Page(items, encode_cursor(items[-1].started_at, items[-1].id))

    async def end(self, session_id: UUID, at: datetime) -> Session | None:
        """See `ports.SessionStore.end`."""
        return await self._one(_END, session_id, at)

    async def delete(self, session_id: UUID, at: datetime) -> bool:
        """See `ports.SessionStore.delete`."""
        async with self._pool.borrow() as connection:
            return await connection.fetchval(_DELETE, session_id, at) is not None

    async def participant(self, session_id: UUID, user_id: UUID) -> Participant | None:
        """See `ports.SessionStore.participant`."""
        async with self._pool.borrow() as connection:
            row = await connection.fetchrow(_PARTICIPANT, session_id, user_id)
        return _participant(row) if row is not None else None

    async def deleted_before(self, moment: datetime, *, limit: int = 100) -> Sequence[UUID]:
        """See `ports.SessionStore.deleted_before`."""
        async with self._pool.borrow() as connection:
            rows = await connection.fetch(_DELETED_BEFORE, moment, limit)
        return [row["id"] for row in rows]

    async def forget(self, session_ids: Sequence[UUID]) -> None:
        """See `ports.SessionStore.forget`."""
        async with self._pool.borrow() as connection:
            await connection.execute(_FORGET, list(session_ids))

    async def standings(self, wanted: Sequence[tuple[UUID, UUID]]) -> Sequence[Standing]:
        """See `ports.SessionStore.standings`."""
        session_ids = [session_id for session_id, _ in wanted]
        user_ids = [user_id for _, user_id in wanted]
        async with self._pool.borrow() as connection:
            session_rows = await connection.fetch(_SESSIONS, list(set(session_ids)))
            participant_rows = await connection.fetch(_PARTICIPANTS, session_ids, user_ids)
        sessions = {row["id"]: _session(row) for row in session_rows}
        participants = {
            (row["session_id"], row["user_id"]): _participant(row) for row in participant_rows
        }
        return [Standing(sessions.get(pair[0]), participants.get(pair)) for pair in wanted]

    async def put_participant(self, participant: Participant) -> None:
        """See `ports.SessionStore.put_participant`.

        Raises:
            UnknownSession: there is no such session.
        """
        async with self._pool.borrow() as connection:
            try:
                await connection.execute(
                    _PUT_PARTICIPANT,
                    participant.session_id,
                    participant.user_id,
                    participant.role.value,
                    participant.joined_at,
                    participant.left_at,
                    participant.removed_at,
                )
            except asyncpg.ForeignKeyViolationError:
                raise UnknownSession(f"no session {participant.session_id}") from None

    async def _one(self, query: str, *arguments: object) -> Session | None:
        async with self._pool.borrow() as connection:
            row = await connection.fetchrow(query, *arguments)
        return _session(row) if row is not None else None


def find_query(wanted: SessionFilter) -> tuple[str, Sequence[object]]:
    """The statement for a list, and its arguments from the sixth on.

    Returns:
        An empty statement when the filter can match nothing.
    """
    workspaces = _workspaces(wanted)
    if workspaces is not None and not workspaces:
        return "", ()
    if wanted.readable_by is not None:
        return _FIND_READABLE, (workspaces, wanted.readable_by, wanted.granted)
    if workspaces is not None:
        return _FIND_IN_WORKSPACES, (workspaces,)
    return _FIND_ANY, ()


def _workspaces(wanted: SessionFilter) -> list[UUID] | None:
    """The workspaces a list is bound to; None for all."""
    if wanted.workspaces is None:
        return None if wanted.workspace_id is None else [wanted.workspace_id]
    return [
        workspace
        for workspace in dict.fromkeys(wanted.workspaces)
        if wanted.workspace_id in (None, workspace)
    ]


def _session(row: Mapping[str, Any] | asyncpg.Record) -> Session:
    return Session(
        id=row["id"],
        workspace_id=row["workspace_id"],
        session_type=SessionType(row["session_type"]),
        host_user_id=row["host_user_id"],
        status=SessionStatus(row["status"]),
        config=row["config"],
        max_participants=row["max_participants"],
        is_recording=row["is_recording"],
        started_at=row["started_at"],
        ended_at=row["ended_at"],
        deleted_at=row["deleted_at"],
    )


def _participant(row: asyncpg.Record) -> Participant:
    return Participant(
        session_id=row["session_id"],
        user_id=row["user_id"],
        role=Role(row["role"]),
        joined_at=row["joined_at"],
        left_at=row["left_at"],
        removed_at=row["removed_at"],
    )
