"""Rounds of the event loop, moderated as network cards moderate their interrupts.

To wake up for one small message costs several times what the message does. When many arrive one by
one, the loop's rounds are kept a little apart, so that each finds a few: nobody notices a
millisecond, and a server of many small rooms carries twice the people. A loop that is quiet, or so
busy that its rounds are long anyway, is left alone.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

BUSY_READS = 800
"""Reads a second from which rounds are kept apart."""

WINDOW_SECONDS = 0.1
"""How long a loop is busy before it is decided anew."""

READS_COUNTED = 80
"""After so many reads it is decided whether a quiet loop is busy now."""


class Moderation:
    """Keeps the rounds of one loop apart while it is busy with small messages."""

    __slots__ = ("_begun", "_clock", "_gap", "_is_busy", "_is_due", "_reads", "_sleep", "_woke")

    def __init__(
        self,
        gap: float,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """
        Args:
            gap: seconds from one round to the next; 0 for no moderation.
            sleep: blocks the thread: that is the point.
        """
        self._gap = gap
        self._clock = clock
        self._sleep = sleep
        self._is_due = False
        self._is_busy = False
        self._reads = 0
        self._begun = clock()
        self._woke = self._begun

    def note_read(self, loop: asyncio.AbstractEventLoop) -> None:
        """A socket was read; called for each."""
        self._reads += 1
        if self._is_busy:
            if not self._is_due:
                self._is_due = True
                loop.call_soon(self._end_round)
        elif self._reads >= READS_COUNTED:
            self._count(self._clock())

    def _count(self, now: float) -> None:
        self._is_busy = self._gap > 0 and self._reads >= BUSY_READS * (now - self._begun)
        self._reads = 0
        self._begun = self._woke = now

    def _end_round(self) -> None:
        """All sockets of this round were read, and what they caused was done."""
        self._is_due = False
        now = self._clock()
        rest = self._gap - (now - self._woke)
        if rest > 0:
            self._sleep(rest)
            now += rest
        self._woke = now
        if now - self._begun >= WINDOW_SECONDS:
            self._count(now)
