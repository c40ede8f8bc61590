"""The directory that holds everything a server keeps on disk."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


class UnusableDataDirectory(Exception):  # noqa: N818 - says what is the case
    """It cannot be made or written to. `str()` says why and what to do."""


def prepare_data_directory(path: Path) -> None:
    """Make it for its owner only: it holds a secret and a database.

    One that is there already keeps its mode.

    Raises:
        UnusableDataDirectory: nothing can be written there.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise UnusableDataDirectory(
            f"nothing can be written to the data directory {path} ({reason}): choose another "
            "--data-dir (COLLAB_DATA_DIR), or let this user write there"
        ) from error


def private_file(path: str, flags: int) -> int:
    """An opener for `open`: what it makes is its owner's only, whatever the umask."""
    return os.open(path, flags, 0o600)
