"""Sessions of XR rooms in PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from persistence.pages import BEFORE_ALL, page_of_rows, start_of
from persistence.pool import DatabasePool
from persistence.ports import Page
from persistence.xr_ports import (
    BEFORE_ALL_ROOMS,
    NOWHERE,
    EndedSession,
    RoomStanding,
    ToEmpty,
    XrSession,
)
from persistence.xr_rooms import EMPTY
from persistence.xr_rows import ROOM, SESSION, read_standings, room_of_row, session_of_row

# The one that is there is answered by a change that changes nothing: otherwise one that was started
# a moment ago could be neither in the way nor seen.
_START = f"""
    INSERT INTO xr_sessions AS session (id, room_id, started_at)
    SELECT $2, id, $3 FROM xr_rooms WHERE id = $1 AND deleted_at IS NULL
    FOR SHARE
    ON CONFLICT (room_id) WHERE ended_at IS NULL DO UPDATE SET started_at = session.started_at
    RETURNING {SESSION}
"""  # noqa: S608 - constants

_OF_LIVE_ROOM = "JOIN xr_rooms AS room ON room.id = session.room_id AND room.deleted_at IS NULL"

_GET = f"""
    SELECT {SESSION} FROM xr_sessions AS session {_OF_LIVE_ROOM} WHERE session.id = $1
"""  # noqa: S608 - constants

_ACTIVE = f"""
    SELECT {SESSION} FROM xr_sessions AS session WHERE room_id = $1 AND ended_at IS NULL
"""  # noqa: S608 - constants

# $2, $3: the row after which it starts, always given, so that the index can begin there.
OF_ROOM: Final = f"""
    SELECT {SESSION} FROM xr_sessions AS session {_OF_LIVE_ROOM}
    WHERE session.room_id = $1 AND (session.started_at, session.id) < ($2::timestamptz, $3::uuid)
    ORDER BY session.started_at DESC, session.id DESC LIMIT $4
"""  # noqa: S608 - constants

_END = f"""
    UPDATE xr_sessions AS session SET status = 'ended', ended_at = $2
    WHERE id = $1 AND ended_at IS NULL
    RETURNING {SESSION}
"""  # noqa: S608 - constants

ALL_TO_EMPTY: Final = f"""
    SELECT {ROOM}, array_agg(session.id) AS session_ids
    FROM xr_sessions AS session {_OF_LIVE_ROOM}
    WHERE session.ended_at IS NOT NULL AND session.emptied_at IS NULL AND session.room_id > $1
        AND NOT EXISTS (
            SELECT FROM xr_sessions AS active
            WHERE active.room_id = session.room_id AND active.ended_at IS NULL
        )
    GROUP BY room.id ORDER BY room.id LIMIT $2
"""  # noqa: S608 - constants
TO_EMPTY: Final = ALL_TO_EMPTY.replace("session.room_id > $1", "session.room_id = $1")

_EMPTIED = """
    UPDATE xr_sessions SET emptied_at = $2
    WHERE id = ANY ($1::uuid[]) AND ended_at IS NOT NULL AND emptied_at IS NULL
"""

_SESSIONS = f"SELECT {SESSION} FROM xr_sessions AS session WHERE id = ANY ($1::uuid[])"  # noqa: S608 - constants


class PostgresXrSessionStore:
    """`xr_ports.XrSessionStore` in PostgreSQL."""

    def __init__(self, pool: DatabasePool) -> None:
        self._pool = pool

    async def start(self, session: XrSession) -> XrSession | None:
        """See `xr_ports.XrSessionStore.start`."""
        return await self._one(_START, session.room_id, session.id, session.started_at)

    async def get(self, session_id: UUID) -> XrSession | None:
        """See `xr_ports.XrSessionStore.get`."""
        return await self._one(_GET, session_id)

    async def active(self, room_id: UUID) -> XrSession | None:
        """See `xr_ports.XrSessionStore.active`."""
        return await self._one(_ACTIVE, room_id)

    async def of_room(
        self, room_id: UUID, *, limit: int = 50, cursor: str | None = None
    ) -> Page[XrSession]:
        """See `xr_ports.XrSessionStore.of_room`."""
        after = start_of(cursor, BEFORE_ALL)
        async with self._pool.borrow() as connection:
            rows = await connection.fetch(OF_ROOM, room_id, *after, limit + 1)
        return page_of_rows(rows, limit, session_of_row, "started_at")

    async def end(self, session_id: UUID, at: datetime) -> EndedSession | None:
        """See `xr_ports.XrSessionStore.end`."""
        async with self._pool.borrow() as connection, connection.transaction():
            row = await connection.fetchrow(_END, session_id, at)
            if row is not None:
                # A statement of its own: it sees who joined before the row was locked.
                await connection.execute(EMPTY, session_id, at)
                return EndedSession(session_of_row(row), was_active=True)
        before = await self.get(session_id)
        return None if before is None else EndedSession(before, was_active=False)

    async def to_empty(self, room_id: UUID) -> ToEmpty | None:
        """See `xr_ports.XrSessionStore.to_empty`."""
        found = await self._to_empty(TO_EMPTY, room_id, 1)
        return found[0] if found else None

    async def all_to_empty(
        self, *, after: UUID = BEFORE_ALL_ROOMS, limit: int = 100
    ) -> Sequence[ToEmpty]:
        """See `xr_ports.XrSessionStore.all_to_empty`."""
        return await self._to_empty(ALL_TO_EMPTY, after, limit)

    async def _to_empty(self, query: str, *arguments: object) -> Sequence[ToEmpty]:
        async with self._pool.borrow() as connection:
            rows = await connection.fetch(query, *arguments)
        return [ToEmpty(room_of_row(row), tuple(row["session_ids"])) for row in rows]

    async def emptied(self, session_ids: Sequence[UUID], at: datetime) -> None:
        """See `xr_ports.XrSessionStore.emptied`."""
        async with self._pool.borrow() as connection:
            await connection.execute(_EMPTIED, list(session_ids), at)

    async def standings(self, wanted: Sequence[tuple[UUID, UUID]]) -> Sequence[RoomStanding]:
        """See `xr_ports.XrSessionStore.standings`."""
        async with self._pool.borrow() as connection:
            rows = await connection.fetch(_SESSIONS, list({session_id for session_id, _ in wanted}))
            sessions = {row["id"]: session_of_row(row) for row in rows}
            known = [pair for pair in wanted if pair[0] in sessions]
            asked = [(sessions[session_id], user_id) for session_id, user_id in known]
            found = await read_standings(
                connection, [((session.room_id, user_id), session) for session, user_id in asked]
            )
        standings = dict(zip(known, found, strict=True))
        return [standings.get(pair, NOWHERE) for pair in wanted]

    async def _one(self, query: str, *arguments: object) -> XrSession | None:
        async with self._pool.borrow() as connection:
            row = await connection.fetchrow(query, *arguments)
        return session_of_row(row) if row is not None else None
