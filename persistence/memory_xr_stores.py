"""All that is kept of XR, in memory."""

from __future__ import annotations

from persistence.memory_xr_avatars import MemoryAvatarStore
from persistence.memory_xr_members import MemoryXrMemberStore
from persistence.memory_xr_participants import MemoryXrParticipantStore
from persistence.memory_xr_rooms import MemoryXrRoomStore
from persistence.memory_xr_sessions import MemoryXrSessionStore
from persistence.memory_xr_tables import MemoryXrTables
from persistence.xr_stores import XrStores


def xr_in_memory(tables: MemoryXrTables) -> XrStores:
    """Gone with the process."""
    return XrStores(
        rooms=MemoryXrRoomStore(tables),
        members=MemoryXrMemberStore(tables),
        sessions=MemoryXrSessionStore(tables),
        participants=MemoryXrParticipantStore(tables),
        avatars=MemoryAvatarStore(tables),
    )
