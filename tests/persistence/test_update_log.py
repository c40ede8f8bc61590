"""What the log in PostgreSQL promises beyond the contract."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import asyncpg
import pytest

from crdt_docs.identifiers import DocumentName
from persistence import log_statements
from persistence.errors import BatchRefused, LogConflict, SequenceGap
from persistence.pool import DatabasePool
from persistence.ports import Commit, Snapshot
from persistence.update_log import PostgresDocumentStore
from tests.helpers.commits import commit, document, log_of

ONE, TWO = document(1), document(2)


@pytest.fixture
def store(pool: DatabasePool) -> PostgresDocumentStore:
    return PostgresDocumentStore(pool)


async def one(pool: DatabasePool, statement: str, *arguments: object) -> Any:
    async with pool.borrow() as connection:
        return await connection.fetchval(statement, *arguments)


@pytest.mark.parametrize("count", [1, 300])
async def test_a_batch_is_one_statement_in_one_transaction(
    store: PostgresDocumentStore,
    pool: DatabasePool,
    count: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """LOG-7: however many rows and documents; the standing statement does it all."""
    await store.commit(log_of(document(999), 1, 1))
    with monkeypatch.context() as patch:
        patch.setattr(pool, "borrow", lambda: pytest.fail("another statement"))
        await store.commit([entry for n in range(count) for entry in log_of(document(n), 1, 2)])
    assert await one(pool, "SELECT count(DISTINCT xmin::text) FROM document_updates") == 2


async def test_a_log_with_an_entry_missing_is_not_opened(
    store: PostgresDocumentStore, pool: DatabasePool
) -> None:
    """LOG-9: an update behind a gap would be lost silently."""
    await store.commit(log_of(ONE, 1, 5))
    await store.save_snapshot(ONE, Snapshot(1, b"state", b""))
    await one(pool, "DELETE FROM document_updates WHERE seq = 3")
    with pytest.raises(SequenceGap, match="after the snapshot at 1 the log has 3 entries"):
        await store.load(ONE)


@pytest.mark.parametrize(
    "bad",
    [
        commit(DocumentName("ocw/\x00"), 1, b"update"),
        commit(DocumentName("ocw/\ud800"), 1, b"update"),
        commit(ONE, 2**70),
        commit(ONE, 0),
        commit(ONE, 1, introduced=(-1,)),
        commit(ONE, 1, introduced=(2**70,)),
    ],
    ids=["NUL", "surrogate", "huge seq", "seq 0", "negative client", "huge client"],
)
async def test_content_that_the_database_does_not_take_is_refused(
    store: PostgresDocumentStore, pool: DatabasePool, bad: Commit
) -> None:
    """LOG-6: an answer about this batch, not an outage; and nothing of the batch is stored."""
    with pytest.raises(BatchRefused):
        await store.commit([*log_of(TWO, 1, 1), bad])
    assert await one(pool, "SELECT count(*) FROM documents") == 0


async def test_a_table_that_is_missing_is_no_refusal(own_database: str) -> None:
    pool = await DatabasePool.open(own_database)
    await one(pool, "DROP TABLE document_authors")
    with pytest.raises(asyncpg.UndefinedTableError):
        await PostgresDocumentStore(pool).commit(log_of(ONE, 1, 1))
    await pool.close()


async def test_two_writers_of_one_document_do_not_overwrite_each_other(
    store: PostgresDocumentStore,
) -> None:
    """LOG-8, LOG-9: as when a second server was started against all precautions."""

    async def write(text: str) -> int:
        stored = 0
        for seq in range(1, 21):
            try:
                await store.commit([commit(ONE, seq, f"{text} {seq}".encode())])
            except (LogConflict, SequenceGap):
                continue
            stored += 1
        return stored

    outcomes = await asyncio.gather(write("left"), write("right"), write("middle"))
    log = await store.read_log(ONE)
    assert [entry.seq for entry in log] == list(range(1, len(log) + 1))
    assert sum(outcomes) == len(log) == 20


async def test_a_load_sees_one_moment(store: PostgresDocumentStore) -> None:
    """The snapshot and the tail fit together, whoever commits and compacts meanwhile."""
    await store.commit(log_of(ONE, 1, 1))

    async def write() -> None:
        for seq in range(2, 60):
            await store.commit(log_of(ONE, seq, seq))
            await store.save_snapshot(ONE, Snapshot(seq, b"state", b""))

    writing = asyncio.create_task(write())
    while not writing.done():
        stored = await store.load(ONE)  # would raise SequenceGap
        start = stored.snapshot.seq if stored.snapshot else 0
        expected = [entry.update for entry in log_of(ONE, start + 1, stored.last_seq)]
        assert list(stored.tail) == expected
    await writing


async def test_nothing_of_a_deleted_document_stays(
    store: PostgresDocumentStore, pool: DatabasePool
) -> None:
    await store.commit([commit(ONE, 1, introduced=(1, 2)), *log_of(TWO, 1, 1)])
    await store.delete(ONE)
    for table, left in [("documents", 1), ("document_updates", 1), ("document_authors", 0)]:
        assert await one(pool, f"SELECT count(*) FROM {table}") == left


async def test_entries_carry_the_time_of_their_commit(
    store: PostgresDocumentStore, pool: DatabasePool
) -> None:
    before = await one(pool, "SELECT clock_timestamp()")
    await store.commit(log_of(ONE, 1, 2))
    await store.commit(log_of(ONE, 1, 3))
    after = await one(pool, "SELECT clock_timestamp()")
    times = await one(pool, "SELECT array_agg(committed_at ORDER BY seq) FROM document_updates")
    assert before <= times[0] == times[1] < times[2] <= after


def index_names(plan: dict[str, Any]) -> set[str]:
    names = {plan["Index Name"]} if "Index Name" in plan else set()
    return names.union(*(index_names(child) for child in plan.get("Plans", [])))


def scanned(plan: dict[str, Any]) -> set[str]:
    tables = {plan["Relation Name"]} if plan["Node Type"] == "Seq Scan" else set()
    return tables.union(*(scanned(child) for child in plan.get("Plans", [])))


@pytest.mark.parametrize(
    ("statement", "arguments", "indexes"),
    [
        (
            lambda: log_statements.LOAD,
            (document(7),),
            {"documents_name_key", "document_updates_pkey", "document_authors_pkey"},
        ),
        (
            lambda: log_statements.READ_LOG,
            (document(7), 10, 20),
            {"documents_name_key", "document_updates_pkey", "document_authors_pkey"},
        ),
    ],
    ids=["load", "read log"],
)
async def test_a_document_is_read_from_indexes(
    own_database: str,
    statement: Callable[[], str],
    arguments: tuple[object, ...],
    indexes: set[str],
) -> None:
    """In a database of its own: in the shared one, what others deleted is in the statistics."""
    pool = await DatabasePool.open(own_database)
    store = PostgresDocumentStore(pool)
    for start in range(0, 5_000, 1_000):
        numbers = range(start, start + 1_000)
        await store.commit(
            [commit(document(n), seq, introduced=(seq,)) for n in numbers for seq in range(1, 6)]
        )
    await one(pool, "ANALYZE documents, document_updates, document_authors")
    plan = json.loads(await one(pool, f"EXPLAIN (FORMAT JSON) {statement()}", *arguments))[0]
    await pool.close()
    assert scanned(plan["Plan"]) == set()
    assert index_names(plan["Plan"]) == indexes
