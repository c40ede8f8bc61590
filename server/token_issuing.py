"""Tokens that this server hands out and takes back (TOK in `persistence/token_ports.py`).

TOK-4  A service gives a person, or an agent, no more than it may itself, and never a service token.
       What a token opens is also decided by rows, which know no workspaces: so a service that is
       bound to workspaces mints for nobody.
TOK-5  What is revoked is stored first, then refused by every check, then its sockets are closed.
TOK-6  No token, and no hash of one, is in a log line, in the audit trail or in a kept answer.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, assert_never
from uuid import UUID, uuid4

from crdt_docs.access import Role
from crdt_docs.identifiers import ActorKind, DocumentName
from persistence.token_ports import (
    NextToken,
    Refused,
    Reused,
    Revocation,
    Rotated,
    TokenFamily,
    TokenStore,
)
from server.authentication import mint
from server.clock import Clock, utc_now
from server.revocations import Revocations

REFRESH_BYTES = 32


class NotIssuedHere(Exception):  # noqa: N818 - says what is the case
    """Tokens are signed by the issuer of the key set."""


class RefreshRefused(Exception):  # noqa: N818 - says what is the case
    """The refresh token is unknown, has ended, or its family was revoked."""


class RefreshReused(Exception):  # noqa: N818 - says what is the case
    """The refresh token came a second time; its family is revoked (TOK-2)."""

    def __init__(self, family: TokenFamily) -> None:
        super().__init__("the refresh token was used before")
        self.family = family


@dataclass(frozen=True, slots=True)
class TokenTerms:
    """What a token is to say of a person or an agent. The name is clean."""

    user_id: UUID
    name: str | None = None
    workspaces: tuple[UUID, ...] = ()
    grants: Mapping[DocumentName, Role] = field(default_factory=dict)
    kind: ActorKind = ActorKind.USER

    def as_json(self) -> dict[str, Any]:
        """For the store; `from_family` reads it."""
        return {
            "name": self.name,
            "workspaces": [str(workspace) for workspace in self.workspaces],
            "grants": {document: role.value for document, role in self.grants.items()},
            "kind": self.kind.value,
        }

    @classmethod
    def from_family(cls, family: TokenFamily) -> TokenTerms:
        """The terms of a family."""
        terms = family.terms
        return cls(
            user_id=family.user_id,
            name=terms["name"],
            workspaces=tuple(UUID(workspace) for workspace in terms["workspaces"]),
            grants={DocumentName(name): Role(role) for name, role in terms["grants"].items()},
            kind=ActorKind(terms["kind"]),
        )


@dataclass(frozen=True, slots=True, repr=False)
class Issued:
    """An access token and the refresh token for the next one."""

    family: TokenFamily
    access_token: str
    expires_at: datetime
    refresh_token: str
    refresh_expires_at: datetime


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """How long tokens last."""

    access: timedelta = timedelta(minutes=15)
    refresh: timedelta = timedelta(days=30)


class TokenIssuer:
    """Mints, refreshes and revokes."""

    def __init__(
        self,
        store: TokenStore,
        revocations: Revocations,
        *,
        secret: bytes | None,
        audience: str,
        lifetimes: Lifetimes | None = None,
        clock: Clock = utc_now,
    ) -> None:
        """
        Args:
            revocations: the authenticator's: what is revoked here is refused there.
            secret: signs tokens; None where a key set checks them.
        """
        self._store = store
        self._revocations = revocations
        self._secret = secret
        self._audience = audience
        self._lifetimes = lifetimes or Lifetimes()
        self._clock = clock

    async def mint(self, terms: TokenTerms, minted_by: UUID) -> Issued:
        """Begin a family.

        Raises:
            NotIssuedHere: there is no secret to sign with.
            StorageUnavailable: it could not be stored.
        """
        secret = self._signing_secret()
        now = self._clock()
        family = TokenFamily(uuid4(), terms.user_id, minted_by, terms.as_json(), now)
        refresh_token, first = self._next(now)
        issued = self._issue(secret, family, refresh_token, first, now)
        await self._store.begin(family, first)
        return issued

    async def owner(self, refresh_token: str) -> UUID | None:
        """Whose refresh token it is; None where it is not known.

        Raises:
            StorageUnavailable: it cannot be told.
        """
        return await self._store.owner(_digest(refresh_token))

    async def refresh(self, refresh_token: str) -> Issued:
        """Use a refresh token, once (TOK-1).

        Raises:
            RefreshRefused, RefreshReused: it is not good.
            NotIssuedHere: there is no secret to sign with.
            StorageUnavailable: it may have been used up.
        """
        secret = self._signing_secret()
        now = self._clock()
        following_token, following = self._next(now)
        outcome = await self._store.rotate(_digest(refresh_token), following, now)
        match outcome:
            case Rotated(family):
                return self._issue(secret, family, following_token, following, now)
            case Reused(family, revocation):
                self._revocations.add([revocation])
                raise RefreshReused(family)
            case Refused():
                raise RefreshRefused
            case _:
                assert_never(outcome)

    async def revoke_refresh_token(self, refresh_token: str) -> TokenFamily | None:
        """Revoke the family of a refresh token; None where it is not known.

        Raises:
            StorageUnavailable: it may not have been revoked.
        """
        found = await self._store.revoke_family(_digest(refresh_token), self._clock())
        if found is None:
            return None
        family, revocation = found
        self._revocations.add([revocation])
        return family

    async def revoke_user(self, user_id: UUID, until: datetime | None = None) -> None:
        """Revoke all that somebody has now.

        Args:
            until: when the last of their tokens ends; by default after a refresh token's time.
        """
        now = self._clock()
        self._revocations.add(
            await self._store.revoke_user(user_id, now, until or now + self._lifetimes.refresh)
        )

    async def revoke_access_token(self, jti: str, until: datetime | None = None) -> Revocation:
        """Revoke one access token; `until` as for `revoke_user`."""
        now = self._clock()
        revocation = await self._store.revoke_token(
            jti, now, until or now + self._lifetimes.refresh
        )
        self._revocations.add([revocation])
        return revocation

    async def load(self) -> None:
        """Learn what was revoked before, by others or by SQL.

        Raises:
            StorageUnavailable: it cannot be read now.
        """
        now = self._clock()
        stored = await self._store.revocations(now)  # what was prolonged is not let go meanwhile
        self._revocations.add(stored)
        self._revocations.forget_before(now)

    def _signing_secret(self) -> bytes:
        if self._secret is None:
            raise NotIssuedHere
        return self._secret

    def _next(self, now: datetime) -> tuple[str, NextToken]:
        refresh_token = secrets.token_urlsafe(REFRESH_BYTES)
        # As the token says it: in whole seconds.
        access_until = (now + self._lifetimes.access).replace(microsecond=0)
        expires_at = now + self._lifetimes.refresh
        return refresh_token, NextToken(_digest(refresh_token), expires_at, access_until)

    def _issue(
        self,
        secret: bytes,
        family: TokenFamily,
        refresh_token: str,
        following: NextToken,
        now: datetime,
    ) -> Issued:
        terms = TokenTerms.from_family(family)
        token = mint(
            secret,
            terms.user_id,
            lifetime=following.access_until - now,
            now=now,
            name=terms.name,
            is_agent=terms.kind is ActorKind.AGENT,
            workspaces=terms.workspaces,
            grants=terms.grants,
            family=family.id,
            audience=self._audience,
        )
        return Issued(family, token, following.access_until, refresh_token, following.expires_at)


def _digest(refresh_token: str) -> bytes:
    """A random token of 256 bits needs no salt and no slow hash."""
    return sha256(refresh_token.encode("utf-8", "surrogateescape")).digest()
