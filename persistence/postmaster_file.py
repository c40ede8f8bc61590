"""Which PostgreSQL processes work on a data directory: `postmaster.pid` and the process table."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil


@dataclass(frozen=True, slots=True)
class PostmasterFile:
    """What a postmaster writes about itself (PostgreSQL, `utils/pidfile.h`).

    Attributes:
        pid: of the postmaster that wrote it; it may be long gone, and the number somebody else's.
        socket_dir: where its socket is; None while it has none.
        status: `starting`, `ready`, `stopping`, `standby`; empty before the first is written.
    """

    pid: int
    socket_dir: str | None
    status: str


def read_postmaster_file(cluster: Path) -> PostmasterFile | None:
    """The directory's `postmaster.pid`, or None when there is none (or a half-written one)."""
    try:
        lines = (cluster / "postmaster.pid").read_text().splitlines()
        pid = abs(int(lines[0]))  # negative in single-user mode
    except (FileNotFoundError, IndexError, ValueError):
        return None
    lines += [""] * (8 - len(lines))
    return PostmasterFile(pid, lines[4].strip() or None, lines[7].strip())


def running_postmaster(cluster: Path, found: PostmasterFile | None) -> psutil.Process | None:
    """The process that a `postmaster.pid` speaks of, if it is a PostgreSQL in this directory."""
    if found is None:
        return None
    try:
        process = psutil.Process(found.pid)
    except psutil.NoSuchProcess:
        return None
    return process if works_in(process, cluster) else None


def cluster_processes(cluster: Path) -> Sequence[psutil.Process]:
    """All PostgreSQL processes whose working directory is this one, backends included."""
    return [process for process in psutil.process_iter() if works_in(process, cluster)]


def await_end(processes: Iterable[psutil.Process], cluster: Path, *, patience: float) -> bool:
    """Wait until processes have ended (also those that their parent has not collected yet).

    Args:
        processes: PostgreSQL's, in the cluster's directory.
        patience: seconds.

    Returns:
        Whether all have ended.
    """
    deadline = time.monotonic() + patience
    alive = list(processes)
    while alive := [process for process in alive if works_in(process, cluster)]:
        if time.monotonic() >= deadline:
            return False
        time.sleep(0.01)
    return True


def end_leftovers(cluster: Path, *, patience: float) -> None:
    """Wait for backends without a postmaster, which end when they notice; kill those that don't.

    Args:
        patience: seconds before killing. What a backend has not committed by then is undone, as
            after any crash.
    """
    leftovers = cluster_processes(cluster)
    if await_end(leftovers, cluster, patience=patience):
        return
    for process in leftovers:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    await_end(leftovers, cluster, patience=patience)


def works_in(process: psutil.Process, cluster: Path) -> bool:
    """Whether a process lives and is a PostgreSQL of this cluster.

    A postmaster and all its children change into the data directory, and stay there.
    """
    try:
        return bool(
            process.name() == "postgres"
            and process.status() != psutil.STATUS_ZOMBIE
            and process.cwd() == str(cluster)
        )
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return False
