"""`collab export` and `collab import`, with a server running and without one."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg
import pytest
from pycrdt import Map

from persistence.embedded_postgres import EmbeddedPostgres
from server.command_line import main
from tests.helpers.database import run_once
from tests.helpers.server_process import LiveSession, ServerProcess
from tests.helpers.yjs_peer import YjsPeer
from tests.server.logging_state import logging_put_back
from tests.server.transferring import SESSION_ID, create_session, pool_on


@pytest.fixture(autouse=True)
def own_environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No settings from outside, and what commands configure is put back."""
    for name in list(os.environ):
        if name.upper().startswith("COLLAB_"):
            monkeypatch.delenv(name)
    with logging_put_back():
        yield


@pytest.fixture
def directory() -> Iterator[Path]:
    """Outside of pytest's, which every run makes private again."""
    with tempfile.TemporaryDirectory(prefix="collab-transfer-") as name:
        yield Path(name)


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """What a command that must succeed prints."""
    capsys.readouterr()
    status = main([str(argument) for argument in arguments])
    output = capsys.readouterr()
    assert status == 0, output.err
    return output.out


def complaint(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """The one line of a command that must fail."""
    capsys.readouterr()
    assert main([str(argument) for argument in arguments]) == 2
    output = capsys.readouterr()
    assert output.out == ""
    return output.err.splitlines()[-1]


async def _fill(dsn: str) -> None:
    async with pool_on(dsn) as pool:
        await create_session(pool)


async def _sessions(dsn: str) -> list[UUID]:
    connection = await asyncpg.connect(dsn)
    try:
        rows = await connection.fetch("SELECT id FROM ocw_sessions ORDER BY started_at, id")
        return [UUID(str(row["id"])) for row in rows]
    finally:
        await connection.close()


def test_a_session_moves_from_one_database_to_another(
    capsys: pytest.CaptureFixture[str], database: str, own_database: str, tmp_path: Path
) -> None:
    run_once(_fill(database))
    file = tmp_path / "board.collab"
    printed = run(capsys, "export", SESSION_ID, "--output", file, "--database-url", database)
    assert printed == f"exported session {SESSION_ID} (session 1, participant 3)\n"
    printed = run(capsys, "import", file, "--database-url", own_database)
    assert printed == f"imported session {SESSION_ID} (session 1, participant 3)\n"
    assert "already" in complaint(capsys, "import", file, "--database-url", own_database)
    run(capsys, "import", file, "--replace", "--database-url", own_database)
    run(capsys, "import", file, "--id", UUID(int=5), "--database-url", own_database)
    assert run_once(_sessions(own_database)) == [UUID(int=5), SESSION_ID]


def test_what_cannot_be_done_is_said_in_one_line(
    capsys: pytest.CaptureFixture[str], database: str, tmp_path: Path
) -> None:
    file = tmp_path / "board.collab"
    nobody = uuid4()
    said = complaint(capsys, "export", nobody, "--output", file, "--database-url", database)
    assert said == f"Error: there is no session or room {nobody}"
    said = complaint(capsys, "export", nobody, "--output", file, "--data-dir", tmp_path / "none")
    assert "there is no database" in said
    elsewhere = database.replace("/test_", "/nowhere_")
    said = complaint(capsys, "export", nobody, "--output", file, "--database-url", elsewhere)
    assert "does not exist" in said
    elsewhere = f"{database}&port=no"
    said = complaint(capsys, "export", nobody, "--output", file, "--database-url", elsewhere)
    assert "cannot be used" in said
    file.write_text("hello")
    said = complaint(capsys, "import", file, "--database-url", database)
    assert "no exported session" in said
    assert not (tmp_path / "none").exists()


def test_an_embedded_database_is_made_for_what_is_imported(
    capsys: pytest.CaptureFixture[str], database: str, tmp_path: Path, directory: Path
) -> None:
    run_once(_fill(database))
    file = tmp_path / "board.collab"
    run(capsys, "export", SESSION_ID, "--output", file, "--database-url", database)
    target = directory / "elsewhere"
    run(capsys, "import", file, "--data-dir", target)
    again = tmp_path / "again.collab"
    run(capsys, "export", SESSION_ID, "--output", again, "--data-dir", target)  # stopped again
    with EmbeddedPostgres(target) as server:
        assert run_once(_sessions(server.dsn())) == [SESSION_ID]


async def _draw(session: LiveSession) -> None:
    """A person draws something over a socket, and waits until it is stored."""
    async with await YjsPeer.join(session.invite().url_with(ack="1")) as ada:
        ada.objects["a"] = Map({"object_type": "sticky", "position": {"x": 1, "y": 2}})
        await ada.until_stored()


def test_beside_a_running_server(capsys: pytest.CaptureFixture[str], directory: Path) -> None:
    """Exported while it serves; imported under another id, and open at once."""
    server = ServerProcess(directory / "data")
    server.start()
    try:
        session = run_once(server.create_session(default_role="editor"))
        run_once(_draw(session))
        file = directory / "board.collab"
        printed = run(capsys, "export", session.id, "--output", file, "--data-dir", server.data_dir)
        assert "update" in printed
        copy = LiveSession(server, str(uuid4()))
        run(capsys, "import", file, "--id", copy.id, "--data-dir", server.data_dir)
        assert run_once(copy.state()) == run_once(session.state()) != {}
        said = complaint(capsys, "import", file, "--replace", "--data-dir", server.data_dir)
        assert "stop it" in said
    finally:
        server.stop()
