"""Which PostgreSQL processes work on a data directory: `postmaster.pid` and the process table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil  # type: ignore[import-untyped]  # it ships no types, and we have no stubs


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
    return process if _works_in(process, cluster) else None


def cluster_processes(cluster: Path) -> Sequence[psutil.Process]:
    """All PostgreSQL processes whose working directory is this one, backends included."""
    return [process for process in psutil.process_iter() if _works_in(process, cluster)]


def end_processes(processes: Iterable[psutil.Process], *, patience: float) -> None:
    """Wait for processes to end by themselves; kill those that don't.

    Args:
        processes: backends without a postmaster: they notice, and end as soon as they can.
        patience: seconds to wait before killing.
    """
    _, alive = psutil.wait_procs(list(processes), timeout=patience)
    for process in alive:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(alive, timeout=patience)


def _works_in(process: psutil.Process, cluster: Path) -> bool:
    """A postmaster and all its children change into the data directory, and stay there."""
    try:
        return bool(
            process.name() == "postgres"
            and process.status() != psutil.STATUS_ZOMBIE
            and process.cwd() == str(cluster)
        )
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return False
