"""The data directory: private, and known to be writable before anything is put into it."""

from __future__ import annotations

from pathlib import Path

import pytest

from server.data_directory import UnusableDataDirectory, prepare_data_directory, private_file


def test_a_new_one_is_for_its_owner_only(tmp_path: Path) -> None:
    prepare_data_directory(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").stat().st_mode & 0o777 == 0o700


def test_one_that_is_there_is_taken_as_it_is(tmp_path: Path) -> None:
    tmp_path.chmod(0o750)
    prepare_data_directory(tmp_path)
    assert tmp_path.stat().st_mode & 0o777 == 0o750
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("place", ["/proc/nope", "/proc/self", "/dev/null/data"])
def test_one_that_cannot_be_written_to_is_told_with_what_to_do(place: str) -> None:
    with pytest.raises(UnusableDataDirectory) as caught:
        prepare_data_directory(Path(place))
    line = str(caught.value)
    assert place in line
    assert "--data-dir" in line
    assert "Errno" not in line


def test_a_private_file_is_its_owners_only(tmp_path: Path) -> None:
    with open(tmp_path / "file", "w", opener=private_file) as file:
        file.write("x")
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o600
