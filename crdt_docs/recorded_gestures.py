"""Gestures as a history has recorded them, for when it is told once more from the log (HST-1).

The log has the times of commits, and gestures were told apart by another clock. So what the history
says comes first: a row that it has begins where it began, and lasts as long as it lasted. Where it
says nothing, the times of the commits decide.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple
from uuid import UUID

from crdt_docs.gestures import Author, ChangeKind, Gestures, ObjectKey, OpenGesture, Step


class Recorded(NamedTuple):
    """A row of an object's history.

    Attributes:
        seq: position in the log of the entry that began it.
        until: time of its last change, seconds.
        kind: what happened.
    """

    seq: int
    until: float
    kind: ChangeKind


class RecordedGestures(Gestures):
    """Puts changes into the rows that a history has, as far as it has them.

    Attributes:
        seq: position in the log up to which changes are told now. To be set before they are.
    """

    def __init__(self, recorded: Mapping[ObjectKey, Sequence[Recorded]]) -> None:
        """
        Args:
            recorded: the rows of each object, in order.
        """
        super().__init__()
        self.seq = 0
        self._recorded = recorded
        self._passed: dict[ObjectKey, int] = {}  # how many of an object's rows have begun
        self._latest: dict[ObjectKey, OpenGesture] = {}

    def note(
        self,
        key: ObjectKey,
        kind: ChangeKind,
        author: Author,
        at: float,
        *,
        relayed_by: UUID | None = None,
    ) -> Step:
        """See `Gestures.note`."""
        begun = self._begun(key)
        if begun is not None:
            self._open.pop(key, None)
            if begun.kind is ChangeKind.RESTORE:
                kind = ChangeKind.RESTORE  # the log does not say so
        elif kind is ChangeKind.UPDATE and self._lasts(key, at):
            open_gesture = self._latest.get(key)
            if open_gesture is None:  # begun before what is told now
                contributors = () if author.user_id is None else (author.user_id,)
                return Step(False, kind, author, contributors, relayed_by)  # noqa: FBT003 - a record
            open_gesture.began_at = open_gesture.last_at = at
            self._open[key] = open_gesture
        step = super().note(key, kind, author, at, relayed_by=relayed_by)
        if key in self._open:
            self._latest[key] = self._open[key]
        else:
            self._latest.pop(key, None)
        return step

    def _begun(self, key: ObjectKey) -> Recorded | None:
        """The row that begins here, the first time somebody asks."""
        rows = self._recorded.get(key, ())
        passed = self._passed.get(key, 0)
        found = None
        while passed < len(rows) and rows[passed].seq <= self.seq:
            found = rows[passed]
            passed += 1
        self._passed[key] = passed
        return found if found is not None and found.seq == self.seq else None

    def _lasts(self, key: ObjectKey, at: float) -> bool:
        """Whether the newest row that has begun is said to be still open."""
        passed = self._passed.get(key, 0)
        return passed > 0 and self._recorded[key][passed - 1].until >= at
