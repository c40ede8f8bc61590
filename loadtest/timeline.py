"""One person's own time: what is due is due, however late the loop or the server is.

Who sends the next message only when the last one has been dealt with asks a slow server less, and
never notices ("coordinated omission"). Here each pause moves the time at which the next thing is
due, and nothing else does. Marks and delays carry that time, not the one of sending.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic_ns
from typing import Final

SECOND: Final = 1_000_000_000

Sleep = Callable[[float], Awaitable[None]]
"""Waits so many seconds; 0 lets others go on."""

RESOLUTION: Final = 2_000_000
"""Timers of event loops keep time to a millisecond. What is off by no more is on time."""

NoteLate = Callable[[int, int], None]
"""Called with now and by how much something was late, in nanoseconds."""


class Timeline:
    """When somebody's next thing is due.

    Attributes:
        due: by the plan, in nanoseconds of the monotonic clock.
        at: the time that marks carry: `due`, or when its person was free if that was later; now,
            if that is the same to a timer.
    """

    __slots__ = ("_clock", "_free", "_note_late", "_sleep", "at", "due")

    def __init__(
        self,
        begin: int,
        note_late: NoteLate,
        clock: Callable[[], int] = monotonic_ns,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        """
        Args:
            begin: when the first thing is due.
            note_late: told of every pause by how much it ended late.
        """
        self.due = self.at = begin
        self._free = begin
        self._note_late = note_late
        self._clock = clock
        self._sleep = sleep

    async def pause(self, seconds: float) -> None:
        """The next thing is due so much later: returns then. When that is past already it returns
        at once, when others had their turn."""
        self.due += int(seconds * SECOND)
        await self._until_due()

    async def begin(self) -> None:
        """Returns when the first thing is due."""
        await self._until_due()

    def waited(self) -> None:
        """Its person has waited for the server, and is free now. That took part of the time in
        which other things were due; it was measured itself, and is not in their delays again."""
        self._free = self.at = self._clock()

    async def _until_due(self) -> None:
        await self._sleep(max(self.due - self._clock(), 0) / SECOND)
        now = self._clock()
        possible = max(self.due, self._free)
        self.at = now if abs(now - possible) <= RESOLUTION else possible
        self._note_late(now, max(now - possible, 0))
