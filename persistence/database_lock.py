"""One server a database: an advisory lock on a connection of its own.

LCK-1  `acquire` waits a few seconds for a server that has just ended, then says who is there.
LCK-2  When the database was away, the lock is taken again. The server writes meanwhile: what it
       has acknowledged is stored, and should another server have written to the same documents,
       the log's positions conflict (LOG-8), nothing is overwritten.
LCK-3  If somebody else has the lock by then, `on_lost` is called, once: this server must end.
LCK-4  A session of our own that the database has not noticed to be gone is ended, not waited for.

It needs a session: behind a pooler that shares connections between transactions it does not work.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from persistence.errors import DatabaseInUse, StorageUnavailable
from persistence.pool import Connection, connect, outages_translated

_log = structlog.get_logger(__name__)

SERVER_LOCK = 0x436F6C6C_53727665
"""Of who serves ("CollSrve"); advisory locks are counted per database."""

_HOLDER = """
    SELECT activity.pid, activity.application_name, activity.client_addr, activity.backend_start
    FROM pg_locks AS lock JOIN pg_stat_activity AS activity USING (pid)
    WHERE lock.locktype = 'advisory' AND lock.granted AND lock.objsubid = 1
        AND (lock.classid::bigint << 32) + lock.objid::bigint = $1
        AND lock.database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


@dataclass(frozen=True, slots=True)
class _Holder:
    """Who has the lock. `is_passing`: will give it up by itself within moments."""

    description: str
    is_passing: bool = False


class DatabaseLock:
    """Held by `serve` as long as it runs.

    Args:
        dsn: of the database.
        on_lost: see LCK-3.
        retry_every: seconds between attempts.
        heartbeat: seconds between looks whether the connection still stands.
        answer_timeout: seconds for the database to answer, or for a connection to stand.
        clock: monotonic seconds.
        sleep: how the time between attempts is spent.
    """

    def __init__(
        self,
        dsn: str,
        *,
        on_lost: Callable[[], None],
        retry_every: float = 0.2,
        heartbeat: float = 2.0,
        answer_timeout: float = 5.0,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._dsn = dsn
        self._on_lost = on_lost
        self._retry_every = retry_every
        self._heartbeat = heartbeat
        self._answer_timeout = answer_timeout
        self._clock = clock
        self._sleep = sleep
        self._name = f"collab server {secrets.token_hex(8)}"
        self._connection: Connection | None = None
        self._broken = asyncio.Event()
        self._watcher: asyncio.Task[None] | None = None

    @property
    def is_held(self) -> bool:
        """Whether the lock is held, as far as is known."""
        return self._connection is not None and not self._connection.is_closed()

    async def acquire(self, patience: float = 5.0) -> None:
        """Take the lock and keep it.

        Args:
            patience: seconds to wait for another server that is about to end.

        Raises:
            DatabaseInUse: another server still works on this database after that.
            StorageUnavailable: the database cannot be reached.
        """
        deadline = self._clock() + patience
        while True:
            holder = await self._try()
            if holder is None:
                break
            if self._clock() >= deadline:
                raise DatabaseInUse(
                    f"another server works on this database ({holder.description}): stop it"
                )
            await self._sleep(self._retry_every)
        self._watcher = asyncio.create_task(self._watch(), name="database lock")

    async def release(self) -> None:
        """Give the lock back."""
        if self._watcher is not None:
            self._watcher.cancel()
            await asyncio.wait([self._watcher])
            self._watcher = None
        self._drop()

    async def _try(self) -> _Holder | None:
        """Take the lock now, or say who has it."""
        connection = await connect(
            self._dsn,
            application_name=self._name,
            connect_timeout=self._answer_timeout,
            command_timeout=self._answer_timeout,
        )
        try:
            with outages_translated(connection):
                if await connection.fetchval("SELECT pg_try_advisory_lock($1)", SERVER_LOCK):
                    self._keep(connection)
                    return None
                return await self._holder(connection)
        finally:
            if self._connection is not connection:
                connection.terminate()

    async def _holder(self, connection: Connection) -> _Holder:
        row = await connection.fetchrow(_HOLDER, SERVER_LOCK)
        if row is None:
            return _Holder("which is just ending", is_passing=True)
        if row["application_name"] == self._name:
            await connection.execute("SELECT pg_terminate_backend($1)", row["pid"])
            return _Holder("an earlier session of this server", is_passing=True)
        where = row["client_addr"] or "this machine"
        return _Holder(f"from {where}, since {row['backend_start']:%Y-%m-%d %H:%M:%S} UTC")

    def _keep(self, connection: Connection) -> None:
        self._broken.clear()
        self._connection = connection
        connection.add_termination_listener(lambda *_: self._broken.set())

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None

    async def _watch(self) -> None:
        try:
            while True:
                await self._until_broken()
                self._drop()
                _log.warning("database_lock_broken")
                holder = await self._regain()
                if holder is not None:
                    _log.error("database_lock_lost", holder=holder.description)
                    break
                _log.warning("database_lock_regained")
        except Exception:  # noqa: BLE001 - ends the server
            # Not knowing whether the lock is held is no better than not holding it.
            _log.exception("database_lock_unknown")
        self._on_lost()

    async def _until_broken(self) -> None:
        """Return when the connection, and with it the lock, is gone."""
        connection = self._connection
        while connection is not None and not connection.is_closed():
            try:
                async with asyncio.timeout(self._heartbeat):
                    await self._broken.wait()
            except TimeoutError:
                try:
                    with outages_translated(connection):
                        await connection.fetchval("SELECT 1")
                except StorageUnavailable:
                    return

    async def _regain(self) -> _Holder | None:
        """Take the lock again as soon as the database is back; or say who has it now."""
        while True:
            try:
                holder = await self._try()
            except StorageUnavailable:
                pass
            else:
                if holder is None or not holder.is_passing:
                    return holder
            await self._sleep(self._retry_every)
