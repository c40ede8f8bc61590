"""Families of refresh tokens and revocations, in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from persistence.memory_store import MemorySwitches
from persistence.token_ports import (
    NextToken,
    Refused,
    Reused,
    Revocation,
    RevokedKind,
    Rotated,
    Rotation,
    TokenFamily,
)


@dataclass(slots=True)
class _Family:
    family: TokenFamily
    expires_at: datetime
    access_until: datetime
    is_revoked: bool = False


@dataclass(slots=True)
class _Token:
    held: _Family
    expires_at: datetime
    is_used: bool = False


class MemoryTokenStore(MemorySwitches):
    """`token_ports.TokenStore` in memory."""

    def __init__(self) -> None:
        super().__init__()
        self._families: dict[UUID, _Family] = {}
        self._tokens: dict[bytes, _Token] = {}
        self._revoked: dict[tuple[RevokedKind, str], Revocation] = {}

    async def begin(self, family: TokenFamily, first: NextToken) -> None:
        """See `token_ports.TokenStore.begin`."""
        await self._enter()
        held = _Family(family, first.expires_at, first.access_until)
        self._families[family.id] = held
        self._tokens[first.digest] = _Token(held, first.expires_at)
        self._leave()

    async def rotate(self, digest: bytes, following: NextToken, at: datetime) -> Rotation:
        """See `token_ports.TokenStore.rotate`."""
        await self._enter()
        outcome = self._rotate(digest, following, at)
        self._leave()
        return outcome

    def _rotate(self, digest: bytes, following: NextToken, at: datetime) -> Rotation:
        token = self._tokens.get(digest)
        if token is None or token.held.is_revoked:
            return Refused()
        held = token.held
        if token.is_used:
            return Reused(held.family, self._revoke(held, at))
        if token.expires_at <= at:
            return Refused()
        token.is_used = True
        held.expires_at = max(held.expires_at, following.expires_at)
        held.access_until = max(held.access_until, following.access_until)
        self._tokens[following.digest] = _Token(held, following.expires_at)
        return Rotated(held.family)

    async def owner(self, digest: bytes) -> UUID | None:
        """See `token_ports.TokenStore.owner`."""
        await self._enter()
        token = self._tokens.get(digest)
        self._leave()
        return None if token is None else token.held.family.user_id

    async def revoke_family(
        self, digest: bytes, at: datetime
    ) -> tuple[TokenFamily, Revocation] | None:
        """See `token_ports.TokenStore.revoke_family`."""
        await self._enter()
        token = self._tokens.get(digest)
        revoked = None
        if token is not None:
            revoked = token.held.family, self._revoke(token.held, at)
        self._leave()
        return revoked

    async def revoke_user(self, user_id: UUID, at: datetime, until: datetime) -> list[Revocation]:
        """See `token_ports.TokenStore.revoke_user`."""
        await self._enter()
        revoked = []
        for held in self._families.values():
            if held.family.user_id == user_id and not held.is_revoked:
                held.is_revoked = True
                key = str(held.family.id)
                revoked.append(Revocation(RevokedKind.FAMILY, key, at, held.access_until))
        revoked.append(Revocation(RevokedKind.USER, str(user_id), at, until))
        for revocation in revoked:
            self._note(revocation)
        self._leave()
        return revoked

    async def revoke_token(self, jti: str, at: datetime, until: datetime) -> Revocation:
        """See `token_ports.TokenStore.revoke_token`."""
        await self._enter()
        revocation = Revocation(RevokedKind.TOKEN, jti, at, until)
        self._note(revocation)
        self._leave()
        return revocation

    async def revocations(self, at: datetime) -> Sequence[Revocation]:
        """See `token_ports.TokenStore.revocations`."""
        await self._enter()
        found = [revocation for revocation in self._revoked.values() if revocation.until > at]
        self._leave()
        return found

    async def forget_before(self, moment: datetime, *, limit: int = 1000) -> int:
        """See `token_ports.TokenStore.forget_before`."""
        await self._enter()
        revoked = [key for key, each in self._revoked.items() if each.until <= moment][:limit]
        for key in revoked:
            del self._revoked[key]
        tokens = [key for key, each in self._tokens.items() if each.expires_at <= moment][:limit]
        for digest in tokens:
            del self._tokens[digest]
        families = [
            key
            for key, each in self._families.items()
            if max(each.expires_at, each.access_until) <= moment
        ][:limit]
        for family_id in families:
            del self._families[family_id]
        self._leave()
        return len(revoked) + len(tokens) + len(families)

    def families_of(self, user_id: UUID) -> list[TokenFamily]:
        """Families that are somebody's, or that they minted."""
        families = (held.family for held in self._families.values())
        return [each for each in families if user_id in (each.user_id, each.minted_by)]

    def forget_person(self, user_id: UUID) -> int:
        """Remove a person's families with their tokens; return how many."""
        gone = {key for key, held in self._families.items() if held.family.user_id == user_id}
        self._families = {key: held for key, held in self._families.items() if key not in gone}
        self._tokens = {
            key: token for key, token in self._tokens.items() if token.held.family.id not in gone
        }
        return len(gone)

    def _revoke(self, held: _Family, at: datetime) -> Revocation:
        held.is_revoked = True
        until = max(at, held.access_until)
        revocation = Revocation(RevokedKind.FAMILY, str(held.family.id), at, until)
        self._note(revocation)
        return revocation

    def _note(self, revocation: Revocation) -> None:
        key = revocation.kind, revocation.key
        known = self._revoked.get(key, revocation)
        self._revoked[key] = revocation._replace(
            at=max(known.at, revocation.at), until=max(known.until, revocation.until)
        )
