"""Numbered SQL files, each applied once, in order, in one transaction together with its record.

`0001_sessions_and_documents.sql` and so on: four digits, a name. A file that has been released is
never changed; what is wrong in it is mended by a later one.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files

import asyncpg

from persistence.errors import DatabaseTooNew, DatabaseUnusable
from persistence.pool import Connection, connect, describe, outages_translated

_FILE_NAME = re.compile(r"(\d{4})_[a-z0-9_]+\.sql", re.ASCII)

ADVISORY_LOCK = 0x436F6C6C_4D696772
"""Of who migrates ("CollMigr"): several servers may start at once."""

_HISTORY = """
    CREATE TABLE IF NOT EXISTS schema_migrations (
        number     integer     PRIMARY KEY,
        name       text        NOT NULL,
        applied_at timestamptz NOT NULL DEFAULT now()
    )
"""


@dataclass(frozen=True, slots=True)
class Migration:
    """One file. `name` is the file's, without its suffix."""

    number: int
    name: str
    sql: str


def known_migrations() -> list[Migration]:
    """The files beside this one, in order.

    Raises:
        ValueError: the numbers are not 1, 2, 3…
    """
    found = []
    for file in files(__name__).iterdir():
        match = _FILE_NAME.fullmatch(file.name)
        if match is not None:
            name = file.name.removesuffix(".sql")
            found.append(Migration(int(match[1]), name, file.read_text(encoding="utf-8")))
    found.sort(key=lambda migration: migration.number)
    if [migration.number for migration in found] != list(range(1, len(found) + 1)):
        raise ValueError(f"migrations are not numbered in sequence: {[m.name for m in found]}")
    return found


async def migrate(database: str | Connection) -> list[str]:
    """Bring a database up to date.

    Args:
        database: a connection string, or a connection outside a transaction.

    Returns:
        The names of the migrations that were applied now, oldest first.

    Raises:
        DatabaseTooNew: it has migrations that are not known here; nothing was changed.
        DatabaseUnusable: it does not let us in, or make tables.
        StorageUnavailable: it cannot be reached, or broke off; what was applied stays applied.
    """
    migrations = await asyncio.to_thread(known_migrations)  # reads files
    if not isinstance(database, str):
        with outages_translated(database):
            return await _apply_missing(database, migrations)
    with refusals_translated(asyncpg.InterfaceError, ValueError):  # the address makes no sense
        connection = await connect(database, command_timeout=None)
    try:
        with outages_translated(connection), refusals_translated():
            return await _apply_missing(connection, migrations)
    finally:
        connection.terminate()  # also releases the lock, whatever happened


_REFUSALS: tuple[type[Exception], ...] = (
    asyncpg.InvalidAuthorizationSpecificationError,  # unknown user, wrong password, pg_hba.conf
    asyncpg.InvalidCatalogNameError,
    asyncpg.InsufficientPrivilegeError,
)


@contextmanager
def refusals_translated(*further: type[Exception]) -> Iterator[None]:
    """Turn what only a person can mend, and these, into DatabaseUnusable."""
    try:
        yield
    except (*_REFUSALS, *further) as error:
        raise DatabaseUnusable(describe(error)) from error


async def _apply_missing(connection: Connection, migrations: Sequence[Migration]) -> list[str]:
    await connection.execute("SELECT pg_advisory_lock($1)", ADVISORY_LOCK)
    try:
        await connection.execute(_HISTORY)
        rows = await connection.fetch("SELECT number, name FROM schema_migrations ORDER BY number")
        applied = {row["number"] for row in rows}
        unknown = [row["name"] for row in rows if row["number"] > len(migrations)]
        if unknown:
            raise DatabaseTooNew(
                f"the database was migrated by a newer version of this server ({unknown[-1]}; this "
                f"one knows {len(migrations)} migrations): run that version, or restore a backup"
            )
        missing = [migration for migration in migrations if migration.number not in applied]
        for migration in missing:
            await _apply(connection, migration)
        return [migration.name for migration in missing]
    finally:
        if not connection.is_closed():
            await connection.execute("SELECT pg_advisory_unlock($1)", ADVISORY_LOCK)


async def _apply(connection: Connection, migration: Migration) -> None:
    async with connection.transaction():
        await connection.execute(migration.sql)
        await connection.execute(
            "INSERT INTO schema_migrations (number, name) VALUES ($1, $2)",
            migration.number,
            migration.name,
        )
