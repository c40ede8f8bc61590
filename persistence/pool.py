"""Connections to PostgreSQL, with a deadline on everything and one exception for all outages."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Self, TypeAlias

import asyncpg

from persistence.circuit import Circuit
from persistence.errors import StorageUnavailable
from persistence.json_values import decode_jsonb, encode_jsonb

# Strings, as these classes are generic in their stubs only.
Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
BorrowedConnection: TypeAlias = "asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"

APPLICATION_NAME = "collab"

_OF_THE_DRIVER = (
    OSError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)
_OUTAGE_CLASSES = frozenset(
    {
        "08",  # connection exception
        "40",  # transaction rollback: serialization failure, deadlock
        "53",  # insufficient resources: disk full, out of memory, too many connections
        "57",  # operator intervention: shutdown, crash, cannot connect now, statement timeout
        "58",  # system error: input/output
    }
)
_OUTAGE_STATES = frozenset(
    {
        "25006",  # read-only transaction: a standby, while another server is promoted
        "55P03",  # lock not available within lock_timeout
    }
)


def is_outage(error: BaseException) -> bool:
    """Whether an error says that the database cannot be reached or cannot work just now.

    Errors that a change of our program or of its configuration would mend (a missing table, a
    wrong password, a value of the wrong type) are none.
    """
    match error:
        case asyncpg.PostgresError():
            state = getattr(error, "sqlstate", None) or ""
            return state[:2] in _OUTAGE_CLASSES or state in _OUTAGE_STATES
        case OSError():  # TimeoutError included
            return True
        case asyncpg.InternalClientError():
            # What the driver says for as long as the word of a server that ends the connection
            # has come, and its end has not.
            return True
        case _:
            return False


@contextmanager
def outages_translated(
    connection: Connection | BorrowedConnection | None = None,
) -> Iterator[None]:
    """Turn every outage into StorageUnavailable.

    Args:
        connection: what is used inside; tells asyncpg's "you use it wrongly" from its "it broke".

    Raises:
        StorageUnavailable: with the driver's error as its cause.
    """
    try:
        yield
    except _OF_THE_DRIVER as error:
        is_misuse = isinstance(error, asyncpg.InterfaceError) and not isinstance(error, ValueError)
        if is_outage(error) or (is_misuse and connection is not None and is_gone(connection)):
            raise StorageUnavailable(describe(error)) from error
        raise


def is_gone(connection: Connection | BorrowedConnection) -> bool:
    """Whether it is known that a connection does not stand any more."""
    try:
        return connection.is_closed()
    except asyncpg.InterfaceError:
        return True  # it broke, and the pool has taken it back under our hands


def describe(error: BaseException) -> str:
    """An error in one line; a timeout has no words of its own."""
    text = " ".join(str(error).split())
    return text or ("no answer in time" if isinstance(error, TimeoutError) else repr(error))


def rows_changed(done: str) -> int:
    """How many rows a statement changed, as the database says it: `DELETE 3`."""
    return int(done.rpartition(" ")[2])


async def connect(
    dsn: str,
    *,
    application_name: str = APPLICATION_NAME,
    connect_timeout: float = 5.0,
    command_timeout: float | None = 10.0,
) -> Connection:
    """One connection outside a pool; the caller closes it.

    Args:
        dsn: postgresql://…
        application_name: as `pg_stat_activity` shows it.
        connect_timeout: seconds for the connection to stand.
        command_timeout: seconds for each command; None for migrations, which may take long.

    Raises:
        StorageUnavailable: it does not stand in time.
    """
    settings = {"application_name": application_name, **_session_settings(command_timeout)}
    with outages_translated():
        return await asyncpg.connect(
            dsn, timeout=connect_timeout, command_timeout=command_timeout, server_settings=settings
        )


def _session_settings(command_timeout: float | None) -> dict[str, str]:
    settings = {
        "timezone": "UTC",
        # The server's own deadlines, for when it is us who hang: no transaction of a stopped
        # process may hold its locks for ever.
        "idle_in_transaction_session_timeout": "60s",
    }
    if command_timeout is not None:
        # Later than ours: a large batch is given more time than most commands.
        settings["statement_timeout"] = f"{round(command_timeout * 10)}s"
    return settings


class _PlainConnection(asyncpg.Connection):
    """A connection that is not reset when it goes back to the pool.

    Nothing here sets, listens or locks for longer than a transaction, and resetting costs a round
    trip before every acknowledgement.
    """

    def get_reset_query(self) -> str:
        return ""


_WAIT_FOR_THE_DISK = """
SELECT set_config('synchronous_commit', 'on', false)
 WHERE current_setting('synchronous_commit') = 'off'
"""
"""What is acknowledged is stored, whatever is usual in this database; a mode in which replicas are
waited for stays."""


async def _prepare(connection: Connection) -> None:
    await connection.execute(_WAIT_FOR_THE_DISK)
    await connection.set_type_codec(
        "jsonb",
        schema="pg_catalog",
        encoder=encode_jsonb,
        decoder=decode_jsonb,
        format="binary",
    )


class DatabasePool:
    """A bounded number of connections, made when needed and again after the database was away.

    Use `open`; the constructor is its detail.

    Attributes:
        command_timeout: seconds for a command that is not given another time.
    """

    def __init__(
        self,
        pool: asyncpg.Pool[asyncpg.Record],
        circuit: Circuit,
        *,
        connect_timeout: float,
        command_timeout: float,
    ) -> None:
        self.command_timeout = command_timeout
        self._pool = pool
        self._circuit = circuit
        self._acquire_timeout = connect_timeout
        self._before_closing: list[Callable[[], Awaitable[None]]] = []

    @classmethod
    async def open(
        cls,
        dsn: str,
        *,
        size: int = 8,
        connect_timeout: float = 5.0,
        command_timeout: float = 10.0,
        circuit: Circuit | None = None,
    ) -> Self:
        """Make a pool and its first connection.

        Args:
            dsn: postgresql://…
            size: connections at most.
            connect_timeout: seconds for a new connection, and to wait for a free one.
            command_timeout: seconds for each command; then its connection is given up.
            circuit: one with other limits than the default.

        Raises:
            StorageUnavailable: the database cannot be reached.
        """
        with outages_translated():
            pool = await asyncpg.create_pool(
                dsn,
                init_size=1,
                min_size=0,  # no background reconnecting: the next who needs one makes it
                max_size=size,
                init=_prepare,
                connection_class=_PlainConnection,
                timeout=connect_timeout,
                command_timeout=command_timeout,
                server_settings={
                    "application_name": APPLICATION_NAME,
                    **_session_settings(command_timeout),
                },
            )
        return cls(
            pool,
            circuit or Circuit(),
            connect_timeout=connect_timeout,
            command_timeout=command_timeout,
        )

    @property
    def size(self) -> int:
        """Connections that stand."""
        return self._pool.get_size()

    @asynccontextmanager
    async def borrow(self) -> AsyncIterator[BorrowedConnection]:
        """A connection for one conversation.

        Raises:
            StorageUnavailable: none could be had, or it broke or did not answer within the
                conversation; what was being changed may or may not have been.
        """
        async with self._circuit.guard(), self._lent() as connection:
            yield connection

    @asynccontextmanager
    async def _lent(self) -> AsyncIterator[BorrowedConnection]:
        """As `borrow`, whatever the circuit says."""
        if self._pool.is_closing():
            raise StorageUnavailable("the pool is closed")
        with outages_translated():
            connection = await self._pool.acquire(timeout=self._acquire_timeout)
        try:
            with outages_translated(connection):
                yield connection
        except (StorageUnavailable, asyncio.CancelledError):
            # An answer may still be under way: waiting for it could take as long as the outage.
            if not is_gone(connection):
                connection.terminate()
            raise
        finally:
            with outages_translated():
                await self._pool.release(connection, timeout=self._acquire_timeout)

    async def take(self) -> BorrowedConnection:
        """A connection for as long as one likes; to be given back, if broken too.

        Raises:
            StorageUnavailable: none could be had.
        """
        if self._pool.is_closing():
            raise StorageUnavailable("the pool is closed")
        async with self._circuit.guard():
            with outages_translated():
                return await self._pool.acquire(timeout=self._acquire_timeout)

    async def give_back(self, connection: BorrowedConnection) -> None:
        """Return what was taken."""
        await self._pool.release(connection, timeout=self._acquire_timeout)

    def before_closing(self, release: Callable[[], Awaitable[None]]) -> None:
        """Call `release` when the pool closes: whoever keeps a connection gives it back then."""
        self._before_closing.append(release)

    async def ping(self, within: float = 2.0) -> None:
        """Return if the database answers in so many seconds.

        Raises:
            StorageUnavailable: it does not.
        """
        async with self._circuit.guard():  # around the time, or silence would be no failure
            with outages_translated():
                async with asyncio.timeout(within), self._lent() as connection:
                    await connection.fetchval("SELECT 1")

    async def close(self, within: float = 5.0) -> None:
        """Close all connections; those still in use after a while are cut."""
        try:
            async with asyncio.timeout(within):
                for release in self._before_closing:
                    await release()
                await self._pool.close()
        except TimeoutError:
            self._pool.terminate()
