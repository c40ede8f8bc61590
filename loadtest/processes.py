"""Processes of this machine: cores, open files, CPU time and memory as the kernel counts them."""

from __future__ import annotations

import contextlib
import os
import random
import resource
import socket
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import NamedTuple

import psutil

OPEN_FILES = 65_536


def usable_cores() -> list[int]:
    """The cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def generator_cores(cores: Sequence[int]) -> list[int]:
    """Those of them that the server, which has the first, does not have; empty: there is one."""
    return list(cores[1:])


def pin(pid: int, cores: Collection[int]) -> None:
    """Keep a process with all its threads on some cores, where the system can do that."""
    if not cores or not hasattr(os, "sched_setaffinity"):
        return
    tasks = Path(f"/proc/{pid}/task")
    with contextlib.suppress(OSError):  # it has just ended
        for thread in [int(each.name) for each in tasks.iterdir()] if tasks.exists() else [pid]:
            os.sched_setaffinity(thread, cores)


def allow_many_files() -> None:
    """Thousands of connections take as many descriptors, here and in the servers started here."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, OPEN_FILES)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))


class Memory(NamedTuple):
    """Bytes that processes have in memory.

    Attributes:
        whole: with the programs and libraries that they run. It is what servers are compared by:
            a compiled one has its code there, one in Python among what is its own.
        own: without what comes from files or is shared. It is what people cost, and what leaks.
    """

    whole: int
    own: int


def cpu_seconds(pids: Sequence[int]) -> float:
    """CPU time, user and system, that these processes have used."""
    total = 0.0
    for pid in pids:
        with contextlib.suppress(psutil.Error):  # it has ended, and counts no more
            times = psutil.Process(pid).cpu_times()
            total += times.user + times.system
    return total


def resident(pids: Sequence[int]) -> Memory:
    """What these processes have in memory.

    What the kernel keeps count of: adding up the pages one by one would stop a large process.
    """
    whole = own = 0
    for pid in pids:
        with contextlib.suppress(psutil.Error):  # as above
            memory = psutil.Process(pid).memory_info()
            whole += memory.rss
            own += memory.rss - getattr(memory, "shared", 0)
    return Memory(whole, own)


def is_there(pid: int) -> bool:
    """Whether there is a process of this number."""
    return psutil.pid_exists(pid)


def below(pid: int) -> list[psutil.Process]:
    """A process and all below it; empty when it is gone."""
    with contextlib.suppress(psutil.NoSuchProcess):
        top = psutil.Process(pid)
        return [top, *top.children(recursive=True)]
    return []


def busy_seconds() -> float:
    """CPU time that all processes of this machine have used."""
    times = psutil.cpu_times()
    idle: float = times.idle + getattr(times, "iowait", 0.0)
    # Guests are counted under user, too.
    guests: float = getattr(times, "guest", 0.0) + getattr(times, "guest_nice", 0.0)
    return float(sum(times)) - idle - guests


def free_port() -> int:
    """A port nobody listens on now.

    Below those that systems give to outgoing connections: a client that comes back while the
    server is away must not be given its port.
    """
    while True:
        port = random.randrange(15_000, 30_000)  # noqa: S311 - no secret
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
