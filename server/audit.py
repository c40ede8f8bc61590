"""The audit trail as the server writes it: told of things, never waited for.

AUT-1 Telling it never blocks and never fails; what cannot be kept is counted, and the trail says
      how much it was (`audit.lost`).
AUT-2 What happens again and again is one entry for each who does it, every ten seconds, with its
      number.
AUT-3 Denials take at most a third of what is counted at a time: they push nothing else out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol

from persistence.audit_ports import (
    NOWHERE,
    USER_TARGET,
    AuditEntry,
    AuditEvent,
    AuditStore,
    Detail,
    Origin,
)
from server.background_writer import BackgroundWriter
from server.clock import Clock, utc_now

TALLY_SECONDS = 10.0
MOST_TALLIES = 5_000
LOST = "audit.lost"
DENIED = "access.denied"

__all__ = [
    "NOWHERE",
    "USER_TARGET",
    "AuditEvent",
    "AuditTrail",
    "AuditWriter",
    "Detail",
    "Origin",
]


class AuditTrail(Protocol):
    """Where everything is told that somebody may want to know later."""

    def record(self, event: AuditEvent) -> None:
        """Have an event stored."""

    def tally(self, event: AuditEvent) -> None:
        """The same for what may happen very often: equal events become one, with their `count`.

        Where they came from is no part of them: that of the first stays.
        """


@dataclass(slots=True)
class _Tally:
    first: AuditEntry
    count: int = 1


@dataclass(frozen=True, slots=True)
class _Loss:
    """What says that events were lost: all up to this number of them."""

    entry: AuditEntry
    up_to: int


_Alike = tuple[object, ...]


def _alike(event: AuditEvent) -> _Alike:
    """What makes events one: all but their origin."""
    told = tuple(sorted((name, str(value)) for name, value in event.details.items()))
    return (event.action, event.actor, event.via, event.session_id, event.target, told)


class AuditWriter:
    """`AuditTrail` into a store, by a task of its own."""

    def __init__(
        self,
        store: AuditStore,
        *,
        clock: Clock = utc_now,
        tally_seconds: float = TALLY_SECONDS,
        most_waiting: int = 20_000,
        most_tallies: int = MOST_TALLIES,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """
        Args:
            tally_seconds: over which equal events are counted.
            most_waiting: entries that may wait for storage.
            most_tallies: kinds of events that are counted at a time; further ones are lost.
        """
        self._clock = clock
        self._tally_for = timedelta(seconds=tally_seconds)
        self._most_tallies = most_tallies
        self._most_denials = max(1, most_tallies // 3)
        self._denials = 0  # among the tallies
        self._sleep = sleep
        self._tallies: dict[_Alike, _Tally] = {}
        self._uncounted = 0
        self._told = 0
        self._loss: _Loss | None = None
        self._store = store
        self._writer: BackgroundWriter[AuditEntry] = BackgroundWriter(
            self._add, subject="audit trail", most_waiting=most_waiting, sleep=sleep
        )
        self._counting: asyncio.Task[None] | None = None

    @property
    def lost(self) -> int:
        """How many events were not stored and never will be."""
        return self._writer.lost + self._uncounted

    def record(self, event: AuditEvent) -> None:
        """See `AuditTrail.record`."""
        self._put(AuditEntry(self._clock(), event))

    def tally(self, event: AuditEvent) -> None:
        """See `AuditTrail.tally`."""
        alike = _alike(event)
        tally = self._tallies.get(alike)
        if tally is not None:
            tally.count += 1
        elif self._has_room(event):
            self._tallies[alike] = _Tally(AuditEntry(self._clock(), event))
            self._denials += event.action == DENIED
        else:
            self._uncounted += 1

    def _has_room(self, event: AuditEvent) -> bool:
        if event.action == DENIED and self._denials >= self._most_denials:
            return False  # AUT-3
        return len(self._tallies) < self._most_tallies

    def start(self) -> None:
        """Store from now on."""
        self._writer.start()
        if self._counting is None:
            self._counting = asyncio.create_task(self._count(), name="audit tallies")

    async def flush(self) -> None:
        """Return when all that was told before is stored, or lost."""
        self._end_tallies(self._clock())
        await self._writer.flush()

    async def close(self, within: float) -> bool:
        """Store what waits, then stop; whether all of it was stored in time."""
        if self._counting is not None:
            self._counting.cancel()
            self._counting = None
        self._end_tallies(self._clock())
        return await self._writer.close(within)

    def end_tallies(self) -> None:
        """Store what was counted for long enough."""
        self._end_tallies(self._clock() - self._tally_for)

    def _end_tallies(self, begun_until: datetime) -> None:
        due = [alike for alike, tally in self._tallies.items() if tally.first.at <= begun_until]
        for alike in due:
            tally = self._tallies.pop(alike)
            first = tally.first
            self._denials -= first.event.action == DENIED
            details = {**first.event.details, "count": tally.count}
            self._put(replace(first, event=replace(first.event, details=details)))

    async def _count(self) -> None:
        while True:
            await self._sleep(self._tally_for.total_seconds() / 10)
            self.end_tallies()

    def _put(self, entry: AuditEntry) -> None:
        self._writer.put(entry)  # which counts what it cannot take

    async def _add(self, entries: Sequence[AuditEntry]) -> None:
        """Store a group, and how many were lost before it (AUT-1)."""
        lost = self.lost
        if self._loss is None and lost > self._told:
            event = AuditEvent(LOST, None, None, details={"count": lost - self._told})
            self._loss = _Loss(AuditEntry(self._clock(), event), lost)
        loss = self._loss
        if loss is None:
            await self._store.add(entries)
            return
        # The same entry again, if it is not known whether it was stored: AUD-3.
        await self._store.add([*entries, loss.entry])
        self._told, self._loss = loss.up_to, None
