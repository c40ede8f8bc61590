"""Who may open a document, and as what: one pure function, asked once per opening (ACC).

A session's and a room's are asked alike: by the row of whoever comes, else who made it, else the
token's grant, else what the config gives to everybody.

The answer is a union of small types; whoever asks matches all of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, assert_never
from uuid import UUID

from crdt_docs.access import Role
from crdt_docs.identifiers import ActorKind, DocumentKind, DocumentName, document_name
from persistence.ports import Participant, Session, SessionStatus, Standing
from persistence.xr_ports import RoomStanding, XrStatus
from server.authentication import Credentials

DEFAULT_ROLES = (Role.EDITOR, Role.VIEWER, Role.SPECTATOR)
"""What `config.default_role` may say. Not host: everybody could then end the session."""


@dataclass(frozen=True, slots=True)
class Allowed:
    """Come in, with this role."""

    role: Role


@dataclass(frozen=True, slots=True)
class Denied:
    """There is such a session or room, but not for this caller (403, close 4403)."""

    reason: str


@dataclass(frozen=True, slots=True)
class NotFound:
    """There is no such session or room (404, close 4404)."""


@dataclass(frozen=True, slots=True)
class Ended:
    """The caller would have this role, but the session is over, or nobody has begun one in the
    room: nothing to join (close 4410).

    What it left behind may be read.
    """

    role: Role


AccessDecision = Allowed | Denied | NotFound | Ended


@dataclass(frozen=True, slots=True)
class _Place:
    """What is asked of a session or a room.

    Attributes:
        row_role: of the caller's row, if there is one.
        is_public: everybody with a token may at least look.
        what: for sentences.
    """

    document: DocumentName
    workspace_id: UUID
    host_user_id: UUID
    config: Mapping[str, Any]
    row_role: Role | None
    is_removed: bool
    is_public: bool
    what: str


def decide(credentials: Credentials, standing: Standing | RoomStanding) -> AccessDecision:
    """Decide about opening a document, by what is stored about it and the caller."""
    if isinstance(standing, RoomStanding):
        return decide_room_access(credentials, standing)
    return decide_access(credentials, standing.session, standing.participant)


def decide_access(
    credentials: Credentials, session: Session | None, participant: Participant | None
) -> AccessDecision:
    """Decide about opening a session's document.

    Args:
        credentials: of the caller.
        session: the session; None when there is none, or when it was deleted.
        participant: the caller's row in it, if any, also one that records a removal.
    """
    if session is None:
        return NotFound()
    place = _Place(
        document_name(DocumentKind.OCW, session.id),
        session.workspace_id,
        session.host_user_id,
        session.config,
        None if participant is None else participant.role,
        participant is not None and participant.removed_at is not None,
        is_public=False,
        what="session",
    )
    return _decided(credentials, place, is_over=session.status is SessionStatus.ENDED)


def decide_room_access(credentials: Credentials, standing: RoomStanding) -> AccessDecision:
    """Decide about opening a room's document: it is open while it has a session."""
    room, session, member = standing
    if room is None:
        return NotFound()
    place = _Place(
        document_name(DocumentKind.XR, room.id),
        room.workspace_id,
        room.created_by,
        room.config,
        None if member is None else member.role,
        member is not None and member.removed_at is not None,
        is_public=room.is_public,
        what="room",
    )
    is_over = session is None or session.status is XrStatus.ENDED
    return _decided(credentials, place, is_over=is_over)


def _decided(credentials: Credentials, place: _Place, *, is_over: bool) -> AccessDecision:
    role = _role(credentials, place)
    if isinstance(role, Denied):
        return role
    return Ended(role) if is_over else Allowed(role)


def _role(credentials: Credentials, place: _Place) -> Role | Denied:
    """The first that applies: service, row, host, grant, default."""
    match credentials.identity.kind:
        case ActorKind.SERVICE:
            return _service_role(credentials, place)
        case ActorKind.AGENT:
            # An agent sees what ShareView shows it. Until there is a view to show, that is nothing.
            return Denied("an AI agent sees only what is shared with it, and nothing is")
        case ActorKind.USER:
            return _user_role(credentials, place)
        case kind:
            assert_never(kind)


def _service_role(credentials: Credentials, place: _Place) -> Role | Denied:
    if credentials.workspaces is None or place.workspace_id in credentials.workspaces:
        return Role.HOST
    return Denied(f"the service's token does not cover this {place.what}'s workspace")


def _user_role(credentials: Credentials, place: _Place) -> Role | Denied:
    if place.is_removed:
        return Denied(f"you were removed from this {place.what}")
    if place.row_role is not None:
        return place.row_role
    if credentials.identity.user_id == place.host_user_id:
        return Role.HOST
    granted = credentials.grants.get(place.document)
    if granted is not None:
        return granted
    default = default_role(place.config) or (Role.SPECTATOR if place.is_public else None)
    return default if default is not None else Denied(f"you do not take part in this {place.what}")


def default_role(config: Mapping[str, Any]) -> Role | None:
    """What the session's config gives to everybody with a token; None for nobody.

    Anything but one of DEFAULT_ROLES gives nothing: rows can be written by SQL as well.
    """
    value = config.get("default_role")
    return next((role for role in DEFAULT_ROLES if role.value == value), None)
