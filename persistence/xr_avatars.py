"""Avatars in PostgreSQL."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from uuid import UUID

import asyncpg

from persistence.pages import BEFORE_ALL, page_of_rows, start_of
from persistence.pool import BorrowedConnection, DatabasePool
from persistence.ports import Page
from persistence.xr_people_ports import Avatar, AvatarChanges

_COLUMNS = (
    "avatar.id, avatar.user_id, avatar.avatar_name, avatar.avatar_config, avatar.is_default, "
    "avatar.created_at"
)

_CREATE = """
    INSERT INTO xr_avatars (id, user_id, avatar_name, avatar_config, is_default, created_at)
    VALUES ($1, $2, $3, $4, false, $5)
    ON CONFLICT (id) DO NOTHING
    RETURNING true
"""

_GET = f"SELECT {_COLUMNS} FROM xr_avatars AS avatar WHERE id = $1"  # noqa: S608 - constants

DEFAULT_OF: Final = f"""
    SELECT {_COLUMNS} FROM xr_avatars AS avatar WHERE user_id = $1 AND is_default
"""  # noqa: S608 - constants

# $2, $3: the row after which it starts, always given, so that the index can begin there.
OF_USER: Final = f"""
    SELECT {_COLUMNS} FROM xr_avatars AS avatar
    WHERE user_id = $1 AND (created_at, id) < ($2::timestamptz, $3::uuid)
    ORDER BY created_at DESC, id DESC LIMIT $4
"""  # noqa: S608 - constants

LOCK_CLASS: Final = 0x58524176
"""The advisory lock under which it is changed which of somebody's avatars is the default: there may
be no row yet that could be locked."""

_LOCK = "SELECT pg_advisory_xact_lock($1, hashtext($2::uuid::text))"

# Statements of their own, after the lock: each sees what was done before it. The index looks at a
# row at a time, so that none may be the default before the other is no longer.
_NO_DEFAULT = "UPDATE xr_avatars SET is_default = false WHERE user_id = $1 AND is_default"
_SET_DEFAULT = "UPDATE xr_avatars SET is_default = true WHERE id = $1"

_CHANGE = f"""
    UPDATE xr_avatars AS avatar
    SET avatar_name = coalesce($2, avatar_name), avatar_config = coalesce($3, avatar_config),
        is_default = coalesce($4, is_default)
    WHERE id = $1
    RETURNING {_COLUMNS}
"""  # noqa: S608 - constants

_OWNER = "SELECT user_id FROM xr_avatars WHERE id = $1"

_DELETE = "DELETE FROM xr_avatars WHERE id = $1 RETURNING true"


class PostgresAvatarStore:
    """`xr_people_ports.AvatarStore` in PostgreSQL."""

    def __init__(self, pool: DatabasePool) -> None:
        self._pool = pool

    async def create(self, avatar: Avatar) -> None:
        """See `xr_people_ports.AvatarStore.create`."""
        values = (avatar.id, avatar.user_id, avatar.name, dict(avatar.config), avatar.created_at)
        async with self._pool.borrow() as connection, connection.transaction():
            is_new = await connection.fetchval(_CREATE, *values)
            if is_new and avatar.is_default:
                await _clear_default(connection, avatar.user_id)
                await connection.execute(_SET_DEFAULT, avatar.id)

    async def get(self, avatar_id: UUID) -> Avatar | None:
        """See `xr_people_ports.AvatarStore.get`."""
        return await self._one(_GET, avatar_id)

    async def default_of(self, user_id: UUID) -> Avatar | None:
        """See `xr_people_ports.AvatarStore.default_of`."""
        return await self._one(DEFAULT_OF, user_id)

    async def of_user(
        self, user_id: UUID, *, limit: int = 50, cursor: str | None = None
    ) -> Page[Avatar]:
        """See `xr_people_ports.AvatarStore.of_user`."""
        after = start_of(cursor, BEFORE_ALL)
        async with self._pool.borrow() as connection:
            rows = await connection.fetch(OF_USER, user_id, *after, limit + 1)
        return page_of_rows(rows, limit, _avatar, "created_at")

    async def change(self, avatar_id: UUID, changes: AvatarChanges) -> Avatar | None:
        """See `xr_people_ports.AvatarStore.change`."""
        is_default = changes.get("is_default")
        async with self._pool.borrow() as connection, connection.transaction():
            if is_default:
                user_id = await connection.fetchval(_OWNER, avatar_id)
                await _clear_default(connection, user_id)
            row = await connection.fetchrow(
                _CHANGE, avatar_id, changes.get("name"), _config(changes), is_default
            )
        return _avatar(row) if row is not None else None

    async def delete(self, avatar_id: UUID) -> bool:
        """See `xr_people_ports.AvatarStore.delete`."""
        async with self._pool.borrow() as connection:
            return await connection.fetchval(_DELETE, avatar_id) is not None

    async def _one(self, query: str, *arguments: object) -> Avatar | None:
        async with self._pool.borrow() as connection:
            row = await connection.fetchrow(query, *arguments)
        return _avatar(row) if row is not None else None


async def _clear_default(connection: BorrowedConnection, user_id: UUID | None) -> None:
    """Nobody's, where there is no user: the avatar is gone."""
    await connection.execute(_LOCK, LOCK_CLASS, user_id)
    await connection.execute(_NO_DEFAULT, user_id)


def _config(changes: AvatarChanges) -> Mapping[str, object] | None:
    config = changes.get("config")
    return None if config is None else dict(config)


def _avatar(row: asyncpg.Record) -> Avatar:
    return Avatar(
        id=row["id"],
        user_id=row["user_id"],
        name=row["avatar_name"],
        config=row["avatar_config"],
        is_default=row["is_default"],
        created_at=row["created_at"],
    )
