"""Who may open a session's document, and as what: one pure function, asked once per opening (ACC).

The answer is a union of small types; whoever asks matches all of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, assert_never

from crdt_docs.access import Role
from crdt_docs.identifiers import ActorKind, DocumentKind, document_name
from persistence.ports import Participant, Session, SessionStatus
from server.authentication import Credentials

DEFAULT_ROLES = (Role.EDITOR, Role.VIEWER, Role.SPECTATOR)
"""What `config.default_role` may say. Not host: everybody could then end the session."""


@dataclass(frozen=True, slots=True)
class Allowed:
    """Come in, with this role."""

    role: Role


@dataclass(frozen=True, slots=True)
class Denied:
    """There is such a session, but not for this caller (403, close 4403)."""

    reason: str


@dataclass(frozen=True, slots=True)
class NotFound:
    """There is no such session (404, close 4404)."""


@dataclass(frozen=True, slots=True)
class Ended:
    """The caller would have this role, but the session is over: nothing to join (close 4410).

    What it left behind may be read.
    """

    role: Role


AccessDecision = Allowed | Denied | NotFound | Ended


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
    role = _role(credentials, session, participant)
    if isinstance(role, Denied):
        return role
    return Ended(role) if session.status is SessionStatus.ENDED else Allowed(role)


def _role(
    credentials: Credentials, session: Session, participant: Participant | None
) -> Role | Denied:
    """The first that applies: service, row, host, grant, the session's default."""
    match credentials.identity.kind:
        case ActorKind.SERVICE:
            return _service_role(credentials, session)
        case ActorKind.AGENT:
            # An agent sees what ShareView shows it. Until there is a view to show, that is nothing.
            return Denied("an AI agent sees only what is shared with it, and nothing is")
        case ActorKind.USER:
            return _user_role(credentials, session, participant)
        case kind:
            assert_never(kind)


def _service_role(credentials: Credentials, session: Session) -> Role | Denied:
    if credentials.workspaces is None or session.workspace_id in credentials.workspaces:
        return Role.HOST
    return Denied("the service's token does not cover this session's workspace")


def _user_role(
    credentials: Credentials, session: Session, participant: Participant | None
) -> Role | Denied:
    if participant is not None:
        if participant.removed_at is not None:
            return Denied("you were removed from this session")
        return participant.role
    if credentials.identity.user_id == session.host_user_id:
        return Role.HOST
    granted = credentials.grants.get(document_name(DocumentKind.OCW, session.id))
    if granted is not None:
        return granted
    default = default_role(session.config)
    return default if default is not None else Denied("you do not take part in this session")


def default_role(config: Mapping[str, Any]) -> Role | None:
    """What the session's config gives to everybody with a token; None for nobody.

    Anything but one of DEFAULT_ROLES gives nothing: rows can be written by SQL as well.
    """
    value = config.get("default_role")
    return next((role for role in DEFAULT_ROLES if role.value == value), None)
