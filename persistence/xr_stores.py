"""All that is kept of XR, in one place or the other."""

from __future__ import annotations

from dataclasses import dataclass

from persistence.pool import DatabasePool
from persistence.xr_avatars import PostgresAvatarStore
from persistence.xr_members import PostgresXrMemberStore
from persistence.xr_participants import PostgresXrParticipantStore
from persistence.xr_people_ports import AvatarStore, XrParticipantStore
from persistence.xr_ports import XrMemberStore, XrRoomStore, XrSessionStore
from persistence.xr_rooms import PostgresXrRoomStore
from persistence.xr_sessions import PostgresXrSessionStore


@dataclass(frozen=True, slots=True)
class XrStores:
    """Where rooms, their members, sessions and participants, and avatars are kept."""

    rooms: XrRoomStore
    members: XrMemberStore
    sessions: XrSessionStore
    participants: XrParticipantStore
    avatars: AvatarStore


def xr_in_postgres(pool: DatabasePool) -> XrStores:
    """In tables."""
    return XrStores(
        rooms=PostgresXrRoomStore(pool),
        members=PostgresXrMemberStore(pool),
        sessions=PostgresXrSessionStore(pool),
        participants=PostgresXrParticipantStore(pool),
        avatars=PostgresAvatarStore(pool),
    )
