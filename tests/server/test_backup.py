"""docs/backup.md does what it says: its own commands are run, while people edit."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pycrdt import Map

from persistence.session_records import RECORDS, RecordKind
from tests.helpers.database import run_once
from tests.helpers.server_process import LiveSession, ServerProcess
from tests.helpers.verifying import findings
from tests.helpers.yjs_peer import YjsPeer

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "backup.md").read_text()
BLOCKS = re.findall(r"^```sh\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def block(word: str) -> str:
    """The commands on the page that hold a word."""
    (found,) = (commands for commands in BLOCKS if word in commands)
    return str(found)


class Operator:
    """Somebody with a shell who follows the page."""

    def __init__(self, directory: Path) -> None:
        self._names = {"DATA": ".collab", "BACKUP": "backup", "RESTORED": "restored"}
        self.paths = {name: directory / name.lower() for name in self._names}

    def run(self, *words: str) -> None:
        """Run the commands that hold these words, in one shell after the settings."""
        script = "\n" + "\n".join(block(word) for word in dict.fromkeys(("embedded() {", *words)))
        for name, usual in self._names.items():
            script = re.sub(
                rf"^{name}={re.escape(usual)}\b", f"{name}=$TEST_{name}", script, flags=re.M
            )
        outcome = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", f"RESTORED=$TEST_RESTORED\n{script}"],
            cwd=ROOT,
            env={
                "PATH": os.environ["PATH"],
                **{f"TEST_{name}": str(path) for name, path in self.paths.items()},
            },
            capture_output=True,
            text=True,
            check=False,
            timeout=100,
        )
        assert outcome.returncode == 0, outcome.stderr


@pytest.fixture
def operator() -> Iterator[Operator]:
    """In a directory outside of pytest's, which every run makes private again."""
    if not (ROOT / ".venv" / "bin" / "python").exists():
        pytest.skip("the page speaks of .venv")
    with tempfile.TemporaryDirectory(prefix="collab-backup-") as directory:
        yield Operator(Path(directory))


@pytest.fixture
def server(operator: Operator) -> Iterator[ServerProcess]:
    process = ServerProcess(operator.paths["DATA"])
    process.start()
    yield process
    process.stop()


async def draw(session: LiveSession, name: str, *, until: asyncio.Event | None = None) -> int:
    """Draw, and wait until it is stored; again and again until told to stop. How often."""
    async with await YjsPeer.join(session.invite().url_with(ack="1")) as person:
        count = 0
        while True:
            person.objects[f"{name}{count}"] = Map({"object_type": "sticky", "properties": {}})
            await person.until_stored()
            count += 1
            if until is None or until.is_set():
                return count


async def back_up_while_editing(operator: Operator, session: LiveSession) -> tuple[Any, Any]:
    """The document before the backup began, and after it."""
    await draw(session, "first")
    before = await session.state()
    done = asyncio.Event()
    editing = [asyncio.create_task(draw(session, who, until=done)) for who in ("a", "b")]
    await asyncio.sleep(0.1)
    await asyncio.to_thread(operator.run, 'pg_dump"')
    done.set()
    assert min(await asyncio.gather(*editing)) > 3
    return before, await session.state()


def test_what_was_backed_up_while_people_edit_is_restored(
    operator: Operator, server: ServerProcess
) -> None:
    secret = server.data_dir / "jwt_secret"
    secret.write_text("as if it were one")
    session = run_once(server.create_session())
    before, after = run_once(back_up_while_editing(operator, session))
    server.stop()

    operator.run('mkdir -m 700 "$RESTORED"')
    restored = ServerProcess(operator.paths["RESTORED"])
    restored.start()  # makes the database
    try:
        operator.run("pg_restore")
        restored.stop()
        restored.start()
        again = LiveSession(restored, session.id)
        found = run_once(again.state())
        assert set(before["objects"]) <= set(found["objects"]) <= set(after["objects"])
        assert run_once(findings(restored.database_dsn())) == []
        run_once(draw(again, "later"))
        assert "later0" in run_once(again.state())["objects"]
        assert (restored.data_dir / "jwt_secret").read_text() == secret.read_text()
    finally:
        restored.stop()


def test_the_page_names_every_kind_of_record() -> None:
    rows = re.findall(r"^\| `(\w+)` \| `(\w+)` \|", PAGE, re.MULTILINE)
    assert rows == [(kind.value, RECORDS[kind].table) for kind in RecordKind]


def test_commands_of_the_page_are_commands() -> None:
    from server.command_line import cli

    named = set(re.findall(r"collab (export|import|serve|verify|rebuild)\b", PAGE))
    assert named == {"export", "import", "serve", "verify", "rebuild"}
    assert named <= set(cli.commands)
    assert sys.version_info >= (3, 11)
