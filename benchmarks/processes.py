"""CPU time and memory of processes, as the kernel counts them."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from loadtest.processes import busy_seconds, cpu_seconds

SERVER_CORE = 0
GENERATOR_CORE = 1


def pin(pid: int, core: int) -> None:
    """Keep a process with all its threads on one core, where the system can do that."""
    if not hasattr(os, "sched_setaffinity") or (os.cpu_count() or 1) <= core:
        return
    tasks = Path(f"/proc/{pid}/task")
    threads = [int(each.name) for each in tasks.iterdir()] if tasks.exists() else [pid]
    for thread in threads:
        with contextlib.suppress(OSError):  # it has just ended
            os.sched_setaffinity(thread, {core})


def unpin() -> None:
    """Let this process run anywhere again."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, range(os.cpu_count() or 1))


def resident(pid: int) -> int:
    """Bytes of memory that a process has to itself."""
    size: int = psutil.Process(pid).memory_full_info().uss
    return size


def peak_resident(pid: int) -> int:
    """The most bytes a process has had resident at once; 0 where the system does not say."""
    status = Path(f"/proc/{pid}/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return 0


@dataclass(frozen=True, slots=True)
class CpuUse:
    """CPU seconds between two moments.

    Attributes:
        server: of the process that serves the sockets.
        beside: of the server's other processes: its database, its supervisor.
        generator: of this process.
        other: of everybody else on the machine: near zero, or the numbers are worth less.
    """

    server: float
    beside: float
    generator: float
    other: float


class CpuMeter:
    """Reads how much CPU time has been used since it was made."""

    def __init__(self, server: int, beside: Sequence[int] = ()) -> None:
        self._server = (server,)
        self._beside = tuple(beside)
        self._start = self._read()

    def _read(self) -> tuple[float, float, float, float]:
        return (
            cpu_seconds(self._server),
            cpu_seconds(self._beside),
            cpu_seconds((os.getpid(),)),
            busy_seconds(),
        )

    def use(self) -> CpuUse:
        """The CPU time used until now."""
        server, beside, generator, busy = (
            now - then for now, then in zip(self._read(), self._start, strict=True)
        )
        other = max(busy - server - beside - generator, 0.0)
        return CpuUse(server, beside, generator, other)
