"""XR rooms in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from crdt_docs.access import Role
from persistence.memory_store import MemorySwitches
from persistence.memory_xr_tables import MemoryXrTables
from persistence.pages import page_of_items
from persistence.ports import Page
from persistence.xr_ports import RoomChanges, RoomFilter, RoomMember, RoomStanding, XrRoom


class MemoryXrRoomStore(MemorySwitches):
    """`xr_ports.XrRoomStore` in memory."""

    def __init__(self, tables: MemoryXrTables) -> None:
        super().__init__()
        self._tables = tables

    async def create(self, room: XrRoom) -> None:
        """See `xr_ports.XrRoomStore.create`."""
        await self._enter()
        if room.id not in self._tables.rooms:
            self._tables.rooms[room.id] = room
            host = RoomMember(room.id, room.created_by, Role.HOST, room.created_at)
            self._tables.members[room.id, room.created_by] = host
        self._leave()

    async def get(self, room_id: UUID) -> XrRoom | None:
        """See `xr_ports.XrRoomStore.get`."""
        await self._enter()
        room = self._tables.live_room(room_id)
        self._leave()
        return room

    async def find(
        self, wanted: RoomFilter, *, limit: int = 50, cursor: str | None = None
    ) -> Page[XrRoom]:
        """See `xr_ports.XrRoomStore.find`."""
        await self._enter()
        found = [room for room in self._tables.rooms.values() if self._matches(room, wanted)]
        page = page_of_items(found, _key, limit=limit, cursor=cursor, newest_first=True)
        self._leave()
        return page

    def _matches(self, room: XrRoom, wanted: RoomFilter) -> bool:
        return (
            room.deleted_at is None
            and wanted.workspace_id in (None, room.workspace_id)
            and wanted.dataspace_id in (None, room.dataspace_id)
            and wanted.room_type in (None, room.room_type)
            and (wanted.workspaces is None or room.workspace_id in wanted.workspaces)
            and (wanted.readable_by is None or self._reads(wanted, room, wanted.readable_by))
        )

    def _reads(self, wanted: RoomFilter, room: XrRoom, user_id: UUID) -> bool:
        row = self._tables.members.get((room.id, user_id))
        if row is not None:
            return row.removed_at is None
        return room.is_public or room.created_by == user_id or room.id in wanted.granted

    async def change(self, room_id: UUID, changes: RoomChanges) -> XrRoom | None:
        """See `xr_ports.XrRoomStore.change`."""
        await self._enter()
        room = self._tables.live_room(room_id)
        if room is not None:
            room = self._tables.rooms[room_id] = replace(room, **changes)
        self._leave()
        return room

    async def delete(self, room_id: UUID, at: datetime) -> bool:
        """See `xr_ports.XrRoomStore.delete`."""
        await self._enter()
        room = self._tables.live_room(room_id)
        if room is not None:
            self._tables.rooms[room_id] = replace(room, deleted_at=at)
            session = self._tables.active_session(room_id)
            if session is not None:
                self._tables.end(session, at)
        self._leave()
        return room is not None

    async def standings(self, wanted: Sequence[tuple[UUID, UUID]]) -> Sequence[RoomStanding]:
        """See `xr_ports.XrRoomStore.standings`."""
        await self._enter()
        found = [
            self._tables.standing(room_id, user_id, self._tables.active_session(room_id))
            for room_id, user_id in wanted
        ]
        self._leave()
        return found

    async def deleted_before(self, moment: datetime, *, limit: int = 100) -> Sequence[UUID]:
        """See `xr_ports.XrRoomStore.deleted_before`."""
        await self._enter()
        gone = sorted(
            (room.deleted_at, room.id)
            for room in self._tables.rooms.values()
            if room.deleted_at is not None and room.deleted_at < moment
        )
        self._leave()
        return [room_id for _, room_id in gone[:limit]]

    async def forget(self, room_ids: Sequence[UUID]) -> None:
        """See `xr_ports.XrRoomStore.forget`."""
        await self._enter()
        for room_id in room_ids:
            room = self._tables.rooms.get(room_id)
            if room is not None and room.deleted_at is not None:
                self._tables.drop(room_id)
        self._leave()


def _key(room: XrRoom) -> tuple[datetime, UUID]:
    return room.created_at, room.id
