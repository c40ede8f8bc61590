"""Who was connected when, in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from persistence.memory_store import MemorySwitches
from persistence.visit_ports import Visit

Seen = Callable[[UUID, UUID, datetime], None]


class MemoryVisitStore(MemorySwitches):
    """`visit_ports.VisitStore` in memory."""

    def __init__(self, seen: Seen) -> None:
        """
        Args:
            seen: told that somebody was in a session at a moment: session, person, moment.
        """
        super().__init__()
        self._seen = seen
        self._visits: dict[UUID, Visit] = {}

    async def put(self, visits: Sequence[Visit]) -> None:
        """See `visit_ports.VisitStore.put`."""
        await self._enter()
        for visit in visits:
            known = self._visits.get(visit.id)
            if known is None or known.disconnected_at is None:
                self._visits[visit.id] = visit
            self._seen(visit.session_id, visit.user_id, visit.disconnected_at or visit.connected_at)
        self._leave()

    async def close_open(self, moment: datetime) -> int:
        """See `visit_ports.VisitStore.close_open`."""
        await self._enter()
        left = [
            visit
            for visit in self._visits.values()
            if visit.disconnected_at is None and visit.connected_at < moment
        ]
        for visit in left:
            self._visits[visit.id] = replace(visit, disconnected_at=moment)
        self._leave()
        return len(left)

    async def forget_before(self, moment: datetime, *, limit: int = 1000) -> int:
        """See `visit_ports.VisitStore.forget_before`."""
        await self._enter()
        ended = sorted(
            (visit.disconnected_at, visit.id)
            for visit in self._visits.values()
            if visit.disconnected_at is not None and visit.disconnected_at < moment
        )[:limit]
        for _, identifier in ended:
            del self._visits[identifier]
        self._leave()
        return len(ended)

    def forget_person(self, user_id: UUID) -> int:
        """Remove a person's visits; return how many."""
        due = [visit.id for visit in self._visits.values() if visit.user_id == user_id]
        for identifier in due:
            del self._visits[identifier]
        return len(due)

    async def of_user(self, user_id: UUID) -> Sequence[Visit]:
        """See `visit_ports.VisitStore.of_user`."""
        await self._enter()
        found = [visit for visit in self._visits.values() if visit.user_id == user_id]
        self._leave()
        return sorted(found, key=lambda visit: (visit.connected_at, visit.id))
