"""The audit trail: who did what, as a protocol and its types.

AUD-1 What is stored is never changed. It goes by retention, a month at a time.
AUD-2 An entry names persons by pseudonyms only, in every column. The same person has the same
      pseudonym everywhere, until they are forgotten; nobody can tell then whom it meant.
AUD-3 An entry is stored once, also where it is sent again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Protocol, TypeAlias
from uuid import UUID, uuid4

from crdt_docs.identifiers import ActorKind
from crdt_docs.projection import Json
from persistence.ports import Page

Detail: TypeAlias = (
    "Mapping[str, Detail] | Sequence[Detail] | UUID | str | int | float | bool | None"
)
"""What an event may tell. A UUID is a person, and becomes a pseudonym; ids of anything else are
text."""

USER_TARGET = "user/"
"""How the target of an event begins that is about a person: `user/<uuid>`."""

NOTHING: Mapping[str, Detail] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a request or a connection came from.

    Attributes:
        request_id: of the request.
        identity_id: the `X-Identity-ID` that was sent: noted, never believed.
        network: the address, as the network that it lies in: `192.0.2.0/24`, `2001:db8::/48`.
    """

    request_id: str | None = None
    identity_id: UUID | None = None
    network: str | None = None


NOWHERE = Origin()


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """Something that happened.

    Attributes:
        action: `<subject>.<verb in the past>`, as `session.ended`.
        session_id: of the session, or the room, that it happened in.
        actor: whose deed it is; None where it is nobody's, or nobody known.
        via: the service that did it in the actor's name.
        target: `<kind>/<id>`; a person is `user/<uuid>`.
        details: see `Detail`.
    """

    action: str
    actor: UUID | None
    actor_kind: ActorKind | None
    session_id: UUID | None = None
    target: str | None = None
    via: UUID | None = None
    details: Mapping[str, Detail] = NOTHING
    origin: Origin = NOWHERE


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """An event on its way to the store."""

    at: datetime
    event: AuditEvent
    id: UUID = field(default_factory=uuid4)


@dataclass(frozen=True, slots=True)
class StoredEntry:
    """An entry as it is kept: `actor`, `via`, `identity_id`, persons in `target` and in `details`
    are pseudonyms.

    Attributes:
        persons: whom those of the first four mean, as far as they are not forgotten.
    """

    id: UUID
    at: datetime
    action: str
    actor: UUID | None
    actor_kind: ActorKind | None
    via: UUID | None
    session_id: UUID | None
    target: str | None
    request_id: str | None
    identity_id: UUID | None
    network: str | None
    details: Mapping[str, Json]
    persons: Mapping[UUID, UUID] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which entries are wanted.

    Attributes:
        workspaces: only of sessions in these; None: all, also what belongs to no session.
        user_id: whose deeds: a person, not a pseudonym.
        since: not earlier; `until`: earlier.
    """

    workspaces: tuple[UUID, ...] | None = None
    session_id: UUID | None = None
    action: str | None = None
    user_id: UUID | None = None
    since: datetime | None = None
    until: datetime | None = None


class AuditStore(Protocol):
    """The trail. Every method may raise StorageUnavailable."""

    async def add(self, entries: Sequence[AuditEntry]) -> None:
        """Store entries, those that are stored already not again (AUD-3)."""

    async def find(
        self, wanted: AuditFilter, *, limit: int, cursor: str | None = None
    ) -> Page[StoredEntry]:
        """One page, newest first.

        Raises:
            InvalidCursor: the cursor is none of this list's.
        """

    async def prepare(self, now: datetime) -> None:
        """Make room for the entries of this month and the next ones."""

    async def drop_before(self, moment: datetime) -> int:
        """Drop the months that were over before a moment; return how many."""
