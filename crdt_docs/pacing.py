"""When a room may send (ROM-7): the number of frames is what fan-out costs.

Passed on at once, everything is seen soonest, and costs a frame for each member each time. So it is
done as long as that is little for the worker: what counts is what all its rooms are asked for, and
not what they send, which would swing with what is decided here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import exp
from typing import Final

MEMORY: Final = 1.0
"""Seconds over which demand is averaged: people move for about as long, and rest."""

ECHO_FRAMES: Final = 9
"""So much more a frame of presence counts that comes back: it has to be read, weighed and
recognised (`benchmarks echoes`), and to be made and sent by the client."""

BURST: Final = 100_000
"""Frames of presence a second that a room causes at most, however little is asked for: cursors that
move among hundreds within two milliseconds go together, and keep no edit waiting."""


class Demand:
    """Frames a second that it would take to pass everything on at once, in all rooms of a worker.

    An average that forgets evenly: what was asked for counts less the longer ago it was.
    """

    __slots__ = ("_asked_at", "_rate")

    def __init__(self) -> None:
        self._rate = 0.0
        self._asked_at = 0.0

    def ask(self, frames: int, now: float) -> float:
        """So many frames more were asked for.

        Args:
            now: seconds of a clock that all rooms share.

        Returns:
            Frames a second.
        """
        if now > self._asked_at:
            self._rate *= exp((self._asked_at - now) / MEMORY)
            self._asked_at = now
        self._rate += frames / MEMORY
        return self._rate


@dataclass(frozen=True, slots=True)
class Pacing:
    """One for all rooms of a worker.

    Attributes:
        threshold: rooms of at most so many members send at once, always.
        update_interval: most seconds between two broadcasts of edits.
        update_budget: frames with edits a second that one room may cause before so much is waited.
        updates_at_once: up to so many a second in all rooms, nothing is waited; from half as many
            more on, as long as said above.
        presence_interval: seconds between two broadcasts of presence.
        presence_budget: presence frames a second that one room may cause.
        presence_at_once: as that of edits, of frames of both kinds.
        updates, presence: what is asked for.
    """

    threshold: int = 8
    update_interval: float = 0.008
    update_budget: int = 12_500
    updates_at_once: int = 50_000
    presence_interval: float = 1 / 30
    presence_budget: int = 6000
    presence_at_once: int = 60_000
    updates: Demand = field(default_factory=Demand)
    presence: Demand = field(default_factory=Demand)

    def after_updates(self, members: int, updates: int, now: float) -> float:
        """Seconds to wait after so many edits have been broadcast to so many members."""
        rate = self.updates.ask(updates * members, now)
        if members <= self.threshold:
            return 0.0
        longest = min(self.update_interval, members / self.update_budget)
        return longest * _share(rate, self.updates_at_once)

    def after_presence(self, members: int, said: int, now: float, *, echoing: int = 0) -> float:
        """Seconds to wait after what so many messages said has been broadcast to so many members.

        Args:
            echoing: members among them who send back what they are told.
        """
        rate = self.presence.ask(said * (members + ECHO_FRAMES * echoing), now)
        rate += self.updates.ask(0, now)
        if members <= self.threshold:
            return 0.0
        longest = max(self.presence_interval, members / self.presence_budget)
        return max(members / BURST, longest * _share(rate, self.presence_at_once))


def _share(rate: float, at_once: int) -> float:
    """Of the wait: none at what may be sent at once, all at half as much again, and little for a
    while: what people ask for swings."""
    if not at_once:
        return 1.0
    return min(max(rate - at_once, 0.0) * 2 / at_once, 1.0) ** 2


class Gate:
    """Opens when the interval after the last passage is over; a quiet gate is open.

    Attributes:
        opens_at: when it opens next (in the past, if it is open).
    """

    __slots__ = ("opens_at",)

    def __init__(self) -> None:
        self.opens_at = float("-inf")

    def is_open(self, now: float) -> bool:
        """Whether one may pass."""
        return now >= self.opens_at

    def close(self, now: float, interval: float) -> None:
        """Somebody has passed; it opens again `interval` seconds from now."""
        self.opens_at = now + interval
