"""Full text search over objects and annotations, as storage offers it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple, Protocol
from uuid import UUID

from crdt_docs.object_kinds import ObjectRoot
from persistence.ports import Page

MAX_RANKED = 5_000
"""Of each root: as many of what is found are ranked, whichever. Whoever finds more has asked for
too little, and waits no longer for it."""


@dataclass(frozen=True, slots=True)
class SearchFilter:
    """What is looked for, and where. `readable_by`, `granted` and `workspaces` bound it by access,
    as those of `ports.SessionFilter`; None is no bound.

    Attributes:
        text: as people type it: words that must be there, `"a phrase"`, `or`, `-not`; no NUL.
        session_id: only in this session.
        root: only objects, or only annotations.
    """

    text: str
    session_id: UUID | None = None
    root: ObjectRoot | None = None
    readable_by: UUID | None = None
    granted: tuple[UUID, ...] = ()
    workspaces: tuple[UUID, ...] | None = None


class Part(NamedTuple):
    """A part of a snippet: plain text, whatever it looks like.

    Attributes:
        is_match: one of the words that were looked for.
    """

    text: str
    is_match: bool


@dataclass(frozen=True, slots=True)
class Hit:
    """Something that was found.

    Attributes:
        type: `object_type` or `annotation_type`.
        object_id: what an annotation is about.
        position: `{x, y}`, where there is one.
        snippet: what it says, around the words that were looked for.
        rank: the higher one fits better; comparable within one search only.
    """

    root: ObjectRoot
    session_id: UUID
    id: str
    type: str
    object_id: str | None
    position: Mapping[str, Any] | None
    snippet: tuple[Part, ...]
    rank: float
    updated_at: datetime


class Search(Protocol):
    """Finds what is there now: nothing deleted, and nothing in deleted sessions."""

    async def find(
        self, wanted: SearchFilter, *, limit: int = 20, cursor: str | None = None
    ) -> Page[Hit]:
        """What fits best first, then the newest. Nothing where no word is asked for.

        Raises:
            InvalidCursor: the cursor was not made by this method, for the same words.
            StorageUnavailable: nothing could be read.
        """
