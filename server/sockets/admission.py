"""Who may come into a document's room: asked once for each opening, whatever the socket speaks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import assert_never

from crdt_docs.access import Role
from crdt_docs.document import DocumentBroken
from crdt_docs.errors import Malformed
from crdt_docs.identifiers import DocumentName, Identity, parse_uuid
from crdt_docs.messages import CloseCode
from persistence.ports import StorageUnavailable
from server.access_decision import Allowed, Denied, Ended, NotFound, decide
from server.audit import AuditTrail
from server.authentication import Authenticator, Credentials, InvalidToken
from server.document_standings import is_paused, most_participants, place_of
from server.limits.users import OverLimit, Passage, Users
from server.revocations import REVOKED
from server.room_directory import RoomDirectory
from server.room_host import RoomHost
from server.signing_keys import KeysUnavailable
from server.sockets.services import SocketServices
from server.witness import SOMEBODY, Visitor, turned_away

DATABASE_AWAY = "the database does not answer; retry later"
SESSION_ENDED = "the session has ended"


@dataclass(slots=True)
class Admitted:
    """Somebody who may come in.

    Attributes:
        role: `open_room` brings it up to date.
        is_paused: the session was, when it was asked.
        visitor: what else is known of them.
    """

    document: DocumentName
    credentials: Credentials
    role: Role
    max_participants: int
    is_paused: bool
    visitor: Visitor = SOMEBODY

    @property
    def identity(self) -> Identity:
        """Who it is."""
        return self.credentials.identity

    @property
    def expires_at(self) -> datetime:
        """When their token ends."""
        return self.credentials.expires_at


class TurnedAway(Exception):  # noqa: N818 - an outcome, not a fault
    """Somebody may not come in: the close code, a sentence that helps, and who it is, if known."""

    def __init__(self, code: CloseCode, reason: str, identity: Identity | None = None) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason
        self.identity = identity


def tell(audit: AuditTrail, turned: TurnedAway, session_id: str, visitor: Visitor) -> None:
    """Have the trail say that somebody was turned away, if they were denied something."""
    try:
        identifier = parse_uuid(session_id)
    except Malformed:
        identifier = None
    event = turned_away(identifier, turned.identity, turned.code, visitor)
    if event is not None:
        audit.tally(event)


async def authenticate(token: str, authenticator: Authenticator) -> Credentials:
    """Who brings this token.

    Raises:
        TurnedAway: it proves nothing, or cannot be checked now.
    """
    try:
        return await authenticator.authenticate(token)
    except InvalidToken as error:
        raise TurnedAway(CloseCode.UNAUTHENTICATED, str(error)) from None
    except KeysUnavailable:
        reason = "the issuer's keys cannot be fetched; retry later"
        raise TurnedAway(CloseCode.TRY_LATER, reason) from None


def let_pass(credentials: Credentials, users: Users) -> Passage:
    """One more socket of somebody; whoever was let pass has to leave.

    Raises:
        TurnedAway: it is one too many (LIM-1).
    """
    try:
        return users.enter(credentials.identity.user_id, is_service=credentials.is_service)
    except OverLimit as over:
        raise TurnedAway(CloseCode.TRY_LATER, str(over)) from None


def count_room(passage: Passage) -> None:
    """Somebody enters a room.

    Raises:
        TurnedAway: they entered too many lately (LIM-4).
    """
    try:
        passage.enter_room()
    except OverLimit as over:
        raise TurnedAway(CloseCode.TRY_LATER, str(over)) from None


async def admit(
    document: DocumentName, credentials: Credentials, services: SocketServices, visitor: Visitor
) -> Admitted:
    """Decide about opening a document.

    Raises:
        TurnedAway: there is no such session or room, it has ended, or it is not for this caller.
    """
    try:
        standing = await services.standings.read(document, credentials.identity.user_id)
    except StorageUnavailable:
        raise TurnedAway(CloseCode.TRY_LATER, DATABASE_AWAY) from None
    decision = decide(credentials, standing)
    match decision:
        case Allowed(role):
            most, paused = most_participants(standing), is_paused(standing)
            return Admitted(document, credentials, role, most, paused, visitor)
        case Denied(reason):
            raise TurnedAway(CloseCode.FORBIDDEN, reason, credentials.identity)
        case NotFound():
            raise TurnedAway(CloseCode.NOT_FOUND, f"there is no such {place_of(document)}")
        case Ended():
            raise TurnedAway(CloseCode.ENDED, SESSION_ENDED)
        case _:
            assert_never(decision)


async def open_room(admitted: Admitted, directory: RoomDirectory, *, since: float) -> RoomHost:
    """The room, at this moment open to them; nothing may be awaited before they join it.

    Args:
        since: monotonic time before it was asked whether they may come in.

    Raises:
        TurnedAway: it cannot be opened, is full, or they may not come in any more.
    """
    try:
        host = await directory.open(admitted.document)
    except StorageUnavailable:
        raise TurnedAway(CloseCode.TRY_LATER, DATABASE_AWAY) from None
    except DocumentBroken:
        raise TurnedAway(CloseCode.INTERNAL, "") from None
    _catch_up(admitted, directory, since)
    if host.connections >= admitted.max_participants:
        place, most = place_of(admitted.document), admitted.max_participants
        reason = f"the {place} is full: {most} may take part; retry later"
        raise TurnedAway(CloseCode.TRY_LATER, reason)
    return host


def _catch_up(admitted: Admitted, directory: RoomDirectory, since: float) -> None:
    """What has changed since it was asked whether they may come in counts (ACC-11)."""
    name, identity, rulings = admitted.document, admitted.identity, directory.rulings
    closed = rulings.closed_since(name, identity, since)
    if closed is not None:
        raise TurnedAway(*closed)
    if directory.revocations.covers(admitted.credentials):
        raise TurnedAway(CloseCode.UNAUTHENTICATED, REVOKED)
    admitted.role = rulings.role_since(name, identity, since) or admitted.role
    directory.set_paused(name, is_paused=admitted.is_paused, at=since)
