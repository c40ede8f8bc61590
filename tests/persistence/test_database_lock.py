"""One server a database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from persistence.database_lock import SERVER_LOCK, DatabaseLock
from persistence.errors import DatabaseInUse
from persistence.pool import connect
from persistence.ports import StorageUnavailable
from tests.helpers.breaking_proxy import BreakingProxy
from tests.helpers.database import socket_of
from tests.helpers.waiting import until


class Server:
    """A server as far as the lock is concerned."""

    def __init__(self, dsn: str, *, heartbeat: float = 30.0) -> None:
        self.was_lost = asyncio.Event()
        self.lock = DatabaseLock(
            dsn,
            on_lost=self.was_lost.set,
            retry_every=0.01,
            heartbeat=heartbeat,
            answer_timeout=0.5,
        )

    async def until_held(self) -> None:
        await until(lambda: self.lock.is_held)


@asynccontextmanager
async def serving(dsn: str, *, heartbeat: float = 30.0) -> AsyncIterator[Server]:
    server = Server(dsn, heartbeat=heartbeat)
    await server.lock.acquire()
    try:
        yield server
    finally:
        await server.lock.release()


async def end_backends(dsn: str) -> None:
    """What a restart of the database does to who is connected."""
    connection = await connect(dsn)
    await connection.execute(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    await connection.close()


async def test_a_second_server_is_told_who_is_there(own_database: str) -> None:
    """LCK-1"""
    async with serving(own_database):
        second = Server(own_database)
        with pytest.raises(DatabaseInUse, match=r"another server .*this machine, since 20\d\d-"):
            await second.lock.acquire(patience=0.05)
        assert not second.lock.is_held


async def test_the_lock_is_free_after_its_release(own_database: str) -> None:
    async with serving(own_database) as server:
        assert server.lock.is_held
    assert not server.lock.is_held
    assert not server.was_lost.is_set()
    async with serving(own_database):
        pass


async def test_databases_of_one_server_do_not_exclude_each_other(
    own_database: str, empty_database: str
) -> None:
    async with serving(own_database), serving(empty_database):
        pass


async def test_a_server_that_was_killed_is_waited_for(own_database: str) -> None:
    """LCK-1: its session ends a moment after it."""
    first = Server(own_database)
    await first.lock.acquire()
    second = Server(own_database)
    taking = asyncio.create_task(second.lock.acquire(patience=5.0))
    await asyncio.sleep(0.05)
    assert not taking.done()
    await first.lock.release()
    await taking
    await second.lock.release()


async def test_the_lock_is_taken_again_when_the_database_was_away(own_database: str) -> None:
    """LCK-2"""
    async with serving(own_database) as server:
        first = server.lock._connection
        await end_backends(own_database)
        await until(lambda: server.lock._connection not in (None, first))
        assert not server.was_lost.is_set()
        with pytest.raises(DatabaseInUse):
            await Server(own_database).lock.acquire(patience=0.0)


async def test_a_long_outage_is_waited_out(own_database: str) -> None:
    """LCK-2"""
    async with (
        BreakingProxy(socket_of(own_database)) as proxy,
        serving(proxy.dsn(own_database)) as server,
    ):
        proxy.refuse = True
        proxy.cut()
        await until(lambda: proxy.connections >= 5)
        assert not server.lock.is_held
        proxy.refuse = False
        await server.until_held()
        assert not server.was_lost.is_set()


async def test_a_lock_that_somebody_else_has_by_then_is_lost(own_database: str) -> None:
    """LCK-3"""
    async with (
        BreakingProxy(socket_of(own_database)) as proxy,
        serving(proxy.dsn(own_database)) as server,
    ):
        proxy.refuse = True
        proxy.cut()
        async with serving(own_database):
            proxy.refuse = False
            async with asyncio.timeout(10):
                await server.was_lost.wait()
        assert not server.lock.is_held


async def test_a_dead_session_of_our_own_is_ended(own_database: str) -> None:
    """LCK-4: the database still counts a session of ours whose other end is long gone."""
    async with (
        BreakingProxy(socket_of(own_database)) as proxy,
        serving(proxy.dsn(own_database)) as server,
    ):
        proxy.refuse = True
        proxy.cut()
        dead = await connect(own_database, application_name=server.lock._name)

        async def has_it() -> bool:
            return bool(await dead.fetchval("SELECT pg_try_advisory_lock($1)", SERVER_LOCK))

        await until(has_it)
        proxy.refuse = False
        await server.until_held()
        await until(dead.is_closed)
        assert not server.was_lost.is_set()


async def test_a_connection_that_hangs_is_noticed(own_database: str) -> None:
    """LCK-2: by the heartbeat, as nothing closes it."""
    async with (
        BreakingProxy(socket_of(own_database)) as proxy,
        serving(proxy.dsn(own_database), heartbeat=0.02) as server,
    ):
        proxy.pause()
        await until(lambda: not server.lock.is_held)
        proxy.resume()
        await server.until_held()
        assert not server.was_lost.is_set()


async def test_a_connection_that_stands_is_left_alone(own_database: str) -> None:
    async with (
        BreakingProxy(socket_of(own_database)) as proxy,
        serving(proxy.dsn(own_database), heartbeat=0.001) as server,
    ):
        await asyncio.sleep(0.05)
        assert server.lock.is_held
        assert proxy.connections == 1


async def test_a_fault_while_watching_counts_as_loss(own_database: str) -> None:
    """LCK-3: not knowing is no better than not holding."""
    async with serving(own_database) as server:
        connection = server.lock._connection
        assert connection is not None
        server.lock._dsn = "nonsense://"
        connection.terminate()
        async with asyncio.timeout(10):
            await server.was_lost.wait()


async def test_a_database_that_is_not_there() -> None:
    server = Server("postgresql://collab:x@/collab?host=/nonexistent")
    with pytest.raises(StorageUnavailable):
        await server.lock.acquire()
