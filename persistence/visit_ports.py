"""Who was connected when, as a protocol and its types.

VST-1 One row for each socket and session it opened; its beginning and its end may come together,
      apart, or again.
VST-2 A row that a crash left open is closed when the server starts, without a close code.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from crdt_docs.identifiers import ActorKind


@dataclass(frozen=True, slots=True)
class Visit:
    """A socket that takes part in a session.

    Attributes:
        device: what kind of thing it runs on.
        disconnected_at: None while it is connected.
        close_code: that the server closed it with; None where the other side left, or nobody
            knows.
    """

    id: UUID
    session_id: UUID
    user_id: UUID
    actor_kind: ActorKind
    device: str
    connected_at: datetime
    disconnected_at: datetime | None = None
    close_code: int | None = None


class VisitStore(Protocol):
    """Visits. Every method may raise StorageUnavailable."""

    async def put(self, visits: Sequence[Visit]) -> None:
        """Store visits as they are now. One that has ended stays so.

        Of those who take part in the session it is noted when they were there last.
        """

    async def close_open(self, moment: datetime) -> int:
        """End what is open since before a moment (VST-2); return how many."""

    async def forget_before(self, moment: datetime, *, limit: int = 1000) -> int:
        """Remove visits that ended before a moment, at most so many; return how many."""

    async def of_user(self, user_id: UUID) -> Sequence[Visit]:
        """A person's visits, oldest first."""
