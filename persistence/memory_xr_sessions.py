"""Sessions of XR rooms in memory."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from persistence.memory_store import MemorySwitches
from persistence.memory_xr_tables import MemoryXrTables
from persistence.pages import page_of_items
from persistence.ports import Page
from persistence.xr_ports import (
    BEFORE_ALL_ROOMS,
    NOWHERE,
    EndedSession,
    RoomStanding,
    ToEmpty,
    XrSession,
    XrStatus,
)


class MemoryXrSessionStore(MemorySwitches):
    """`xr_ports.XrSessionStore` in memory."""

    def __init__(self, tables: MemoryXrTables) -> None:
        super().__init__()
        self._tables = tables

    async def start(self, session: XrSession) -> XrSession | None:
        """See `xr_ports.XrSessionStore.start`."""
        await self._enter()
        found = None
        if self._tables.live_room(session.room_id) is not None:
            found = self._tables.active_session(session.room_id)
            if found is None:
                found = self._tables.sessions[session.id] = session
        self._leave()
        return found

    async def get(self, session_id: UUID) -> XrSession | None:
        """See `xr_ports.XrSessionStore.get`."""
        await self._enter()
        session = self._live(session_id)
        self._leave()
        return session

    async def active(self, room_id: UUID) -> XrSession | None:
        """See `xr_ports.XrSessionStore.active`."""
        await self._enter()
        session = self._tables.active_session(room_id)
        self._leave()
        return session

    async def of_room(
        self, room_id: UUID, *, limit: int = 50, cursor: str | None = None
    ) -> Page[XrSession]:
        """See `xr_ports.XrSessionStore.of_room`."""
        await self._enter()
        is_there = self._tables.live_room(room_id) is not None
        found = [s for s in self._tables.sessions.values() if is_there and s.room_id == room_id]
        page = page_of_items(found, _key, limit=limit, cursor=cursor, newest_first=True)
        self._leave()
        return page

    async def end(self, session_id: UUID, at: datetime) -> EndedSession | None:
        """See `xr_ports.XrSessionStore.end`."""
        await self._enter()
        session, ended = self._live(session_id), None
        if session is not None:
            was_active = session.status is XrStatus.ACTIVE
            ended = EndedSession(
                self._tables.end(session, at) if was_active else session, was_active
            )
        self._leave()
        return ended

    async def to_empty(self, room_id: UUID) -> ToEmpty | None:
        """See `xr_ports.XrSessionStore.to_empty`."""
        await self._enter()
        found = self._to_empty().get(room_id)
        self._leave()
        return found

    async def all_to_empty(
        self, *, after: UUID = BEFORE_ALL_ROOMS, limit: int = 100
    ) -> Sequence[ToEmpty]:
        """See `xr_ports.XrSessionStore.all_to_empty`."""
        await self._enter()
        found = self._to_empty()
        self._leave()
        return [found[room_id] for room_id in sorted(found) if room_id > after][:limit]

    def _to_empty(self) -> dict[UUID, ToEmpty]:
        left: dict[UUID, list[UUID]] = {}
        for session_id in self._tables.unemptied:
            left.setdefault(self._tables.sessions[session_id].room_id, []).append(session_id)
        return {
            room_id: ToEmpty(room, tuple(session_ids))
            for room_id, session_ids in left.items()
            if (room := self._tables.live_room(room_id)) is not None
            and self._tables.active_session(room_id) is None
        }

    async def emptied(self, session_ids: Sequence[UUID], at: datetime) -> None:
        """See `xr_ports.XrSessionStore.emptied`."""
        await self._enter()
        self._tables.unemptied.difference_update(session_ids)
        self._leave()

    async def standings(self, wanted: Sequence[tuple[UUID, UUID]]) -> Sequence[RoomStanding]:
        """See `xr_ports.XrSessionStore.standings`."""
        await self._enter()
        found = [self._standing(session_id, user_id) for session_id, user_id in wanted]
        self._leave()
        return found

    def _standing(self, session_id: UUID, user_id: UUID) -> RoomStanding:
        session = self._tables.sessions.get(session_id)
        if session is None:
            return NOWHERE
        return self._tables.standing(session.room_id, user_id, session)

    def _live(self, session_id: UUID) -> XrSession | None:
        session = self._tables.sessions.get(session_id)
        if session is None or self._tables.live_room(session.room_id) is None:
            return None
        return session


def _key(session: XrSession) -> tuple[datetime, UUID]:
    return session.started_at, session.id
