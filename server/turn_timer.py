"""When a room has its next turn: with the next round of the event loop, at a time, or at once."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable

QUIET_SECONDS = 0.002
"""A room without a turn for so long is quiet: what comes is dealt with where it is received."""


class TurnTimer:
    """Runs the turns of one room.

    Attributes:
        is_scheduled: the next round of the loop will run one.
    """

    __slots__ = ("_clock", "_due", "_ended_at", "_loop", "_run", "_timer", "is_scheduled")

    def __init__(self, run: Callable[[], None], clock: Callable[[], float]) -> None:
        """
        Args:
            run: runs a turn; it calls `clear` before and `ended` after.
            clock: monotonic seconds.
        """
        self.is_scheduled = False
        self._run = run
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._due = math.inf
        self._ended_at = -math.inf

    def schedule(self) -> None:
        """Run a turn when everything that has arrived was read."""
        if not self.is_scheduled:
            self.is_scheduled = True
            self._loop.call_soon(self._run_scheduled)

    def _run_scheduled(self) -> None:
        if self.is_scheduled:
            self._run()

    def ask_for(self, due: float, *, more: bool = False) -> None:
        """Something has come that wants a turn at this time, or one before.

        In a quiet room nothing else will have arrived, and another round of the loop costs as much
        as the turn: it is run now.

        Args:
            more: something else will have, and goes with it.
        """
        if due < self._due:
            self._run_at(due, since=math.inf if more else self._ended_at)

    def wake_at(self, due: float) -> None:
        """The room wants its next turn at this time."""
        self._run_at(due, since=math.inf)

    def _run_at(self, due: float, *, since: float) -> None:
        """Run a turn at a time; if that has come, soon, and now if it is a while `since` then.

        uvloop's timers go by whole milliseconds, the nearest ones: of a shorter wait nothing would
        be left, and a turn be run again and again until it has something to do.
        """
        self._stop_waiting()
        now = self._clock()
        wait = due - now
        if wait > 0:
            self._due = due
            self._timer = self._loop.call_later(math.ceil(wait * 1000) / 1000, self._run)
        elif now - since > QUIET_SECONDS:
            self._run()
        else:
            self.schedule()

    def clear(self) -> None:
        """A turn is being run, or the room is gone: no other is due until it is asked for."""
        self.is_scheduled = False
        self._stop_waiting()

    def close(self) -> None:
        """Run nothing any more, and let go of the room: a ring would keep it until garbage is
        looked for."""
        self.clear()
        self._run = _nothing

    def ended(self) -> None:
        """It has been run."""
        self._ended_at = self._clock()

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            self._due = math.inf


def _nothing() -> None:
    pass
