"""Servers to be measured, each in processes of its own."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Protocol, Self
from uuid import uuid4

from benchmarks import processes
from benchmarks.dialects import Dialect
from benchmarks.processes import CpuMeter
from benchmarks.swarm import Seat
from loadtest.processes import allow_many_files
from loadtest.targets.child import answers
from loadtest.targets.peers import NODE, install
from tests.helpers.server_process import LiveSession, ServerProcess, free_port

START_SECONDS = 20.0


class Target(Protocol):
    """A running server; leaving the context stops it."""

    name: str

    def __enter__(self) -> Self:
        """Start it, pinned to its core, and pin this process to another."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop it."""

    @property
    def pid(self) -> int:
        """The process that serves the sockets."""

    def meter(self) -> CpuMeter:
        """Begin to count CPU time."""

    def seats(
        self, rooms: int, people: int, *, first: int = 0, with_receipts: bool = False
    ) -> list[Seat]:
        """Places in new rooms, so many in each; numbered from `first`."""


class Collab:
    """This server, as `collab serve` runs it, in a directory that is thrown away."""

    name = "this server"

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        """
        Args:
            environment: further settings, as `COLLAB_…` variables.
        """
        self._directory = TemporaryDirectory(prefix="collab-bench-")
        quiet = {"COLLAB_LOG_LEVEL": "warning", **(environment or {})}
        self.server = ServerProcess(Path(self._directory.name) / "data", environment=quiet)
        self.sessions: list[LiveSession] = []
        self._pid = 0

    def __enter__(self) -> Self:
        allow_many_files()
        try:
            self.server.start()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        self._pid = self.server.worker().pid
        processes.pin(self._pid, processes.SERVER_CORE)
        processes.pin(os.getpid(), processes.GENERATOR_CORE)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        processes.unpin()
        if error is not None:
            error.add_note(f"the server's log ends with:\n{self.server.log()[-2000:]}")
        try:
            self.server.stop()
        finally:
            self._directory.cleanup()

    @property
    def pid(self) -> int:
        """The worker."""
        return self._pid

    def meter(self) -> CpuMeter:
        """The worker's CPU time; database and supervisor are counted beside it."""
        beside = [each.pid for each in self.server.processes() if each.pid != self._pid]
        return CpuMeter(self._pid, beside)

    def seats(
        self, rooms: int, people: int, *, first: int = 0, with_receipts: bool = False
    ) -> list[Seat]:
        """Places in new sessions. Everybody is a user with a token of its own."""
        self.sessions = asyncio.run(self.server.create_sessions(rooms))
        return self.seats_in(self.sessions, people, first=first, with_receipts=with_receipts)

    def seats_in(
        self,
        sessions: list[LiveSession],
        people: int,
        *,
        first: int = 0,
        with_receipts: bool = False,
    ) -> list[Seat]:
        """Further places in sessions that are there."""
        seats = []
        for number in range(people * len(sessions)):
            room = number % len(sessions)
            token = sessions[room].invite().token
            path = f"/api/ocw/sessions/{sessions[room].id}/ws?token={token}"
            if with_receipts:
                path += "&ack=1"
            seats.append(Seat(first + number, room, self.server.port, path, Dialect()))
        return seats


class PinnedProcess:
    """A server in a process of its own, on the server's core; this process is put on another.

    Args:
        port: where it listens when it is ready.
        place: its working directory.
    """

    def __init__(
        self,
        command: Sequence[str],
        port: int,
        *,
        place: Path | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._command = command
        self._port = port
        self._place = place
        self._environment = environment
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Of the process."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start it and wait until somebody listens.

        Raises:
            TimeoutError: nobody does, for too long; it has been ended.
        """
        allow_many_files()
        null = subprocess.DEVNULL
        self._process = subprocess.Popen(
            self._command,
            cwd=self._place,
            env=self._environment,
            stdin=null,
            stdout=null,
            stderr=null,
        )
        try:
            wait_for_port(self._port)
        except BaseException:
            self.kill()
            raise
        processes.pin(self.pid, processes.SERVER_CORE)
        processes.pin(os.getpid(), processes.GENERATOR_CORE)

    def kill(self) -> None:
        """End it, and let this process run where it likes."""
        processes.unpin()
        if self._process is not None:
            self._process.kill()
            self._process.wait()


class Peer:
    """Another server, in Node, from `loadtest/targets/node`."""

    def __init__(self, name: str, directory: str, *, is_hocuspocus: bool) -> None:
        self.name = name
        self._directory = NODE / directory
        self._is_hocuspocus = is_hocuspocus
        self._port = 0
        self._process: PinnedProcess | None = None

    def __enter__(self) -> Self:
        install(self._directory)
        self._port = free_port()
        self._process = PinnedProcess(
            ["node", "server.mjs"],
            self._port,
            place=self._directory,
            environment={**os.environ, "PORT": str(self._port), "NODE_ENV": "production"},
        )
        self._process.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._process is not None:
            self._process.kill()

    @property
    def pid(self) -> int:
        """The Node process."""
        assert self._process is not None
        return self._process.pid

    def meter(self) -> CpuMeter:
        """The Node process's CPU time."""
        return CpuMeter(self.pid)

    def seats(
        self,
        rooms: int,
        people: int,
        *,
        first: int = 0,
        with_receipts: bool = False,
    ) -> list[Seat]:
        """Places in new rooms."""
        names = [f"room-{uuid4()}" for _ in range(rooms)]
        seats = []
        for number in range(rooms * people):
            name = names[number % rooms]
            dialect = Dialect.of_hocuspocus(name) if self._is_hocuspocus else Dialect()
            seats.append(Seat(first + number, number % rooms, self._port, f"/{name}", dialect))
        return seats


def peers() -> list[Peer]:
    """The other servers, when they can be run here; empty without Node and npm."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        return []
    return [
        Peer("y-websocket-server", "y-websocket-server", is_hocuspocus=False),
        Peer("hocuspocus", "hocuspocus", is_hocuspocus=True),
    ]


def wait_for_port(port: int) -> None:
    """Return when somebody listens there.

    Raises:
        TimeoutError: nobody does, for too long.
    """
    deadline = time.monotonic() + START_SECONDS
    while not answers(port):
        if time.monotonic() > deadline:
            raise TimeoutError(f"the server does not answer after {START_SECONDS} s")
        time.sleep(0.05)
