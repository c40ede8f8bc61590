"""XR rooms in PostgreSQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from persistence.pages import BEFORE_ALL, page_of_rows, start_of
from persistence.pool import DatabasePool
from persistence.ports import Page
from persistence.xr_ports import RoomChanges, RoomFilter, RoomStanding, XrRoom
from persistence.xr_rows import ROOM, SESSION, read_standings, room_of_row, session_of_row

# A page: what is common to the lists below. $1: type, or NULL; $2, $3: the row after which it
# starts, always given, so that an index can begin there; $4: how many rows; $5, $6: workspaces and
# dataspace, or NULL.
_PAGE = """
    room.deleted_at IS NULL
    AND ($1::text IS NULL OR room.room_type = $1)
    AND (room.created_at, room.id) < ($2::timestamptz, $3::uuid)
    AND ($5::uuid[] IS NULL OR room.workspace_id = ANY ($5))
    AND ($6::uuid IS NULL OR room.dataspace_id = $6)
"""
_ORDER = "ORDER BY room.created_at DESC, room.id DESC LIMIT $4"


def _everywhere(columns: str, condition: str) -> str:
    return f"SELECT {columns} FROM xr_rooms AS room WHERE {_PAGE} AND {condition} {_ORDER}"  # noqa: S608 - constants


def _in_dataspace(columns: str, condition: str) -> str:
    return _everywhere(columns, f"room.dataspace_id = $6 AND {condition}")


def _in_workspaces(columns: str, condition: str) -> str:
    """The newest of each workspace from its index, then the newest of those."""
    of_one = _everywhere(columns, f"room.workspace_id = workspace.id AND {condition}")
    return f"""
        SELECT {columns} FROM unnest($5::uuid[]) AS workspace (id)
            CROSS JOIN LATERAL ({of_one}) AS room
        {_ORDER}
    """  # noqa: S608 - constants


_SOURCES: Final = {
    "everywhere": _everywhere,
    "in dataspace": _in_dataspace,
    "in workspaces": _in_workspaces,
}

_KEYS = "room.id, room.created_at"

_PUBLIC = """
    room.is_public AND NOT EXISTS (
        SELECT FROM xr_room_members AS member
        WHERE member.room_id = room.id AND member.user_id = $7 AND member.removed_at IS NOT NULL
    )
"""


def _readable(public: str) -> str:
    """First a page of what is the person's, which is few, and one of what is public; then a page of
    both. A removal outweighs having made it, grants, and that it is public."""
    return f"""
        WITH mine AS (
            SELECT id FROM xr_rooms WHERE created_by = $7::uuid AND deleted_at IS NULL
            UNION
            SELECT room_id FROM xr_room_members WHERE user_id = $7
            UNION
            SELECT unnest($8::uuid[])
            EXCEPT
            SELECT room_id FROM xr_room_members WHERE user_id = $7 AND removed_at IS NOT NULL
        ), readable AS (
            (SELECT {_KEYS} FROM mine JOIN xr_rooms AS room USING (id) WHERE {_PAGE} {_ORDER})
            UNION
            ({public})
        )
        SELECT {ROOM} FROM readable JOIN xr_rooms AS room USING (id) {_ORDER}
    """  # noqa: S608 - constants


_FIND: Final = {name: source(ROOM, "true") for name, source in _SOURCES.items()}
_FIND_READABLE: Final = {
    name: _readable(source(_KEYS, _PUBLIC)) for name, source in _SOURCES.items()
}

_CREATE = """
    WITH created AS (
        INSERT INTO xr_rooms (
            id, workspace_id, name, room_type, room_template, dimensions, environment_config,
            config, dataspace_id, meeting_id, is_persistent, is_public, max_participants,
            created_by, created_at, deleted_at
        )
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
        ON CONFLICT (id) DO NOTHING
        RETURNING id, created_by, created_at
    )
    INSERT INTO xr_room_members (room_id, user_id, role, added_at)
    SELECT id, created_by, 'host', created_at FROM created
"""

_GET = f"SELECT {ROOM} FROM xr_rooms AS room WHERE id = $1 AND deleted_at IS NULL"  # noqa: S608 - constants

_CHANGEABLE: Final = tuple(RoomChanges.__annotations__)

_DELETE = "UPDATE xr_rooms SET deleted_at = $2 WHERE id = $1 AND deleted_at IS NULL RETURNING true"

# Statements of their own, after the row of the room is locked: what was started, or joined, before
# that is seen by them, and nothing is afterwards.
_END = """
    UPDATE xr_sessions SET status = 'ended', ended_at = $2, emptied_at = $2
    WHERE room_id = $1 AND ended_at IS NULL
    RETURNING id
"""
EMPTY: Final = """
    UPDATE xr_participants SET left_at = $2 WHERE session_id = $1 AND left_at IS NULL
"""

_ACTIVE = f"""
    SELECT {SESSION} FROM xr_sessions AS session
    WHERE room_id = ANY ($1::uuid[]) AND ended_at IS NULL
"""  # noqa: S608 - constants

_DELETED_BEFORE = """
    SELECT id FROM xr_rooms WHERE deleted_at < $1 ORDER BY deleted_at, id LIMIT $2
"""

_FORGET = "DELETE FROM xr_rooms WHERE id = ANY ($1::uuid[]) AND deleted_at IS NOT NULL"


class PostgresXrRoomStore:
    """`xr_ports.XrRoomStore` in PostgreSQL."""

    def __init__(self, pool: DatabasePool) -> None:
        self._pool = pool

    async def create(self, room: XrRoom) -> None:
        """See `xr_ports.XrRoomStore.create`."""
        async with self._pool.borrow() as connection:
            await connection.execute(_CREATE, *_values(room))

    async def get(self, room_id: UUID) -> XrRoom | None:
        """See `xr_ports.XrRoomStore.get`."""
        return await self._one(_GET, room_id)

    async def find(
        self, wanted: RoomFilter, *, limit: int = 50, cursor: str | None = None
    ) -> Page[XrRoom]:
        """See `xr_ports.XrRoomStore.find`."""
        after = start_of(cursor, BEFORE_ALL)
        # One more tells whether there is another page.
        query, arguments = find_query(wanted, after=after, limit=limit + 1)
        if not query:
            return Page(())
        async with self._pool.borrow() as connection:
            rows = await connection.fetch(query, *arguments)
        return page_of_rows(rows, limit, room_of_row, "created_at")

    async def change(self, room_id: UUID, changes: RoomChanges) -> XrRoom | None:
        """See `xr_ports.XrRoomStore.change`."""
        given: Mapping[str, object] = {**changes}
        names = [name for name in _CHANGEABLE if name in given]
        if not names:
            return await self.get(room_id)
        settings = ", ".join(f"{name} = ${place}" for place, name in enumerate(names, start=2))
        query = (
            f"UPDATE xr_rooms AS room SET {settings} "  # noqa: S608 - constants
            f"WHERE id = $1 AND deleted_at IS NULL RETURNING {ROOM}"
        )
        return await self._one(query, room_id, *(_plain(given[name]) for name in names))

    async def delete(self, room_id: UUID, at: datetime) -> bool:
        """See `xr_ports.XrRoomStore.delete`."""
        async with self._pool.borrow() as connection, connection.transaction():
            found = await connection.fetchval(_DELETE, room_id, at)
            session_id = await connection.fetchval(_END, room_id, at) if found else None
            if session_id is not None:
                await connection.execute(EMPTY, session_id, at)
        return found is not None

    async def standings(self, wanted: Sequence[tuple[UUID, UUID]]) -> Sequence[RoomStanding]:
        """See `xr_ports.XrRoomStore.standings`."""
        async with self._pool.borrow() as connection:
            rows = await connection.fetch(_ACTIVE, list({room_id for room_id, _ in wanted}))
            active = {row["room_id"]: session_of_row(row) for row in rows}
            return await read_standings(
                connection, [(pair, active.get(pair[0])) for pair in wanted]
            )

    async def deleted_before(self, moment: datetime, *, limit: int = 100) -> Sequence[UUID]:
        """See `xr_ports.XrRoomStore.deleted_before`."""
        async with self._pool.borrow() as connection:
            rows = await connection.fetch(_DELETED_BEFORE, moment, limit)
        return [row["id"] for row in rows]

    async def forget(self, room_ids: Sequence[UUID]) -> None:
        """See `xr_ports.XrRoomStore.forget`."""
        async with self._pool.borrow() as connection:
            await connection.execute(_FORGET, list(room_ids))

    async def _one(self, query: str, *arguments: object) -> XrRoom | None:
        async with self._pool.borrow() as connection:
            row = await connection.fetchrow(query, *arguments)
        return room_of_row(row) if row is not None else None


def find_query(
    wanted: RoomFilter, *, after: tuple[datetime, UUID], limit: int
) -> tuple[str, Sequence[object]]:
    """The statement for a list, and its arguments.

    Returns:
        An empty statement when the filter can match nothing.
    """
    workspaces = _workspaces(wanted)
    if workspaces is not None and not workspaces:
        return "", ()
    room_type = wanted.room_type and wanted.room_type.value
    page = (room_type, *after, limit, workspaces, wanted.dataspace_id)
    source = _source(wanted, workspaces)
    if wanted.readable_by is None:
        return _FIND[source], page
    return _FIND_READABLE[source], (*page, wanted.readable_by, wanted.granted)


def _source(wanted: RoomFilter, workspaces: Sequence[UUID] | None) -> str:
    """Where a list that is not a person's own is read from: where there are fewest."""
    if wanted.dataspace_id is not None:
        return "in dataspace"
    return "everywhere" if workspaces is None else "in workspaces"


def _workspaces(wanted: RoomFilter) -> list[UUID] | None:
    """The workspaces a list is bound to; None for all."""
    if wanted.workspaces is None:
        return None if wanted.workspace_id is None else [wanted.workspace_id]
    return [
        workspace
        for workspace in dict.fromkeys(wanted.workspaces)
        if wanted.workspace_id in (None, workspace)
    ]


def _values(room: XrRoom) -> tuple[object, ...]:
    return (
        room.id,
        room.workspace_id,
        room.name,
        room.room_type.value,
        room.room_template.value,
        dict(room.dimensions),
        dict(room.environment_config),
        dict(room.config),
        room.dataspace_id,
        room.meeting_id,
        room.is_persistent,
        room.is_public,
        room.max_participants,
        room.created_by,
        room.created_at,
        room.deleted_at,
    )


def _plain(value: object) -> object:
    return dict(value) if isinstance(value, Mapping) else value
