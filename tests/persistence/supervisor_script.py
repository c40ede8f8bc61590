"""A supervisor to be killed: starts the embedded PostgreSQL, says so, and waits.

Arguments: the data directory, and the name of a user to become first (or nothing). Prints one JSON
line: `{"pid": …, "dsn": …}`.
"""

from __future__ import annotations

import json
import os
import pwd
import shutil
import sys
import time
from pathlib import Path

from persistence.embedded_postgres import EmbeddedPostgres


def become(user: str) -> None:
    """Give up root. PostgreSQL is then started by a Python that this user can run."""
    entry = pwd.getpwnam(user)
    os.setgroups([])
    os.setgid(entry.pw_gid)
    os.setuid(entry.pw_uid)
    sys.executable = shutil.which("python3", path="/usr/bin:/usr/local/bin") or sys.executable


def main() -> None:
    if len(sys.argv) > 2:
        become(sys.argv[2])
    server = EmbeddedPostgres(Path(sys.argv[1]), lock_patience=0.2)
    dsn = server.start()
    sys.stdout.write(json.dumps({"pid": server.pid, "dsn": dsn}) + "\n")
    sys.stdout.flush()
    time.sleep(60)


if __name__ == "__main__":
    main()
