"""What the server needs of storage for tokens: families of refresh tokens, and what was revoked.

TOK-1  Of a refresh token only its SHA-256 is stored. It is good once: whoever uses it gets the
       next one of its family.
TOK-2  A refresh token that comes a second time revokes its family: one of the two who sent it has
       stolen it, and nobody can tell which. There is no time of grace in which it may come twice:
       a thief would have it, too. A client that lost the answer signs in again.
TOK-3  What was revoked is remembered until the last access token it is about has ended, also over
       a restart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple, Protocol
from uuid import UUID


class RevokedKind(StrEnum):
    """What a revocation is about (`revoked_tokens.kind`)."""

    TOKEN = "token"  # noqa: S105 - a word, not a secret
    FAMILY = "family"
    USER = "user"


class Revocation(NamedTuple):
    """Access tokens that prove nothing any more (a row of `revoked_tokens`).

    Attributes:
        key: the token's `jti`, the family's id or the user's.
        at: a user's tokens that were issued before this are meant.
        until: the last token it is about has ended by then.
    """

    kind: RevokedKind
    key: str
    at: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class TokenFamily:
    """What grew out of one token that a service minted (a row of `token_families`).

    Attributes:
        minted_by: the service.
        terms: claims of its access tokens, as JSON.
    """

    id: UUID
    user_id: UUID
    minted_by: UUID
    terms: Mapping[str, Any]
    created_at: datetime


@dataclass(frozen=True, slots=True)
class NextToken:
    """A refresh token that is handed out, and the access token that goes with it.

    Attributes:
        digest: SHA-256 of the refresh token.
        expires_at: until when it can be used.
        access_until: when the access token ends.
    """

    digest: bytes
    expires_at: datetime
    access_until: datetime


@dataclass(frozen=True, slots=True)
class Rotated:
    """It was good, and is used up: the next one is stored."""

    family: TokenFamily


@dataclass(frozen=True, slots=True)
class Reused:
    """It was used before: the family is revoked by this (TOK-2)."""

    family: TokenFamily
    revocation: Revocation


@dataclass(frozen=True, slots=True)
class Refused:
    """It is not known, has expired, or its family was revoked."""


Rotation = Rotated | Reused | Refused


class TokenStore(Protocol):
    """Families of tokens, and revocations. Every method may raise StorageUnavailable."""

    async def begin(self, family: TokenFamily, first: NextToken) -> None:
        """Store a new family with its first refresh token."""

    async def rotate(self, digest: bytes, following: NextToken, at: datetime) -> Rotation:
        """Use a refresh token, once: of several that try at the same time, one succeeds."""

    async def owner(self, digest: bytes) -> UUID | None:
        """Whose refresh token it is, whatever has become of it."""

    async def revoke_family(
        self, digest: bytes, at: datetime
    ) -> tuple[TokenFamily, Revocation] | None:
        """Revoke the family of a refresh token, whatever has become of the token; None where it
        is not known."""

    async def revoke_user(self, user_id: UUID, at: datetime, until: datetime) -> list[Revocation]:
        """Revoke all that a user has: their families, and what was issued before now.

        Args:
            until: when the last of their tokens that are of no family will have ended.
        """

    async def revoke_token(self, jti: str, at: datetime, until: datetime) -> Revocation:
        """Revoke one access token."""

    async def revocations(self, at: datetime) -> Sequence[Revocation]:
        """What was revoked and is still of use."""

    async def forget_before(self, moment: datetime, *, limit: int = 1000) -> int:
        """Remove families, tokens and revocations that had ended by a moment.

        Returns:
            How many were removed; as many as `limit` of a kind means that there may be more.
        """
