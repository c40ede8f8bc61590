"""Where the socket goes."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from persistence.errors import EmbeddedPostgresError
from persistence.postgres_cluster import Cluster, SystemUser
from persistence.postgres_socket import SocketDirectory, is_usable


@pytest.fixture
def short() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="s-", dir="/tmp") as directory:
        yield Path(directory)


def chooser(data_dir: Path) -> SocketDirectory:
    return SocketDirectory(Cluster(data_dir, SystemUser()))


@pytest.mark.parametrize(
    ("directory", "usable"),
    [
        ("/data/postgres", True),
        ("/d" * 44, True),
        ("/d" * 45, False),
        ("/dä" * 30, False),
        ("/with space", False),
        ("/with,comma", False),
        ("/with'quote", False),
        ("/with%percent", False),
    ],
)
def test_which_directories_will_do(directory: str, usable: bool) -> None:  # noqa: FBT001 - a parameter
    assert is_usable(Path(directory)) is usable


def test_a_short_path_has_the_socket_in_the_cluster(short: Path) -> None:
    assert chooser(short).choose() == short / "postgres"
    chooser(short).remove()
    assert list(short.iterdir()) == []


def test_another_directory_is_private_and_found_again(short: Path) -> None:
    long = short / ("x" * 100)
    long.mkdir()
    chosen = chooser(long).choose()
    assert chosen.stat().st_mode & 0o777 == 0o700
    assert chooser(long).choose() == chosen
    chooser(long).remove()
    assert not chosen.exists()
    assert list(long.iterdir()) == []
    chooser(long).remove()


@pytest.mark.parametrize("spoil", ["gone", "open to all", "a link"])
def test_a_directory_that_is_no_longer_ours_alone_is_not_used(short: Path, spoil: str) -> None:
    long = short / ("x" * 100)
    long.mkdir()
    first = chooser(long).choose()
    match spoil:
        case "gone":
            first.rmdir()
        case "open to all":
            first.chmod(0o777)
        case "a link":
            first.rmdir()
            first.symlink_to(short)
    second = chooser(long).choose()
    assert second != first
    chooser(long).remove()
    if first.is_symlink():
        first.unlink()
    elif first.exists():
        first.rmdir()


def test_somebody_elses_files_in_it_are_left(short: Path) -> None:
    long = short / ("x" * 100)
    long.mkdir()
    chosen = chooser(long).choose()
    (chosen / "something").touch()
    chooser(long).remove()
    assert (chosen / "something").exists()
    (chosen / "something").unlink()
    chosen.rmdir()


def test_nowhere_to_put_it(short: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    long = short / ("x" * 100)
    monkeypatch.setattr("persistence.postgres_socket.is_usable", lambda _: False)
    with pytest.raises(EmbeddedPostgresError, match="set TMPDIR"):
        chooser(long).choose()
