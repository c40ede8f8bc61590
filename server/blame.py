"""Whether an update is to blame for the end of a worker that was applying it.

A refused update is lost for its author, so being at work is not enough: somebody may have killed
a healthy worker, or the machine may have stood still. Applying an ordinary update takes
microseconds; one that loops or eats the memory takes long before the end comes.
"""

from __future__ import annotations

import signal
from dataclasses import dataclass
from pathlib import Path
from typing import assert_never

from server.applying_note import Suspicion

LONG = 0.25
"""Seconds of applying that are not ordinary any more."""

_OWN_FAULTS = frozenset(
    {
        signal.SIGSEGV,
        signal.SIGBUS,
        signal.SIGILL,
        signal.SIGFPE,
        signal.SIGABRT,
        signal.SIGTRAP,
        signal.SIGSYS,
    }
)
"""Signals that a process brings on itself: stack overflow, a panic that aborts, no memory."""


@dataclass(frozen=True, slots=True)
class Silent:
    """It stopped beating for so many seconds and was killed by its supervisor."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Exited:
    """It ended by itself with a status."""

    status: int


@dataclass(frozen=True, slots=True)
class Signalled:
    """A signal ended it, not sent by its supervisor.

    Attributes:
        number: of the signal.
        out_of_memory: the system has killed processes for lack of memory in its lifetime.
    """

    number: int
    out_of_memory: bool = False


WorkerDeath = Silent | Exited | Signalled


def is_to_blame(suspicion: Suspicion, death: WorkerDeath, now: float) -> bool:
    """Whether the suspects are to be refused from now on; `now` by the monotonic clock."""
    applied_for = now - suspicion.since
    match death:
        case Silent(seconds):
            return applied_for >= seconds / 2
        case Exited():
            return True  # exceptions end the applying; only the update can have ended it so
        case Signalled(number, out_of_memory):
            return number in _OWN_FAULTS or out_of_memory or applied_for >= LONG
        case _:
            assert_never(death)


def describe(death: WorkerDeath) -> str:
    """A death in a few words."""
    match death:
        case Silent(seconds):
            return f"silent for {seconds:g} s"
        case Exited(status):
            return f"exit status {status}"
        case Signalled(number, out_of_memory):
            return f"signal {number}, out of memory" if out_of_memory else f"signal {number}"
        case _:
            assert_never(death)


def death_of(exit_code: int, *, out_of_memory: bool) -> WorkerDeath:
    """Read an exit code as `subprocess` gives it: negative for a signal."""
    if exit_code >= 0:
        return Exited(exit_code)
    return Signalled(-exit_code, out_of_memory and -exit_code == signal.SIGKILL)


def kills_for_memory(vmstat: Path = Path("/proc/vmstat")) -> int:
    """How many processes the system has killed for lack of memory; 0 where it does not say."""
    try:
        content = vmstat.read_text()
    except OSError:
        return 0
    for line in content.splitlines():
        name, _, value = line.partition(" ")
        if name == "oom_kill":
            return int(value)
    return 0
