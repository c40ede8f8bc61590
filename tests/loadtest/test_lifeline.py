"""A server that was started for a run ends with it, however that ends."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from loadtest.targets import lifeline

SLEEPS = "print(1, flush=True); import time; time.sleep(60)"
ENDS = "import sys; sys.exit(7)"
STAYS = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {SLEEPS}"
IMPATIENT = "from loadtest.targets import lifeline as it; it.END_SECONDS = 0.1; import sys; "


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """What a server keeps."""
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "log").touch()
    return kept


@contextmanager
def on_a_line(directory: Path, *command: str) -> Iterator[subprocess.Popen[bytes]]:
    """A server run by the script, as runs do it."""
    script = [sys.executable, "-I", "-S", lifeline.__file__, str(directory)]
    with connected([*script, *command]) as line:
        yield line


@contextmanager
def connected(command: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.STDOUT) as line:
        yield line


def server_of(line: subprocess.Popen[bytes]) -> psutil.Process:
    """The one that says that it is there."""
    assert line.stdout is not None
    assert line.stdout.readline() == b"1\n"
    return psutil.Process(line.pid).children()[0]


def let_go(line: subprocess.Popen[bytes]) -> None:
    assert line.stdin is not None
    line.stdin.close()


def test_a_server_nobody_wants_ends_and_what_it_kept_is_removed(directory: Path) -> None:
    with on_a_line(directory, sys.executable, "-c", SLEEPS) as line:
        server = server_of(line)
        let_go(line)
        assert line.wait(30) == 256 - signal.SIGTERM
    assert not server.is_running()
    assert not directory.exists()


def test_a_server_that_does_not_end_is_killed(directory: Path) -> None:
    run = IMPATIENT + "sys.exit(it.keep(sys.argv[1], sys.argv[2:]))"
    command = [sys.executable, "-c", run, str(directory), sys.executable, "-c", STAYS]
    with connected(command) as line:
        server = server_of(line)
        let_go(line)
        assert line.wait(30) == 256 - signal.SIGKILL
    assert not server.is_running()
    assert not directory.exists()


def test_a_server_that_ends_by_itself_leaves_its_log(directory: Path) -> None:
    with on_a_line(directory, sys.executable, "-c", ENDS) as line:
        assert line.wait(30) == 7
    assert (directory / "log").exists()


def test_whoever_ends_the_line_ends_the_server(directory: Path) -> None:
    with on_a_line(directory, sys.executable, "-c", SLEEPS) as line:
        server = server_of(line)
        line.send_signal(signal.SIGTERM)
        assert line.wait(30) == 256 - signal.SIGTERM
    assert not server.is_running()


def test_a_program_that_is_not_there_is_said(directory: Path) -> None:
    with on_a_line(directory, "no-such-program") as line:
        assert line.stdout is not None
        assert b"no-such-program" in line.stdout.read()
        assert line.wait(30) == lifeline.CANNOT_START
