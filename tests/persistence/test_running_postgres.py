"""Finding the database of a server that runs."""

from __future__ import annotations

from pathlib import Path

import asyncpg

from persistence.embedded_postgres import EmbeddedPostgres
from persistence.running_postgres import running_dsn
from tests.helpers.database import run_once


async def _ask(dsn: str) -> int:
    connection = await asyncpg.connect(dsn)
    try:
        return int(await connection.fetchval("SELECT 1"))
    finally:
        await connection.close()


def test_a_running_database_is_found_and_lets_us_in(postgres: EmbeddedPostgres) -> None:
    dsn = running_dsn(postgres._data_dir)
    assert dsn == postgres.dsn()
    assert run_once(_ask(dsn)) == 1


def test_where_nothing_runs_nothing_is_found(tmp_path: Path) -> None:
    assert running_dsn(tmp_path) is None
    assert running_dsn(tmp_path / "nowhere") is None


def test_what_a_dead_one_left_behind_is_not_taken_for_one(
    tmp_path: Path, postgres: EmbeddedPostgres
) -> None:
    left = (postgres._data_dir / "postgres" / "postmaster.pid").read_text()
    (tmp_path / "postgres").mkdir()
    (tmp_path / "postgres" / "postmaster.pid").write_text(left)
    (tmp_path / "postgres.pgpass").write_text("*:*:*:collab:word\n")
    assert running_dsn(tmp_path) is None
