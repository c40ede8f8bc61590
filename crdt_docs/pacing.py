"""When a room may send (ROM-7): the number of frames is what fan-out costs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pacing:
    """Attributes:
    threshold: rooms of at most so many members send at once, always.
    update_interval: most seconds between two broadcasts of edits.
    update_budget: frames with edits a second that one room may cause before so much is waited.
    presence_interval: seconds between two broadcasts of presence.
    presence_budget: presence frames a second that one room may cause.
    """

    threshold: int = 8
    update_interval: float = 0.008
    update_budget: int = 12_500
    presence_interval: float = 1 / 30
    presence_budget: int = 6000

    def between_updates(self, members: int) -> float:
        """Seconds to wait after a broadcast of edits to so many members."""
        if members <= self.threshold:
            return 0.0
        return min(self.update_interval, members / self.update_budget)

    def between_presence(self, members: int) -> float:
        """Seconds to wait after a broadcast of presence to so many members."""
        if members <= self.threshold:
            return 0.0
        return max(self.presence_interval, members / self.presence_budget)


class Gate:
    """Opens when the interval after the last passage is over; a quiet gate is open."""

    __slots__ = ("_opens_at",)

    def __init__(self) -> None:
        self._opens_at = float("-inf")

    def pass_at(self, now: float, interval: float) -> bool:
        """Whether one may pass now; if so, the gate closes for `interval` seconds."""
        if now < self._opens_at:
            return False
        self.pass_anyway(now, interval)
        return True

    def pass_anyway(self, now: float, interval: float) -> None:
        """Pass although it is closed; it closes for `interval` seconds from now."""
        self._opens_at = now + interval

    @property
    def opens_at(self) -> float:
        """When it opens next (in the past, if it is open)."""
        return self._opens_at
