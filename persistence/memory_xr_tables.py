"""What is kept of XR in memory: the stores work on it together, as on tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TypeVar
from uuid import UUID

import orjson

from persistence.memory_names import names, renamed
from persistence.xr_people_ports import Avatar, XrParticipant
from persistence.xr_ports import NOWHERE, RoomMember, RoomStanding, XrRoom, XrSession, XrStatus

K = TypeVar("K")
Row = TypeVar("Row", RoomMember, XrParticipant, Avatar)


@dataclass
class MemoryXrTables:
    """All rows, by their keys: of members room and user, of participants session and connection.

    Attributes:
        unemptied: sessions that have ended, and left something in their room (XRS-8).
    """

    rooms: dict[UUID, XrRoom] = field(default_factory=dict)
    members: dict[tuple[UUID, UUID], RoomMember] = field(default_factory=dict)
    sessions: dict[UUID, XrSession] = field(default_factory=dict)
    participants: dict[tuple[UUID, UUID], XrParticipant] = field(default_factory=dict)
    avatars: dict[UUID, Avatar] = field(default_factory=dict)
    unemptied: set[UUID] = field(default_factory=set)

    def live_room(self, room_id: UUID) -> XrRoom | None:
        """The room, unless it was deleted."""
        room = self.rooms.get(room_id)
        return room if room is not None and room.deleted_at is None else None

    def active_session(self, room_id: UUID) -> XrSession | None:
        """The session of a room that has not ended."""
        return next((s for s in self.sessions.values() if _is_active_in(s, room_id)), None)

    def end(self, session: XrSession, at: datetime) -> XrSession:
        """End a session, and mark all gone who are in it (XRS-3)."""
        ended = replace(session, status=XrStatus.ENDED, ended_at=at)
        self.sessions[session.id] = ended
        self.unemptied.add(session.id)
        for key, person in self.participants.items():
            if person.session_id == session.id and person.left_at is None:
                self.participants[key] = replace(person, left_at=at)
        return ended

    def standing(self, room_id: UUID, user_id: UUID, session: XrSession | None) -> RoomStanding:
        """What decides about access, with a session of the room."""
        room = self.live_room(room_id)
        if room is None:
            return NOWHERE
        return RoomStanding(room, session, self.members.get((room_id, user_id)))

    def drop(self, room_id: UUID) -> None:
        """Remove a room with all that is its own."""
        del self.rooms[room_id]
        gone = {session.id for session in self.sessions.values() if session.room_id == room_id}
        self.members = {key: row for key, row in self.members.items() if key[0] != room_id}
        self.sessions = {key: row for key, row in self.sessions.items() if key not in gone}
        self.unemptied -= gone
        self.participants = {
            key: row for key, row in self.participants.items() if key[0] not in gone
        }

    def workspace_of(self, room_id: UUID) -> UUID | None:
        """The workspace of a room, also of a deleted one; None where there is none."""
        room = self.rooms.get(room_id)
        return None if room is None else room.workspace_id

    def rooms_of(self, user_id: UUID) -> list[UUID]:
        """Rooms that somebody made, or whose config names them."""
        return [room.id for room in self.rooms.values() if _names(room, user_id)]

    def put_alias(self, room_id: UUID, user_id: UUID, alias: UUID) -> int:
        """Put an alias in the place of who made a room, and in its config; how many changed."""
        room = self.rooms.get(room_id)
        if room is None or not _names(room, user_id):
            return 0
        config = renamed(orjson.dumps(room.config).decode(), user_id, alias)
        creator = alias if room.created_by == user_id else room.created_by
        self.rooms[room_id] = replace(room, created_by=creator, config=orjson.loads(config))
        return 1

    def rooms_that_mention(self, user_id: UUID) -> list[UUID]:
        """Rooms that name somebody in what they are called, or look like."""
        return [
            room.id
            for room in self.rooms.values()
            if names(f"{room.name} {room.dimensions} {room.environment_config}", user_id)
        ]

    def rows_of(self, user_id: UUID) -> Iterator[tuple[str, RoomMember | XrParticipant | Avatar]]:
        """What is about a person alone, by table."""
        yield from (("xr_room_members", row) for row in _of(self.members, user_id))
        yield from (("xr_participants", row) for row in _of(self.participants, user_id))
        yield from (("xr_avatars", row) for row in _of(self.avatars, user_id))

    def forget_person(self, user_id: UUID) -> Mapping[str, int]:
        """Remove all of that; return how many, by table."""
        return {
            "xr_room_members": _remove(self.members, user_id),
            "xr_participants": _remove(self.participants, user_id),
            "xr_avatars": _remove(self.avatars, user_id),
        }


def _is_active_in(session: XrSession, room_id: UUID) -> bool:
    return session.room_id == room_id and session.status is XrStatus.ACTIVE


def _names(room: XrRoom, user_id: UUID) -> bool:
    return room.created_by == user_id or names(orjson.dumps(room.config).decode(), user_id)


def _of(rows: Mapping[K, Row], user_id: UUID) -> list[Row]:
    return [row for row in rows.values() if row.user_id == user_id]


def _remove(rows: dict[K, Row], user_id: UUID) -> int:
    gone = [key for key, row in rows.items() if row.user_id == user_id]
    for key in gone:
        del rows[key]
    return len(gone)
