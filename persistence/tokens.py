"""Families of refresh tokens and revocations in PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import asyncpg

from persistence.pool import BorrowedConnection, DatabasePool, rows_changed
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

_BEGIN = """
    WITH family AS (
        INSERT INTO token_families
            (id, user_id, minted_by, terms, created_at, expires_at, access_until)
        VALUES ($1, $2, $3, $4, $5, $7, $8)
        RETURNING id, created_at
    )
    INSERT INTO refresh_tokens (digest, family_id, issued_at, expires_at)
    SELECT $6, id, created_at, $7 FROM family
"""

# Uses of one family follow one another; what is looked at afterwards is what the last one left.
_LOCK_FAMILY = """
    SELECT id, user_id, minted_by, terms, created_at, access_until, revoked_at
    FROM token_families
    WHERE id = (SELECT family_id FROM refresh_tokens WHERE digest = $1)
    FOR UPDATE
"""

_TOKEN = "SELECT used_at, expires_at FROM refresh_tokens WHERE digest = $1"  # noqa: S105 - no secret

_OWNER = """
    SELECT user_id FROM token_families
    WHERE id = (SELECT family_id FROM refresh_tokens WHERE digest = $1)
"""

_USE = """
    WITH used AS (
        UPDATE refresh_tokens SET used_at = $2 WHERE digest = $1 RETURNING family_id
    ), family AS (
        UPDATE token_families
        SET expires_at = greatest(expires_at, $4), access_until = greatest(access_until, $5)
        WHERE id = (SELECT family_id FROM used)
    )
    INSERT INTO refresh_tokens (digest, family_id, issued_at, expires_at)
    SELECT $3, family_id, $2, $4 FROM used
"""

_REVOKE_FAMILY = "UPDATE token_families SET revoked_at = coalesce(revoked_at, $2) WHERE id = $1"

_REVOKE_FAMILIES = """
    UPDATE token_families SET revoked_at = $2
    WHERE user_id = $1 AND revoked_at IS NULL
    RETURNING id, access_until
"""

_NOTE = """
    INSERT INTO revoked_tokens AS kept (kind, key, at, until) VALUES ($1, $2, $3, $4)
    ON CONFLICT (kind, key) DO UPDATE
    SET at = greatest(kept.at, excluded.at), until = greatest(kept.until, excluded.until)
"""

_REVOCATIONS = "SELECT kind, key, at, until FROM revoked_tokens WHERE until > $1"

_FORGET = (
    """
    DELETE FROM revoked_tokens WHERE (kind, key) IN (
        SELECT kind, key FROM revoked_tokens WHERE until <= $1 LIMIT $2
    )
    """,
    """
    DELETE FROM refresh_tokens WHERE digest IN (
        SELECT digest FROM refresh_tokens WHERE expires_at <= $1 LIMIT $2
    )
    """,
    """
    DELETE FROM token_families WHERE id IN (
        SELECT id FROM token_families WHERE expires_at <= $1 AND access_until <= $1 LIMIT $2
    )
    """,
)


class PostgresTokenStore:
    """`token_ports.TokenStore` in PostgreSQL."""

    def __init__(self, pool: DatabasePool) -> None:
        self._pool = pool

    async def begin(self, family: TokenFamily, first: NextToken) -> None:
        """See `token_ports.TokenStore.begin`."""
        async with self._pool.borrow() as connection:
            await connection.execute(
                _BEGIN,
                family.id,
                family.user_id,
                family.minted_by,
                dict(family.terms),
                family.created_at,
                first.digest,
                first.expires_at,
                first.access_until,
            )

    async def rotate(self, digest: bytes, following: NextToken, at: datetime) -> Rotation:
        """See `token_ports.TokenStore.rotate`."""
        async with self._pool.borrow() as connection, connection.transaction():
            family = await connection.fetchrow(_LOCK_FAMILY, digest)
            token = await connection.fetchrow(_TOKEN, digest)
            if family is None or token is None or family["revoked_at"] is not None:
                return Refused()
            if token["used_at"] is not None:
                revocation = await _revoke(connection, family, at)
                return Reused(_family(family), revocation)
            if token["expires_at"] <= at:
                return Refused()
            await connection.execute(
                _USE,
                digest,
                at,
                following.digest,
                following.expires_at,
                following.access_until,
            )
        return Rotated(_family(family))

    async def owner(self, digest: bytes) -> UUID | None:
        """See `token_ports.TokenStore.owner`."""
        async with self._pool.borrow() as connection:
            found: UUID | None = await connection.fetchval(_OWNER, digest)
        return found

    async def revoke_family(
        self, digest: bytes, at: datetime
    ) -> tuple[TokenFamily, Revocation] | None:
        """See `token_ports.TokenStore.revoke_family`."""
        async with self._pool.borrow() as connection, connection.transaction():
            family = await connection.fetchrow(_LOCK_FAMILY, digest)
            if family is None:
                return None
            return _family(family), await _revoke(connection, family, at)

    async def revoke_user(self, user_id: UUID, at: datetime, until: datetime) -> list[Revocation]:
        """See `token_ports.TokenStore.revoke_user`."""
        async with self._pool.borrow() as connection, connection.transaction():
            rows = await connection.fetch(_REVOKE_FAMILIES, user_id, at)
            revoked = [
                Revocation(RevokedKind.FAMILY, str(row["id"]), at, row["access_until"])
                for row in rows
            ]
            revoked.append(Revocation(RevokedKind.USER, str(user_id), at, until))
            await connection.executemany(_NOTE, [_values(each) for each in revoked])
        return revoked

    async def revoke_token(self, jti: str, at: datetime, until: datetime) -> Revocation:
        """See `token_ports.TokenStore.revoke_token`."""
        revocation = Revocation(RevokedKind.TOKEN, jti, at, until)
        async with self._pool.borrow() as connection:
            await connection.execute(_NOTE, *_values(revocation))
        return revocation

    async def revocations(self, at: datetime) -> Sequence[Revocation]:
        """See `token_ports.TokenStore.revocations`."""
        async with self._pool.borrow() as connection:
            rows = await connection.fetch(_REVOCATIONS, at)
        return [
            Revocation(RevokedKind(row["kind"]), row["key"], row["at"], row["until"])
            for row in rows
        ]

    async def forget_before(self, moment: datetime, *, limit: int = 1000) -> int:
        """See `token_ports.TokenStore.forget_before`."""
        removed = 0
        async with self._pool.borrow() as connection:
            for statement in _FORGET:
                removed += rows_changed(await connection.execute(statement, moment, limit))
        return removed


async def _revoke(
    connection: BorrowedConnection, family: asyncpg.Record, at: datetime
) -> Revocation:
    until = max(at, family["access_until"])
    revocation = Revocation(RevokedKind.FAMILY, str(family["id"]), at, until)
    await connection.execute(_REVOKE_FAMILY, family["id"], at)
    await connection.execute(_NOTE, *_values(revocation))
    return revocation


def _values(revocation: Revocation) -> tuple[object, ...]:
    return revocation.kind.value, revocation.key, revocation.at, revocation.until


def _family(row: asyncpg.Record) -> TokenFamily:
    return TokenFamily(
        id=row["id"],
        user_id=row["user_id"],
        minted_by=row["minted_by"],
        terms=row["terms"],
        created_at=row["created_at"],
    )
