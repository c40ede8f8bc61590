"""How PostgreSQL finds the past: by indexes, and whatever happens meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio

from persistence import archive_statements as statements
from persistence.archive import PostgresArchive
from persistence.archive_ports import AtSeq, AtTime
from persistence.checkpoints import SAVE_SNAPSHOT
from persistence.pool import Connection, DatabasePool, connect
from persistence.ports import Snapshot
from persistence.update_log import PostgresDocumentStore
from tests.helpers.commits import document, log_of
from tests.helpers.query_plans import plan_nodes

ONE = document(1)
BEGIN = datetime(2026, 5, 1, tzinfo=UTC)
ENTRIES = 100_000

_FILL = """
WITH made AS (
    INSERT INTO documents (name, last_seq, snapshot_seq, state, outline, created_at)
    SELECT 'ocw/' || lpad(to_hex(number), 8, '0') || '-0000-4000-8000-000000000000',
        entries, entries - 10, 'state', 'outline', $1
    FROM (SELECT number, CASE number WHEN 1 THEN $2 ELSE 40 END::bigint AS entries
        FROM generate_series(1, 3000) AS number) AS wanted
    RETURNING id, last_seq
), logged AS (
    INSERT INTO document_updates (document_id, seq, update, actor_kind, committed_at)
    SELECT made.id, seq, 'update', 'user', $1::timestamptz + seq * interval '1 second'
    FROM made, generate_series(1, made.last_seq) AS seq
), kept AS (
    INSERT INTO document_checkpoints (document_id, seq, committed_at, state)
    SELECT made.id, seq, $1::timestamptz + seq * interval '1 second', 'state'
    FROM made, generate_series(20, made.last_seq, 100) AS seq
)
INSERT INTO document_snapshots (document_id, seq, label, committed_at, created_at)
SELECT made.id, seq, 'label', $1, $1::timestamptz + seq * interval '1 second'
FROM made, generate_series(7, made.last_seq, 101) AS seq
"""
TABLES = ("documents", "document_updates", "document_checkpoints", "document_snapshots")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def filled(filled_database: str) -> AsyncIterator[Connection]:
    """A database with many documents, one of them large."""
    connection = await connect(filled_database, command_timeout=60)
    await connection.execute(_FILL, BEGIN, ENTRIES)
    for table in TABLES:
        await connection.execute(f"ANALYZE {table}")
    yield connection
    await connection.close()


LARGE = "ocw/00000001-0000-4000-8000-000000000000"
LATE = BEGIN + timedelta(seconds=ENTRIES - 5000)


@pytest.mark.parametrize("mode", ["force_custom_plan", "force_generic_plan"])
@pytest.mark.parametrize(
    "case",
    [
        (statements.DOCUMENT, (LARGE,), {"documents_name_key", "document_updates_pkey"}, 5),
        (statements.LAST_BEFORE, ("id", 0, ENTRIES, LATE), {"document_updates_pkey"}, 20),
        (statements.CHECKPOINT_BEFORE, ("id", LATE), {"document_checkpoints_pkey"}, 200),
        (statements.BASE, ("id", ENTRIES // 2 + 77), {"document_checkpoints_pkey"}, 5),
        (statements.SIZE, ("id", 5000, 5100), {"document_updates_pkey"}, 100),
        (statements.TAIL, ("id", 5000, 5100), {"document_updates_pkey"}, 100),
        (
            statements.NAMED_PAGE,
            (LARGE, LATE, UUID(int=0), 51),
            {"documents_name_key", "document_snapshots_newest"},
            60,
        ),
        (statements.DUE, (LATE, "", 10), {"documents_name_key", "document_updates_pkey"}, 10),
        (
            statements.FIRST_LACKING,
            ("id", 1, 3000),
            {"document_snapshots_by_document", "document_checkpoints_pkey"},
            3100,
        ),
        (
            statements.REMOVE,
            (LARGE, 220, 50),
            {"documents_name_key", "document_checkpoints_pkey", "document_updates_pkey"},
            60,
        ),
        (
            SAVE_SNAPSHOT,
            (LARGE, ENTRIES - 1, b"state", b"outline"),
            {"documents_name_key", "document_updates_pkey", "document_checkpoints_pkey"},
            200,
        ),
    ],
)
@pytest.mark.asyncio(loop_scope="module")
async def test_all_is_found_by_indexes(
    filled: Connection, mode: str, case: tuple[str, tuple[Any, ...], set[str], int]
) -> None:
    """PST-2: of a hundred thousand entries, only those that are asked for are looked at."""
    query, arguments, indexes, most_rows = case
    document_id = await filled.fetchval("SELECT id FROM documents WHERE name = $1", LARGE)
    given = [document_id if argument == "id" else argument for argument in arguments]
    await filled.execute(f"SET plan_cache_mode = {mode}")
    transaction = filled.transaction()
    await transaction.start()
    try:
        explain = f"EXPLAIN (ANALYZE, FORMAT JSON) {query}"
        answer = await filled.fetchval(explain, *given)
    finally:
        await transaction.rollback()
    used = plan_nodes(answer)
    scans = [
        node for node in used if node.get("Relation Name") in TABLES and "Scan" in node["Node Type"]
    ]
    assert {node["Node Type"] for node in used if "Seq" in node["Node Type"]} == set()
    assert {node["Index Name"] for node in used if "Index Name" in node} >= indexes
    for node in scans:
        assert node["Actual Rows"] * node["Actual Loops"] <= most_rows, node


async def test_a_moment_is_read_whole_while_it_is_merged(pool: DatabasePool) -> None:
    """PST-2: nothing goes between the statements that read one moment."""
    documents, kept = PostgresDocumentStore(pool), PostgresArchive(pool)
    await documents.commit(log_of(ONE, 1, 400))
    await documents.save_snapshot(ONE, Snapshot(400, b"state", b"outline"))
    reading = True

    async def merge() -> None:
        for seq in range(40, 401, 40):
            assert await kept.keep(ONE, seq, b"kept")
            assert await kept.remove_merged(ONE, seq) == 40

    async def read() -> int:
        times = 0
        while reading:
            for seq in (35, 79, 200, 399):
                past = await kept.past(ONE, AtSeq(seq))
                assert len(past.tail) == past.seq - past.after
                assert (past.state is None) == (past.after == 0)
                assert past.seq == seq or past.is_rounded
            times += 1
        return times

    readers = [asyncio.create_task(read()) for _ in range(3)]
    await merge()
    reading = False
    assert min(await asyncio.gather(*readers)) > 0
    assert (await documents.load(ONE)).last_seq == 400


async def test_a_clock_that_was_set_back_shows_a_moment_all_the_same(pool: DatabasePool) -> None:
    """PST-1: some moment of the document, with everything before it."""
    documents, kept = PostgresDocumentStore(pool), PostgresArchive(pool)
    await documents.commit(log_of(ONE, 1, 100))
    async with pool.borrow() as connection:
        await connection.execute(
            "UPDATE document_updates SET committed_at = $1::timestamptz"
            " + ((seq + CASE WHEN seq > 50 THEN -20 ELSE 0 END) * interval '1 second')",
            BEGIN,
        )
    for second in range(101):
        past = await kept.past(ONE, AtTime(BEGIN + timedelta(seconds=second)))
        assert len(past.tail) == past.seq
        if second <= 30:
            assert past.seq == second
        if second > 50:
            assert past.seq == min(second + 20, 100)
