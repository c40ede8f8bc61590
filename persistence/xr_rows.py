"""Rows of rooms, members and sessions as `xr_ports` has them; those that decide about access."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final
from uuid import UUID

import asyncpg

from crdt_docs.access import Role
from persistence.pool import BorrowedConnection
from persistence.xr_ports import (
    NOWHERE,
    RoomMember,
    RoomStanding,
    RoomTemplate,
    RoomType,
    XrRoom,
    XrSession,
    XrStatus,
)

ROOM: Final = (
    "room.id, room.workspace_id, room.name, room.room_type, room.room_template, room.dimensions, "
    "room.environment_config, room.config, room.dataspace_id, room.meeting_id, "
    "room.is_persistent, room.is_public, room.max_participants, room.created_by, "
    "room.created_at, room.deleted_at"
)
MEMBER: Final = "member.room_id, member.user_id, member.role, member.added_at, member.removed_at"
SESSION: Final = "session.id, session.room_id, session.status, session.started_at, session.ended_at"

_ROOMS = f"""
    SELECT {ROOM} FROM xr_rooms AS room WHERE id = ANY ($1::uuid[]) AND deleted_at IS NULL
"""  # noqa: S608 - constants

_MEMBERS = f"""
    SELECT {MEMBER}
    FROM xr_room_members AS member
        JOIN unnest($1::uuid[], $2::uuid[]) AS wanted (room_id, user_id)
        ON member.room_id = wanted.room_id AND member.user_id = wanted.user_id
"""  # noqa: S608 - constants

Pair = tuple[UUID, UUID]
"""A room and a user."""


def room_of_row(row: asyncpg.Record) -> XrRoom:
    """Of a row with the columns `ROOM`."""
    return XrRoom(
        id=row["id"],
        workspace_id=row["workspace_id"],
        name=row["name"],
        room_type=RoomType(row["room_type"]),
        room_template=RoomTemplate(row["room_template"]),
        created_by=row["created_by"],
        created_at=row["created_at"],
        max_participants=row["max_participants"],
        dimensions=row["dimensions"],
        environment_config=row["environment_config"],
        config=row["config"],
        dataspace_id=row["dataspace_id"],
        meeting_id=row["meeting_id"],
        is_persistent=row["is_persistent"],
        is_public=row["is_public"],
        deleted_at=row["deleted_at"],
    )


def member_of_row(row: asyncpg.Record) -> RoomMember:
    """Of a row with the columns `MEMBER`."""
    return RoomMember(
        room_id=row["room_id"],
        user_id=row["user_id"],
        role=Role(row["role"]),
        added_at=row["added_at"],
        removed_at=row["removed_at"],
    )


def session_of_row(row: asyncpg.Record) -> XrSession:
    """Of a row with the columns `SESSION`."""
    return XrSession(
        id=row["id"],
        room_id=row["room_id"],
        started_at=row["started_at"],
        status=XrStatus(row["status"]),
        ended_at=row["ended_at"],
    )


async def read_standings(
    connection: BorrowedConnection, wanted: Sequence[tuple[Pair, XrSession | None]]
) -> list[RoomStanding]:
    """Rooms and rows of their members, in the order of the pairs, each with the session given."""
    pairs = [pair for pair, _ in wanted]
    rooms = await _rooms(connection, {room_id for room_id, _ in pairs})
    members = await _members(connection, pairs)
    return [_standing(rooms.get(pair[0]), session, members.get(pair)) for pair, session in wanted]


def _standing(
    room: XrRoom | None, session: XrSession | None, member: RoomMember | None
) -> RoomStanding:
    return NOWHERE if room is None else RoomStanding(room, session, member)


async def _rooms(connection: BorrowedConnection, ids: Iterable[UUID]) -> Mapping[UUID, XrRoom]:
    rows = await connection.fetch(_ROOMS, list(ids))
    return {row["id"]: room_of_row(row) for row in rows}


async def _members(
    connection: BorrowedConnection, pairs: Sequence[Pair]
) -> Mapping[Pair, RoomMember]:
    rows = await connection.fetch(
        _MEMBERS, [room_id for room_id, _ in pairs], [user_id for _, user_id in pairs]
    )
    return {(row["room_id"], row["user_id"]): member_of_row(row) for row in rows}
