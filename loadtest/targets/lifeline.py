"""Runs a server for as long as whoever wants it is there, however that ends.

Run as a script, with the standard library only: `python -I -S lifeline.py DIRECTORY COMMAND…`.
Standard input is the line. It ends with the process that holds its other end, also when that is
killed. Then the server is told to end, is killed if it does not, and the directory is removed. A
server that ends by itself leaves its directory, in which its log is.

It works wherever there are pipes, and for servers that know nothing of it. A signal at the
parent's death would come when a thread of the parent ends, and only on Linux.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence

END_SECONDS = 20.0
"""For a server to end when it is told to, before it is killed."""

CANNOT_START = 127
"""Exit status, as of a shell that finds no such program."""


def keep(directory: str, command: Sequence[str]) -> int:
    """Run a server until standard input or the server ends; returns the server's exit status.

    Args:
        directory: what it keeps, removed with it.
    """
    try:
        server = subprocess.Popen(command, stdin=subprocess.DEVNULL)  # noqa: S603 - our starter's
    except OSError as error:
        print(error, file=sys.stderr)  # noqa: T201 - it is the server's log
        return CANNOT_START
    # Whoever ends this process means the server.
    signal.signal(signal.SIGTERM, lambda *_: server.terminate())
    is_unwanted = threading.Event()
    threading.Thread(target=_end_with_input, args=(server, is_unwanted), daemon=True).start()
    status = server.wait()
    if is_unwanted.is_set():
        shutil.rmtree(directory, ignore_errors=True)
    return status


def _end_with_input(server: subprocess.Popen[bytes], is_unwanted: threading.Event) -> None:
    while os.read(0, 1):
        pass
    is_unwanted.set()
    server.terminate()
    try:
        server.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        server.kill()


if __name__ == "__main__":
    sys.exit(keep(sys.argv[1], sys.argv[2:]))
