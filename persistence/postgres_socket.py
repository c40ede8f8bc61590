"""Where the embedded PostgreSQL puts its socket.

In the data directory, when the path is short and plain enough; else in a private directory under
the system's temporary one, whose name is kept in the data directory so that it is found again.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
import tempfile
from pathlib import Path

from persistence.errors import EmbeddedPostgresError
from persistence.postgres_cluster import Cluster, grant_search, write_private

_MAX_SOCKET_PATH = 103
"""Bytes that fit in `sockaddr_un` on every Unix (Linux: 107, macOS and BSD: 103)."""

_PLAIN = re.compile(r"[A-Za-z0-9/._+-]+", re.ASCII)
"""PostgreSQL takes a comma-separated list of directories, and clients a URL: no commas, no quotes,
no spaces in it."""


def socket_file(directory: Path) -> Path:
    """The socket that PostgreSQL makes in its socket directory (port 5432 names it)."""
    return directory / ".s.PGSQL.5432"


def is_usable(directory: Path) -> bool:
    """Whether a socket can be made in, and named in the settings of, this directory."""
    name = str(socket_file(directory))
    return len(os.fsencode(name)) <= _MAX_SOCKET_PATH and _PLAIN.fullmatch(name) is not None


class SocketDirectory:
    """The choice for one cluster, made anew at every start."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._note = cluster.data_dir / "postgres.socket"

    def choose(self) -> Path:
        """A directory that only PostgreSQL's user (and root) can enter.

        Raises:
            EmbeddedPostgresError: no temporary directory has a usable name.
        """
        if is_usable(self._cluster.path):
            return self._cluster.path
        noted = self._noted()
        if noted is not None:
            return noted
        for base in dict.fromkeys((tempfile.gettempdir(), "/tmp")):  # noqa: S108 - mkdtemp, 0700
            if is_usable(Path(base) / "collab-12345678"):
                directory = Path(tempfile.mkdtemp(prefix="collab-", dir=base))
                self._cluster.user.owns(directory)
                if self._cluster.user.name is not None:
                    grant_search(directory)
                write_private(self._note, f"{directory}\n")
                return directory
        raise EmbeddedPostgresError(
            f"the path {self._cluster.path} is too long for a socket, and so is the temporary "
            "directory's: set TMPDIR to a short path"
        )

    def remove(self) -> None:
        """Remove a directory made by `choose`, when PostgreSQL has ended."""
        noted = self._noted()
        if noted is not None:
            with contextlib.suppress(OSError):  # not empty: somebody else's files, leave them
                noted.rmdir()
        self._note.unlink(missing_ok=True)

    def _noted(self) -> Path | None:
        """The directory of the last start, if it is still there and still ours alone."""
        try:
            directory = Path(self._note.read_text().strip())
            status = directory.lstat()
        except OSError:
            return None
        owner = os.geteuid() if self._cluster.user.name is None else self._cluster.user.uid
        is_ours = status.st_uid == owner and stat.S_IMODE(status.st_mode) == 0o700
        return directory if stat.S_ISDIR(status.st_mode) and is_ours else None
