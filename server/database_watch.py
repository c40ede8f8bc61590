"""Whether the database answers, for a server that has nothing to ask it just now."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from persistence.ports import StorageUnavailable

EVERY_SECONDS = 1.0
ANSWER_SECONDS = 2.0


class DatabaseWatch:
    """Asks again and again; `is_up` says how it went the last time."""

    def __init__(
        self,
        ping: Callable[[float], Awaitable[None]],
        *,
        every: float = EVERY_SECONDS,
        answer: float = ANSWER_SECONDS,
    ) -> None:
        """
        Args:
            ping: returns if the database answers in so many seconds, raises StorageUnavailable
                otherwise.
            every: seconds between questions.
            answer: seconds after which a silent database counts as away.
        """
        self.is_up = True
        self._ping = ping
        self._every = every
        self._answer = answer

    async def run(self) -> None:
        """Ask until cancelled."""
        while True:
            try:
                await self._ping(self._answer)
                self.is_up = True
            except StorageUnavailable:
                self.is_up = False
            await asyncio.sleep(self._every)
