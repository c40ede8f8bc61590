"""A server that is started here, in processes of its own, and stopped again."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil

from loadtest import processes
from loadtest.targets.target import CannotRun

START_SECONDS = 60.0
STOP_SECONDS = 30.0
LOG_SHOWN = 2000


class Child:
    """One such server, with a directory that is thrown away.

    It has a session of its own: Ctrl-C at the terminal ends the run, not the server under it.

    Attributes:
        directory: for whatever it keeps.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._temporary = TemporaryDirectory(prefix="collab-loadtest-")
        self.directory = Path(self._temporary.name)
        self._process: subprocess.Popen[bytes] | None = None

    def start(
        self,
        command: Sequence[str],
        is_ready: Callable[[], bool],
        *,
        environment: Mapping[str, str],
        place: Path | None = None,
    ) -> None:
        """Start it, and wait until it is ready.

        Raises:
            CannotRun: it ended, or was not ready in time.
        """
        processes.allow_many_files()
        try:
            with self._log_file.open("ab") as log:
                self._process = subprocess.Popen(  # noqa: S603 - our own command
                    command,
                    cwd=place,
                    env=dict(environment),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
        except OSError as error:
            raise CannotRun(f"{self._name} could not be started: {error}") from error
        self._wait(is_ready)

    def _wait(self, is_ready: Callable[[], bool]) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not is_ready():
            if not self.is_running:
                raise CannotRun(f"{self._name} ended at once; its log:\n{self.log()}")
            if time.monotonic() > deadline:
                raise CannotRun(f"{self._name} was not ready in time; its log:\n{self.log()}")
            time.sleep(0.05)

    @property
    def is_running(self) -> bool:
        """Whether what was started has not ended."""
        return self._process is not None and self._process.poll() is None

    def processes(self) -> list[psutil.Process]:
        """What was started, then all below it."""
        return processes.below(self._process.pid) if self._process is not None else []

    def log(self) -> str:
        """The end of what it has printed."""
        text = self._log_file.read_text(errors="replace") if self._log_file.exists() else ""
        return text[-LOG_SHOWN:]

    @property
    def _log_file(self) -> Path:
        return self.directory / "log"

    def stop(self) -> None:
        """Ask it to end, wait, and remove what it kept. Nothing of it outlives this."""
        leftovers = self.processes()
        if self._process is not None:
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):  # it is killed below
                self._process.wait(STOP_SECONDS)
        for each in leftovers:
            with contextlib.suppress(psutil.NoSuchProcess):
                each.kill()
        psutil.wait_procs(leftovers, timeout=STOP_SECONDS)
        self._process = None
        self._temporary.cleanup()


def answers(port: int) -> bool:
    """Whether somebody listens there."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.5):
        return True
    return False


def plain_environment() -> dict[str, str]:
    """This process's environment, without settings of this server that are meant for another."""
    return {key: value for key, value in os.environ.items() if not key.startswith("COLLAB_")}
