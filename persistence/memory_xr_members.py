"""Who may open XR rooms, and as what, in memory."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from uuid import UUID

from crdt_docs.access import Role
from persistence.memory_store import MemorySwitches
from persistence.memory_xr_tables import MemoryXrTables
from persistence.pages import page_of_items
from persistence.ports import LastHost, Page
from persistence.xr_ports import RoomMember


class MemoryXrMemberStore(MemorySwitches):
    """`xr_ports.XrMemberStore` in memory."""

    def __init__(self, tables: MemoryXrTables) -> None:
        super().__init__()
        self._tables = tables

    async def member(self, room_id: UUID, user_id: UUID) -> RoomMember | None:
        """See `xr_ports.XrMemberStore.member`."""
        await self._enter()
        row = self._tables.members.get((room_id, user_id))
        self._leave()
        return row

    async def members(
        self, room_id: UUID, *, limit: int = 50, cursor: str | None = None
    ) -> Page[RoomMember]:
        """See `xr_ports.XrMemberStore.members`."""
        await self._enter()
        page = page_of_items(self._unremoved(room_id), _key, limit=limit, cursor=cursor)
        self._leave()
        return page

    async def put(
        self, room_id: UUID, user_id: UUID, role: Role, at: datetime
    ) -> RoomMember | None:
        """See `xr_ports.XrMemberStore.put`."""
        await self._enter()
        row = None
        if self._tables.live_room(room_id) is not None:
            if role is not Role.HOST:
                self._check_other_host(room_id, user_id)
            new = RoomMember(room_id, user_id, role, at)
            row = self._tables.members.get((room_id, user_id), new)
            row = self._tables.members[room_id, user_id] = replace(row, role=role, removed_at=None)
        self._leave()
        return row

    async def remove(self, room_id: UUID, user_id: UUID, at: datetime) -> RoomMember | None:
        """See `xr_ports.XrMemberStore.remove`."""
        await self._enter()
        row = None
        if self._tables.live_room(room_id) is not None:
            self._check_other_host(room_id, user_id)
            # Who comes by a grant or the room's default has no row yet: it is made to deny.
            new = RoomMember(room_id, user_id, Role.SPECTATOR, at)
            row = self._tables.members.get((room_id, user_id), new)
            row = replace(row, removed_at=row.removed_at or at)
            self._tables.members[room_id, user_id] = row
        self._leave()
        return row

    def _check_other_host(self, room_id: UUID, user_id: UUID) -> None:
        hosts = [row.user_id for row in self._unremoved(room_id) if row.role is Role.HOST]
        if hosts == [user_id]:
            raise LastHost

    def _unremoved(self, room_id: UUID) -> list[RoomMember]:
        rows = self._tables.members.values()
        return [row for row in rows if row.room_id == room_id and row.removed_at is None]


def _key(member: RoomMember) -> tuple[datetime, UUID]:
    return member.added_at, member.user_id
