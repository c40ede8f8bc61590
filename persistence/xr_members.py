"""Who may open XR rooms, and as what, in PostgreSQL."""

from __future__ import annotations

from datetime import datetime
from typing import Final
from uuid import UUID

from crdt_docs.access import Role
from persistence.pages import AFTER_NONE, page_of_rows, start_of
from persistence.pool import BorrowedConnection, DatabasePool
from persistence.ports import LastHost, Page
from persistence.xr_ports import RoomMember
from persistence.xr_rows import MEMBER, member_of_row

_GET = f"""
    SELECT {MEMBER} FROM xr_room_members AS member WHERE room_id = $1 AND user_id = $2
"""  # noqa: S608 - constants

# $2, $3: the row after which it starts, always given, so that the index can begin there.
MEMBERS: Final = f"""
    SELECT {MEMBER} FROM xr_room_members AS member
    WHERE room_id = $1 AND removed_at IS NULL
        AND (added_at, user_id) > ($2::timestamptz, $3::uuid)
    ORDER BY added_at, user_id LIMIT $4
"""  # noqa: S608 - constants

# Changes of roles in one room follow one another: two hosts may demote each other.
_LOCK = "SELECT true FROM xr_rooms WHERE id = $1 AND deleted_at IS NULL FOR NO KEY UPDATE"

_IS_LAST_HOST = """
    SELECT bool_or(user_id = $2) AND count(*) = 1 FROM xr_room_members
    WHERE room_id = $1 AND role = 'host' AND removed_at IS NULL
"""

_PUT = f"""
    INSERT INTO xr_room_members AS member (room_id, user_id, role, added_at)
    VALUES ($1, $2, $3, $4)
    ON CONFLICT (room_id, user_id) DO UPDATE SET role = excluded.role, removed_at = NULL
    RETURNING {MEMBER}
"""  # noqa: S608 - constants

# Who comes by a grant or the room's default has no row yet: it is made to deny.
_REMOVE = f"""
    INSERT INTO xr_room_members AS member (room_id, user_id, role, added_at, removed_at)
    VALUES ($1, $2, 'spectator', $3, $3)
    ON CONFLICT (room_id, user_id) DO UPDATE
    SET removed_at = coalesce(member.removed_at, excluded.removed_at)
    RETURNING {MEMBER}
"""  # noqa: S608 - constants


class PostgresXrMemberStore:
    """`xr_ports.XrMemberStore` in PostgreSQL."""

    def __init__(self, pool: DatabasePool) -> None:
        self._pool = pool

    async def member(self, room_id: UUID, user_id: UUID) -> RoomMember | None:
        """See `xr_ports.XrMemberStore.member`."""
        async with self._pool.borrow() as connection:
            row = await connection.fetchrow(_GET, room_id, user_id)
        return member_of_row(row) if row is not None else None

    async def members(
        self, room_id: UUID, *, limit: int = 50, cursor: str | None = None
    ) -> Page[RoomMember]:
        """See `xr_ports.XrMemberStore.members`."""
        after = start_of(cursor, AFTER_NONE)
        async with self._pool.borrow() as connection:
            rows = await connection.fetch(MEMBERS, room_id, *after, limit + 1)
        return page_of_rows(rows, limit, member_of_row, "added_at", "user_id")

    async def put(
        self, room_id: UUID, user_id: UUID, role: Role, at: datetime
    ) -> RoomMember | None:
        """See `xr_ports.XrMemberStore.put`."""
        async with self._pool.borrow() as connection, connection.transaction():
            if not await connection.fetchval(_LOCK, room_id):
                return None
            if role is not Role.HOST:
                await _check_other_host(connection, room_id, user_id)
            row = await connection.fetchrow(_PUT, room_id, user_id, role.value, at)
        return member_of_row(row) if row is not None else None

    async def remove(self, room_id: UUID, user_id: UUID, at: datetime) -> RoomMember | None:
        """See `xr_ports.XrMemberStore.remove`."""
        async with self._pool.borrow() as connection, connection.transaction():
            if not await connection.fetchval(_LOCK, room_id):
                return None
            await _check_other_host(connection, room_id, user_id)
            row = await connection.fetchrow(_REMOVE, room_id, user_id, at)
        return member_of_row(row) if row is not None else None


async def _check_other_host(connection: BorrowedConnection, room_id: UUID, user_id: UUID) -> None:
    """Raise LastHost if this person is the only host."""
    if await connection.fetchval(_IS_LAST_HOST, room_id, user_id):
        raise LastHost
