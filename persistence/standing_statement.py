"""One prepared statement on a connection that is kept for it.

Borrowing from the pool, the circuit around it and looking the statement up cost several times what
a small commit itself does. Who commits a hundred times a second keeps what it needs.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import asyncpg
from asyncpg.prepared_stmt import PreparedStatement

from persistence.pool import DatabasePool, outages_translated
from persistence.refusals import is_row_refusal

if TYPE_CHECKING:
    from persistence.pool import BorrowedConnection


class StandingStatement:
    """A statement that callers use by turns; made again after a failure, with the next call."""

    def __init__(self, pool: DatabasePool, query: str) -> None:
        """Nothing is taken from the pool before the first call."""
        self._pool = pool
        self._query = query
        self._turn = asyncio.Lock()
        self._connection: BorrowedConnection | None = None
        self._statement: PreparedStatement[asyncpg.Record] | None = None
        pool.before_closing(self.release)

    async def fetch(self, *arguments: Any, within: float | None) -> list[asyncpg.Record]:
        """Execute it.

        Args:
            within: seconds.

        Raises:
            StorageUnavailable: no connection could be had, or it broke or did not answer in time;
                what was being changed may or may not have been.
            asyncpg.PostgresError: what the database says about the arguments.
        """
        async with self._turn:
            statement = self._statement or await self._prepare()
            try:
                with outages_translated(self._connection):
                    return await statement.fetch(*arguments, timeout=within)
            except BaseException as error:
                if is_row_refusal(error):
                    raise  # an answer about the arguments: the connection is in order
                await self._give_up()
                raise

    async def _prepare(self) -> PreparedStatement[asyncpg.Record]:
        self._connection = connection = await self._pool.take()
        try:
            with outages_translated(connection):
                self._statement = statement = await connection.prepare(self._query)
        except BaseException:
            await self._give_up()
            raise
        return statement

    async def _give_up(self) -> None:
        """Cut the connection: an answer may still be under way."""
        if self._connection is not None:
            with contextlib.suppress(asyncpg.InterfaceError):  # it is cut already
                self._connection.terminate()
        await self.release()

    async def release(self) -> None:
        """Give the connection back."""
        connection, self._connection, self._statement = self._connection, None, None
        if connection is not None:
            with contextlib.suppress(asyncpg.InterfaceError, OSError):
                await self._pool.give_back(connection)
