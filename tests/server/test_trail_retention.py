"""How long it is kept who did what and who was connected."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from crdt_docs.identifiers import ActorKind
from persistence.audit_ports import AuditEntry, AuditEvent, AuditFilter
from persistence.memory_audit import MemoryAuditStore
from persistence.memory_visits import MemoryVisitStore
from persistence.memory_xr_stores import xr_in_memory
from persistence.memory_xr_tables import MemoryXrTables
from persistence.ports import StorageUnavailable
from persistence.visit_ports import Visit
from server.trail_retention import TrailRetention
from tests.helpers.commits import ANA
from tests.helpers.xr import a_room, a_session, somebody_there
from tests.server.clocks import NOON, HandClock

DAY = timedelta(days=1)


class Attic:
    """A year of events and visits, and who clears it."""

    def __init__(self, *, audit_days: int, visit_days: int) -> None:
        self.audit = MemoryAuditStore(lambda _: None)
        self.visits = MemoryVisitStore(lambda *_: None)
        self.xr = xr_in_memory(MemoryXrTables())
        self.retention = TrailRetention(
            self.audit,
            self.visits,
            self.xr.participants,
            audit_for=audit_days * DAY,
            visits_for=visit_days * DAY,
            clock=HandClock(),
        )

    async def fill(self) -> None:
        await self.xr.rooms.create(a_room())
        await self.xr.sessions.start(a_session())
        for days in range(0, 400, 10):
            at = NOON - days * DAY
            await self.audit.add([AuditEntry(at, AuditEvent("a.a", None, None))])
            visit = Visit(uuid4(), UUID(int=1), ANA, ActorKind.USER, "firefox", at)
            await self.visits.put([replace(visit, disconnected_at=at)])
            person = somebody_there(days)
            await self.xr.participants.join(replace(person, joined_at=at))
            await self.xr.participants.leave(person.session_id, person.connection_id, at)

    async def oldest(self) -> tuple[int, int, int]:
        """Days since the oldest entry of the trail, since the oldest visit, and since somebody
        came into a room."""
        entries = (await self.audit.find(AuditFilter(), limit=1000)).items
        visits = await self.visits.of_user(ANA)
        (first,) = (await self.xr.participants.participants(a_session().id, limit=1)).items
        return (
            (NOON - entries[-1].at).days,
            (NOON - visits[0].connected_at).days,
            (NOON - first.joined_at).days,
        )


async def test_months_and_visits_go_in_time() -> None:
    attic = Attic(audit_days=100, visit_days=50)
    await attic.fill()
    await attic.retention.round()
    audit, visits, people = await attic.oldest()
    assert 100 <= audit < 131  # whole months
    assert visits == people == 50


async def test_nothing_goes_where_all_is_kept() -> None:
    attic = Attic(audit_days=0, visit_days=0)
    await attic.fill()
    await attic.retention.round()
    assert await attic.oldest() == (390, 390, 390)


async def test_an_outage_is_told() -> None:
    attic = Attic(audit_days=1, visit_days=1)
    attic.audit.fail_with = StorageUnavailable("away")
    with pytest.raises(StorageUnavailable):
        await attic.retention.round()
