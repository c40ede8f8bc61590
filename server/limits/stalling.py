"""Noticing that something which was begun goes on too slowly, or not at all."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class StallWatch:
    """Looks every few seconds how far something has come, and calls back if that is too little."""

    __slots__ = (
        "_amount",
        "_is_excused",
        "_last",
        "_least",
        "_loop",
        "_on_stall",
        "_timer",
        "_wait",
    )

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        *,
        seconds: float,
        least_per_second: float,
        amount: Callable[[], int],
        on_stall: Callable[[], None],
        is_excused: Callable[[], bool] = lambda: False,
    ) -> None:
        """
        Args:
            seconds: between looks; the first is so long after the start.
            amount: how far it has come, in bytes.
            on_stall: what happens to it then.
            is_excused: whether it could not go on, because of us.
        """
        self._loop = loop
        self._wait = seconds
        self._least = seconds * least_per_second
        self._amount = amount
        self._on_stall = on_stall
        self._is_excused = is_excused
        self._last = 0
        self._timer: asyncio.TimerHandle | None = None

    @property
    def is_running(self) -> bool:
        """Whether it is being watched."""
        return self._timer is not None

    def start(self) -> None:
        """Begin to watch; while it is watched this changes nothing."""
        if self._timer is None:
            self._last = self._amount()
            self._timer = self._loop.call_later(self._wait, self._look)

    def stop(self) -> None:
        """It is done, or gone."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        self._timer = None
        amount = self._amount()
        if amount - self._last < self._least and not self._is_excused():
            self._on_stall()
        else:
            self._last = amount
            self._timer = self._loop.call_later(self._wait, self._look)
