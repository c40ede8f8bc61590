"""Statements that keep their connection."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest

from persistence.pool import DatabasePool
from persistence.ports import StorageUnavailable
from persistence.standing_statements import StandingStatements
from tests.helpers.waiting import until


async def test_it_keeps_one_connection_and_gives_it_back_at_the_end(database: str) -> None:
    pool = await DatabasePool.open(database, size=2)
    statements = StandingStatements(pool)
    query = "SELECT pg_backend_pid()"
    served = {(await statements.fetch(query, within=1.0))[0][0] for _ in range(3)}
    assert len(served) == 1
    await pool.ping()  # by the other one
    async with asyncio.timeout(2):
        await pool.close()
    with pytest.raises(StorageUnavailable):
        await statements.fetch(query, within=1.0)


async def test_several_statements_share_it(database: str) -> None:
    pool = await DatabasePool.open(database, size=2)
    statements = StandingStatements(pool)
    queries = [f"SELECT pg_backend_pid(), {number}" for number in (1, 2, 1)]
    found = [(await statements.fetch(query, within=1.0))[0] for query in queries]
    assert len({pid for pid, _ in found}) == 1
    assert [number for _, number in found] == [1, 2, 1]
    await pool.ping()
    await pool.close()


async def test_callers_take_turns(database: str) -> None:
    pool = await DatabasePool.open(database)
    statements = StandingStatements(pool)
    query = "SELECT $1::int"
    found = await asyncio.gather(*(statements.fetch(query, n, within=1.0) for n in range(20)))
    assert [rows[0][0] for rows in found] == list(range(20))
    await pool.close()


async def test_an_answer_about_the_arguments_costs_no_connection(database: str) -> None:
    pool = await DatabasePool.open(database)
    statements = StandingStatements(pool)
    query = "SELECT pg_backend_pid(), 1 / $1::int"
    served = (await statements.fetch(query, 1, within=1.0))[0][0]
    with pytest.raises(asyncpg.DivisionByZeroError):
        await statements.fetch(query, 0, within=1.0)
    assert (await statements.fetch(query, 1, within=1.0))[0][0] == served
    await pool.close()


async def test_a_connection_that_broke_between_two_calls_fails_none(database: str) -> None:
    pool = await DatabasePool.open(database, size=2)
    statements = StandingStatements(pool)
    query = "SELECT pg_backend_pid()"
    served = (await statements.fetch(query, within=1.0))[0][0]
    async with pool.borrow() as other:
        await other.execute("SELECT pg_terminate_backend($1, 5000)", served)
    await until(lambda: pool.size == 1)
    assert (await statements.fetch(query, within=1.0))[0][0] != served
    await pool.close()


async def test_whatever_breaks_it_the_call_after_works_again(database: str) -> None:
    pool = await DatabasePool.open(database)
    statements = StandingStatements(pool)
    query = "SELECT 1"
    await statements.fetch(query, within=1.0)
    connection = statements._connection
    assert connection is not None
    await connection.execute("DEALLOCATE ALL")
    with pytest.raises(asyncpg.PostgresError):
        await statements.fetch(query, within=1.0)
    assert (await statements.fetch(query, within=1.0))[0][0] == 1
    await pool.close()


async def test_a_server_s_last_word_without_the_end_of_the_connection_is_an_outage(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The driver stands between two states then, and calls that an error of its own."""
    pool = await DatabasePool.open(database)
    statements = StandingStatements(pool)
    query = "SELECT 1"
    await statements.fetch(query, within=1.0)
    connection = statements._connection
    assert connection is not None
    transport = connection._transport  # type: ignore[attr-defined]
    monkeypatch.setattr(transport.get_protocol(), "eof_received", lambda: True)
    monkeypatch.setattr(transport.get_protocol(), "connection_lost", lambda _: None)
    async with pool.borrow() as other:
        await other.execute("SELECT pg_terminate_backend($1)", connection.get_server_pid())
    await asyncio.sleep(0.1)
    with pytest.raises(StorageUnavailable, match="another operation"):
        await statements.fetch(query, within=1.0)
    assert (await statements.fetch(query, within=1.0))[0][0] == 1
    await pool.close()


async def test_a_call_that_is_given_up_leaves_nothing_behind(database: str) -> None:
    pool = await DatabasePool.open(database, size=2)
    statements = StandingStatements(pool)
    query = "SELECT pg_sleep($1)"
    for _ in range(3):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await statements.fetch(query, 5.0, within=10.0)
    with pytest.raises(StorageUnavailable):
        await statements.fetch(query, 5.0, within=0.05)
    await statements.fetch(query, 0.0, within=1.0)
    await pool.ping()
    await pool.close()
