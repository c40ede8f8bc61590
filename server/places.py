"""Some at once, some more in a queue, and a refusal for the rest."""

from __future__ import annotations

import asyncio


class AllTaken(Exception):  # noqa: N818 - says what is the case
    """Too many wait for a place already; there may be one in a moment."""


class Places:
    """Places for work that needs memory or time."""

    def __init__(self, at_once: int, waiting: int, refusal: type[AllTaken]) -> None:
        """
        Args:
            at_once: how many there are.
            waiting: how many may wait for one.
            refusal: raised for those beyond.
        """
        self._free = asyncio.Semaphore(at_once)
        self._limit = waiting
        self._waiting = 0
        self._refusal = refusal

    async def take(self) -> None:
        """Wait for a place, to be given back by `leave`.

        Raises:
            AllTaken: as the kind that was asked for.
        """
        if self._waiting >= self._limit:
            raise self._refusal("too many ask for this now")
        self._waiting += 1
        try:
            await self._free.acquire()
        finally:
            self._waiting -= 1

    def leave(self) -> None:
        """Give a place back."""
        self._free.release()
