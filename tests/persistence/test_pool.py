"""The pool: every outage is StorageUnavailable within a deadline, nothing else is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import pytest

from persistence.circuit import Circuit
from persistence.pool import DatabasePool, connect, describe, is_outage
from persistence.ports import StorageUnavailable
from tests.helpers.breaking_proxy import BreakingProxy
from tests.helpers.database import socket_of
from tests.helpers.waiting import until

PATIENT = Circuit(threshold=1_000)


@asynccontextmanager
async def proxied(
    dsn: str, *, command_timeout: float = 5.0, size: int = 2, circuit: Circuit | None = None
) -> AsyncIterator[tuple[DatabasePool, BreakingProxy]]:
    async with BreakingProxy(socket_of(dsn)) as proxy:
        pool = await DatabasePool.open(
            proxy.dsn(dsn),
            size=size,
            connect_timeout=0.5,
            command_timeout=command_timeout,
            circuit=circuit or PATIENT,
        )
        try:
            yield pool, proxy
        finally:
            proxy.resume()
            await pool.close(0.5)


def error_of(state: str) -> asyncpg.PostgresError:
    return asyncpg.PostgresError.new({"C": state, "M": f"state {state}", "S": "ERROR"})


@pytest.mark.parametrize(
    "error",
    [
        *map(error_of, ["08006", "08003", "40001", "40P01", "53100", "53300", "57P01", "57P03"]),
        *map(error_of, ["57014", "58030", "25006", "55P03"]),
        ConnectionRefusedError(),
        FileNotFoundError(),
        TimeoutError(),
    ],
)
def test_outages(error: Exception) -> None:
    assert is_outage(error)


@pytest.mark.parametrize(
    "error",
    [
        *map(error_of, ["42P01", "42501", "22021", "23505", "28P01", "3D000", "XX000"]),
        ValueError(),
        RuntimeError(),
        asyncpg.InterfaceError("misuse"),
    ],
)
def test_what_is_no_outage(error: Exception) -> None:
    assert not is_outage(error)


def test_an_error_is_described_in_one_line() -> None:
    assert describe(OSError("two\n  lines")) == "two lines"
    assert describe(TimeoutError()) == "no answer in time"
    assert describe(ConnectionResetError()) == "ConnectionResetError()"


async def test_sessions_have_a_name_a_zone_and_deadlines_of_the_servers_own(database: str) -> None:
    pool = await DatabasePool.open(database, command_timeout=7.5)
    async with pool.borrow() as connection:
        for name, value in {
            "application_name": "collab",
            "timezone": "UTC",
            "statement_timeout": "75s",
            "idle_in_transaction_session_timeout": "1min",
        }.items():
            assert await connection.fetchval("SELECT current_setting($1)", name) == value
    await pool.close()


async def test_a_database_that_is_not_there() -> None:
    absent = "postgresql://collab:x@/collab?host=/nonexistent"
    with pytest.raises(StorageUnavailable):
        await DatabasePool.open(absent)
    with pytest.raises(StorageUnavailable):
        await connect(absent)


async def test_a_wrong_password_is_no_outage(database: str) -> None:
    with pytest.raises(asyncpg.InvalidPasswordError):
        await DatabasePool.open(database.replace(":", ":not-", 2).replace("not-", "", 1))


async def test_faults_of_the_program_pass_and_keep_the_connection(pool: DatabasePool) -> None:
    with pytest.raises(asyncpg.UndefinedTableError):
        async with pool.borrow() as connection:
            await connection.execute("SELECT * FROM nowhere")
    with pytest.raises(asyncpg.DataError):
        async with pool.borrow() as connection:
            await connection.fetchval("SELECT $1::bigint", "not a number")
    with pytest.raises(asyncpg.InterfaceError):
        async with pool.borrow() as connection:
            await connection.fetchval("SELECT $1::bigint")
    with pytest.raises(LookupError):
        async with pool.borrow():
            raise LookupError("of the caller")
    assert pool.size == 1


async def test_a_command_that_takes_too_long(database: str) -> None:
    async with proxied(database, command_timeout=0.1) as (pool, _):
        with pytest.raises(StorageUnavailable, match=r"no answer in time|timeout"):
            async with pool.borrow() as connection:
                await connection.execute("SELECT pg_sleep(30)")
        await pool.ping()


async def test_a_database_that_hangs_hangs_nobody(database: str) -> None:
    """A stopped process, a network that swallows: known connections and new ones."""
    async with proxied(database, command_timeout=0.1) as (pool, proxy):
        proxy.pause()
        for _ in range(3):
            with pytest.raises(StorageUnavailable):
                await pool.ping()
        proxy.resume()
        await pool.ping()


async def test_a_connection_cut_while_it_waits_for_an_answer(database: str) -> None:
    async with proxied(database) as (pool, proxy):
        proxy.cut_before(b"1234")
        with pytest.raises(StorageUnavailable):
            async with pool.borrow() as connection:
                await connection.execute("SELECT 1234")
        await pool.ping()
        proxy.cut_after(b"5678")
        with pytest.raises(StorageUnavailable):
            async with pool.borrow() as connection:
                await connection.execute("SELECT 5678")
        await pool.ping()
        assert proxy.cuts == 2


async def test_a_connection_cut_between_two_commands(database: str) -> None:
    async with proxied(database) as (pool, proxy):

        async def talk() -> None:
            async with pool.borrow() as connection:
                backend = await connection.fetchval("SELECT pg_backend_pid()")
                async with pool.borrow() as other:
                    await other.execute("SELECT pg_terminate_backend($1, 5000)", backend)
                await connection.fetchval("SELECT 1")

        with pytest.raises(StorageUnavailable):
            await talk()
        proxy.cut()
        await until(lambda: pool.size == 0)  # the loop has to see that the sockets are closed
        await pool.ping()


async def test_a_cancelled_conversation_does_not_spoil_its_connection(database: str) -> None:
    async with proxied(database, size=1) as (pool, _):
        begun = asyncio.Event()

        async def wait_long() -> None:
            async with pool.borrow() as connection:
                begun.set()
                await connection.execute("SELECT pg_sleep(30)")

        task = asyncio.create_task(wait_long())
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await pool.ping()


async def test_who_waits_too_long_for_a_connection(database: str) -> None:
    async with proxied(database, size=1) as (pool, _), pool.borrow():
        with pytest.raises(StorageUnavailable):
            await pool.ping()


async def test_during_an_outage_the_answer_comes_at_once(database: str) -> None:
    circuit = Circuit(threshold=2, retry_after=60.0)
    async with proxied(database, circuit=circuit) as (pool, proxy):
        proxy.refuse = True
        proxy.cut()
        for _ in range(2):
            with pytest.raises(StorageUnavailable):
                await pool.ping()
        asked = proxy.connections
        for _ in range(100):
            with pytest.raises(StorageUnavailable, match="not tried again yet"):
                await pool.ping()
        assert proxy.connections == asked


async def test_a_silent_database_is_away_as_one_that_refuses(database: str) -> None:
    circuit = Circuit(threshold=3, retry_after=60.0)
    async with proxied(database, circuit=circuit) as (pool, proxy):
        proxy.pause()
        for _ in range(3):
            with pytest.raises(StorageUnavailable, match="no answer in time"):
                await pool.ping(0.05)
        with pytest.raises(StorageUnavailable, match="not tried again yet"):
            await pool.ping(0.05)
        proxy.resume()


@pytest.mark.parametrize(
    ("usual", "ours"), [("off", "on"), ("on", "on"), ("remote_apply", "remote_apply")]
)
async def test_a_commit_waits_for_the_disk_whatever_is_usual(
    database: str, usual: str, ours: str
) -> None:
    with_usual = f"{database}{'&' if '?' in database else '?'}synchronous_commit={usual}"
    pool = await DatabasePool.open(with_usual)
    for _ in range(2):
        async with pool.borrow() as connection:
            assert await connection.fetchval("SHOW synchronous_commit") == ours
    await pool.close()


async def test_a_closed_pool_is_an_outage(database: str) -> None:
    pool = await DatabasePool.open(database)
    await pool.close()
    with pytest.raises(StorageUnavailable, match="closed"):
        await pool.ping()


async def test_closing_cuts_a_conversation_that_does_not_end(database: str) -> None:
    pool = await DatabasePool.open(database, circuit=PATIENT)
    begun = asyncio.Event()

    async def wait_long() -> None:
        async with pool.borrow() as connection:
            begun.set()
            await connection.execute("SELECT pg_sleep(30)")

    task = asyncio.create_task(wait_long())
    await begun.wait()
    await pool.close(0.05)
    with pytest.raises(StorageUnavailable):
        await task
