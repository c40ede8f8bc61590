"""`collab serve`: the process around the worker.

It holds the port and runs the database, so that a worker can die without taking either along.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import assert_never

from persistence import migrations
from persistence.embedded_postgres import EmbeddedPostgres
from persistence.errors import (
    DatabaseInUse,
    DatabaseTooNew,
    DatabaseUnusable,
    EmbeddedPostgresError,
    StorageUnavailable,
)
from server.complaints import complaint
from server.data_directory import UnusableDataDirectory, prepare_data_directory
from server.inheritance import DEFAULT_APP, DEFAULT_WS
from server.listener import CannotListen, address_of, open_listener, port_of
from server.logs import configure_logging
from server.poison_list import PoisonList
from server.settings import Settings
from server.stop_signals import StopRequested, StopSignals
from server.supervision import (
    Ended,
    Pausing,
    Serving,
    Starting,
    Stopping,
    Supervisor,
    WatchedDatabase,
    Worker,
)
from server.worker_channel import ExitStatus
from server.worker_process import WorkerProcess

POISON_FILE = "refused-updates.jsonl"

TICK = 0.1  # seconds between looks at worker and database
ONE_WISH = 0.5
"""Seconds in which several signals are one wish: a terminal and a shell may both send one."""

_HOPELESS = (CannotListen, DatabaseTooNew, DatabaseUnusable, UnusableDataDirectory)
"""Faults that every attempt would meet."""


def watch(
    supervisor: Supervisor,
    signals: StopSignals,
    listener: socket.socket,
    clock: Callable[[], float] = time.monotonic,
) -> ExitStatus:
    """Tick until it is over. A first signal stops, a second one hurries."""
    signals.are_awaited = True
    stopped_at: float | None = None
    seen = 0
    while True:
        now = clock()
        if signals.received > seen:
            seen = signals.received
            if stopped_at is None:
                stopped_at = now
                listener.close()  # with the worker's copy the port is closed
                supervisor.stop(now)
            elif now - stopped_at > ONE_WISH:
                supervisor.hurry(now)
        state = supervisor.tick(now)
        match state:
            case Starting(worker) | Serving(worker) | Stopping(worker):
                signals.wait(worker.channel, TICK)
            case Pausing():
                signals.wait(None, TICK)
            case Ended(status):
                return status
            case _:
                assert_never(state)


@dataclass(frozen=True, slots=True)
class Database:
    """A database that is ready for use.

    Attributes:
        url: postgresql://… with the password in it.
        watched: what has to be looked after; None for somebody else's database.
    """

    url: str
    watched: WatchedDatabase | None = None


OpenDatabase = Callable[[Settings, ExitStack], Database]


def open_database(settings: Settings, stack: ExitStack) -> Database:
    """Start the embedded PostgreSQL unless another is named; bring its tables up to date.

    Raises:
        DatabaseInUse, DatabaseTooNew, DatabaseUnusable, EmbeddedPostgresError,
            StorageUnavailable: see there.
    """
    if settings.database_url is not None:
        database = Database(settings.database_url)
    else:
        embedded = EmbeddedPostgres(settings.data_dir)
        stack.callback(embedded.stop)
        database = Database(embedded.start(), embedded)
    asyncio.run(migrations.migrate(database.url))
    return database


def serve(
    settings: Settings,
    *,
    app: str = DEFAULT_APP,
    ws: str = DEFAULT_WS,
    open_database: OpenDatabase = open_database,
) -> int:
    """Run the server until a signal ends it; returns the exit status (`ExitStatus`).

    Args:
        settings: everything that can be configured.
        app: `module:function` that makes the application from settings and applying note.
        ws: WebSocket protocol, as uvicorn names it, or `module:class`.
        open_database: prepares the database; what it puts on the stack is undone at the end.
    """
    configure_logging(settings)
    try:
        with StopSignals().caught() as signals, ExitStack() as stack:
            return _serve(settings, signals, stack, open_database, app=app, ws=ws)
    except StopRequested:
        return ExitStatus.STOPPED
    except (*_HOPELESS, DatabaseInUse, EmbeddedPostgresError, StorageUnavailable, OSError) as error:
        _complain(complaint(error, settings))
        return _status_of(error)


def _status_of(fault: Exception) -> ExitStatus:
    if isinstance(fault, DatabaseInUse):
        return ExitStatus.DATABASE_IN_USE
    return ExitStatus.CANNOT_START if isinstance(fault, _HOPELESS) else ExitStatus.FAILED


def _serve(
    settings: Settings,
    signals: StopSignals,
    stack: ExitStack,
    open_database: OpenDatabase,
    *,
    app: str,
    ws: str,
) -> ExitStatus:
    prepare_data_directory(settings.data_dir)
    listener = stack.enter_context(open_listener(settings.host, settings.port))
    address = address_of(listener, "https" if settings.uses_tls else "http")
    database = open_database(settings, stack)
    of_worker = settings.model_copy(
        update={"port": port_of(listener), "database_url": database.url}
    )

    def start_worker(poison_list: bytes) -> Worker:
        # The environment is passed on, not read: whoever starts us may have set PATH or a locale.
        return WorkerProcess(of_worker, listener, poison_list, os.environ, app=app, ws=ws)

    supervisor = Supervisor(
        start_worker,
        PoisonList(settings.data_dir / POISON_FILE),
        settings,
        address=address,
        announce=_announce,
        complain=_complain,
        database=database.watched,
    )
    return watch(supervisor, signals, listener)


def _announce(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - what a person is told goes to standard output


def _complain(line: str) -> None:
    print(f"collab: {line}", file=sys.stderr, flush=True)  # noqa: T201 - as command line tools do
