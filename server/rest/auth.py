"""Tokens: minted for people by services, refreshed by whoever holds them, revoked by both."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from fastapi import Request
from pydantic import Field, model_validator
from starlette.responses import Response
from typing_extensions import TypedDict

from crdt_docs.identifiers import ActorKind
from server.authentication import MAX_TOKEN_BYTES, Credentials, Grants, clean_name
from server.limits.addresses import client_key
from server.rest.auditing import event_of
from server.rest.callers import Caller, CallerOf, identify
from server.rest.descriptions import described, example
from server.rest.endpoint import keeps_no_answer, resource_router
from server.rest.envelope import Envelope, Reply
from server.rest.errors import (
    FORBIDDEN,
    KEYS_UNAVAILABLE,
    RATE_LIMITED,
    STORAGE_UNAVAILABLE,
    UNAUTHENTICATED,
    ApiError,
    ErrorKind,
    forbidden,
    invalid_field,
    refuses,
)
from server.rest.moments import Time
from server.rest.requests import Strict, Uuid
from server.rest.services import Services, ServicesOf
from server.token_issuing import (
    Issued,
    NotIssuedHere,
    RefreshRefused,
    RefreshReused,
    TokenTerms,
)

NOT_ISSUED_HERE = ErrorKind(
    409,
    "TOKENS_NOT_ISSUED_HERE",
    "tokens are signed by the issuer of the configured key set: ask there for one",
)
REFRESH_REFUSED = ErrorKind(
    401,
    "REFRESH_TOKEN_REFUSED",
    "the refresh token is unknown, has ended or was revoked: sign in again",
)
REFRESH_REUSED = ErrorKind(
    401,
    "REFRESH_TOKEN_REUSED",
    "the refresh token was used before; all that came of it is revoked: sign in again",
)

MAX_LISTED = 32
"""Workspaces, and likewise grants, of one token: a token must fit into a header."""

_FRESH = {"Cache-Control": "no-store"}  # RFC 6749 §5.1
_USER = "0d9f6a52-57a0-4f39-8a94-2a9b1a3c7e55"
_SESSION = "6f1c1ad8-52a5-4a51-9f0c-7d2a3f6b9c11"
_REFRESH_TOKEN = "2Yq1w8rJm0C6m6q9o0c3vWb1yQyBz5m4h0d7nB5k9fE"  # noqa: S105 - an example

router = resource_router("Tokens")


class MintToken(Strict):
    """Body of `POST /auth/token`."""

    model_config = example(
        {"user_id": _USER, "name": "Anna", "grants": {f"ocw/{_SESSION}": "editor"}}
    )

    user_id: Uuid
    name: Annotated[str, Field(max_length=512)] | None = None
    workspaces: list[Uuid] = Field(default_factory=list, max_length=MAX_LISTED)
    grants: Grants = Field(default_factory=dict, max_length=MAX_LISTED)
    kind: Literal["user", "agent"] = "user"


class RefreshToken(Strict):
    """Body of `POST /auth/refresh`."""

    model_config = example({"refresh_token": _REFRESH_TOKEN})

    refresh_token: str = Field(max_length=256)


class RevokeTokens(Strict):
    """Body of `POST /auth/revoke`: one of `refresh_token`, `user_id` and `jti`."""

    model_config = example({"refresh_token": _REFRESH_TOKEN})

    refresh_token: str | None = Field(None, max_length=256)
    user_id: Uuid | None = None
    jti: str | None = Field(None, pattern=r"^[!-~]{1,128}$")
    expires_at: Time | None = Field(
        None,
        description="With `user_id` or `jti`: when the last of the tokens that are meant ends, "
        "which has not ended yet. "
        "Without it, it is remembered for as long as a refresh token lasts.",
    )

    @model_validator(mode="after")
    def _says_one_thing(self) -> Self:
        given = [value for value in (self.refresh_token, self.user_id, self.jti) if value]
        if len(given) != 1:
            raise ValueError("give one of refresh_token, user_id and jti")
        if self.refresh_token is not None and self.expires_at is not None:
            raise ValueError("expires_at goes with user_id or jti")
        return self


@described(
    {
        "user_id": _USER,
        "access_token": "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIwZDlmNmE1MiJ9.c2lnbmVk",
        "token_type": "Bearer",
        "expires_at": "2030-05-17T12:15:00Z",
        "refresh_token": _REFRESH_TOKEN,
        "refresh_expires_at": "2030-06-16T12:00:00Z",
    }
)
class IssuedView(TypedDict):
    """An access token, and the refresh token that gives the next one, once."""

    user_id: UUID
    access_token: str
    token_type: str
    expires_at: datetime
    refresh_token: str
    refresh_expires_at: datetime


@described({"revoked": True})
class RevokedView(TypedDict):
    """Whether there was something to revoke."""

    revoked: bool


@router.post("/auth/token", response_model=Envelope[IssuedView], status_code=200)
@keeps_no_answer
@refuses(FORBIDDEN, NOT_ISSUED_HERE, STORAGE_UNAVAILABLE)
async def mint_token(
    caller: CallerOf, body: MintToken, request: Request, services: ServicesOf, reply: Reply
) -> Response:
    """Give a person or an agent a token, as a service.

    The new token is good wherever this person may go, in every workspace. So a service whose own
    token names `workspaces` gets none: it takes one without, or sends `X-Acting-User` with each
    request, which stays within them. The new token is never a service's.
    """
    service = _service(caller)
    if service.workspaces is not None:  # TOK-4
        raise forbidden(
            "the service's token is bound to workspaces, and a person's is not: mint with a "
            "service token without workspaces, or send X-Acting-User instead"
        )
    terms = TokenTerms(
        user_id=body.user_id,
        name=clean_name(body.name),
        workspaces=tuple(dict.fromkeys(body.workspaces)),
        grants=body.grants,
        kind=ActorKind(body.kind),
    )
    try:
        issued = await services.tokens.mint(terms, service.identity.user_id)
    except NotIssuedHere:
        raise ApiError(NOT_ISSUED_HERE) from None
    if len(issued.access_token) > MAX_TOKEN_BYTES:
        raise invalid_field("grants", "the token would be too long: grant less")
    _tell(services, request, "token.minted", body.user_id, {"kind": body.kind})
    return reply(_view(issued), headers=_FRESH)


def _service(caller: Caller) -> Credentials:
    if caller.via is not None or not caller.token.is_service:
        raise forbidden("only a service, for itself, may do this")
    return caller.token


@router.post("/auth/refresh", response_model=Envelope[IssuedView])
@refuses(REFRESH_REFUSED, REFRESH_REUSED, NOT_ISSUED_HERE, RATE_LIMITED, STORAGE_UNAVAILABLE)
async def refresh_token(
    body: RefreshToken, request: Request, services: ServicesOf, reply: Reply
) -> Response:
    """Get the next access token, and the next refresh token: this one is used up.

    It needs no other token. A refresh token that comes a second time has been stolen, or its
    answer was lost, and nobody can tell which: everything that came of the same sign-in is
    revoked, and its sockets are closed.
    """
    owner = await _owner(body.refresh_token, request, services)
    try:
        issued = await services.tokens.refresh(body.refresh_token)
    except NotIssuedHere:
        raise ApiError(NOT_ISSUED_HERE) from None
    except RefreshReused:
        services.permissions.close_revoked()
        _tell(services, request, "token.reused", owner, {})
        raise _unauthenticated(REFRESH_REUSED) from None
    except RefreshRefused:
        raise _unauthenticated(REFRESH_REFUSED) from None
    _tell(services, request, "token.refreshed", owner, {})
    return reply(_view(issued), headers=_FRESH)


async def _owner(token: str, request: Request, services: Services) -> UUID:
    """Whose token it is, for the limits: before it is used up."""
    owner = await services.tokens.owner(token)
    if owner is None:
        services.limits.fail(client_key(request.scope))
        raise _unauthenticated(REFRESH_REFUSED)
    services.limits.authenticate(owner)
    return owner


def _unauthenticated(kind: ErrorKind) -> ApiError:
    return ApiError(kind, headers={"WWW-Authenticate": "Bearer"})


@router.post("/auth/revoke", response_model=Envelope[RevokedView])
@refuses(UNAUTHENTICATED, FORBIDDEN, KEYS_UNAVAILABLE, RATE_LIMITED, STORAGE_UNAVAILABLE)
async def revoke_tokens(
    body: RevokeTokens, request: Request, services: ServicesOf, reply: Reply
) -> Response:
    """Take tokens back: they are refused from now on, and their sockets are closed with 4401.

    With a `refresh_token`, whoever holds it revokes all that came of the same sign-in; no other
    token is needed. With a `user_id`, a service revokes all that a person has now, and with a
    `jti` one access token: by its own token, which may name no workspaces, as what is revoked is
    bound to none.
    """
    if body.refresh_token is not None:
        return reply(RevokedView(revoked=await _sign_out(body.refresh_token, request, services)))
    service = _service(await identify(services, request))
    if service.workspaces is not None:
        raise forbidden("only a service that is bound to no workspaces may do this")
    if body.expires_at is not None and body.expires_at <= services.clock():
        # Kept for no time at all, and the token good again, if it had not ended after all.
        problem = "is past: such tokens are refused anyhow; to be sure, leave expires_at out"
        raise invalid_field("expires_at", problem)
    if body.user_id is not None:
        await services.tokens.revoke_user(body.user_id, body.expires_at)
        _tell(services, request, "token.revoked", body.user_id, {"by": "user"})
    else:
        await services.tokens.revoke_access_token(str(body.jti), body.expires_at)
        _tell(services, request, "token.revoked", None, {"by": "jti"})
    services.permissions.close_revoked()
    return reply(RevokedView(revoked=True))


async def _sign_out(token: str, request: Request, services: Services) -> bool:
    family = await services.tokens.revoke_refresh_token(token)
    if family is None:
        services.limits.fail(client_key(request.scope))
        return False
    services.permissions.close_revoked()
    _tell(services, request, "token.revoked", family.user_id, {"by": "refresh_token"})
    return True


def _tell(
    services: Services, request: Request, action: str, user: UUID | None, details: Mapping[str, Any]
) -> None:
    """TOK-6: whose token, and never which."""
    target = None if user is None else f"user/{user}"
    services.audit.record(event_of(request.scope, action, target=target, details=details))


def _view(issued: Issued) -> IssuedView:
    return IssuedView(
        user_id=issued.family.user_id,
        access_token=issued.access_token,
        token_type="Bearer",  # noqa: S106 - the name of a scheme
        expires_at=issued.expires_at,
        refresh_token=issued.refresh_token,
        refresh_expires_at=issued.refresh_expires_at,
    )
