"""Reading `postmaster.pid` and finding PostgreSQL's processes."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from persistence.postmaster_file import (
    PostmasterFile,
    await_end,
    cluster_processes,
    end_leftovers,
    read_postmaster_file,
    running_postmaster,
)

READY = "77\n/data\n1700000000\n5432\n/run/x\n\n  123 456\nready   \n"


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (READY, PostmasterFile(77, "/run/x", "ready")),
        (READY.replace("ready   ", "stopping"), PostmasterFile(77, "/run/x", "stopping")),
        ("77\n/data\n1700000000\n5432\n\n", PostmasterFile(77, None, "")),
        ("-77\n", PostmasterFile(77, None, "")),
        ("", None),
        ("what\n", None),
    ],
)
def test_reading(tmp_path: Path, content: str, found: PostmasterFile | None) -> None:
    (tmp_path / "postmaster.pid").write_text(content)
    assert read_postmaster_file(tmp_path) == found


def test_no_file(tmp_path: Path) -> None:
    assert read_postmaster_file(tmp_path) is None
    assert running_postmaster(tmp_path, None) is None


@pytest.fixture
def impostor(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process with PostgreSQL's name, in a directory, that outlasts every patience."""
    process = subprocess.Popen(
        ["/bin/sleep", "60"], executable=_named_sleep(tmp_path), cwd=tmp_path
    )
    yield process
    process.kill()
    process.wait()


def _named_sleep(directory: Path) -> Path:
    """A copy of `sleep` under PostgreSQL's name: the kernel shows a program's file name."""
    copy = directory / "bin" / "postgres"
    copy.parent.mkdir()
    copy.write_bytes(Path("/bin/sleep").resolve().read_bytes())
    copy.chmod(0o755)
    return copy


def test_only_processes_in_the_directory_count(
    impostor: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    assert [process.pid for process in cluster_processes(tmp_path)] == [impostor.pid]
    assert cluster_processes(tmp_path / "bin") == []
    assert running_postmaster(tmp_path, PostmasterFile(impostor.pid, None, "")) is not None
    assert running_postmaster(tmp_path / "bin", PostmasterFile(impostor.pid, None, "")) is None
    assert running_postmaster(tmp_path, PostmasterFile(os.getpid(), None, "ready")) is None
    assert running_postmaster(tmp_path, PostmasterFile(2**22 + 1, None, "ready")) is None


def test_waiting_has_an_end(impostor: subprocess.Popen[bytes], tmp_path: Path) -> None:
    process = psutil.Process(impostor.pid)
    assert await_end([process], tmp_path, patience=0.02) is False
    impostor.kill()
    # Dead, and not collected by its parent (us) yet: that is over, too.
    assert await_end([process], tmp_path, patience=10.0) is True


def test_leftovers_that_do_not_end_are_killed(
    impostor: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    end_leftovers(tmp_path, patience=0.05)
    assert impostor.wait(10) == -9
    end_leftovers(tmp_path, patience=0.05)
