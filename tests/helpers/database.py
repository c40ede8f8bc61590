"""A real PostgreSQL for tests: one server a test process, a fresh database for whoever asks.

Fixtures, usable in every test folder:

    postgres         the running `EmbeddedPostgres` (session)
    database         dsn of a migrated database without rows (the same one, emptied)
    pool             a `DatabasePool` on `database`
    own_database     dsn of a new, migrated database: for tests that break or lock it
    filled_database  the same, one for all tests of a module
    empty_database   dsn of a new database without tables
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Coroutine, Iterator
from itertools import count
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import asyncpg
import pytest
import pytest_asyncio

from persistence.embedded_postgres import EmbeddedPostgres
from persistence.errors import EmbeddedPostgresError
from persistence.migrations import migrate
from persistence.pool import Connection, DatabasePool
from persistence.postgres_cluster import DATABASE, OWNER, SUPERUSER
from tests.helpers.proving import missing

_numbers = count(1)


T = TypeVar("T")


def run_once(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine in an event loop of its own, without touching the test's."""
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        return runner.run(work)


@pytest.fixture(scope="session")
def postgres() -> Iterator[EmbeddedPostgres]:
    """The embedded PostgreSQL, started once a test process, in a directory of its own.

    Not in pytest's: that is made private again by every run, and as root PostgreSQL's user has to
    pass through.
    """
    directory = Path(tempfile.mkdtemp(prefix="collab-tests-"))
    server = EmbeddedPostgres(directory)
    try:
        server.start()
    except EmbeddedPostgresError as error:
        pytest.skip(missing(f"no PostgreSQL: {error}"))
    try:
        run_once(migrate(server.dsn()))
        yield server
    finally:
        server.stop()
        shutil.rmtree(directory)


async def _statement(server: EmbeddedPostgres, statement: str) -> None:
    connection = await asyncpg.connect(server.dsn(role=SUPERUSER, database="postgres"))
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


def _fresh(server: EmbeddedPostgres, template: str) -> Iterator[str]:
    name = f"test_{next(_numbers)}"
    run_once(_statement(server, f"CREATE DATABASE {name} OWNER {OWNER} TEMPLATE {template}"))
    try:
        yield server.dsn(database=name)
    finally:
        run_once(_statement(server, f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture
def empty_database(postgres: EmbeddedPostgres) -> Iterator[str]:
    """The dsn of a database without tables, gone after the test."""
    yield from _fresh(postgres, "template1")


@pytest.fixture(scope="module")
def filled_database(postgres: EmbeddedPostgres) -> Iterator[str]:
    """The dsn of a database with all tables, for a module that fills it once."""
    yield from _fresh(postgres, DATABASE)


@pytest.fixture
def own_database(postgres: EmbeddedPostgres) -> Iterator[str]:
    """The dsn of a database with all tables, gone after the test."""
    yield from _fresh(postgres, DATABASE)


@pytest.fixture(scope="session")
def _shared_database(postgres: EmbeddedPostgres) -> Iterator[str]:
    yield from _fresh(postgres, DATABASE)


@pytest.fixture
def database(_shared_database: str) -> str:
    """The dsn of a database with all tables and no rows."""
    run_once(_delete_rows(_shared_database))
    return _shared_database


async def _delete_rows(dsn: str) -> None:
    """What references these goes with them; deleting is much faster than truncating."""
    connection = await asyncpg.connect(dsn)
    try:
        for table in (
            "ocw_sessions",
            "documents",
            "document_updates",
            "ocw_objects",
            "ocw_object_history",
            "ocw_annotations",
            "ocw_annotation_history",
            "xr_objects",
            "xr_object_history",
            "kept_answers",
            "user_sessions",
            "token_families",
            "revoked_tokens",
            "xr_rooms",
            "xr_avatars",
        ):
            await connection.execute(f"DELETE FROM {table}")
        await _empty_trail(connection)
    finally:
        await connection.close()


async def _empty_trail(connection: Connection) -> None:
    """Nothing can be deleted from the trail: its months are dropped and made again."""
    await connection.execute("DELETE FROM audit_subjects")
    if await connection.fetchval("SELECT EXISTS (SELECT FROM audit_log)"):
        for (name,) in await connection.fetch(
            "SELECT inhrelid::regclass::text FROM pg_inherits "
            "WHERE inhparent = 'audit_log'::regclass"
        ):
            await connection.execute(f"DROP TABLE {name}")
        await connection.execute("SELECT audit_log_add_partition('audit_log_default', 'DEFAULT')")
        await connection.execute("SELECT audit_log_make_month(now())")


@pytest_asyncio.fixture
async def pool(database: str) -> AsyncIterator[DatabasePool]:
    """A pool on a database of this test."""
    opened = await DatabasePool.open(database)
    yield opened
    await opened.close()


def socket_of(dsn: str) -> Path:
    """The socket file behind a connection string of the embedded server."""
    directory = urlsplit(dsn).query.removeprefix("host=")
    return Path(directory) / ".s.PGSQL.5432"
