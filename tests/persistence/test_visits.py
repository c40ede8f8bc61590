"""What visits in PostgreSQL promise beyond the contract: every statement reads an index."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from uuid import UUID

import asyncpg
import pytest
import pytest_asyncio

from crdt_docs.identifiers import ActorKind
from persistence.errors import BatchRefused
from persistence.pool import Connection, DatabasePool, connect
from persistence.visit_ports import Visit
from persistence.visits import CLOSE_OPEN, FORGET, OF_USER, PostgresVisitStore
from tests.helpers.query_plans import plan_nodes

EARLY = datetime(2026, 1, 1, 1, tzinfo=UTC)

# A minute each, of 500 persons; the last twenty are open.
_FILL = """
    INSERT INTO user_sessions (
        id, session_id, user_id, actor_kind, device, connected_at, disconnected_at
    )
    SELECT
        lpad(to_hex(n), 32, '0')::uuid, lpad(to_hex(n % 50), 32, '0')::uuid,
        lpad(to_hex(n % 500), 32, '0')::uuid, 'user', 'firefox',
        timestamptz '2026-01-01' + n * interval '1 minute',
        CASE WHEN n <= 19980 THEN timestamptz '2026-01-01' + (n + 1) * interval '1 minute' END
    FROM generate_series(1, 20000) AS n;
    ANALYZE user_sessions;
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def filled(filled_database: str) -> AsyncIterator[Connection]:
    connection = await connect(filled_database, command_timeout=None)
    await connection.execute(_FILL)
    yield connection
    await connection.close()


@pytest.mark.parametrize("mode", ["force_custom_plan", "force_generic_plan"])
@pytest.mark.parametrize(
    ("statement", "arguments", "index"),
    [
        (CLOSE_OPEN, (datetime(2027, 1, 1, tzinfo=UTC),), "user_sessions_open"),
        (FORGET, (EARLY, 1000), "user_sessions_ended"),
        (OF_USER, (UUID(int=7),), "user_sessions_by_user"),
    ],
    ids=["close open", "forget", "of user"],
)
@pytest.mark.asyncio(loop_scope="module")
async def test_statements_read_an_index(
    filled: Connection, statement: str, arguments: tuple[object, ...], index: str, mode: str
) -> None:
    await filled.execute(f"SET plan_cache_mode = {mode}")
    answer = await filled.fetchval(f"EXPLAIN (FORMAT JSON) {statement}", *arguments)
    used = plan_nodes(answer)
    assert "Seq Scan" not in {node["Node Type"] for node in used}
    assert index in {node.get("Index Name") for node in used}


async def test_a_visit_that_cannot_be_stored_is_refused(pool: DatabasePool) -> None:
    visit = Visit(UUID(int=1), UUID(int=2), UUID(int=3), ActorKind.USER, "x" * 33, EARLY)
    with pytest.raises(BatchRefused):
        await PostgresVisitStore(pool).put([visit])


async def test_what_is_open_has_no_close_code(pool: DatabasePool) -> None:
    async with pool.borrow() as connection:
        with pytest.raises(asyncpg.CheckViolationError):
            await connection.execute(
                "INSERT INTO user_sessions (id, session_id, user_id, actor_kind, device, "
                "connected_at, close_code) VALUES (gen_random_uuid(), gen_random_uuid(), "
                "gen_random_uuid(), 'user', 'firefox', now(), 4400)"
            )
