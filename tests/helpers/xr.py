"""Rooms, sessions, people and avatars for tests of XR."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from crdt_docs.poses import Placed
from persistence.memory_xr_stores import xr_in_memory
from persistence.memory_xr_tables import MemoryXrTables
from persistence.xr_people_ports import DeviceType, XrParticipant
from persistence.xr_ports import RoomTemplate, RoomType, XrRoom, XrSession
from persistence.xr_stores import XrStores, xr_in_postgres
from tests.helpers.commits import ANA

NOON = datetime(2026, 5, 1, 12, 0, 0, 123456, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
LATER = NOON + 60 * MINUTE
WORKSPACE = UUID(int=100)


def xr_stores(request: pytest.FixtureRequest) -> XrStores:
    """Those that the parameter of a fixture names: memory or postgres."""
    if request.param == "memory":
        return xr_in_memory(MemoryXrTables())
    return xr_in_postgres(request.getfixturevalue("pool"))


def a_room(number: int = 1, *, minutes: int = 0, by: UUID = ANA) -> XrRoom:
    """A room of Ana's, or somebody else's."""
    return XrRoom(
        id=UUID(int=number),
        workspace_id=WORKSPACE,
        name=f"Room {number}",
        room_type=RoomType.MEETING,
        room_template=RoomTemplate.CONFERENCE,
        created_by=by,
        created_at=NOON + minutes * MINUTE,
        max_participants=20,
    )


def a_session(number: int = 10, *, room: int = 1, minutes: int = 0) -> XrSession:
    """A session that has just begun."""
    return XrSession(UUID(int=number), UUID(int=room), NOON + minutes * MINUTE)


def somebody_there(
    connection: int = 1000, *, session: int = 10, by: UUID = ANA, minutes: int = 0
) -> XrParticipant:
    """A connection with a headset."""
    return XrParticipant(
        session_id=UUID(int=session),
        connection_id=UUID(int=connection),
        user_id=by,
        device_type=DeviceType.VR_HEADSET,
        joined_at=NOON + minutes * MINUTE,
    )


def placed(number: float) -> Placed:
    """One of many places."""
    return Placed((number, 1.5, -number), (0.0, 0.6, 0.0, 0.8))
