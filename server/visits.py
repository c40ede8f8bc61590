"""Who is connected, as it is written down: by a task of its own, never waited for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from persistence.visit_ports import Visit, VisitStore
from server.background_writer import BackgroundWriter


class VisitBook:
    """Takes visits down. Thousands who reconnect at once are a few statements."""

    def __init__(
        self,
        store: VisitStore,
        *,
        most_waiting: int = 20_000,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """
        Args:
            most_waiting: visits that may wait for storage; further ones are not written down.
        """
        self._writer: BackgroundWriter[Visit] = BackgroundWriter(
            store.put, subject="visits", most_waiting=most_waiting, at_once=1000, sleep=sleep
        )

    @property
    def lost(self) -> int:
        """How many beginnings and ends were not written down."""
        return self._writer.lost

    def note(self, visit: Visit) -> None:
        """Have a visit stored as it is now: when it begins, and when it ends."""
        self._writer.put(visit)

    def start(self) -> None:
        """Store from now on."""
        self._writer.start()

    async def flush(self) -> None:
        """Return when all that was noted before is stored."""
        await self._writer.flush()

    async def close(self, within: float) -> bool:
        """Store what waits, then stop; whether all of it was stored in time."""
        return await self._writer.close(within)
