"""A database that hangs."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import psutil

from tests.helpers.server_process import ServerProcess


@contextlib.contextmanager
def database_stopped(server: ServerProcess) -> Iterator[None]:
    """Stop the embedded database where it stands, as a machine that hangs does."""
    postmaster = server.postmaster()
    stopped = [postmaster]
    postmaster.suspend()
    for child in postmaster.children(recursive=True):
        child.suspend()
        stopped.append(child)
    try:
        yield
    finally:
        for process in stopped:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.resume()
