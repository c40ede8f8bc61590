"""How long it is kept who did what and who was connected; and room for what is to come."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import structlog

from persistence.audit_ports import AuditStore
from persistence.ports import StorageUnavailable
from persistence.visit_ports import VisitStore
from persistence.xr_people_ports import XrParticipantStore
from server.clock import Clock, utc_now

log = structlog.get_logger(__name__)

EVERY_SECONDS = 3600.0


class TrailRetention:
    """Makes months of the trail ahead, and drops what is kept no longer."""

    def __init__(
        self,
        audit: AuditStore,
        visits: VisitStore,
        participants: XrParticipantStore,
        *,
        audit_for: timedelta,
        visits_for: timedelta,
        clock: Clock = utc_now,
    ) -> None:
        """
        Args:
            audit_for: how long the trail is kept, in whole months; zero: for ever.
            visits_for: the same of who was connected, also in XR.
        """
        self._audit = audit
        self._visits = visits
        self._participants = participants
        self._audit_for = audit_for
        self._visits_for = visits_for
        self._clock = clock

    async def round(self) -> None:
        """Do what is due.

        Raises:
            StorageUnavailable: not all of it was done.
        """
        now = self._clock()
        await self._audit.prepare(now)
        if self._audit_for:
            dropped = await self._audit.drop_before(now - self._audit_for)
            if dropped:
                log.info("months of the audit trail dropped", count=dropped)
        if self._visits_for:
            due = now - self._visits_for
            while await self._visits.forget_before(due):
                pass
            while await self._participants.forget_before(due):
                pass

    async def run(self) -> None:
        """Do it at once and then every hour, until cancelled."""
        while True:
            try:
                await self.round()
            except StorageUnavailable:
                log.warning("storage is not available; the trail is looked after later")
            await asyncio.sleep(EVERY_SECONDS)
