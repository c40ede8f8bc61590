"""Long work in an event loop that others share."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator

AT_A_STRETCH = 0.010
"""Seconds of work after which others get their turn."""


class Breath:
    """Lets others have their turn between pieces of work."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._since = clock()

    async def take(self) -> None:
        """Called after each piece."""
        if self._clock() - self._since >= AT_A_STRETCH:
            await asyncio.sleep(0)
            self._since = self._clock()


def advance(steps: Iterator[None]) -> bool:
    """Take steps of work for as long; whether there are no more."""
    until = time.monotonic() + AT_A_STRETCH
    return all(time.monotonic() < until for _ in steps)
