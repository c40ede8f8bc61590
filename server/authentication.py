"""Who somebody is: tokens, checked, and where in a request they travel.

Tokens are JWTs. Required claims: `sub` (UUID), `exp`, `iat`, `jti`, `aud`. Optional: `name`,
`workspaces` (UUIDs), `scope` (`service` among its words makes a backend service), `kind`
(`user`, `agent`), `grants` (`{"ocw/<uuid>": "<role>"}`) and, of those minted with a refresh token,
`fam` (UUID): the family that they are revoked with.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from itertools import takewhile
from types import MappingProxyType
from typing import Annotated, Any, Literal
from urllib.parse import parse_qsl
from uuid import UUID, uuid4

import jwt
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from starlette.types import Scope

from crdt_docs.access import Role
from crdt_docs.errors import Malformed
from crdt_docs.identifiers import (
    ActorKind,
    DocumentKind,
    DocumentName,
    Identity,
    document_name,
    parse_uuid,
)
from server.clock import Clock, utc_now
from server.revocations import REVOKED, Revocations
from server.settings import Settings
from server.signing_keys import KeySource, UnknownKey, key_source

MAX_TOKEN_BYTES = 8 * 1024
MAX_NAME_CHARACTERS = 128
SERVICE_SCOPE = "service"
SIGNATURE_GOOD_FOR = timedelta(minutes=1)
"""How long a signature is believed without looking: also how long a withdrawn key still works."""
SIGNATURES_KEPT = 1024
SUBPROTOCOL_PREFIX = "bearer."

_COMPACT_JWT = re.compile(r"[\w-]+\.[\w-]+\.[\w-]+", re.ASCII)  # RFC 7515 §7.1: no padding
_LONG_AGO = datetime.min.replace(tzinfo=UTC)
_LATEST_TIME = 253_402_300_799  # the last second of year 9999, where datetime ends
_BIDI_CONTROLS = frozenset(
    "\u200e\u200f\u061c\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
)


class InvalidToken(Exception):  # noqa: N818 - says what is the case
    """A token that proves nothing. `str()` says why, and repeats nothing of the token."""


class ExpiredToken(InvalidToken):
    """A token that proved something until its `exp`."""


class RevokedToken(InvalidToken):
    """A token that proved something until it was revoked (ACC-15)."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a checked token says.

    Attributes:
        identity: who it is.
        is_service: a backend of the platform, acting as host.
        workspaces: where they work; None where the token does not say.
        grants: roles the token gives in single documents.
        expires_at: from this moment on the token proves nothing (UTC).
        jti: the token's own id, visible ASCII.
        family: the refresh tokens that it was minted with; None for one of its own.
        issued_at: when it was signed, in whole seconds (UTC).
    """

    identity: Identity
    is_service: bool
    workspaces: frozenset[UUID] | None
    grants: Mapping[DocumentName, Role]
    expires_at: datetime
    jti: str
    family: UUID | None = None
    issued_at: datetime = _LONG_AGO


def _uuid(value: object) -> UUID:
    if not isinstance(value, str):
        raise ValueError("must be a UUID in text form")  # noqa: TRY004 - pydantic wants ValueError
    try:
        return parse_uuid(value)
    except Malformed as error:
        raise ValueError(str(error)) from None


def _document(value: object) -> DocumentName:
    kind, _, identifier = value.partition("/") if isinstance(value, str) else ("", "", "")
    try:
        return document_name(DocumentKind(kind), parse_uuid(identifier))
    except (ValueError, Malformed):
        raise ValueError("keys must be <kind>/<uuid>, as in ocw/<uuid>") from None


def _role(value: object) -> Role:
    try:
        return Role(str(value))
    except ValueError:
        raise ValueError(f"values must be one of {', '.join(Role)}") from None


Uuid = Annotated[UUID, BeforeValidator(_uuid)]
Grants = dict[
    Annotated[DocumentName, BeforeValidator(_document)],
    Annotated[Role, BeforeValidator(_role)],
]
NumericDate = Annotated[int, Field(ge=0, le=_LATEST_TIME)]


class _Claims(BaseModel):
    """The claims we read. Strict: `true` is not a time, and neither is `"1700000000"`."""

    model_config = ConfigDict(strict=True, extra="ignore", hide_input_in_errors=True)

    sub: Uuid
    exp: NumericDate
    iat: NumericDate
    jti: str = Field(pattern=r"^[!-~]{1,128}$")
    nbf: NumericDate | None = None
    name: str | None = None
    workspaces: list[Uuid] | None = None
    scope: str = ""
    kind: Literal["user", "agent"] = "user"
    fam: Uuid | None = None
    grants: Grants = Field(default_factory=dict)


class Authenticator:
    """Checks tokens against the configured keys."""

    def __init__(
        self,
        keys: KeySource,
        *,
        audience: str = "chenu-collab",
        leeway: float = 0.0,
        clock: Clock = utc_now,
        revocations: Revocations | None = None,
    ) -> None:
        """
        Args:
            leeway: seconds by which `iat` and `nbf` may lie in the future.
            revocations: tokens that prove nothing any more.
        """
        self.revocations = Revocations() if revocations is None else revocations
        self._keys = keys
        self._audience = audience
        self._leeway = timedelta(seconds=leeway)
        self._clock = clock
        self._seen: dict[bytes, tuple[datetime, _Claims]] = {}

    @classmethod
    def from_settings(cls, settings: Settings, *, clock: Clock = utc_now) -> Authenticator:
        """The authenticator these settings describe. Blocks: may read or create a file.

        Raises:
            UnusableSecret: the keys cannot be used; the message says what to do.
        """
        return cls(
            key_source(settings),
            audience=settings.jwt_audience,
            leeway=settings.jwt_leeway,
            clock=clock,
        )

    async def authenticate(self, token: str) -> Credentials:
        """Check a token and read it.

        Raises:
            ExpiredToken, RevokedToken: it was good once.
            InvalidToken: it is not good.
            KeysUnavailable: nobody can tell now, because the issuer's keys cannot be fetched.
        """
        if len(token) > MAX_TOKEN_BYTES:
            raise InvalidToken(f"the token is longer than {MAX_TOKEN_BYTES} bytes")
        if not _COMPACT_JWT.fullmatch(token):
            raise InvalidToken("the token is not a JWT")
        claims = await self._claims(token)
        self._check_times(claims)
        credentials = _credentials(claims)
        if self.revocations.covers(credentials):
            raise RevokedToken(REVOKED)
        return credentials

    async def _claims(self, token: str) -> _Claims:
        """The claims of a token whose signature is right: checked once a minute, not each time,
        because a thousand people who reconnect together bring tokens that were just seen."""
        key = blake2b(token.encode(), digest_size=16).digest()
        now = self._clock()
        seen = self._seen.get(key)
        if seen is not None and timedelta() <= now - seen[0] < SIGNATURE_GOOD_FOR:
            return seen[1]  # one of the future was seen before the clock was set back
        claims = self._read(await self._verify(token))
        self._seen.pop(key, None)
        self._seen[key] = (now, claims)
        if len(self._seen) > SIGNATURES_KEPT:
            del self._seen[next(iter(self._seen))]
        self._forget_before(now - SIGNATURE_GOOD_FOR)
        return claims

    def _forget_before(self, moment: datetime) -> None:
        """Those that are checked again anyway, of which the oldest come first."""
        seen = self._seen
        for key in list(takewhile(lambda key: seen[key][0] < moment, seen)):
            del seen[key]

    async def _verify(self, token: str) -> dict[str, Any]:
        """The payload of a token whose signature and audience are right."""
        try:
            key = await self._keys.key_for(jwt.get_unverified_header(token).get("kid"))
            return jwt.decode(
                token,
                key.key,
                algorithms=[key.algorithm],
                audience=self._audience,
                options={
                    # Times are checked here, against our own clock and without stretching `exp`.
                    "verify_exp": False,
                    "verify_iat": False,
                    "verify_nbf": False,
                    # Shapes are checked in _Claims.
                    "verify_iss": False,
                    "verify_sub": False,
                    "verify_jti": False,
                    "enforce_minimum_key_length": True,
                },
            )
        except UnknownKey:
            raise InvalidToken("the token names no key of the configured key set") from None
        except jwt.PyJWTError as error:
            raise InvalidToken(_reason(error, self._audience)) from None

    def _read(self, payload: dict[str, Any]) -> _Claims:
        try:
            return _Claims.model_validate(payload)
        except ValidationError as error:
            raise InvalidToken(_first_problem(error)) from None

    def _check_times(self, claims: _Claims) -> None:
        now = self._clock()
        latest = (now + self._leeway).timestamp()
        if claims.iat > latest or (claims.nbf is not None and claims.nbf > latest):
            raise InvalidToken("the token is not valid yet (iat, nbf)")
        if claims.exp <= now.timestamp():
            raise ExpiredToken("the token has expired")


def _reason(error: jwt.PyJWTError, audience: str) -> str:
    """Why PyJWT refused, in our words: its own sometimes quote the token."""
    match error:
        case jwt.InvalidSignatureError():
            return "the token's signature is wrong"
        case jwt.InvalidAlgorithmError():
            return "the token's algorithm is not the configured one"
        case jwt.MissingRequiredClaimError() | jwt.InvalidAudienceError():
            return f"the token's audience (aud) is not {audience}"
        case jwt.InvalidKeyError():
            return "the token's key is too weak or of another kind"
        case _:
            return "the token is not a JWT"


def _first_problem(error: ValidationError) -> str:
    """One fault of the claims: its name and the rule it breaks, not the value."""
    detail = error.errors(include_url=False, include_input=False, include_context=False)[0]
    message = detail["msg"].removeprefix("Value error, ")
    return f"the token's claim {detail['loc'][0]}: {message}"


def _credentials(claims: _Claims) -> Credentials:
    is_service = SERVICE_SCOPE in claims.scope.split()
    if is_service and claims.kind == "agent":
        raise InvalidToken("the token's kind is agent and its scope service: it can be only one")
    kind = ActorKind.SERVICE if is_service else ActorKind(claims.kind)
    return Credentials(
        identity=Identity(claims.sub, clean_name(claims.name), kind),
        is_service=is_service,
        workspaces=None if claims.workspaces is None else frozenset(claims.workspaces),
        grants=MappingProxyType(claims.grants),
        expires_at=datetime.fromtimestamp(claims.exp, UTC),
        jti=claims.jti,
        family=claims.fam,
        issued_at=datetime.fromtimestamp(claims.iat, UTC),
    )


def clean_name(name: str | None) -> str | None:
    """A name as it can be shown to others: one line, no control characters, not too long.

    Cleaned and not refused: a stray tab in a profile must not lock its owner out. None when
    nothing is left.
    """
    if name is None:
        return None
    kept = "".join(" " if _is_control(character) else character for character in name)
    return " ".join(kept.split())[:MAX_NAME_CHARACTERS].rstrip() or None


def _is_control(character: str) -> bool:
    """Control characters, lone surrogates, and marks that turn the text around a name."""
    return unicodedata.category(character) in {"Cc", "Cs"} or character in _BIDI_CONTROLS


def mint(
    secret: bytes,
    user_id: UUID,
    *,
    lifetime: timedelta,
    now: datetime,
    name: str | None = None,
    is_service: bool = False,
    is_agent: bool = False,
    workspaces: Iterable[UUID] = (),
    grants: Mapping[DocumentName, Role] | None = None,
    family: UUID | None = None,
    audience: str = "chenu-collab",
) -> str:
    """Sign a token with the shared secret (HS256)."""
    claims: dict[str, Any] = {
        "sub": str(user_id),
        "aud": audience,
        "iat": int(now.timestamp()),
        "exp": int((now + lifetime).timestamp()),
        "jti": str(uuid4()),
    }
    if name is not None:
        claims["name"] = name
    if is_service:
        claims["scope"] = SERVICE_SCOPE
    if is_agent:
        claims["kind"] = "agent"
    if family is not None:
        claims["fam"] = str(family)
    if listed := [str(workspace) for workspace in workspaces]:
        claims["workspaces"] = listed
    if grants:
        claims["grants"] = {document: role.value for document, role in grants.items()}
    return jwt.encode(claims, secret, algorithm="HS256")


def bearer_token(scope: Scope) -> str | None:
    """The token of an `Authorization: Bearer` header; None without one, or with several."""
    values = [value for name, value in scope["headers"] if name == b"authorization"]
    if len(values) != 1:
        return None
    scheme, _, token = values[0].decode("latin-1").partition(" ")
    return (token.strip() or None) if scheme.lower() == "bearer" else None


def token_from_scope(scope: Scope) -> tuple[str | None, str | None]:
    """The token of a WebSocket handshake, and the subprotocol to accept it with.

    Looked for in this order: header `Authorization: Bearer`, subprotocol `bearer.<token>`, query
    parameter `token`. A `bearer.` subprotocol is to be accepted even when the token came
    otherwise: browsers drop a connection none of whose subprotocols was taken.
    """
    offered = next(
        (name for name in scope.get("subprotocols", ()) if name.startswith(SUBPROTOCOL_PREFIX)),
        None,
    )
    token = bearer_token(scope)
    if token is None and offered is not None:
        token = offered.removeprefix(SUBPROTOCOL_PREFIX) or None
    if token is None:
        token = _query_token(scope.get("query_string", b""))
    return token, offered


def _query_token(query: bytes) -> str | None:
    """The one `token` of a query string; None without one, or with several."""
    try:
        fields = parse_qsl(query.decode("latin-1"), max_num_fields=64)
    except ValueError:
        return None
    tokens = [value for name, value in fields if name == "token"]
    return tokens[0] if len(tokens) == 1 else None
