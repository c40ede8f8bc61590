"""Prepared statements on a connection that is kept for them.

Borrowing from the pool, the circuit around it and looking a statement up cost several times what
a small commit itself does. Who commits a hundred times a second keeps what it needs.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import asyncpg
from asyncpg.prepared_stmt import PreparedStatement

from persistence.pool import DatabasePool, is_gone, outages_translated
from persistence.refusals import is_row_refusal

if TYPE_CHECKING:
    from persistence.pool import BorrowedConnection


class StandingStatements:
    """Statements that callers use by turns; made again with the next call after they broke."""

    def __init__(self, pool: DatabasePool) -> None:
        """Nothing is taken from the pool before the first call."""
        self._pool = pool
        self._turn = asyncio.Lock()
        self._connection: BorrowedConnection | None = None
        self._statements: dict[str, PreparedStatement[asyncpg.Record]] = {}
        pool.before_closing(self.release)

    async def fetch(
        self, query: str, *arguments: Any, within: float | None
    ) -> list[asyncpg.Record]:
        """Execute a statement.

        Args:
            query: one of few: it is prepared when it comes for the first time.
            within: seconds.

        Raises:
            StorageUnavailable: no connection could be had, or it broke or did not answer in time;
                what was being changed may or may not have been.
            asyncpg.PostgresError: what the database says about the arguments.
        """
        async with self._turn:
            if self._connection is not None and is_gone(self._connection):
                await self._give_up()  # it broke while nobody used it: this call need not fail
            statement = self._statements.get(query) or await self._prepare(query)
            try:
                with outages_translated(self._connection):
                    return await statement.fetch(*arguments, timeout=within)
            except BaseException as error:
                if is_row_refusal(error):
                    raise  # an answer about the arguments: the connection is in order
                await self._give_up()
                raise

    async def _prepare(self, query: str) -> PreparedStatement[asyncpg.Record]:
        if self._connection is None:
            self._connection = await self._pool.take()
        connection = self._connection
        try:
            with outages_translated(connection):
                self._statements[query] = statement = await connection.prepare(query)
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
        connection, self._connection = self._connection, None
        self._statements.clear()
        if connection is not None:
            with contextlib.suppress(asyncpg.InterfaceError, OSError):
                await self._pool.give_back(connection)
