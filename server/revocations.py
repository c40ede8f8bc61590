"""Which access tokens prove nothing any more, in memory: asked at every request."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, assert_never
from uuid import UUID

from persistence.token_ports import Revocation, RevokedKind

if TYPE_CHECKING:
    from server.authentication import Credentials

REVOKED = "the token was revoked: sign in again"


class Revocations:
    """What `TokenStore.revocations` gives, as sets."""

    def __init__(self) -> None:
        self._kept: dict[tuple[RevokedKind, str], Revocation] = {}
        self._tokens: set[str] = set()
        self._families: set[UUID] = set()
        self._users: dict[UUID, datetime] = {}

    def __len__(self) -> int:
        return len(self._kept)

    def add(self, revocations: Iterable[Revocation]) -> None:
        """From now on these are refused; of what was revoked twice, as the store does, the later
        moment and the later end count."""
        for revocation in revocations:
            key = revocation.kind, revocation.key
            known = self._kept.get(key, revocation)
            self._kept[key] = revocation._replace(
                at=max(known.at, revocation.at), until=max(known.until, revocation.until)
            )
            self._enter(self._kept[key])

    def _enter(self, revocation: Revocation) -> None:
        match revocation.kind:
            case RevokedKind.TOKEN:
                self._tokens.add(revocation.key)
            case RevokedKind.FAMILY:
                self._families.add(UUID(revocation.key))
            case RevokedKind.USER:
                self._users[UUID(revocation.key)] = revocation.at
            case kind:
                assert_never(kind)

    def forget_before(self, moment: datetime) -> None:
        """Let go of those whose tokens have ended."""
        kept = [revocation for revocation in self._kept.values() if revocation.until > moment]
        if len(kept) < len(self._kept):
            self._kept.clear()
            self._tokens.clear()
            self._families.clear()
            self._users.clear()
            self.add(kept)

    def covers(self, credentials: Credentials) -> bool:
        """Whether this token was revoked (TOK-3)."""
        if not self._kept:
            return False
        return (
            credentials.jti in self._tokens
            or credentials.family in self._families
            or self._is_before_cut(credentials)
        )

    def _is_before_cut(self, credentials: Credentials) -> bool:
        """Times of issue are whole seconds. In the second of the revocation itself a token of a
        family counts: families from before are revoked by their id. An issuer whose clock is
        ahead signs tokens that look later than they are: those are revoked by their `jti`."""
        cut = self._users.get(credentials.identity.user_id)
        if cut is None:
            return False
        second = cut.replace(microsecond=0)
        return credentials.issued_at < second or (
            credentials.issued_at == second and credentials.family is None
        )
