"""What happens between fork and exec of the postmaster, in the order in which it must."""

from __future__ import annotations

import ctypes
import os
import signal
import sys

import pytest

from persistence.postmaster_launcher import become_postmaster

COMMAND = ["/bin/postgres", "-D", "somewhere"]


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[tuple[object, ...]]:
    """The system calls it would make, written down instead."""
    made: list[tuple[object, ...]] = []

    class Library:
        def __init__(self, name: None, *, use_errno: bool) -> None:
            assert (name, use_errno) == (None, True)

        def prctl(self, *arguments: int) -> int:
            made.append(("prctl", *arguments[:2]))
            return 0

    for name in ("setgroups", "setgid", "setuid", "umask", "execv"):
        monkeypatch.setattr(os, name, lambda *args, name=name: made.append((name, *args)))
    monkeypatch.setattr(ctypes, "CDLL", Library)
    monkeypatch.setattr(sys, "platform", "linux")
    return made


def test_the_wish_to_end_with_the_parent_follows_the_change_of_user(
    steps: list[tuple[object, ...]],
) -> None:
    """EPG-3: the kernel forgets it when the user changes."""
    become_postmaster(1001, 1002, os.getppid(), COMMAND)
    assert steps == [
        ("setgroups", []),
        ("setgid", 1002),
        ("setuid", 1001),
        ("umask", 0o077),
        ("prctl", 1, signal.SIGINT),
        ("execv", COMMAND[0], COMMAND),
    ]


def test_an_ordinary_user_stays_who_they_are(steps: list[tuple[object, ...]]) -> None:
    become_postmaster(-1, -1, os.getppid(), COMMAND)
    assert [step[0] for step in steps] == ["umask", "prctl", "execv"]


def test_nothing_is_started_for_a_supervisor_that_is_gone(steps: list[tuple[object, ...]]) -> None:
    """EPG-3: it may end before the wish is made."""
    with pytest.raises(SystemExit, match="supervisor ended"):
        become_postmaster(-1, -1, 1 if os.getppid() != 1 else 2, COMMAND)
    assert "execv" not in [step[0] for step in steps]


def test_a_kernel_that_refuses_is_an_error(
    steps: list[tuple[object, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Refusing:
        def __init__(self, *_: object, **__: object) -> None:
            pass

        def prctl(self, *_: int) -> int:
            return -1

    monkeypatch.setattr(ctypes, "CDLL", Refusing)
    with pytest.raises(OSError, match="PDEATHSIG"):
        become_postmaster(-1, -1, os.getppid(), COMMAND)
    assert "execv" not in [step[0] for step in steps]


def test_elsewhere_than_on_linux_there_is_no_such_wish(
    steps: list[tuple[object, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    become_postmaster(-1, -1, os.getppid(), COMMAND)
    assert [step[0] for step in steps] == ["umask", "execv"]
