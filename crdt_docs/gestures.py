"""Gestures: which changes of an object are one row of its history (HST-1 to HST-4)."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from crdt_docs.identifiers import ActorKind

QUIET_SECONDS = 1.0
LONGEST_SECONDS = 5.0

MAX_OPEN = 20_000
"""Gestures remembered at once. Moving more objects together costs some of them a row too many."""

ObjectKey = tuple[str, str]
"""What it is, and its id."""


class ChangeKind(StrEnum):
    """What happened to an object (`change_type` of its history)."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
    RESTORE = "restore"


class Author(NamedTuple):
    """Whose change it was: of the client id that wrote it, not of the socket that brought it.

    Attributes:
        user_id: None for the server's own.
        kind: what kind of actor that is.
    """

    user_id: UUID | None
    kind: ActorKind = ActorKind.USER


class Step(NamedTuple):
    """What one change does to the history of its object.

    Attributes:
        starts: a new row; otherwise the object's newest row is extended.
        kind: of the row.
        changed_by: who began the gesture.
        contributors: all who took part up to now, in order of appearance; the server's own
            changes add nobody.
        relayed_by: the first who uploaded changes of somebody else in this gesture.
    """

    starts: bool
    kind: ChangeKind
    changed_by: Author
    contributors: tuple[UUID, ...]
    relayed_by: UUID | None


@dataclass(slots=True)
class OpenGesture:
    """One that may still be added to; times are monotonic seconds."""

    began_at: float
    last_at: float
    step: Step

    def has_ended(self, at: float) -> bool:
        return at - self.last_at >= QUIET_SECONDS or at - self.began_at >= LONGEST_SECONDS


class Gestures:
    """The open gestures of one room.

    What is forgotten, with the room or to bound the memory, is ended: the next change starts a row.
    """

    def __init__(self, max_open: int = MAX_OPEN) -> None:
        """Args:
        max_open: gestures remembered at once, at least 1.
        """
        self._max_open = max_open
        # In the order in which they began. Looking for the first of a plain dict passes over all
        # that was taken out before it.
        self._open: OrderedDict[ObjectKey, OpenGesture] = OrderedDict()

    def __len__(self) -> int:
        """How many are remembered, some of which may have ended by now."""
        return len(self._open)

    def note(
        self,
        key: ObjectKey,
        kind: ChangeKind,
        author: Author,
        at: float,
        *,
        relayed_by: UUID | None = None,
    ) -> Step:
        """Put a change into its gesture.

        Args:
            key: the object.
            kind: what the change did to it.
            author: whose change it is.
            at: now, monotonic seconds.
            relayed_by: who uploaded it, if that was somebody else.
        """
        self.forget_ended(at)
        gesture = self._open.get(key)
        if gesture is None or kind is not ChangeKind.UPDATE or gesture.has_ended(at):
            return self._begin(key, kind, author, at, relayed_by)
        gesture.last_at = at
        gesture.step = _extended(gesture.step, author, relayed_by)
        return gesture.step

    def forget_ended(self, at: float) -> None:
        """Forget gestures that are over for their length; those that fell quiet follow in time."""
        while self._open:
            key = next(iter(self._open))
            if at - self._open[key].began_at < LONGEST_SECONDS:
                return
            del self._open[key]

    def _begin(
        self, key: ObjectKey, kind: ChangeKind, author: Author, at: float, relayed_by: UUID | None
    ) -> Step:
        contributors = () if author.user_id is None else (author.user_id,)
        step = Step(True, kind, author, contributors, relayed_by)  # noqa: FBT003 - a record
        self._open.pop(key, None)  # so that it is the youngest again
        if kind is not ChangeKind.DELETE:  # HST-3: nothing is added to a deletion
            if len(self._open) >= self._max_open:
                self._open.popitem(last=False)
            self._open[key] = OpenGesture(at, at, step)
        return step


def _extended(step: Step, author: Author, relayed_by: UUID | None) -> Step:
    contributors, first_relayed_by = step.contributors, step.relayed_by or relayed_by
    if author.user_id is not None and author.user_id not in contributors:
        contributors = (*contributors, author.user_id)
    return Step(False, step.kind, step.changed_by, contributors, first_relayed_by)  # noqa: FBT003 - a record
