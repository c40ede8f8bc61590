"""Rooms, who may open them, and their sessions, as protocols and their types.

XRS-1  Who may open a room: whoever has a row as its member, with the role of that row, also one
       that says that they were removed; its creator is given one, as host. A room keeps a host.
XRS-2  A room has one session that has not ended, or none. Whoever starts one finds the one that is
       there.
XRS-3  With a session, all who take part in it are gone; with a deleted room, its session is over.
XRS-8  A room is to be emptied (LIF-4) from when its session ends until it is said that it was. That
       is stored with the end. A deleted room is not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, NamedTuple, Protocol, TypedDict
from uuid import UUID

from crdt_docs.access import Role
from crdt_docs.identifiers import DocumentKind, DocumentName
from persistence.ports import Page


def room_of(document: DocumentName) -> UUID | None:
    """The XR room whose document it is."""
    kind, _, identifier = document.partition("/")
    return UUID(identifier) if kind == DocumentKind.XR else None


class RoomType(StrEnum):
    """What a room is for (`xr_rooms.room_type`)."""

    MEETING = "meeting"
    PRESENTATION = "presentation"
    BRAINSTORM = "brainstorm"
    WALKTHROUGH = "walkthrough"
    SHOWROOM = "showroom"


class RoomTemplate(StrEnum):
    """What a room looks like at first (`xr_rooms.room_template`)."""

    CONFERENCE = "conference"
    AMPHITHEATER = "amphitheater"
    OPEN_SPACE = "open_space"
    CUSTOM = "custom"


class XrStatus(StrEnum):
    """Where a session of a room is in its life (`xr_sessions.status`)."""

    ACTIVE = "active"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class XrRoom:
    """One room (a row of `xr_rooms`). Its document is `xr/<id>`.

    Attributes:
        name: 1 to 200 characters.
        config: as that of an OCW session: `default_role`, `own_objects_only`, `strict_schema`…
        is_persistent: its objects stay when nobody is in it.
        is_public: everybody who has a token may at least look.
    """

    id: UUID
    workspace_id: UUID
    name: str
    room_type: RoomType
    room_template: RoomTemplate
    created_by: UUID
    created_at: datetime
    max_participants: int
    dimensions: Mapping[str, Any] = field(default_factory=dict)
    environment_config: Mapping[str, Any] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)
    dataspace_id: UUID | None = None
    meeting_id: UUID | None = None
    is_persistent: bool = False
    is_public: bool = False
    deleted_at: datetime | None = None


class RoomChanges(TypedDict, total=False):
    """What can be changed of a room; what is not given stays."""

    name: str
    room_type: RoomType
    room_template: RoomTemplate
    max_participants: int
    dimensions: Mapping[str, Any]
    environment_config: Mapping[str, Any]
    config: Mapping[str, Any]
    dataspace_id: UUID | None
    meeting_id: UUID | None
    is_persistent: bool
    is_public: bool


@dataclass(frozen=True, slots=True)
class RoomFilter:
    """Which rooms a list shows. `readable_by`/`granted` bound it by access; None is no bound.

    Attributes:
        readable_by: only rooms that this user made or is a member of, those in `granted`, and
            public ones; none that they were removed from.
        granted: ids of rooms that a token grants besides.
        workspaces: only rooms in these workspaces (a service restricted to some).
    """

    workspace_id: UUID | None = None
    dataspace_id: UUID | None = None
    room_type: RoomType | None = None
    readable_by: UUID | None = None
    granted: tuple[UUID, ...] = ()
    workspaces: tuple[UUID, ...] | None = None


@dataclass(frozen=True, slots=True)
class RoomMember:
    """One person's standing in a room (a row of `xr_room_members`).

    Attributes:
        removed_at: a host took the person out: the row then denies access, whatever a token
            grants.
    """

    room_id: UUID
    user_id: UUID
    role: Role
    added_at: datetime
    removed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class XrSession:
    """A time during which people are in a room (a row of `xr_sessions`)."""

    id: UUID
    room_id: UUID
    started_at: datetime
    status: XrStatus = XrStatus.ACTIVE
    ended_at: datetime | None = None


class RoomStanding(NamedTuple):
    """What decides whether somebody may open a room.

    Attributes:
        room: None when there is none, or when it was deleted; then all of it is None.
        session: the one that was asked for; where a room was, its active one.
        member: the user's row in the room.
    """

    room: XrRoom | None
    session: XrSession | None
    member: RoomMember | None


NOWHERE: Final = RoomStanding(None, None, None)
"""Of a room that is not there."""


class EndedSession(NamedTuple):
    """A session that is over.

    Attributes:
        was_active: it ended by this call: the room has none now.
    """

    session: XrSession
    was_active: bool


BEFORE_ALL_ROOMS: Final = UUID(int=0)


class ToEmpty(NamedTuple):
    """A room that is to be emptied, and the sessions after which (XRS-8)."""

    room: XrRoom
    session_ids: tuple[UUID, ...]


class XrRoomStore(Protocol):
    """Rooms. Every method may raise StorageUnavailable."""

    async def create(self, room: XrRoom) -> None:
        """Store a new room and, in the same transaction, its creator's row as its host; an id that
        exists already is left as it is."""

    async def get(self, room_id: UUID) -> XrRoom | None:
        """The room, or None when there is none or it was deleted."""

    async def find(
        self, wanted: RoomFilter, *, limit: int = 50, cursor: str | None = None
    ) -> Page[XrRoom]:
        """Rooms, newest first (`created_at`, then id).

        Raises:
            InvalidCursor: the cursor was not made by this method.
        """

    async def change(self, room_id: UUID, changes: RoomChanges) -> XrRoom | None:
        """Change some of it; the room as it is then. None when unknown."""

    async def delete(self, room_id: UUID, at: datetime) -> bool:
        """Mark it deleted, and end its session (XRS-3); its contents go after a grace time. False
        when unknown."""

    async def standings(self, wanted: Sequence[tuple[UUID, UUID]]) -> Sequence[RoomStanding]:
        """What decides about access, for (room id, user id) pairs at once, in their order."""

    async def deleted_before(self, moment: datetime, *, limit: int = 100) -> Sequence[UUID]:
        """Rooms that were deleted before a moment, longest ago first."""

    async def forget(self, room_ids: Sequence[UUID]) -> None:
        """Remove deleted rooms with all that is theirs for good; others are left alone."""


class XrMemberStore(Protocol):
    """Who may open a room, and as what (XRS-1). Every method may raise StorageUnavailable."""

    async def member(self, room_id: UUID, user_id: UUID) -> RoomMember | None:
        """The row that decides this user's access, also one that records a removal."""

    async def members(
        self, room_id: UUID, *, limit: int = 50, cursor: str | None = None
    ) -> Page[RoomMember]:
        """Those who were not removed, in the order in which they were added.

        Raises:
            InvalidCursor: the cursor was not made by this method.
        """

    async def put(
        self, room_id: UUID, user_id: UUID, role: Role, at: datetime
    ) -> RoomMember | None:
        """Give somebody a role, who need not have a row; who was removed is let in again. None
        when there is no such room.

        Raises:
            LastHost: the room would be left without a host.
        """

    async def remove(self, room_id: UUID, user_id: UUID, at: datetime) -> RoomMember | None:
        """Take somebody out, who need not have a row: it then denies access, whatever a token
        grants. Removing them again changes nothing. None when there is no such room.

        Raises:
            LastHost: the room would be left without a host.
        """


class XrSessionStore(Protocol):
    """Sessions of rooms (XRS-2). Every method may raise StorageUnavailable."""

    async def start(self, session: XrSession) -> XrSession | None:
        """Store a new session, unless its room has one: then that one is answered. None when there
        is no such room."""

    async def get(self, session_id: UUID) -> XrSession | None:
        """The session, or None when there is none or its room was deleted."""

    async def active(self, room_id: UUID) -> XrSession | None:
        """The session of a room that has not ended, if there is one."""

    async def of_room(
        self, room_id: UUID, *, limit: int = 50, cursor: str | None = None
    ) -> Page[XrSession]:
        """A room's sessions, newest first (`started_at`, then id).

        Raises:
            InvalidCursor: the cursor was not made by this method.
        """

    async def end(self, session_id: UUID, at: datetime) -> EndedSession | None:
        """Mark it ended, once, and all who are in it gone. None when unknown."""

    async def to_empty(self, room_id: UUID) -> ToEmpty | None:
        """The room, if it is to be emptied (XRS-8) and has no session now."""

    async def all_to_empty(
        self, *, after: UUID = BEFORE_ALL_ROOMS, limit: int = 100
    ) -> Sequence[ToEmpty]:
        """All of those, in the order of their ids.

        Args:
            after: only rooms with a greater id.
        """

    async def emptied(self, session_ids: Sequence[UUID], at: datetime) -> None:
        """What these have left in their room is gone; of a session that has not ended this says
        nothing."""

    async def standings(self, wanted: Sequence[tuple[UUID, UUID]]) -> Sequence[RoomStanding]:
        """What decides about access, for (session id, user id) pairs at once, in their order."""
