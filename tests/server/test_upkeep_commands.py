"""`collab verify` and `collab rebuild`, beside a real server and without it."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest
from pycrdt import Map

from tests.helpers.server_process import LiveSession, ServerProcess, running_server
from tests.helpers.yjs_peer import YjsPeer


class Command:
    """The command line on a server's data directory."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir

    async def run(self, *arguments: str, status: int = 0) -> str:
        """What it prints, on either stream; logs are left out."""
        environment = {key: each for key, each in os.environ.items() if key[:7] != "COLLAB_"}
        done = await asyncio.to_thread(
            subprocess.run,
            [
                str(Path(sys.executable).with_name("collab")),
                *arguments,
                *("--data-dir", str(self._data_dir)),
            ],
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == status, done.stderr
        lines = [*done.stdout.splitlines(), *done.stderr.splitlines()]
        return "\n".join(line for line in lines if '"event"' not in line)


@pytest.fixture
def server() -> Iterator[ServerProcess]:
    with running_server() as started:
        yield started


async def with_a_box(server: ServerProcess) -> LiveSession:
    session = await server.create_session()
    async with await YjsPeer.join(session.invite().url_with(ack="1")) as peer:
        peer.objects["box"] = Map({"object_type": "sticky", "layer": 1})
        await peer.until_stored()
    return session


async def spoil(server: ServerProcess) -> None:
    connection = await asyncpg.connect(server.database_dsn())
    await connection.execute("UPDATE ocw_objects SET layer = 2")
    await connection.close()


@pytest.mark.timeout(120)
async def test_rows_are_compared_beside_a_server_and_rebuilt_without_it(
    server: ServerProcess,
) -> None:
    session = await with_a_box(server)
    collab = Command(server.data_dir)
    clean = "1 documents, 1 objects, 1 versions: nothing differs"
    assert await collab.run("verify", "--whole-log") == clean
    await spoil(server)
    told = await collab.run("verify", session.id, status=1)
    assert told.splitlines() == [
        f"ocw/{session.id} objects/box: differs in layer",
        "1 documents, 1 objects, 1 versions: 1 findings",
    ]
    finding, counts = map(json.loads, (await collab.run("verify", "--json", status=1)).splitlines())
    assert (finding["fault"], finding["id"], counts["findings"]) == ("row_differs", "box", 1)
    refusal = await collab.run("rebuild", status=2)
    assert refusal.startswith("Error: another server runs on the data directory")

    await asyncio.to_thread(server.stop)
    assert "differs in layer" in await collab.run("verify", status=1), "without a server, too"
    rebuilt = await collab.run("rebuild", session.id)
    assert rebuilt.splitlines()[0] == f"ocw/{session.id}: 1 objects made anew"
    assert "0 of them rebuilt" in await collab.run("rebuild", "--whole-log")
    assert await collab.run("verify", "--whole-log") == clean


async def test_where_there_is_nothing_none_is_made(tmp_path: Path) -> None:
    collab = Command(tmp_path)
    for name in ("verify", "rebuild"):
        told = await collab.run(name, status=2)
        assert told == f"Error: there is no database in {tmp_path}"
    assert await asyncio.to_thread(lambda: list(tmp_path.iterdir())) == []


async def test_a_session_that_is_not_there_is_said(server: ServerProcess) -> None:
    unknown = "123e4567-e89b-42d3-a456-426614174000"
    told = await Command(server.data_dir).run("verify", unknown, status=2)
    assert told == f"Error: there is no session or room {unknown}"
