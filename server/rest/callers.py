"""Who calls, and what they may do with a session."""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

from starlette.requests import Request

from crdt_docs.access import Role
from persistence.ports import Session
from server.access_decision import Allowed, Denied, Ended, NotFound, decide_access
from server.authentication import Credentials, InvalidToken, bearer_token
from server.rest.errors import forbidden, session_not_found, unauthenticated
from server.rest.requests import read_session_id
from server.rest.services import Services


@dataclass(frozen=True, slots=True)
class Opened:
    """A session that the caller may read, and their role in it."""

    session: Session
    role: Role


async def authenticate(services: Services, request: Request) -> Credentials:
    """The caller's credentials.

    Raises:
        ApiError: 401.
        KeysUnavailable: it cannot be told now.
    """
    token = bearer_token(request.scope)
    if token is None:
        raise unauthenticated("send a token: Authorization: Bearer …", token_given=False)
    try:
        return await services.authenticator.authenticate(token)
    except InvalidToken as error:
        raise unauthenticated(str(error), token_given=True) from None


async def open_session(services: Services, request: Request) -> Opened:
    """The session of the path, for a caller who may read it; one that has ended, too.

    Raises:
        ApiError: 401, 403, 404.
        StorageUnavailable: nothing could be read.
    """
    credentials = await authenticate(services, request)
    session_id = read_session_id(request)
    session = await services.sessions.get(session_id)
    participant = await services.sessions.participant(session_id, credentials.identity.user_id)
    decision = decide_access(credentials, session, participant)
    match decision:
        case Allowed(role) | Ended(role):
            assert session is not None  # noqa: S101 - for the type checker: else it is NotFound
            return Opened(session, role)
        case Denied(reason):
            raise forbidden(reason)
        case NotFound():
            raise session_not_found()
        case _:
            assert_never(decision)


async def open_session_as_host(services: Services, request: Request) -> Session:
    """As `open_session`, for what only a host or a service may do."""
    opened = await open_session(services, request)
    if opened.role is not Role.HOST:
        raise forbidden("only a host of the session, or a service, may do this")
    return opened.session
