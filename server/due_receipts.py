"""Receipts that wait until the database has what they are for (ROM-5)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from crdt_docs.member import Member
from crdt_docs.number_ranges import join_ranges
from server.frames import OutgoingFrame
from server.receipts import Receipts

RECEIPTS_HELD = 256
"""Receipts of one member that wait for commits, or for it to read."""


@dataclass(slots=True)
class _Due:
    """Attributes:
    waiting: (journal position, messages dealt with, which of them were refused)
    """

    receipts: Receipts
    waiting: deque[tuple[int, int, list[range]]] = field(default_factory=deque)


class DueReceipts:
    """The receipts that the members of one room are still to be given."""

    __slots__ = ("_due", "_write")

    def __init__(self, write: Callable[[Member, OutgoingFrame, float], None]) -> None:
        """
        Args:
            write: sends a member a frame, and notes if that was the last it could take.
        """
        self._write = write
        self._due: dict[Member, _Due] = {}

    def note(
        self,
        member: Member,
        receipts: Receipts,
        *,
        position: int,
        count: int,
        refused: Sequence[range],
    ) -> None:
        """A receipt is due as soon as the journal has stored all up to this position."""
        due = self._due.get(member)
        if due is None:
            due = self._due[member] = _Due(receipts)
        ranges: list[range] = []
        if len(due.waiting) >= RECEIPTS_HELD:
            ranges = due.waiting.pop()[2]  # the later one says more
        join_ranges(ranges, refused)
        due.waiting.append((position, count, ranges))

    def forget(self, member: Member) -> None:
        """The member is gone."""
        self._due.pop(member, None)

    def __bool__(self) -> bool:
        return bool(self._due)

    def give(self, position: int, now: float) -> None:
        """The journal has stored everything up to `position`: send what is due."""
        for member, due in list(self._due.items()):
            if member.is_behind:
                continue
            while due.waiting and due.waiting[0][0] <= position:
                _, count, refused = due.waiting.popleft()
                due.receipts.settle(count, refused)
            if self._say(member, due.receipts, now) and not due.waiting:
                del self._due[member]

    def _say(self, member: Member, receipts: Receipts, now: float) -> bool:
        """Say what is due; whether all of it was said. One that falls behind is told the rest
        when it has drained."""
        for frame in receipts.due():
            self._write(member, frame, now)
            if member.is_behind:
                return False
        return True
