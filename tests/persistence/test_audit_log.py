"""What the trail in PostgreSQL promises beyond the contract: it is final, and read by index."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
import pytest_asyncio

from crdt_docs.identifiers import ActorKind
from persistence.audit_log import PostgresAuditStore, find_query
from persistence.audit_ports import AuditEntry, AuditEvent, AuditFilter
from persistence.errors import BatchRefused
from persistence.pool import Connection, DatabasePool, connect
from tests.helpers.commits import ANA
from tests.helpers.query_plans import plan_nodes

NOW = datetime.now(UTC)


def entry(at: datetime = NOW, **fields: Any) -> AuditEntry:
    return AuditEntry(
        at, AuditEvent(**{"action": "a.b", "actor": ANA, "actor_kind": ActorKind.USER, **fields})
    )


async def months(connection: Any) -> list[str]:
    rows = await connection.fetch(
        "SELECT inhrelid::regclass::text AS name FROM pg_inherits "
        "WHERE inhparent = 'audit_log'::regclass ORDER BY name"
    )
    return [row["name"] for row in rows]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE {} SET action = 'x'",
        "DELETE FROM {}",
        "TRUNCATE {}",
    ],
)
async def test_aud_1_the_trail_is_final(pool: DatabasePool, statement: str) -> None:
    store = PostgresAuditStore(pool)
    await store.prepare(NOW)
    await store.add([entry(), entry(NOW + timedelta(days=400))])
    async with pool.borrow() as connection:
        parts = await months(connection)
        assert len(parts) >= 4
        filled = [
            name
            for name in parts
            if await connection.fetchval(f"SELECT EXISTS (SELECT FROM {name})")
        ]
        assert len(filled) == 2
        for table in ("audit_log", *filled):
            with pytest.raises(asyncpg.InsufficientPrivilegeError, match="never changed"):
                await connection.execute(statement.format(table))
        for table in parts:
            with pytest.raises(asyncpg.InsufficientPrivilegeError, match="never changed"):
                await connection.execute(f"TRUNCATE {table}")
    assert len((await store.find(AuditFilter(), limit=9)).items) == 2


async def test_months_are_made_ahead_once(pool: DatabasePool) -> None:
    store = PostgresAuditStore(pool)
    december = datetime(2031, 12, 31, 23, 59, tzinfo=UTC)
    for _ in range(2):
        await store.prepare(december)
    async with pool.borrow() as connection:
        made = [name for name in await months(connection) if "203" in name]
        assert made == ["audit_log_2031_12", "audit_log_2032_01", "audit_log_2032_02"]
        await store.add([entry(december), entry(december + timedelta(minutes=1))])
        for name in made[:2]:
            assert await connection.fetchval(f"SELECT count(*) FROM {name}") == 1
    assert await store.drop_before(december + timedelta(minutes=1)) >= 1
    async with pool.borrow() as connection:
        left = [name for name in await months(connection) if "203" in name]
    assert left == ["audit_log_2032_01", "audit_log_2032_02"]
    await store.drop_before(datetime(2040, 1, 1, tzinfo=UTC))


async def test_what_no_month_was_made_for_is_kept_and_goes_in_time(pool: DatabasePool) -> None:
    store = PostgresAuditStore(pool)
    late = NOW + timedelta(days=800)
    await store.add([entry(late)])
    async with pool.borrow() as connection:
        assert await connection.fetchval("SELECT count(*) FROM audit_log_default") == 1
    await store.prepare(late)  # finds the row in its way, and leaves it
    assert len((await store.find(AuditFilter(), limit=9)).items) == 1
    await store.drop_before(late)
    assert len((await store.find(AuditFilter(), limit=9)).items) == 1
    await store.drop_before(late + timedelta(days=40))
    assert (await store.find(AuditFilter(), limit=9)).items == ()
    await store.add([entry(late)])
    async with pool.borrow() as connection:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("TRUNCATE audit_log_default")


async def test_content_that_is_not_taken_is_refused(pool: DatabasePool) -> None:
    with pytest.raises(BatchRefused):
        await PostgresAuditStore(pool).add([entry(action="x" * 100)])


async def test_whoever_is_forgotten_and_named_again_is_somebody_else(pool: DatabasePool) -> None:
    store = PostgresAuditStore(pool)
    await store.add([entry()])
    async with pool.borrow() as connection:
        await connection.execute("DELETE FROM audit_subjects")
    await store.add([entry()])
    first, second = (await store.find(AuditFilter(), limit=9)).items
    assert first.actor != second.actor
    assert len((await store.find(AuditFilter(user_id=ANA), limit=9)).items) == 1


# 500 sessions in 100 workspaces, 200 persons, four months.
_FILL = """
    SELECT audit_log_make_month(timestamptz '2026-01-01' + n * interval '1 month')
    FROM generate_series(0, 3) AS n;
    INSERT INTO audit_log (id, at, action, actor, actor_kind, session_id, workspace_id)
    SELECT
        lpad(to_hex(n), 32, '0')::uuid, timestamptz '2026-01-01' + n * interval '5 minutes',
        'kind.' || n % 30, lpad(to_hex(n % 200), 32, '0')::uuid, 'user',
        lpad(to_hex(n % 500), 32, '0')::uuid, lpad(to_hex(n % 100), 32, '0')::uuid
    FROM generate_series(1, 30000) AS n;
    ANALYZE audit_log;
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def filled(filled_database: str) -> AsyncIterator[Connection]:
    connection = await connect(filled_database, command_timeout=None)
    await connection.execute(_FILL)
    yield connection
    await connection.close()


def index_of(name: str) -> str:
    """Which of the table's indexes one of a partition belongs to."""
    kinds = ("session_id", "workspace_id", "actor", "action", "pkey")
    return next(kind for kind in kinds if kind in name)


@pytest.mark.parametrize(
    "after",
    [datetime(9999, 1, 1, tzinfo=UTC), datetime(2026, 2, 10, tzinfo=UTC)],
    ids=["first page", "later page"],
)
@pytest.mark.parametrize("mode", ["force_custom_plan", "force_generic_plan"])
@pytest.mark.parametrize(
    ("wanted", "index"),
    [
        (AuditFilter(), "pkey"),
        (AuditFilter(session_id=UUID(int=7)), "session_id"),
        (AuditFilter(user_id=UUID(int=7)), "actor"),
        (AuditFilter(action="kind.7"), "action"),
        (AuditFilter(workspaces=(UUID(int=7), UUID(int=8))), "workspace_id"),
        (AuditFilter(since=datetime(2026, 1, 5, tzinfo=UTC)), "pkey"),
    ],
    ids=["all", "session", "user", "action", "workspaces", "since"],
)
@pytest.mark.asyncio(loop_scope="module")
async def test_a_page_is_read_from_an_index(
    filled: Connection, wanted: AuditFilter, index: str, mode: str, after: datetime
) -> None:
    await filled.execute(f"SET plan_cache_mode = {mode}")
    query, arguments = find_query(wanted, wanted.user_id)
    explain = f"EXPLAIN (ANALYZE, FORMAT JSON) {query}"
    answer = await filled.fetchval(explain, after, uuid4(), 51, *arguments)
    used = [node for node in plan_nodes(answer) if node["Actual Loops"]]
    assert [node for node in used if node["Node Type"] == "Seq Scan" and node["Actual Rows"]] == []
    read = [node for node in used if "Index Name" in node and node["Actual Rows"]]
    assert {index_of(node["Index Name"]) for node in read} == {index}
    assert sum(node["Actual Rows"] * node["Actual Loops"] for node in read) < 400
