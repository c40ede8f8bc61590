"""When a worker that ended is replaced, and when to give up."""

from __future__ import annotations

FIRST_DELAY = 0.25
LONGEST_DELAY = 5.0
ATTEMPTS = 6
"""Workers in a row that may end without having served; the next end is the last."""
STEADY = 5.0
"""Seconds of serving after which earlier ends do not count any more."""


class Restarts:
    """Counts how workers end.

    One that served for a while is replaced at once: its clients are waiting. One that ends while
    it starts is tried again after ever longer pauses, and not for ever. One that serves for a
    moment only is tried for ever, with pauses: it may be somebody's new attack each time.
    """

    def __init__(self) -> None:
        self._failed_starts = 0
        self._short_lives = 0

    @property
    def is_hopeless(self) -> bool:
        """Whether to give up: too many in a row ended without having served."""
        return self._failed_starts >= ATTEMPTS

    def after_failed_start(self) -> float:
        """One ended without having served. Returns the seconds until the next start."""
        self._failed_starts += 1
        return _delay(self._failed_starts)

    def after_serving(self, seconds: float) -> float:
        """One ended that had served for so long. Returns the seconds until the next start."""
        self._failed_starts = 0
        self._short_lives = 0 if seconds >= STEADY else self._short_lives + 1
        # The first end is an accident: no pause.
        return _delay(self._short_lives - 1)


def _delay(count: int) -> float:
    return min(FIRST_DELAY * 2 ** (count - 1), LONGEST_DELAY) if count > 0 else 0.0
