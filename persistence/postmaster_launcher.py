"""Turns itself into a postmaster that ends when its supervisor does.

Run as a script, with the standard library only: `python -I -S postmaster_launcher.py UID GID
PARENT postgres ARGUMENTS…`. It is a program of its own and not a `preexec_fn` because running
Python between fork and exec is unsafe (and warned about) in a parent that has threads. It replaces
itself, so that the supervisor's child is the postmaster.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def become_postmaster(uid: int, gid: int, parent: int, command: list[str]) -> None:
    """Switch the user, ask for SIGINT (PostgreSQL's fast shutdown) at the parent's death, exec.

    Args:
        uid, gid: whom to become; -1 to stay who we are.
        parent: process id of the supervisor.
        command: path of `postgres` and its arguments.
    """
    if uid >= 0:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    os.umask(0o077)
    if sys.platform == "linux":
        # After the switch: the kernel forgets the wish when the user changes (prctl(2)).
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGINT, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent:
        raise SystemExit("the supervisor ended before PostgreSQL was started")
    os.execv(command[0], command)  # noqa: S606 - no shell is wanted; the command is ours


if __name__ == "__main__":
    become_postmaster(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:])
