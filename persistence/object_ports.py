"""Objects and annotations as storage sees them: what is written of a change, what is read back.

The rules are HST-1 to HST-7 of `crdt_docs/SPEC.md`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol
from uuid import UUID

from crdt_docs.gestures import Author, ChangeKind
from crdt_docs.object_kinds import ObjectKind

if TYPE_CHECKING:
    from persistence.ports import Page


@dataclass(frozen=True, slots=True)
class ObjectRow:
    """The current row of an object or annotation. Times are those of the commits, UTC.

    Attributes:
        state: as in the history, without the search text; of a deleted one the last it had.
        version: the newest in its history.
        updated_by: who changed it last.
    """

    id: str
    state: Mapping[str, Any]
    version: int
    created_at: datetime
    updated_by: UUID | None
    updated_at: datetime
    deleted_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class HistoryRow:
    """One gesture in an object's history.

    Attributes:
        previous_state: before the gesture; empty when the object was not there.
        changed_by: who began it.
        changed_at: of its first change; `changed_until` of its last. Times of the commits, UTC.
        update_seq: position of its first change in the document's log.
    """

    object_id: str
    version: int
    change_type: ChangeKind
    previous_state: Mapping[str, Any]
    changed_by: Author
    contributors: tuple[UUID, ...]
    relayed_by: UUID | None
    changed_at: datetime
    changed_until: datetime
    update_seq: int


@dataclass(frozen=True, slots=True)
class HistoryFilter:
    """Which rows of a history are shown; None is no bound.

    Attributes:
        object_id: of one object.
        user_id: gestures that this user took part in.
        since: that began at this moment or later.
        before: that began before this moment.
    """

    object_id: str | None = None
    user_id: UUID | None = None
    since: datetime | None = None
    before: datetime | None = None


class ObjectReader(Protocol):
    """Objects and their history. Every method may raise StorageUnavailable."""

    async def objects(
        self,
        owner_id: UUID,
        kind: ObjectKind,
        *,
        after: str = "",
        limit: int = 100,
        deleted: bool = False,
    ) -> Sequence[ObjectRow]:
        """A document's objects of one kind, ordered by the bytes of their ids.

        Args:
            owner_id: whose: that in the name of the document.
            kind: which of them.
            after: the id after which the page starts.
            limit: rows at most.
            deleted: those that were deleted, too.
        """

    async def history(
        self,
        owner_id: UUID,
        kind: ObjectKind,
        wanted: HistoryFilter,
        *,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Page[HistoryRow]:
        """Gestures, newest first.

        Raises:
            InvalidCursor: the cursor was not made by this method.
        """
