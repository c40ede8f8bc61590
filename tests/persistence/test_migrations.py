"""Migrations: each once, all or nothing, one at a time, never backwards."""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

import asyncpg
import pytest

from persistence import migrations
from persistence.errors import DatabaseTooNew, DatabaseUnusable
from persistence.migrations import Migration, known_migrations, migrate
from persistence.pool import connect
from persistence.ports import StorageUnavailable


async def names(dsn: str, query: str) -> list[str]:
    connection = await connect(dsn)
    try:
        return [row[0] for row in await connection.fetch(query)]
    finally:
        await connection.close()


KNOWN = known_migrations()  # here, as it reads files
TABLES = """
    SELECT relname FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
    ORDER BY relname
"""
APPLIED = "SELECT name FROM schema_migrations ORDER BY number"


def know(monkeypatch: pytest.MonkeyPatch, *files: Migration) -> None:
    monkeypatch.setattr(migrations, "known_migrations", lambda: list(files))


def test_the_files_are_numbered_without_gaps() -> None:
    found = known_migrations()
    assert found[0].name == "0001_sessions_and_documents"
    assert [migration.number for migration in found] == list(range(1, len(found) + 1))


async def test_a_new_database_gets_all_tables(empty_database: str) -> None:
    applied = await migrate(empty_database)
    assert applied == [migration.name for migration in KNOWN]
    assert await names(empty_database, TABLES) == [
        "audit_log",
        "audit_subjects",
        "document_authors",
        "document_checkpoints",
        "document_snapshots",
        "document_updates",
        "document_views",
        "documents",
        "kept_answers",
        "ocw_annotation_history",
        "ocw_annotations",
        "ocw_object_history",
        "ocw_objects",
        "ocw_participants",
        "ocw_sessions",
        "refresh_tokens",
        "revoked_tokens",
        "schema_migrations",
        "token_families",
        "user_sessions",
        "xr_avatars",
        "xr_object_history",
        "xr_objects",
        "xr_participants",
        "xr_room_members",
        "xr_rooms",
        "xr_sessions",
    ]


async def test_a_second_run_does_nothing(empty_database: str) -> None:
    first = await migrate(empty_database)
    assert await migrate(empty_database) == []
    assert await names(empty_database, APPLIED) == first


async def test_only_what_is_missing_is_applied(
    empty_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = Migration(1, "0001_one", "CREATE TABLE one ()")
    two = Migration(2, "0002_two", "CREATE TABLE two (); CREATE TABLE three ()")
    know(monkeypatch, one)
    assert await migrate(empty_database) == ["0001_one"]
    know(monkeypatch, one, two)
    assert await migrate(empty_database) == ["0002_two"]
    assert await names(empty_database, TABLES) == ["one", "schema_migrations", "three", "two"]


async def test_a_migration_that_fails_leaves_nothing(
    empty_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = Migration(1, "0001_good", "CREATE TABLE good ()")
    bad = Migration(2, "0002_bad", "CREATE TABLE bad (); SELECT 1 / 0")
    know(monkeypatch, good, bad)
    with pytest.raises(asyncpg.DivisionByZeroError):
        await migrate(empty_database)
    assert await names(empty_database, TABLES) == ["good", "schema_migrations"]
    assert await names(empty_database, APPLIED) == ["0001_good"]


async def test_a_newer_database_is_refused_untouched(
    empty_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = Migration(1, "0001_one", "CREATE TABLE one ()")
    know(monkeypatch, one, Migration(2, "0002_future", "SELECT 1"))
    await migrate(empty_database)
    know(monkeypatch, one)
    with pytest.raises(DatabaseTooNew, match="0002_future"):
        await migrate(empty_database)


async def test_servers_that_start_together_migrate_once(empty_database: str) -> None:
    outcomes = await asyncio.gather(*(migrate(empty_database) for _ in range(4)))
    assert sorted(len(outcome) for outcome in outcomes) == [0, 0, 0, len(KNOWN)]


async def test_a_connection_of_the_caller_is_used_and_kept(empty_database: str) -> None:
    connection = await connect(empty_database)
    assert await migrate(connection) != []
    assert await connection.fetchval("SELECT count(*) FROM documents") == 0
    locks = await connection.fetchval("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'")
    assert locks == 0
    await connection.close()


async def test_a_database_that_is_not_there() -> None:
    with pytest.raises(StorageUnavailable):
        await migrate("postgresql://collab:x@/collab?host=/nonexistent")


def test_numbers_with_a_gap_are_a_fault_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    class Directory:
        def iterdir(self) -> list[File]:
            return [File("0002_two.sql"), File("0004_four.sql"), File("README.md")]

    class File:
        def __init__(self, name: str) -> None:
            self.name = name

        def read_text(self, encoding: str) -> str:
            return f"SELECT 1 -- {encoding}"

    monkeypatch.setattr(migrations, "files", lambda _: Directory())
    with pytest.raises(ValueError, match="not numbered in sequence"):
        known_migrations()


@pytest.mark.parametrize(
    ("part", "wrong", "reason"),
    [
        ("password", "guess", "password authentication failed"),
        ("username", "nobody", "password authentication failed"),
        ("path", "/nowhere", 'database "nowhere" does not exist'),
        ("query", "&sslmode=perhaps", "sslmode"),
        ("port", "abc", "abc"),
    ],
)
async def test_a_database_that_does_not_let_us_in_is_told_from_an_outage(
    empty_database: str, part: str, wrong: str, reason: str
) -> None:
    parts = urlsplit(empty_database)
    match part:
        case "port":
            url = "postgresql://collab@localhost:abc/collab"
        case "query":
            url = empty_database + wrong
        case _:
            right = getattr(parts, part)
            url = empty_database.replace(right, wrong, 1)
    assert url != empty_database
    with pytest.raises(DatabaseUnusable, match=reason):
        await migrate(url)


async def test_a_user_that_may_not_make_tables_is_told_from_an_outage(empty_database: str) -> None:
    connection = await connect(empty_database)
    await connection.execute("REVOKE CREATE ON SCHEMA public FROM pg_database_owner, PUBLIC")
    await connection.close()
    with pytest.raises(DatabaseUnusable, match="permission denied"):
        await migrate(empty_database)
