"""The frames of one tick, each made once however many are sent it (POS-17)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Generic, TypeAlias

from crdt_docs import pose_messages
from crdt_docs.pose_interest import View
from crdt_docs.pose_slots import KeyT
from crdt_docs.pose_table import PoseTable
from crdt_docs.pose_turn import Outgoing

FIRST_LOOKS: Final = 16
"""How many begin to be sent frames of their own in one tick: a first look takes several times as
long as those that follow."""

MOVED_IN_A_TICK: Final = 12
"""Held objects of which one in a crowd is told, as a mean: 12 KB a second."""

ChangedSince: TypeAlias = Callable[[int], Sequence[bytes]]
"""The transforms of held objects that changed after a tick: `Holds.changed_since`."""


class TickFrames(Generic[KeyT]):
    """Makes the frames of a tick.

    Attributes:
        made: in the order in which they were asked for; of some, `to` stays empty.
    """

    __slots__ = (
        "_base_time",
        "_changed_since",
        "_first_looks",
        "_shared",
        "_table",
        "_tick",
        "_transforms",
        "made",
    )

    def __init__(
        self, tick: int, base_time: int, table: PoseTable, changed_since: ChangedSince
    ) -> None:
        self.made: list[Outgoing[KeyT]] = []
        self._tick = tick
        self._base_time = base_time
        self._table = table
        self._changed_since = changed_since
        self._first_looks = FIRST_LOOKS
        self._shared: dict[int, Outgoing[KeyT]] = {}
        self._transforms: dict[int, Sequence[bytes]] = {}

    def begin_view(self, slot: int, since: int) -> View | None:
        """What somebody sees of the crowd from now on; None: it has to wait for another tick."""
        if not self._first_looks:
            return None
        self._first_looks -= 1
        return View(slot, since)

    def shared(self, since: int) -> Outgoing[KeyT]:
        """Everything that came after a tick: the same object for all who are sent that."""
        frame = self._shared.get(since)
        if frame is None:
            records = list(filter(None, self._table.full[since]))
            frame = self._shared[since] = self._make(records, self._moved(since), self._tick)
        return frame

    def own(self, view: View, since: int) -> Outgoing[KeyT]:
        """For one participant alone.

        Args:
            since: the tick up to which it was told of held objects. Where many move it is told of
                all less often (POS-29).
        """
        moved = self._moved(since)
        up_to = self._tick
        if len(moved) > MOVED_IN_A_TICK * (self._tick - since):
            moved, up_to = (), since
        return self._make(view.take(self._tick, self._table), moved, up_to)

    def _make(
        self, records: list[bytes], transforms: Sequence[bytes], up_to: int
    ) -> Outgoing[KeyT]:
        data = pose_messages.frame(self._tick, self._base_time, records, transforms)
        is_empty = not (records or transforms)
        frame: Outgoing[KeyT] = Outgoing(data, len(records), up_to, is_empty)
        self.made.append(frame)
        return frame

    def _moved(self, since: int) -> Sequence[bytes]:
        moved = self._transforms.get(since)
        if moved is None:
            moved = self._transforms[since] = self._changed_since(since)
        return moved
