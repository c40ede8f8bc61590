"""One participant as the pose lane sends to it: what it has, and when it gets more."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Generic

from crdt_docs.pose_interest import View
from crdt_docs.pose_rates import KEEP_ALIVE, STUCK_INTERVAL, Pace
from crdt_docs.pose_slots import KeyT, Seat


@dataclass(slots=True, eq=False)
class Receiver(Generic[KeyT]):
    """Attributes:
    sequence: of its latest pose; None: there was none.
    welcomed: the tick in which it was welcomed; None: it is not yet.
    since: the tick up to which it was sent everything; with a view, everything of held objects.
    sent_in: the tick of its last frame.
    view: what it sees of the others, where it is not sent what others are sent.
    missed: changes of the roster that it was not told yet.
    """

    seat: Seat[KeyT]
    pace: Pace
    sequence: int | None = None
    welcomed: int | None = None
    since: int = 0
    sent_in: int = 0
    sent_at: float = float("-inf")
    view: View | None = None
    missed: dict[Seat[KeyT], None] = field(default_factory=dict)

    def knows_its_slot(self) -> bool:
        """Whether it has read its welcome: it acknowledged a frame that came after it."""
        return self.welcomed is not None and self.pace.acked >= self.welcomed

    def is_due(self, tick: int, every: int, now: float) -> bool:
        """Whether it is to be sent a frame, if there is anything to send (POS-18, POS-22)."""
        quiet = now - self.sent_at
        if quiet >= KEEP_ALIVE:
            return True
        if self.pace.is_stuck(now):
            return quiet >= STUCK_INTERVAL
        return tick - self.sent_in >= every

    def lacks(self, tick: int) -> bool:
        """Whether something that came up to a tick was not sent to it."""
        if self.welcomed is None or self.missed:
            return True
        return self.since < tick or (self.view is not None and self.view.lacks(tick))

    def share(self) -> None:
        """It is sent what others are sent, from now on. Those whose heads alone it has may not
        move again: it begins with everybody's latest."""
        if self.view is not None:
            self.view = None
            self.since = 0

    def sent(self, tick: int, now: float) -> None:
        """A frame was sent."""
        self.sent_in = tick
        self.sent_at = now
        self.pace.sent((tick, now))
