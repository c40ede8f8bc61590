"""Who calls, and what they may do with a session: dependencies that endpoints name as parameters.

| parameter | who gets in |
|---|---|
| `caller: CallerOf` | everybody with a token, or a service in somebody's name |
| `opened: Reader` | who may read the session of the path, also after it ended |
| `opened: Member` | the same, while the session can be changed |
| `opened: Editor` | hosts and editors, while the session can be changed |
| `opened: Host` | hosts and services, also after it ended |
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Annotated, assert_never
from uuid import UUID

from fastapi import Depends, Path, Request
from starlette.types import Scope

from crdt_docs.access import Role, may_edit
from crdt_docs.errors import Malformed
from crdt_docs.identifiers import (
    ActorKind,
    DocumentKind,
    DocumentName,
    Identity,
    document_name,
    parse_uuid,
)
from persistence.ports import Session, SessionStatus
from server.access_decision import Allowed, Denied, Ended, NotFound, decide_access
from server.authentication import (
    Credentials,
    ExpiredToken,
    InvalidToken,
    RevokedToken,
    bearer_token,
)
from server.limits.addresses import client_key
from server.rest.errors import (
    FORBIDDEN,
    INVALID_PARAMETER,
    KEYS_UNAVAILABLE,
    RATE_LIMITED,
    SESSION_ENDED,
    SESSION_NOT_FOUND,
    SESSION_PAUSED,
    STORAGE_UNAVAILABLE,
    UNAUTHENTICATED,
    ApiError,
    forbidden,
    invalid_parameter,
    refuses,
    session_not_found,
    unauthenticated,
)
from server.rest.services import Services, ServicesOf

ACTING_USER = "X-Acting-User"
_CALLER_KEY = "chenu.caller"  # where it is kept in the scope, once it is known


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody who calls.

    Attributes:
        credentials: of whoever acts: what they may do is asked of these.
        token: what the token says: the same, except where a service acts for a person.
    """

    credentials: Credentials
    token: Credentials

    @property
    def identity(self) -> Identity:
        """Whose deed it is."""
        return self.credentials.identity

    @property
    def via(self) -> Identity | None:
        """The service that acts for a person; None when everybody acts for themselves."""
        return None if self.credentials is self.token else self.token.identity

    def granted(self, kind: DocumentKind) -> tuple[UUID, ...]:
        """What the credentials grant of this kind, by id."""
        prefix = f"{kind.value}/"
        return tuple(
            UUID(document.removeprefix(prefix))
            for document in self.credentials.grants
            if document.startswith(prefix)
        )

    @property
    def bounds(self) -> tuple[UUID, ...] | None:
        """The workspaces a service is bound to; None: it is to none, or is no service."""
        workspaces = self.token.workspaces if self.token.is_service else None
        return None if workspaces is None else tuple(workspaces)


@dataclass(frozen=True, slots=True)
class Opened:
    """A session that the caller may read, and their role in it."""

    caller: Caller
    session: Session
    role: Role

    @property
    def document(self) -> DocumentName:
        """The name of the session's document."""
        return document_name(DocumentKind.OCW, self.session.id)


async def identify(services: Services, request: Request) -> Caller:
    """Who sends a request; remembered in its scope.

    Raises:
        ApiError: 401; 400 and 403 for a wrong acting user.
        TooManyRequests: too many failed at that address (LIM-7).
        KeysUnavailable: it cannot be told now.
    """
    token = bearer_token(request.scope)
    if token is None:
        raise unauthenticated("send a token: Authorization: Bearer …", token_given=False)
    try:
        credentials = await services.authenticator.authenticate(token)
    except (ExpiredToken, RevokedToken) as error:
        raise unauthenticated(str(error), token_given=True) from None
    except InvalidToken as error:
        services.limits.fail(client_key(request.scope))
        raise unauthenticated(str(error), token_given=True) from None
    caller = Caller(_acting(request, credentials), credentials)
    request.scope[_CALLER_KEY] = caller
    return caller


def _acting(request: Request, token: Credentials) -> Credentials:
    """The credentials of whoever acts: a person for whom a service does, or who the token names.

    A person in whose name a service acts may do what their row says, or the session's
    `default_role`, within the service's workspaces; there is no token of theirs to grant more.
    """
    named = request.headers.getlist(ACTING_USER)
    if not named:
        return token
    if not token.is_service:
        raise forbidden(f"only a service acts for others ({ACTING_USER})")
    try:
        (name,) = named
        person = parse_uuid(name)
    except (ValueError, Malformed):
        problem = "must be one UUID such as 123e4567-e89b-42d3-a456-426614174000"
        error = {"field": ACTING_USER, "message": problem}
        raise invalid_parameter(f"{ACTING_USER}: {problem}", [error]) from None
    return replace(token, identity=Identity(person), is_service=False, grants=MappingProxyType({}))


def caller_of(scope: Scope) -> Caller | None:
    """Who sent the request of this scope; None where it is not known, or not yet."""
    caller: Caller | None = scope.get(_CALLER_KEY)
    return caller


def acting(scope: Scope) -> dict[str, str]:
    """For the log: in whose name a service acts, and which; nothing where nobody does."""
    caller = caller_of(scope)
    if caller is None or caller.via is None:
        return {}
    return {"acting_user": str(caller.identity.user_id), "via": str(caller.via.user_id)}


@refuses(UNAUTHENTICATED, INVALID_PARAMETER, FORBIDDEN, RATE_LIMITED, KEYS_UNAVAILABLE)
async def calling(request: Request) -> Caller:
    """Who calls: found out by the route, before it reads the body."""
    caller: Caller = request.scope[_CALLER_KEY]
    return caller


CallerOf = Annotated[Caller, Depends(calling)]


@refuses(FORBIDDEN, SESSION_NOT_FOUND, STORAGE_UNAVAILABLE)
async def open_session(
    services: ServicesOf,
    caller: CallerOf,
    session_id: Annotated[str, Path(json_schema_extra={"format": "uuid"})],
) -> Opened:
    """The session of the path, for a caller who may read it; one that has ended, too."""
    identifier = _session_id(session_id)
    credentials = caller.credentials
    session = await services.sessions.get(identifier)
    participant = await services.sessions.participant(identifier, credentials.identity.user_id)
    if session is not None:
        check_covers(caller, session.workspace_id, "session")
    decision = decide_access(credentials, session, participant)
    match decision:
        case Allowed(role) | Ended(role):
            assert session is not None  # noqa: S101 - for the type checker: else it is NotFound
            return Opened(caller, session, role)
        case Denied(reason):
            raise forbidden(reason)
        case NotFound():
            raise session_not_found()
        case _:
            assert_never(decision)


def _session_id(text: str) -> UUID:
    try:
        return parse_uuid(text)
    except Malformed as error:
        raise session_not_found(str(error)) from None


def check_covers(caller: Caller, workspace_id: UUID, what: str) -> None:
    """A service acts for people only where it may be itself.

    Args:
        what: lies in that workspace, for the sentence.

    Raises:
        ApiError: it acts elsewhere.
    """
    workspaces = caller.token.workspaces
    if caller.via is not None and workspaces is not None and workspace_id not in workspaces:
        raise forbidden(f"the service's token does not cover this {what}'s workspace")


def check_may_create(caller: Caller, workspace_id: UUID, what: str) -> None:
    """Users in the workspaces their token names; services also where it names none at all.

    In whose name a service acts makes no difference: it knows where its people work.

    Args:
        what: is to be created, for the sentence.

    Raises:
        ApiError: not there.
    """
    token = caller.token
    if token.identity.kind is ActorKind.AGENT:
        raise forbidden(f"an AI agent cannot create {what}")
    if token.workspaces is None and token.is_service:
        return
    if workspace_id not in (token.workspaces or ()):
        raise forbidden("the token's workspaces do not name this workspace")


Reader = Annotated[Opened, Depends(open_session)]


@refuses(SESSION_PAUSED, SESSION_ENDED)
async def _open_active(opened: Reader) -> Opened:
    """A session that the caller may change now; one that is paused, only hosts."""
    match opened.session.status:
        case SessionStatus.ACTIVE:
            return opened
        case SessionStatus.PAUSED:
            if opened.role is Role.HOST:
                return opened
            raise ApiError(SESSION_PAUSED)
        case SessionStatus.ENDED:
            raise ApiError(SESSION_ENDED)
        case status:
            assert_never(status)


Member = Annotated[Opened, Depends(_open_active)]


@refuses(FORBIDDEN, SESSION_PAUSED, SESSION_ENDED)
async def _open_to_edit(opened: Reader) -> Opened:
    if not may_edit(opened.role):
        raise forbidden("only hosts and editors may do this")
    return await _open_active(opened)


Editor = Annotated[Opened, Depends(_open_to_edit)]


@refuses(FORBIDDEN)
async def _open_as_host(opened: Reader) -> Opened:
    if opened.role is not Role.HOST:
        raise forbidden("only a host of the session, or a service, may do this")
    return opened


Host = Annotated[Opened, Depends(_open_as_host)]
