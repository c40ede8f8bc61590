"""What was decided lately about documents and the people in them (ACC-11).

Who is coming in was asked about before, and arrives after: for a minute it is remembered what has
changed in between.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from typing import Generic, NamedTuple, TypeVar
from uuid import UUID

from crdt_docs.access import Role
from crdt_docs.identifiers import ActorKind, DocumentName, Identity
from crdt_docs.messages import CloseCode

REMEMBERED = 60.0
"""Seconds for which a ruling is remembered: longer than anybody takes to come in."""

KeyT = TypeVar("KeyT", bound=Hashable)
RulingT = TypeVar("RulingT")


class Closed(NamedTuple):
    """Sockets are closed with this code."""

    code: CloseCode
    reason: str


class _Latest(Generic[KeyT, RulingT]):
    """The latest ruling on each thing, and since when it counts."""

    def __init__(self) -> None:
        self._kept: dict[KeyT, tuple[float, RulingT]] = {}

    def note(self, key: KeyT, ruling: RulingT, at: float) -> RulingT:
        """Remember it, unless there is a later one; return the latest."""
        known = self._kept.get(key)
        if known is not None and known[0] > at:
            return known[1]
        self._kept[key] = (at, ruling)
        return ruling

    def since(self, key: KeyT, moment: float) -> RulingT | None:
        known = self._kept.get(key)
        return None if known is None or known[0] < moment else known[1]

    def forget_before(self, moment: float) -> None:
        for key in [key for key, (at, _) in self._kept.items() if at < moment]:
            del self._kept[key]


class Rulings:
    """By document, and by document and person. Moments are of a monotonic clock, in seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._closed: _Latest[DocumentName, Closed] = _Latest()
        self._sent_away: _Latest[tuple[DocumentName, UUID], Closed] = _Latest()
        self._roles: _Latest[tuple[DocumentName, UUID], Role] = _Latest()
        self._paused: _Latest[DocumentName, bool] = _Latest()

    def close(self, name: DocumentName, code: CloseCode, reason: str) -> None:
        """Everybody has to go."""
        self._closed.note(name, Closed(code, reason), self._clock())

    def send_away(self, name: DocumentName, user_id: UUID, reason: str) -> None:
        """One person has to go."""
        self._sent_away.note((name, user_id), Closed(CloseCode.FORBIDDEN, reason), self._clock())

    def set_role(self, name: DocumentName, user_id: UUID, role: Role) -> None:
        """A person has this role."""
        self._roles.note((name, user_id), role, self._clock())

    def set_paused(self, name: DocumentName, *, is_paused: bool, at: float) -> bool:
        """The document is paused or not, as was seen at a moment; return what was seen last."""
        return self._paused.note(name, is_paused, at)

    def closed_since(self, name: DocumentName, identity: Identity, moment: float) -> Closed | None:
        """Whether somebody who was let in after a moment has come too late."""
        closed = self._closed.since(name, moment)
        if closed is None and identity.kind is ActorKind.USER:
            closed = self._sent_away.since((name, identity.user_id), moment)
        return closed

    def role_since(self, name: DocumentName, identity: Identity, moment: float) -> Role | None:
        """The role that somebody was given after a moment, if they were. Rows are about people: a
        service's role is not among them."""
        if identity.kind is not ActorKind.USER:
            return None
        return self._roles.since((name, identity.user_id), moment)

    def forget_old(self) -> None:
        """Let go of what nobody can come too late for."""
        long_ago = self._clock() - REMEMBERED
        self._closed.forget_before(long_ago)
        self._sent_away.forget_before(long_ago)
        self._roles.forget_before(long_ago)
        self._paused.forget_before(long_ago)
