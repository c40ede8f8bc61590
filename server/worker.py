"""The process that serves: started by the supervisor, never by hand.

It inherits a listening socket, the applying note and a channel to its supervisor as file
descriptors, and the settings as environment variables. Nothing secret is on its command line.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import os
import resource
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import NoReturn

import structlog
import uvloop
from starlette.applications import Starlette
from uvicorn.importer import import_from_string

from persistence.errors import DatabaseInUse, StorageUnavailable
from server.applying_note import ApplyingNote
from server.complaints import reason_of
from server.counters import Counters
from server.graceful_server import GracefulServer, LifespanWitness, uvicorn_config
from server.inheritance import DEFAULT_WS, Inheritance
from server.limits.connections import ConnectionGuard
from server.logs import configure_logging
from server.settings import Settings
from server.tls import Certificate, UnusableCertificate
from server.worker_channel import ExitStatus, WorkerEnd

_log = structlog.get_logger(__name__)

BEAT_INTERVAL = 0.1  # seconds
OPEN_FILES = 65_536
"""Sockets and files a worker may have open, where the system lets it."""
YOUNG_OBJECTS = 10_000
"""Objects that may come into being before garbage is looked for: a megabyte or two."""
SHARE_OF_WORKER = 0.8
"""Of the time for a graceful stop; what remains is the supervisor's and the database's."""

_PR_SET_PDEATHSIG = 1  # linux/prctl.h

AppFactory = Callable[[Settings, ApplyingNote], Starlette]


def end_with(supervisor: int) -> None:
    """End when the supervisor does, even while this process is stuck (Linux).

    Elsewhere only the event loop notices, by the channel.
    """
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != supervisor:
        raise SystemExit("the supervisor ended before its worker was up")


def allow_many_files() -> None:
    """Raise the limit of open files as far as it may be: each client takes one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, OPEN_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def calm_garbage_collection() -> None:
    """Look for cyclic garbage seldom, and never again at what the start has loaded.

    Messages hardly make any, and looking for it took more of a worker's time in small rooms than
    any function of ours.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, *gc.get_threshold()[1:])


class Heartbeat:
    """Counts up in the note for as long as the event loop turns."""

    def __init__(self, note: ApplyingNote, interval: float = BEAT_INTERVAL) -> None:
        self._note = note
        self._interval = interval
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Beat now, and from now on in the running loop."""
        self._note.beat()
        self._timer = asyncio.get_running_loop().call_later(self._interval, self.start)

    def stop(self) -> None:
        """Beat no more."""
        if self._timer is not None:
            self._timer.cancel()


def counters_of(app: Starlette) -> Counters:
    """What an application counts with; counters of their own where it has none."""
    counters: Counters = getattr(app.state, "counters", None) or Counters()
    return counters


def leave() -> NoReturn:
    """End at once: without a supervisor nobody looks after the database, or after us."""
    os._exit(ExitStatus.FAILED)


class Worker:
    """One application on one listening socket, watched by a supervisor."""

    def __init__(
        self,
        settings: Settings,
        note: ApplyingNote,
        channel: WorkerEnd,
        *,
        app: AppFactory,
        ws: type[asyncio.Protocol] | str = DEFAULT_WS,
        leave: Callable[[], object] = leave,
    ) -> None:
        self._app = app(settings, note)
        self._witness = LifespanWitness(self._app)
        self._channel = channel
        self._heartbeat = Heartbeat(note)
        self._leave = leave
        self._certificate = Certificate.of(settings)
        self._server = GracefulServer(
            uvicorn_config(settings, self._witness, ws, self._certificate),
            stop_seconds=settings.shutdown_seconds * SHARE_OF_WORKER,
            on_ready=self._on_ready,
            guard=ConnectionGuard.of(settings, counters_of(self._app)),
        )

    def stop(self) -> None:
        """Begin a graceful stop, as SIGTERM does."""
        self._server.stop()

    async def serve(self, listener: socket.socket) -> ExitStatus:
        """Serve until told to stop, or the supervisor is gone. Takes over the socket.

        Raises:
            Exception: whatever kept the application from starting.
        """
        loop = asyncio.get_running_loop()
        loop.add_reader(self._channel.fileno(), self._on_channel)
        renewing = (
            None if self._certificate is None else loop.create_task(self._certificate.watch())
        )
        try:
            await self._server.serve(sockets=[listener])
        except SystemExit:  # uvicorn's answer to an application that does not start
            raise self._witness.fault or RuntimeError("the application did not start") from None
        finally:
            if renewing is not None:
                renewing.cancel()
            self._heartbeat.stop()
            loop.remove_reader(self._channel.fileno())
        return ExitStatus.STOPPED if self._server.is_clean else ExitStatus.FAILED

    def _on_ready(self) -> None:
        calm_garbage_collection()
        self._heartbeat.start()
        self._channel.say_ready(getattr(self._app.state, "ready_lines", ()))

    def _on_channel(self) -> None:
        if self._channel.is_supervisor_gone():
            self._leave()


def status_of(fault: BaseException) -> ExitStatus:
    """What a fault at the start means for whoever might try again."""
    match fault:
        case DatabaseInUse():
            return ExitStatus.DATABASE_IN_USE
        case StorageUnavailable() | UnusableCertificate() | OSError():
            return ExitStatus.FAILED
        case _:
            return ExitStatus.CANNOT_START


def run(inheritance: Inheritance, settings: Settings) -> ExitStatus:
    """Be the worker: returns when it has ended, with what its exit status is to be."""
    with ExitStack() as stack:
        channel = stack.enter_context(socket.socket(fileno=inheritance.channel))
        listener = stack.enter_context(socket.socket(fileno=inheritance.listener))
        supervisor = WorkerEnd(channel)
        note = ApplyingNote(inheritance.note)
        try:
            worker = Worker(
                settings,
                note,
                supervisor,
                app=import_from_string(inheritance.app),
                ws=inheritance.ws,
            )
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                return runner.run(worker.serve(listener))
        except Exception as fault:  # noqa: BLE001 - whatever it is, the supervisor must know
            status = status_of(fault)
            if status is not ExitStatus.DATABASE_IN_USE:  # the supervisor says who uses it
                _log.error("worker_failed", exc_info=status is ExitStatus.CANNOT_START)
            supervisor.say_failed(reason_of(fault))
            return status


def main(arguments: Sequence[str]) -> int:
    """Entry of the process; returns its exit status."""
    inheritance = Inheritance.from_argument(arguments[0])
    end_with(inheritance.supervisor)
    settings = Settings()
    configure_logging(settings)
    allow_many_files()
    return run(inheritance, settings)
