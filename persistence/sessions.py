"""OCW sessions and their participants in PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

import asyncpg

from crdt_docs.access import Role
from persistence.cursors import decode_cursor, encode_cursor
from persistence.errors import UnknownSession
from persistence.pool import BorrowedConnection, DatabasePool
from persistence.ports import (
    LastHost,
    Page,
    Participant,
    Session,
    SessionFilter,
    SessionStatus,
    Standing,
)
from persistence.session_rows import PERSON, SESSION, participant_of_row, session_of_row
from persistence.session_standings import SessionStandings

# A page: what is common to the lists below. $1, $2: type and status, or NULL; $3, $4: the row after
# which it starts, always given, so that an index can begin there; $5: how many rows.
_PAGE = """
    session.deleted_at IS NULL
    AND ($1::text IS NULL OR session.session_type = $1)
    AND ($2::text IS NULL OR session.status = $2)
    AND (session.started_at, session.id) < ($3::timestamptz, $4::uuid)
"""
_ORDER = "ORDER BY session.started_at DESC, session.id DESC LIMIT $5"

_FIND_ANY = f"SELECT {SESSION} FROM ocw_sessions AS session WHERE {_PAGE} {_ORDER}"  # noqa: S608 - constants

# The newest of each workspace from its index, then the newest of those.
_FIND_IN_WORKSPACES = f"""
    SELECT {SESSION}
    FROM unnest($6::uuid[]) AS workspace (id) CROSS JOIN LATERAL (
        SELECT {SESSION} FROM ocw_sessions AS session
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
    SELECT {SESSION}
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
    SELECT {SESSION} FROM ocw_sessions AS session WHERE id = $1 AND deleted_at IS NULL
"""  # noqa: S608 - constants

_END = f"""
    UPDATE ocw_sessions AS session SET status = 'ended', ended_at = coalesce(ended_at, $2)
    WHERE id = $1 AND deleted_at IS NULL
    RETURNING {SESSION}
"""  # noqa: S608 - constants

_SET_STATUS = f"""
    UPDATE ocw_sessions AS session
    SET status = CASE WHEN status = 'ended' THEN status ELSE $2 END
    WHERE id = $1 AND deleted_at IS NULL
    RETURNING {SESSION}
"""  # noqa: S608 - constants

_DELETE = """
    UPDATE ocw_sessions
    SET status = 'ended', ended_at = coalesce(ended_at, $2), deleted_at = $2
    WHERE id = $1 AND deleted_at IS NULL
    RETURNING id
"""

_PARTICIPANT = f"""
    SELECT {PERSON} FROM ocw_participants AS person WHERE session_id = $1 AND user_id = $2
"""  # noqa: S608 - constants

_DELETED_BEFORE = """
    SELECT id FROM ocw_sessions WHERE deleted_at < $1 ORDER BY deleted_at, id LIMIT $2
"""

_FORGET = "DELETE FROM ocw_sessions WHERE id = ANY ($1::uuid[]) AND deleted_at IS NOT NULL"

_PUT_PARTICIPANT = """
    INSERT INTO ocw_participants (
        session_id, user_id, role, joined_at, left_at, removed_at, last_active_at
    )
    VALUES ($1, $2, $3, $4, $5, $6, $7)
    ON CONFLICT (session_id, user_id) WHERE user_id IS NOT NULL DO UPDATE
    SET role = excluded.role, joined_at = excluded.joined_at, left_at = excluded.left_at,
        removed_at = excluded.removed_at, last_active_at = excluded.last_active_at
"""

# Who was removed stays as they are, and is answered all the same.
_JOIN = f"""
    INSERT INTO ocw_participants AS person (session_id, user_id, role, joined_at, last_active_at)
    SELECT id, $2, $3, $4, $4 FROM ocw_sessions
    WHERE id = $1 AND deleted_at IS NULL AND status <> 'ended'
    FOR SHARE
    ON CONFLICT (session_id, user_id) WHERE user_id IS NOT NULL DO UPDATE
    SET left_at = CASE WHEN person.removed_at IS NULL THEN NULL ELSE person.left_at END,
        last_active_at = CASE
            WHEN person.removed_at IS NULL THEN excluded.last_active_at
            ELSE person.last_active_at
        END
    RETURNING {PERSON}
"""  # noqa: S608 - constants

_LEAVE = f"""
    UPDATE ocw_participants AS person SET left_at = coalesce(left_at, $3)
    WHERE session_id = $1 AND user_id = $2 AND removed_at IS NULL
    RETURNING {PERSON}
"""  # noqa: S608 - constants

# $2, $3: the row after which it starts, always given, so that the index can begin there.
PEOPLE = f"""
    SELECT {PERSON} FROM ocw_participants AS person
    WHERE session_id = $1 AND user_id IS NOT NULL AND removed_at IS NULL
        AND (joined_at, user_id) > ($2::timestamptz, $3::uuid)
    ORDER BY joined_at, user_id LIMIT $4
"""  # noqa: S608 - constants

# Changes of roles in one session follow one another: two hosts may demote each other.
_LOCK = "SELECT FROM ocw_sessions WHERE id = $1 FOR NO KEY UPDATE"

_OTHER_HOST = """
    SELECT EXISTS (
        SELECT FROM ocw_participants
        WHERE session_id = $1 AND user_id <> $2 AND role = 'host' AND removed_at IS NULL
    )
"""

_SET_ROLE = f"""
    UPDATE ocw_participants AS person SET role = $3
    WHERE session_id = $1 AND user_id = $2 AND removed_at IS NULL
    RETURNING {PERSON}
"""  # noqa: S608 - constants

# Who comes by a grant or the session's default has no row yet: it is made to deny.
_REMOVE = f"""
    INSERT INTO ocw_participants AS person (session_id, user_id, role, joined_at, removed_at)
    SELECT id, $2, 'spectator', $3, $3 FROM ocw_sessions WHERE id = $1 AND deleted_at IS NULL
    ON CONFLICT (session_id, user_id) WHERE user_id IS NOT NULL DO UPDATE
    SET removed_at = coalesce(person.removed_at, excluded.removed_at)
    RETURNING {PERSON}
"""  # noqa: S608 - constants

_BEFORE_ALL = (datetime(9999, 12, 31, tzinfo=UTC), UUID(int=2**128 - 1))
"""Where the first page starts: that of sessions…"""

_AFTER_NONE = (datetime(1, 1, 1, tzinfo=UTC), UUID(int=0))
"""… and that of people."""


class PostgresSessionStore:
    """`ports.SessionStore` in PostgreSQL."""

    def __init__(self, pool: DatabasePool) -> None:
        self._pool = pool
        self._standings = SessionStandings(pool)

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
        items = tuple(session_of_row(row) for row in rows[:limit])
        if len(rows) <= limit or not items:
            return Page(items)
        return Page(items, encode_cursor(items[-1].started_at, items[-1].id))

    async def end(self, session_id: UUID, at: datetime) -> Session | None:
        """See `ports.SessionStore.end`."""
        return await self._one(_END, session_id, at)

    async def set_paused(self, session_id: UUID, *, is_paused: bool) -> Session | None:
        """See `ports.SessionStore.set_paused`."""
        status = SessionStatus.PAUSED if is_paused else SessionStatus.ACTIVE
        return await self._one(_SET_STATUS, session_id, status.value)

    async def delete(self, session_id: UUID, at: datetime) -> bool:
        """See `ports.SessionStore.delete`."""
        async with self._pool.borrow() as connection:
            return await connection.fetchval(_DELETE, session_id, at) is not None

    async def participant(self, session_id: UUID, user_id: UUID) -> Participant | None:
        """See `ports.SessionStore.participant`."""
        return await self._person(_PARTICIPANT, session_id, user_id)

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
        return await self._standings.read(wanted)

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
                    participant.last_active_at,
                )
            except asyncpg.ForeignKeyViolationError:
                raise UnknownSession(f"no session {participant.session_id}") from None

    async def join(
        self, session_id: UUID, user_id: UUID, role: Role, at: datetime
    ) -> Participant | None:
        """See `ports.SessionStore.join`."""
        return await self._person(_JOIN, session_id, user_id, role.value, at)

    async def leave(self, session_id: UUID, user_id: UUID, at: datetime) -> Participant | None:
        """See `ports.SessionStore.leave`."""
        return await self._person(_LEAVE, session_id, user_id, at)

    async def participants(
        self, session_id: UUID, *, limit: int = 50, cursor: str | None = None
    ) -> Page[Participant]:
        """See `ports.SessionStore.participants`."""
        joined_at, user_id = decode_cursor(cursor) if cursor is not None else _AFTER_NONE
        async with self._pool.borrow() as connection:
            rows = await connection.fetch(PEOPLE, session_id, joined_at, user_id, limit + 1)
        items = tuple(participant_of_row(row) for row in rows[:limit])
        if len(rows) <= limit or not items:
            return Page(items)
        return Page(items, encode_cursor(items[-1].joined_at, items[-1].user_id))

    async def set_role(self, session_id: UUID, user_id: UUID, role: Role) -> Participant | None:
        """See `ports.SessionStore.set_role`."""
        async with self._pool.borrow() as connection, connection.transaction():
            await connection.execute(_LOCK, session_id)
            before = await connection.fetchrow(_PARTICIPANT, session_id, user_id)
            if before is None or before["removed_at"] is not None:
                return None
            if role is not Role.HOST:
                await _check_other_host(connection, before)
            row = await connection.fetchrow(_SET_ROLE, session_id, user_id, role.value)
        return participant_of_row(row) if row is not None else None

    async def remove(self, session_id: UUID, user_id: UUID, at: datetime) -> Participant | None:
        """See `ports.SessionStore.remove`."""
        async with self._pool.borrow() as connection, connection.transaction():
            await connection.execute(_LOCK, session_id)
            before = await connection.fetchrow(_PARTICIPANT, session_id, user_id)
            if before is not None and before["removed_at"] is None:
                await _check_other_host(connection, before)
            row = await connection.fetchrow(_REMOVE, session_id, user_id, at)
        return participant_of_row(row) if row is not None else None

    async def _person(self, query: str, *arguments: object) -> Participant | None:
        async with self._pool.borrow() as connection:
            row = await connection.fetchrow(query, *arguments)
        return participant_of_row(row) if row is not None else None

    async def _one(self, query: str, *arguments: object) -> Session | None:
        async with self._pool.borrow() as connection:
            row = await connection.fetchrow(query, *arguments)
        return session_of_row(row) if row is not None else None


async def _check_other_host(connection: BorrowedConnection, person: asyncpg.Record) -> None:
    """Raise LastHost if this person is the only host."""
    if person["role"] == Role.HOST.value and not await connection.fetchval(
        _OTHER_HOST, person["session_id"], person["user_id"]
    ):
        raise LastHost


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
