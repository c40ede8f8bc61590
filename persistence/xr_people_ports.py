"""Who is in the sessions of rooms, and what they look like, as protocols and their types.

XRS-4  A connection is one participant of a session, and stays the person's who opened it: somebody
       may be there with two devices.
XRS-5  Of two places somebody was seen at, the later one counts, whichever is told first.
XRS-6  Nobody has two default avatars.
XRS-7  What a crash left open is closed when the server starts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple, Protocol, TypedDict
from uuid import UUID

from crdt_docs.poses import Placed
from persistence.ports import Page


class DeviceType(StrEnum):
    """What somebody is there with (`xr_participants.device_type`)."""

    VR_HEADSET = "vr_headset"
    AR_GLASSES = "ar_glasses"
    DESKTOP = "desktop"
    MOBILE = "mobile"


@dataclass(frozen=True, slots=True)
class XrParticipant:
    """A connection that takes part in a session (a row of `xr_participants`).

    Attributes:
        avatar_id: which of their avatars they came with; it may be gone since.
        avatar_config: what they look like here.
        placed: where their head was when they were seen last.
        last_seen_at: given by the store; when they joined, before they were seen anywhere.
        id: the row's own id, given by the store.
    """

    session_id: UUID
    connection_id: UUID
    user_id: UUID
    device_type: DeviceType
    joined_at: datetime
    avatar_id: UUID | None = None
    avatar_config: Mapping[str, Any] | None = None
    placed: Placed | None = None
    last_seen_at: datetime | None = None
    left_at: datetime | None = None
    id: UUID | None = field(default=None, compare=False)


class Sighting(NamedTuple):
    """Where a participant was at a moment; None: there, and nobody knows where."""

    session_id: UUID
    connection_id: UUID
    at: datetime
    placed: Placed | None


@dataclass(frozen=True, slots=True)
class Avatar:
    """What a person looks like (a row of `xr_avatars`).

    Attributes:
        name: 1 to 200 characters.
    """

    id: UUID
    user_id: UUID
    name: str
    config: Mapping[str, Any]
    is_default: bool
    created_at: datetime


class AvatarChanges(TypedDict, total=False):
    """What can be changed of an avatar; what is not given stays."""

    name: str
    config: Mapping[str, Any]
    is_default: bool


class XrParticipantStore(Protocol):
    """Who is in a session. Every method may raise StorageUnavailable."""

    async def join(self, participant: XrParticipant) -> XrParticipant | None:
        """Note that a connection takes part; one that has left comes back, as what it is now, and
        joined when it first did.

        Returns:
            Its row. None when there is no such session, when it has ended, or when the connection
            is somebody else's (XRS-4).
        """

    async def leave(
        self, session_id: UUID, connection_id: UUID, at: datetime
    ) -> XrParticipant | None:
        """Note that it is gone, once. None when it has no row."""

    async def leave_all(
        self, session_id: UUID, user_id: UUID, at: datetime
    ) -> Sequence[XrParticipant]:
        """Note that none of a person's connections is there any more. The rows of those that were,
        in the order in which they joined."""

    async def participant(self, session_id: UUID, connection_id: UUID) -> XrParticipant | None:
        """A connection's row."""

    async def of_person(
        self, session_id: UUID, user_id: UUID, *, limit: int
    ) -> Sequence[XrParticipant]:
        """A person's connections that are there, in the order in which they joined; at most so
        many."""

    async def participants(
        self,
        session_id: UUID,
        *,
        only_there: bool = False,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Page[XrParticipant]:
        """Those who take part, in the order in which they joined.

        Args:
            only_there: without those who left.

        Raises:
            InvalidCursor: the cursor was not made by this method.
        """

    async def note(self, sightings: Sequence[Sighting]) -> None:
        """Note where many were (XRS-5); of the unknown, nothing. Who is being written at the same
        moment may be passed over: there is a next time."""

    async def close_open(self, moment: datetime) -> int:
        """Mark gone who joined before a moment and has not left; return how many (XRS-7).

        They left when they were seen last.
        """

    async def forget_before(self, moment: datetime, *, limit: int = 1000) -> int:
        """Remove who left before a moment, at most so many; return how many."""


class AvatarStore(Protocol):
    """Avatars (XRS-6). Every method may raise StorageUnavailable."""

    async def create(self, avatar: Avatar) -> None:
        """Store a new one; if it is the default, no other of this person is. An id that exists
        already is left as it is."""

    async def get(self, avatar_id: UUID) -> Avatar | None:
        """The avatar, whosever it is."""

    async def default_of(self, user_id: UUID) -> Avatar | None:
        """What somebody looks like who does not say."""

    async def of_user(
        self, user_id: UUID, *, limit: int = 50, cursor: str | None = None
    ) -> Page[Avatar]:
        """A person's avatars, newest first (`created_at`, then id).

        Raises:
            InvalidCursor: the cursor was not made by this method.
        """

    async def change(self, avatar_id: UUID, changes: AvatarChanges) -> Avatar | None:
        """Change some of it; if it becomes the default, no other of this person is. None when
        unknown."""

    async def delete(self, avatar_id: UUID) -> bool:
        """Remove it. False when unknown."""
