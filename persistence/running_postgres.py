"""The embedded PostgreSQL of a server that runs, for whoever comes beside it with a question."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote

from persistence.postgres_cluster import DATABASE, OWNER, Cluster, SystemUser
from persistence.postmaster_file import read_postmaster_file, running_postmaster


def running_dsn(data_dir: Path) -> str | None:
    """Where the database of a data directory is, if it runs and accepts connections.

    Returns:
        A connection string with the password in it: never log it. None: nothing runs there, or
        it is just starting or stopping.

    Raises:
        OSError: the files may not be read.
    """
    directory = Path(os.path.realpath(data_dir.expanduser()))
    cluster = Cluster(directory, SystemUser())
    found = read_postmaster_file(cluster.path)
    if found is None or found.socket_dir is None or found.status != "ready":
        return None
    if running_postmaster(cluster.path, found) is None:
        return None
    try:
        password = cluster.password(OWNER)
    except KeyError:
        return None
    return f"postgresql://{OWNER}:{password}@/{DATABASE}?host={quote(found.socket_dir)}"
