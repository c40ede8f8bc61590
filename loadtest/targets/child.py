"""A server that is started here, in processes of its own, and stopped again."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Self

import psutil

from loadtest import processes
from loadtest.targets import lifeline
from loadtest.targets.target import CannotRun

START_SECONDS = 60.0
STOP_SECONDS = 30.0
LOG_SHOWN = 2000


class Child:
    """One such server, with a directory that is thrown away: entering the context starts it and
    waits until it is ready, leaving stops it.

    It has a session of its own: Ctrl-C at the terminal ends the run, not the server under it. It
    ends with this process, however that ends (`loadtest.targets.lifeline`).

    Args:
        name: that people are told.
        command: of the directory.
        is_ready: whether it serves; asked again and again.
        environment: all of it.
        place: its working directory.
    """

    def __init__(
        self,
        name: str,
        command: Callable[[Path], Sequence[str]],
        is_ready: Callable[[], bool],
        *,
        environment: Mapping[str, str],
        place: Path | None = None,
    ) -> None:
        self._name = name
        self._command = command
        self._is_ready = is_ready
        self._environment = environment
        self._place = place
        self._stack = ExitStack()
        self._log_file = Path()
        self._lifeline: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        """
        Raises:
            CannotRun: it ended, or was not ready in time.
        """
        processes.allow_many_files()
        with ExitStack() as stack:
            temporary = TemporaryDirectory(prefix="collab-loadtest-")
            self._start(Path(stack.enter_context(temporary)))
            stack.callback(self._stop)
            self._wait()
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is not None:
            error.add_note(f"the server's log ends with:\n{self._log()}")
        self._stack.close()

    def _start(self, directory: Path) -> None:
        self._log_file = directory / "log"
        line = [sys.executable, "-I", "-S", lifeline.__file__, str(directory)]
        with self._log_file.open("ab") as log:
            self._lifeline = subprocess.Popen(  # noqa: S603 - our own command
                [*line, *self._command(directory)],
                cwd=self._place,
                env=dict(self._environment),
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _wait(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not self._is_ready():
            if not self.is_running:
                raise CannotRun(f"{self._name} ended at once; its log:\n{self._log()}")
            if time.monotonic() > deadline:
                raise CannotRun(f"{self._name} was not ready in time; its log:\n{self._log()}")
            time.sleep(0.05)

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self._lifeline is not None and self._lifeline.poll() is None

    def processes(self) -> list[psutil.Process]:
        """The server, then all below it."""
        return processes.below(self._lifeline.pid)[1:] if self._lifeline is not None else []

    def _log(self) -> str:
        """The end of what it has printed."""
        return self._log_file.read_text(errors="replace")[-LOG_SHOWN:]

    def _stop(self) -> None:
        """Let go of it, and wait. Nothing of it outlives this."""
        leftovers = self.processes()
        if self._lifeline is not None and self._lifeline.stdin is not None:
            self._lifeline.stdin.close()
            with contextlib.suppress(subprocess.TimeoutExpired):  # it is killed below
                self._lifeline.wait(STOP_SECONDS)
        for each in leftovers:
            with contextlib.suppress(psutil.NoSuchProcess):
                each.kill()
        psutil.wait_procs(leftovers, timeout=STOP_SECONDS)
        self._lifeline = None


def answers(port: int) -> bool:
    """Whether somebody listens there."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.5):
        return True
    return False


def plain_environment() -> dict[str, str]:
    """This process's environment, without settings of this server that are meant for another."""
    return {key: value for key, value in os.environ.items() if not key.startswith("COLLAB_")}
