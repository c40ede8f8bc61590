"""Who is in the sessions of XR rooms, in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID, uuid4

from persistence.memory_store import MemorySwitches
from persistence.memory_xr_tables import MemoryXrTables
from persistence.pages import page_of_items
from persistence.ports import Page
from persistence.xr_people_ports import Sighting, XrParticipant
from persistence.xr_ports import XrStatus


class MemoryXrParticipantStore(MemorySwitches):
    """`xr_people_ports.XrParticipantStore` in memory."""

    def __init__(self, tables: MemoryXrTables) -> None:
        super().__init__()
        self._tables = tables

    async def join(self, participant: XrParticipant) -> XrParticipant | None:
        """See `xr_people_ports.XrParticipantStore.join`."""
        await self._enter()
        key = participant.session_id, participant.connection_id
        session = self._tables.sessions.get(participant.session_id)
        joined = None
        if session is not None and session.status is XrStatus.ACTIVE:
            before = self._tables.participants.get(key)
            if before is None or before.user_id == participant.user_id:
                joined = self._tables.participants[key] = _joined(participant, before)
        self._leave()
        return joined

    async def leave(
        self, session_id: UUID, connection_id: UUID, at: datetime
    ) -> XrParticipant | None:
        """See `xr_people_ports.XrParticipantStore.leave`."""
        await self._enter()
        row = self._tables.participants.get((session_id, connection_id))
        if row is not None:
            row = replace(row, left_at=row.left_at or at)
            self._tables.participants[session_id, connection_id] = row
        self._leave()
        return row

    async def participant(self, session_id: UUID, connection_id: UUID) -> XrParticipant | None:
        """See `xr_people_ports.XrParticipantStore.participant`."""
        await self._enter()
        row = self._tables.participants.get((session_id, connection_id))
        self._leave()
        return row

    async def leave_all(
        self, session_id: UUID, user_id: UUID, at: datetime
    ) -> Sequence[XrParticipant]:
        """See `xr_people_ports.XrParticipantStore.leave_all`."""
        await self._enter()
        left = [replace(row, left_at=at) for row in self._of_person(session_id, user_id)]
        self._tables.participants.update(((row.session_id, row.connection_id), row) for row in left)
        self._leave()
        return left

    async def of_person(
        self, session_id: UUID, user_id: UUID, *, limit: int
    ) -> Sequence[XrParticipant]:
        """See `xr_people_ports.XrParticipantStore.of_person`."""
        await self._enter()
        people = self._of_person(session_id, user_id)[:limit]
        self._leave()
        return people

    def _of_person(self, session_id: UUID, user_id: UUID) -> list[XrParticipant]:
        there = [
            row
            for row in self._tables.participants.values()
            if (row.session_id, row.user_id, row.left_at) == (session_id, user_id, None)
        ]
        return sorted(there, key=_key)

    async def participants(
        self,
        session_id: UUID,
        *,
        only_there: bool = False,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Page[XrParticipant]:
        """See `xr_people_ports.XrParticipantStore.participants`."""
        await self._enter()
        people = [
            row
            for row in self._tables.participants.values()
            if row.session_id == session_id and not (only_there and row.left_at is not None)
        ]
        page = page_of_items(people, _key, limit=limit, cursor=cursor)
        self._leave()
        return page

    async def note(self, sightings: Sequence[Sighting]) -> None:
        """See `xr_people_ports.XrParticipantStore.note`."""
        await self._enter()
        for each in sorted(sightings, key=lambda sighting: sighting.at):
            key = each.session_id, each.connection_id
            row = self._tables.participants.get(key)
            if row is not None and (row.last_seen_at is None or row.last_seen_at < each.at):
                self._tables.participants[key] = replace(
                    row, last_seen_at=each.at, placed=each.placed or row.placed
                )
        self._leave()

    async def close_open(self, moment: datetime) -> int:
        """See `xr_people_ports.XrParticipantStore.close_open`."""
        await self._enter()
        left = {
            key: replace(row, left_at=row.last_seen_at)
            for key, row in self._tables.participants.items()
            if row.left_at is None and row.joined_at < moment
        }
        self._tables.participants.update(left)
        self._leave()
        return len(left)

    async def forget_before(self, moment: datetime, *, limit: int = 1000) -> int:
        """See `xr_people_ports.XrParticipantStore.forget_before`."""
        await self._enter()
        gone = sorted(
            (row.left_at, key)
            for key, row in self._tables.participants.items()
            if row.left_at is not None and row.left_at < moment
        )[:limit]
        for _, key in gone:
            del self._tables.participants[key]
        self._leave()
        return len(gone)


def _joined(now: XrParticipant, before: XrParticipant | None) -> XrParticipant:
    """The row of who joins, and may have been there before."""
    if before is None:
        return replace(now, id=uuid4(), placed=None, last_seen_at=now.joined_at, left_at=None)
    return replace(
        before,
        device_type=now.device_type,
        avatar_id=now.avatar_id,
        avatar_config=now.avatar_config,
        last_seen_at=max(before.last_seen_at or now.joined_at, now.joined_at),
        left_at=None,
    )


def _key(person: XrParticipant) -> tuple[datetime, UUID]:
    assert person.id is not None  # noqa: S101 - for the type checker: it was stored
    return person.joined_at, person.id
