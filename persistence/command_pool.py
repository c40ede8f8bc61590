"""The database for a command that an operator gave: what is wrong with it can be said in a line."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from persistence.errors import DatabaseUnusable
from persistence.migrations import known_migrations, refusals_translated
from persistence.pool import DatabasePool


@asynccontextmanager
async def command_pool(dsn: str, *, size: int, within: float) -> AsyncIterator[DatabasePool]:
    """A pool for as long as this lasts.

    Args:
        within: seconds for a command of the database: an operator waits, and it may be large.

    Raises:
        DatabaseUnusable: it does not let us in, or has the tables of another version.
        StorageUnavailable: it cannot be reached.
    """
    with refusals_translated(asyncpg.InterfaceError, ValueError):  # the address makes no sense
        pool = await DatabasePool.open(dsn, size=size, command_timeout=within)
    try:
        await _check_tables(pool)
        yield pool
    finally:
        await pool.close()


async def _check_tables(pool: DatabasePool) -> None:
    known = await asyncio.to_thread(known_migrations)  # reads files
    async with pool.borrow() as connection:
        number = None
        if await connection.fetchval("SELECT to_regclass('schema_migrations')") is not None:
            with refusals_translated():
                number = await connection.fetchval("SELECT max(number) FROM schema_migrations")
    if number != len(known):
        raise DatabaseUnusable("its tables are those of another version: run `collab migrate`")
