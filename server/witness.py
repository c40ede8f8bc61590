"""What rooms have written down: who comes and goes, and whose edits are refused.

WIT-1 Whoever enters a room is in the trail and in the book of visits, and again when they leave.
WIT-2 A socket that is closed for what it sent is told as such.
WIT-3 Refused edits are counted: by person, document and rule.
WIT-4 Of whoever is not known, nothing is told that they can make up: no session, and no identity.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol
from uuid import UUID, uuid4

from starlette.datastructures import Headers
from starlette.types import Scope

from crdt_docs.identifiers import DocumentName, Identity
from crdt_docs.member import Member
from crdt_docs.messages import CloseCode
from persistence.audit_ports import NOWHERE, AuditEvent, Origin
from persistence.visit_ports import Visit
from server.audit import DENIED, AuditTrail
from server.audit_origin import nobody_known, origin_of
from server.clock import Clock, utc_now
from server.devices import UNKNOWN, device_of
from server.visits import VisitBook

MISBEHAVIOUR = frozenset({CloseCode.MALFORMED, CloseCode.TOO_BIG, CloseCode.TRY_LATER})
"""What sockets are closed with that sent what they should not, or too much."""

DENIALS = frozenset({CloseCode.UNAUTHENTICATED, CloseCode.FORBIDDEN})


class Connection(NamedTuple):
    """As which somebody takes part in a session of a room: with two devices, as two."""

    session_id: UUID
    connection_id: UUID


@dataclass(frozen=True, slots=True)
class Visitor:
    """What a socket says of itself besides who it is.

    Attributes:
        device: see `devices.device_of`.
        connection: in a room of headsets.
    """

    device: str = UNKNOWN
    origin: Origin = NOWHERE
    connection: Connection | None = None


SOMEBODY = Visitor()


def visitor_of(scope: Scope) -> Visitor:
    """The visitor of a socket with this ASGI scope."""
    device = device_of(Headers(scope=scope).get("user-agent"))
    return Visitor(device, origin_of(scope))


class Witness(Protocol):
    """Sees what happens in rooms. Nothing here waits or fails."""

    def came(self, document: DocumentName, member: Member, visitor: Visitor) -> None:
        """Somebody is in the room."""

    def went(self, document: DocumentName, member: Member, code: int | None) -> None:
        """Somebody is not any more; `code`: what the server closed the socket with."""

    def refused(self, document: DocumentName, member: Member, rule: str) -> None:
        """An edit was refused."""


class NoWitness:
    """Nobody looks."""

    def came(self, document: DocumentName, member: Member, visitor: Visitor) -> None:
        """See `Witness`."""

    def went(self, document: DocumentName, member: Member, code: int | None) -> None:
        """See `Witness`."""

    def refused(self, document: DocumentName, member: Member, rule: str) -> None:
        """See `Witness`."""


class Together:
    """Several who look."""

    def __init__(self, *witnesses: Witness) -> None:
        self._witnesses = list(witnesses)

    def add(self, witness: Witness) -> None:
        """One more looks from now on."""
        self._witnesses.append(witness)

    def came(self, document: DocumentName, member: Member, visitor: Visitor) -> None:
        """See `Witness`."""
        for each in self._witnesses:
            each.came(document, member, visitor)

    def went(self, document: DocumentName, member: Member, code: int | None) -> None:
        """See `Witness`."""
        for each in self._witnesses:
            each.went(document, member, code)

    def refused(self, document: DocumentName, member: Member, rule: str) -> None:
        """See `Witness`."""
        for each in self._witnesses:
            each.refused(document, member, rule)


class Recorder:
    """Tells the trail and the book of visits."""

    def __init__(self, audit: AuditTrail, visits: VisitBook, *, clock: Clock = utc_now) -> None:
        self._audit = audit
        self._visits = visits
        self._clock = clock
        self._present: dict[Member, tuple[Visit, Visitor]] = {}

    def came(self, document: DocumentName, member: Member, visitor: Visitor) -> None:
        """See `Witness` (WIT-1)."""
        identity = member.identity
        visit = Visit(
            id=uuid4(),
            session_id=_session_id(document),
            user_id=identity.user_id,
            actor_kind=identity.kind,
            device=visitor.device,
            connected_at=self._clock(),
        )
        self._present[member] = visit, visitor
        self._visits.note(visit)
        details = {"role": member.role.value, "device": visitor.device}
        self._audit.record(_event("socket.joined", document, identity, visitor, **details))

    def went(self, document: DocumentName, member: Member, code: int | None) -> None:
        """See `Witness` (WIT-1, WIT-2)."""
        present = self._present.pop(member, None)
        if present is None:
            return
        visit, visitor = present
        number = None if code is None else int(code)
        self._visits.note(replace(visit, disconnected_at=self._clock(), close_code=number))
        action = "socket.expelled" if code in MISBEHAVIOUR else "socket.left"
        self._audit.record(_event(action, document, member.identity, visitor, code=number))

    def refused(self, document: DocumentName, member: Member, rule: str) -> None:
        """See `Witness` (WIT-3)."""
        present = self._present.get(member)
        visitor = SOMEBODY if present is None else present[1]
        event = _event(
            "edit.refused", document, member.identity, visitor, rule=rule, role=member.role.value
        )
        self._audit.tally(event)


def turned_away(
    session_id: UUID | None, identity: Identity | None, code: int, visitor: Visitor
) -> AuditEvent | None:
    """The event of a socket that may not come in; None where nothing was denied."""
    if code not in DENIALS:
        return None
    is_known = identity is not None
    return AuditEvent(
        DENIED,
        None if identity is None else identity.user_id,
        None if identity is None else identity.kind,
        session_id=session_id if is_known else None,
        details={"operation": "socket", "code": int(code)},
        origin=visitor.origin if is_known else nobody_known(visitor.origin),  # WIT-4
    )


def expelled(user_id: UUID | None, code: int, visitor: Visitor) -> AuditEvent:
    """The event of a socket that is closed for what it sent outside of any room (WIT-2)."""
    origin = visitor.origin if user_id is not None else nobody_known(visitor.origin)  # WIT-4
    return AuditEvent("socket.expelled", user_id, None, details={"code": int(code)}, origin=origin)


def _event(
    action: str,
    document: DocumentName,
    identity: Identity,
    visitor: Visitor,
    **details: str | int | None,
) -> AuditEvent:
    return AuditEvent(
        action,
        identity.user_id,
        identity.kind,
        session_id=_session_id(document),
        details=details,
        origin=visitor.origin,
    )


def _session_id(document: DocumentName) -> UUID:
    return UUID(document.partition("/")[2])
