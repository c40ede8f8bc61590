"""How often participants are sent frames, and of how many (POS-20 to POS-23).

Two things are too slow at times: the way to a participant, which its acknowledgements tell, and the
server itself. Both are answered by the same ladder, a step at a time.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final, NamedTuple

LATE_SECONDS: Final = 0.5
"""By so much an acknowledgement is older than usual before it is late."""

USUAL_SECONDS: Final = 10.0
"""Of how long the smallest lag is what is usual."""

BETWEEN_STEPS_DOWN: Final = 0.5
"""Seconds until what was taken away shows."""

BETWEEN_STEPS_UP: Final = 3.0
"""Seconds without anything late before more is given again."""

STUCK_AFTER: Final = 1.0
"""Seconds without an acknowledgement before what is on the way is kept small."""

STUCK_INTERVAL: Final = 0.5
"""Seconds between two frames then."""

KEEP_ALIVE: Final = 0.9
"""Seconds after which even an empty frame is sent: at least one a second, also when a tick is
late."""

_IN_FLIGHT: Final = 256
_HEAVY: Final = 2.0
_WEIGHT: Final = 0.1
_BUSY: Final = 1.0
_EASY: Final = 0.5


@dataclass(frozen=True, slots=True)
class PoseSettings:
    """Attributes:
    rate: ticks a second.
    small_rate: the same in a small room.
    small_room: participants up to which a room is small.
    shared_up_to: participants up to which everybody is sent the same frame.
    near: how many of the others one is sent at full rate, where frames are not shared.
    middle: how many more at half of it.
    quiet_after: seconds of silence after which a participant is shown as silent.
    gone_after: seconds of silence after which it is gone.
    quarantine: seconds until others may have the slot of one who is gone.
    """

    rate: int = 30
    small_rate: int = 60
    small_room: int = 8
    shared_up_to: int = 50
    near: int = 24
    middle: int = 32
    quiet_after: float = 3.0
    gone_after: float = 10.0
    quarantine: float = 10.0


class Level(NamedTuple):
    """A step of the ladder. All intervals are counted in ticks of the ordinary rate.

    Attributes:
        every: between two frames.
        crowd: by what the numbers of those who are near and in the middle are divided.
        middle_every: between two records of one in the middle.
        far_every: between two records of one who is far.
        middle_is_head_only: those in the middle have no hands; far ones never have.
    """

    every: int
    crowd: int
    middle_every: int
    far_every: int
    middle_is_head_only: bool


FULL: Final = 0
"""With the higher rate of small rooms."""
ORDINARY: Final = 1
SELECTIVE: Final = 2
"""From here on nobody is sent the frame that others are sent."""

LEVELS: Final = (
    Level(1, 1, 2, 10, middle_is_head_only=False),
    Level(1, 1, 2, 10, middle_is_head_only=False),
    Level(1, 1, 4, 20, middle_is_head_only=True),
    Level(1, 2, 4, 20, middle_is_head_only=True),
    Level(2, 2, 4, 20, middle_is_head_only=True),
    Level(6, 2, 4, 20, middle_is_head_only=True),
    Level(30, 2, 4, 20, middle_is_head_only=True),
)
"""POS-20: at 30 Hz: 60, 30, 30, 30, 15, 5, 1 frame a second."""

WORST: Final = len(LEVELS) - 1


class Pace:
    """What one participant can take, by its acknowledgements (POS-21, POS-22).

    A frame's *lag* is the time from when it was sent to when it is known to have arrived. An
    acknowledgement says that one frame has arrived and the next one had not when it was made: the
    true lag is between the ages of these two. What is usual is judged by the first, what is late
    by the second, so that somebody who is sent little, or says little, is not late for that.
    """

    __slots__ = ("_acked_at", "_eased_at", "_in_flight", "_lags", "_stepped_at", "acked", "level")

    def __init__(self, now: float) -> None:
        self.level = FULL
        self.acked = 0
        self._in_flight: deque[tuple[int, float]] = deque(maxlen=_IN_FLIGHT)
        self._lags: deque[tuple[float, float]] = deque()  # ever larger: the first is the smallest
        self._acked_at = self._eased_at = now
        self._stepped_at = float("-inf")

    def sent(self, mark: tuple[int, float]) -> None:
        """A frame was sent: its tick, and when."""
        self._in_flight.append(mark)

    def acknowledge(self, tick: int, now: float, best: int) -> None:
        """The participant says that this was the last frame it has.

        Args:
            best: the best level there is for it now.
        """
        self.acked = max(self.acked, tick)
        on_the_way = self._in_flight
        arrived = None
        while on_the_way and on_the_way[0][0] <= tick:
            arrived = on_the_way.popleft()
        if arrived is not None:
            self._acked_at = now
            self._note_lag(now - arrived[1], now)
        self._judge(now, best)

    def is_stuck(self, now: float) -> bool:
        """POS-22: whether nothing was acknowledged for a while that could have been."""
        on_the_way = self._in_flight
        return bool(on_the_way) and now - max(self._acked_at, on_the_way[0][1]) >= STUCK_AFTER

    def _judge(self, now: float, best: int) -> None:
        if self._is_late(now):
            self._eased_at = now
            if now - self._stepped_at >= BETWEEN_STEPS_DOWN and not self.is_stuck(now):
                self._stepped_at = now
                self.level = min(max(self.level, best) + 1, WORST)
        elif self.level > best and now - self._eased_at >= BETWEEN_STEPS_UP:
            self._eased_at = now
            self.level -= 1

    def _is_late(self, now: float) -> bool:
        if not self._in_flight or not self._lags:
            return False
        return now - self._in_flight[0][1] - self._lags[0][1] > LATE_SECONDS

    def _note_lag(self, lag: float, now: float) -> None:
        lags = self._lags
        while lags and lags[-1][1] >= lag:
            lags.pop()
        lags.append((now, lag))
        while now - lags[0][0] > USUAL_SECONDS:
            lags.popleft()


class RoomPace:
    """What the server itself can do for a room (POS-23).

    A tick's *load* is how late it began, and how long it took, as a part of the time to the next
    one. One stall says nothing; the mean over some ticks does.
    """

    __slots__ = ("_eased_at", "_mean", "_stepped_at", "level")

    def __init__(self) -> None:
        self.level = FULL
        self._mean = 0.0
        self._eased_at = self._stepped_at = float("-inf")

    def ticked(self, load: float, now: float, steps: tuple[int, ...]) -> None:
        """A tick had this load.

        Args:
            steps: levels that make a room of this size cheaper, best first.
        """
        self._mean += (min(load, _HEAVY) - self._mean) * _WEIGHT
        if self._mean > _EASY:
            self._eased_at = now
        if self._mean > _BUSY and now - self._stepped_at >= BETWEEN_STEPS_DOWN:
            self._stepped_at = now
            self._mean = _EASY
            self.level = next((step for step in steps if step > self.level), self.level)
        elif now - self._eased_at >= BETWEEN_STEPS_UP:
            self._eased_at = now
            self.level = next((step for step in reversed(steps) if step < self.level), steps[0])


def room_steps(participants: int, settings: PoseSettings) -> tuple[int, ...]:
    """The ladder of a room. Where a frame is shared, choosing for each one what is in it would cost
    more, and is left out."""
    best = best_level(participants, settings)
    selective = range(SELECTIVE, 4) if participants > settings.shared_up_to else ()
    return (*range(best, SELECTIVE), *selective, *range(4, WORST + 1))


def best_level(participants: int, settings: PoseSettings) -> int:
    """FULL in a small room, else ORDINARY."""
    return FULL if participants <= settings.small_room else ORDINARY
