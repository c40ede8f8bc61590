"""When a room ticks (POS-18, POS-23)."""

from __future__ import annotations

from typing import Final

from crdt_docs.pose_rates import FULL, PoseSettings, RoomPace, best_level, room_steps

_BEFORE: Final = float("-inf")
_NEVER: Final = float("inf")


class TickClock:
    """Ticks on a grid while something is to be sent, and rests while nothing is.

    Attributes:
        tick: the number of the last tick; the first is 1.
        level: the best level that anybody is sent at.
        rate: ticks a second.
        ticks_each: how many ticks pass in the time of one at the ordinary rate.
    """

    __slots__ = (
        "_pace",
        "_participants",
        "_planned",
        "_rest_until",
        "_settings",
        "_took",
        "_woken_at",
        "level",
        "rate",
        "tick",
        "ticks_each",
    )

    def __init__(self, settings: PoseSettings) -> None:
        self.tick = 0
        self._settings = settings
        self._pace = RoomPace()
        self._planned = _BEFORE
        self._rest_until = _NEVER
        self._woken_at: float | None = None
        self._took = 0.0
        self.count(0)

    def count(self, participants: int) -> None:
        """So many are there now."""
        self._participants = participants
        self.level = max(self._pace.level, best_level(participants, self._settings))
        self.rate = self._settings.small_rate if self.level == FULL else self._settings.rate
        self.ticks_each = max(1, round(self.rate / self._settings.rate))
        if not participants:
            self._woken_at = None
            self._rest_until = _NEVER

    @property
    def next_at(self) -> float | None:
        """When the next tick is wanted; in the past: at once. None: nobody is there."""
        if not self._participants:
            return None
        if self._woken_at is None:
            return max(self._planned, self._rest_until)
        return max(self._planned, min(self._rest_until, self._woken_at))

    def wake(self, now: float) -> None:
        """There is something to send."""
        if self._woken_at is None and self._participants:
            self._woken_at = now

    def took(self, seconds: float) -> None:
        """How long the last tick took."""
        self._took = seconds

    def begin(self, now: float) -> float:
        """A tick begins. Returns by how many seconds it is late."""
        due = self.next_at
        late = 0.0 if due is None else max(0.0, now - due)
        period = 1 / self.rate
        steps = room_steps(self._participants, self._settings)
        self._pace.ticked((late + self._took) / period, now, steps)
        self.count(self._participants)
        self._took = 0.0
        self._woken_at = None
        self._planned = (now - late if late < period else now) + 1 / self.rate
        self.tick += 1
        return late

    def rest(self, until: float = _NEVER) -> None:
        """Nothing is to be sent before, unless something wakes the room."""
        self._rest_until = until

    def go_on(self) -> None:
        """The next tick is wanted when the period is over."""
        self._rest_until = _BEFORE
