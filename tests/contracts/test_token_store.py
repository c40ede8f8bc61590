"""What every `token_ports.TokenStore` keeps, in memory and in PostgreSQL."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from uuid import UUID

import asyncpg
import pytest

from persistence.memory_tokens import MemoryTokenStore
from persistence.pool import DatabasePool
from persistence.token_ports import (
    NextToken,
    Refused,
    Reused,
    Revocation,
    RevokedKind,
    Rotated,
    TokenFamily,
    TokenStore,
)
from persistence.tokens import PostgresTokenStore
from tests.helpers.commits import ANA, BEN

NOON = datetime(2026, 5, 1, 12, 0, 0, 123456, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
TERMS = {"name": "Ana é", "workspaces": ["w"], "grants": {"ocw/x": "viewer"}, "kind": "user"}


@pytest.fixture(params=["memory", "postgres"])
def store(request: pytest.FixtureRequest) -> TokenStore:
    if request.param == "memory":
        return MemoryTokenStore()
    return PostgresTokenStore(request.getfixturevalue("pool"))


def token(name: str, at: datetime = NOON) -> NextToken:
    return NextToken(sha256(name.encode()).digest(), at + 30 * DAY, at + 15 * MINUTE)


def family(number: int = 1, user_id: UUID = ANA) -> TokenFamily:
    return TokenFamily(UUID(int=number), user_id, UUID(int=500), TERMS, NOON)


async def use(store: TokenStore, name: str, following: str, at: datetime = NOON) -> object:
    return await store.rotate(token(name).digest, token(following, at), at)


async def test_tok_1_a_refresh_token_gives_the_next(store: TokenStore) -> None:
    await store.begin(family(), token("a"))
    assert await use(store, "a", "b") == Rotated(family())
    assert await use(store, "b", "c") == Rotated(family())
    assert await use(store, "unknown", "d") == Refused()
    assert await store.owner(token("a").digest) == ANA
    assert await store.owner(token("unknown").digest) is None


async def test_tok_1_of_many_at_once_one_succeeds(store: TokenStore) -> None:
    """And the others were there a second time: the family is gone, its newest token, too."""
    await store.begin(family(), token("a"))
    outcomes = await asyncio.gather(*(use(store, "a", f"b{number}") for number in range(5)))
    assert Counter(type(outcome) for outcome in outcomes) == {Rotated: 1, Reused: 1, Refused: 3}
    for number in range(5):
        assert await use(store, f"b{number}", "c") == Refused()


async def test_tok_2_a_reused_token_revokes_its_family(store: TokenStore) -> None:
    await store.begin(family(), token("a"))
    await store.begin(family(2), token("other"))
    await use(store, "a", "b", NOON + MINUTE)
    later = NOON + 2 * MINUTE
    revocation = Revocation(RevokedKind.FAMILY, str(UUID(int=1)), later, NOON + 16 * MINUTE)
    assert await use(store, "a", "c", later) == Reused(family(), revocation)
    assert await use(store, "b", "c", later) == Refused()
    assert list(await store.revocations(later)) == [revocation]
    assert await use(store, "other", "c", later) == Rotated(family(2))


async def test_a_refresh_token_ends(store: TokenStore) -> None:
    await store.begin(family(), token("a"))
    almost = NOON + 30 * DAY - timedelta(microseconds=1)
    assert await use(store, "a", "b", almost) == Rotated(family())
    assert await use(store, "b", "c", almost + 30 * DAY) == Refused()
    assert await store.revocations(NOON) == []


async def test_a_family_is_revoked_by_any_token_of_it(store: TokenStore) -> None:
    await store.begin(family(), token("a"))
    await use(store, "a", "b")
    found = await store.revoke_family(token("a").digest, NOON)
    revocation = Revocation(RevokedKind.FAMILY, str(UUID(int=1)), NOON, NOON + 15 * MINUTE)
    assert found == (family(), revocation)
    assert await use(store, "b", "c") == Refused()
    assert await use(store, "a", "c") == Refused()
    assert await store.revoke_family(token("unknown").digest, NOON) is None
    again = await store.revoke_family(token("b").digest, NOON + DAY)
    assert again is not None
    assert again[1].until == NOON + DAY


async def test_all_that_a_user_has_is_revoked(store: TokenStore) -> None:
    await store.begin(family(1), token("a"))
    await store.begin(family(2), token("b"))
    await store.begin(family(3, BEN), token("c"))
    revoked = await store.revoke_user(ANA, NOON, NOON + 30 * DAY)
    expected = {
        Revocation(RevokedKind.FAMILY, str(UUID(int=1)), NOON, NOON + 15 * MINUTE),
        Revocation(RevokedKind.FAMILY, str(UUID(int=2)), NOON, NOON + 15 * MINUTE),
        Revocation(RevokedKind.USER, str(ANA), NOON, NOON + 30 * DAY),
    }
    assert set(revoked) == expected
    assert set(await store.revocations(NOON)) == expected
    assert await use(store, "a", "x") == Refused()
    assert await use(store, "c", "x") == Rotated(family(3, BEN))


async def test_tok_3_a_revocation_is_kept_until_it_is_of_no_use(store: TokenStore) -> None:
    revocation = await store.revoke_token("jti-1", NOON, NOON + MINUTE)
    assert revocation == Revocation(RevokedKind.TOKEN, "jti-1", NOON, NOON + MINUTE)
    assert list(await store.revocations(NOON)) == [revocation]
    assert list(await store.revocations(NOON + MINUTE)) == []
    longer = await store.revoke_token("jti-1", NOON + MINUTE, NOON + 3 * MINUTE)
    assert list(await store.revocations(NOON + MINUTE)) == [longer]
    await store.revoke_token("jti-1", NOON, NOON + 2 * MINUTE)
    assert list(await store.revocations(NOON + MINUTE)) == [longer], "the later one stays"


async def test_what_has_ended_is_removed_in_portions(store: TokenStore) -> None:
    for number in range(3):
        await store.begin(family(number), token(f"t{number}"))
        await store.revoke_token(f"jti-{number}", NOON, NOON + MINUTE)
    await store.begin(family(9), token("kept", NOON + DAY))
    end = NOON + 30 * DAY
    assert await store.forget_before(end, limit=2) == 6
    assert await store.forget_before(end, limit=2) >= 2
    assert await store.forget_before(end) == 0
    assert await use(store, "t0", "x", NOON) == Refused()
    assert await use(store, "kept", "x", NOON) == Rotated(family(9))


async def test_a_revocation_by_sql_names_what_it_is_about(pool: DatabasePool) -> None:
    """A backend may write them as well; what cannot be read would end the server's start."""
    insert = "INSERT INTO revoked_tokens (kind, key, at, until) VALUES ($1, $2, now(), $3)"
    async with pool.borrow() as connection:
        await connection.execute(insert, "user", str(ANA).upper(), NOON + DAY)
        with pytest.raises(asyncpg.PostgresError):
            await connection.execute(insert, "family", "no id", NOON + DAY)
    found = await PostgresTokenStore(pool).revocations(NOON)
    assert [(each.kind, UUID(each.key)) for each in found] == [(RevokedKind.USER, ANA)]
