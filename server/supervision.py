"""Keeping one worker serving: what to do when it starts, beats, stops beating, dies.

A machine with states that is told the time and moved by `tick`; it reads no clock, waits for
nothing and knows no process, only the `Worker` that it is handed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol, assert_never

import structlog

from persistence.errors import EmbeddedPostgresError
from server.applying_note import NoteUnreadable, Suspicion
from server.blame import Exited, Silent, WorkerDeath, describe, is_to_blame
from server.clock import Clock, utc_now
from server.poison_list import Poison, PoisonList, ranges_of
from server.restarts import Restarts
from server.settings import Settings
from server.worker_channel import ExitStatus, Failed, Message, Ready, SupervisorEnd

_log = structlog.get_logger(__name__)

ASLEEP = 1.0
"""Seconds between two looks that mean that this process itself did not run: stopped, swapped out,
or the machine was suspended. The worker did not run either, and gets a fresh period."""
START_SECONDS = 60.0
"""Seconds until a new worker must serve."""
IN_USE_RETRY = 0.5
IN_USE_PATIENCE = 15.0
"""Seconds for the last worker's connections to leave the database. Only if there was one: a first
worker that finds the database in use has waited for a while itself."""
DATABASE_LOOK = 0.5  # seconds between looks at the embedded database


class Worker(Protocol):
    """What the supervisor needs of a worker; `WorkerProcess` is it."""

    @property
    def pid(self) -> int:
        """Its process id."""

    @property
    def channel(self) -> SupervisorEnd:
        """To wait for what it says."""

    def heard(self) -> list[Message]:
        """What it has said since the last call."""

    def beats(self) -> int:
        """How often its heart has beaten."""

    def allowance(self) -> float:
        """For how many seconds it may be silent, where that is longer than usual."""

    def death(self) -> WorkerDeath | None:
        """How it ended, or None while it runs."""

    def suspicion(self) -> Suspicion | None:
        """What it was applying when it ended."""

    def stop(self) -> None:
        """Ask for a graceful stop."""

    def kill(self) -> None:
        """End it at once."""

    def close(self) -> None:
        """Let go of what belongs to it."""


class WatchedDatabase(Protocol):
    """The part of `EmbeddedPostgres` that has to be called again and again."""

    def poll_and_restart(self) -> bool:
        """Start it again if it has died."""


@dataclass(frozen=True, slots=True)
class Starting:
    """A worker is on its way."""

    worker: Worker
    since: float


@dataclass(frozen=True, slots=True)
class Serving:
    """A worker serves.

    Attributes:
        since: when it began to.
        beats: the count last seen.
        beaten_at: when that was seen first.
    """

    worker: Worker
    since: float
    beats: int
    beaten_at: float


@dataclass(frozen=True, slots=True)
class Pausing:
    """No worker, until the next one is started."""

    until: float


@dataclass(frozen=True, slots=True)
class Stopping:
    """A worker was asked to end."""

    worker: Worker
    until: float


@dataclass(frozen=True, slots=True)
class Ended:
    """It is over."""

    status: ExitStatus


State = Starting | Serving | Pausing | Stopping | Ended


class Supervisor:
    """Keeps one worker serving. A machine with states; `tick` moves it, time is an argument.

    Args:
        start_worker: starts a worker that is told of this poison list.
        poison: updates that stopped workers.
        settings: heartbeat_timeout and shutdown_seconds are read.
        database: the embedded PostgreSQL, if that is used.
        announce: prints a line for the person who started the server.
        complain: prints why the server ends.
        wall_clock: the time of day.
    """

    def __init__(
        self,
        start_worker: Callable[[bytes], Worker],
        poison: PoisonList,
        settings: Settings,
        *,
        address: str,
        announce: Callable[[str], None],
        complain: Callable[[str], None],
        database: WatchedDatabase | None = None,
        wall_clock: Clock = utc_now,
    ) -> None:
        self._start_worker = start_worker
        self._poison = poison
        self._settings = settings
        self._address = address
        self._announce = announce
        self._complain = complain
        self._database = database
        self._wall_clock = wall_clock
        self._state: State = Pausing(float("-inf"))
        self._restarts = Restarts()
        self._reason = ""
        self._has_served = False
        self._in_use_since: float | None = None
        self._last_tick: float | None = None
        self._database_looked_at = float("-inf")

    @property
    def state(self) -> State:
        """What it is doing."""
        return self._state

    def tick(self, now: float) -> State:
        """Look at everything once; `now` by the monotonic clock, in seconds."""
        self._notice_sleep(now)
        self._watch_database(now)
        self._state = self._next(now)
        return self._state

    def _next(self, now: float) -> State:
        match self._state:
            case Starting() as state:
                return self._watch_start(state, now)
            case Serving() as state:
                return self._watch_heart(state, now)
            case Pausing(until) as state:
                return self._start(now) if now >= until else state
            case Stopping() as state:
                return self._watch_stop(state, now)
            case Ended() as state:
                return state
            case _:
                assert_never(self._state)

    def stop(self, now: float) -> None:
        """Begin to end gracefully."""
        match self._state:
            case Serving(worker):
                worker.stop()
                self._state = Stopping(worker, now + self._settings.shutdown_seconds)
            case Starting(worker):  # it has nothing to store yet
                worker.kill()
                worker.close()
                self._state = Ended(ExitStatus.STOPPED)
            case Pausing():
                self._state = Ended(ExitStatus.STOPPED)
            case Stopping() | Ended():
                return
            case _:
                assert_never(self._state)

    def hurry(self, now: float) -> None:
        """End at once: what was not stored yet was not acknowledged either."""
        if isinstance(self._state, Stopping):
            self._state = replace(self._state, until=now)

    # --- looking -----------------------------------------------------------------------------

    def _notice_sleep(self, now: float) -> None:
        slept = 0.0 if self._last_tick is None else now - self._last_tick
        self._last_tick = now
        if slept < ASLEEP:
            return
        match self._state:
            case Starting() as state:
                self._state = replace(state, since=now)
            case Serving() as state:
                self._state = replace(state, beaten_at=now)
            case Stopping() as state:
                self._state = replace(state, until=state.until + slept)
            case Pausing() | Ended():
                return
            case _:
                assert_never(self._state)

    def _watch_database(self, now: float) -> None:
        if self._database is None or now - self._database_looked_at < DATABASE_LOOK:
            return
        self._database_looked_at = now
        try:
            self._database.poll_and_restart()
        except (EmbeddedPostgresError, OSError):
            _log.exception("postgres_cannot_be_restarted")  # and is tried again at the next look

    def _watch_start(self, state: Starting, now: float) -> State:
        worker = state.worker
        ready = self._listen(worker)
        if ready is not None:
            self._welcome(ready)
            return Serving(worker, now, worker.beats(), now)
        death = worker.death()
        if death is None and now - state.since < START_SECONDS:
            return state
        if death is None:
            worker.kill()
            death = Silent(START_SECONDS)
        self._bury(worker, death, now)
        return self._after_failed_start(death, now)

    def _watch_heart(self, state: Serving, now: float) -> State:
        worker = state.worker
        self._listen(worker)
        # ROM-17: what it does now may take longer. Read before the heart: the worker beats when
        # it is done, and takes the allowance back afterwards.
        patience = max(self._settings.heartbeat_timeout, worker.allowance())
        beats = worker.beats()
        if beats != state.beats:
            state = replace(state, beats=beats, beaten_at=now)
        death = worker.death()
        if death is None and now - state.beaten_at < patience:
            return state
        if death is None:
            worker.kill()
            death = Silent(patience)
        self._bury(worker, death, now)
        return Pausing(now + self._restarts.after_serving(now - state.since))

    def _watch_stop(self, state: Stopping, now: float) -> State:
        worker = state.worker
        self._listen(worker)
        death = worker.death()
        if death is None and now < state.until:
            return state
        if death is None:
            worker.kill()
            death = Silent(self._settings.heartbeat_timeout)
        self._bury(worker, death, now)
        if death == Exited(ExitStatus.STOPPED):
            return Ended(ExitStatus.STOPPED)
        self._complain(
            f"the worker did not end cleanly ({describe(death)}): "
            "edits that were not acknowledged may be lost"
        )
        return Ended(ExitStatus.FAILED)

    def _listen(self, worker: Worker) -> Ready | None:
        """Take in what a worker says; returns whether it says that it is ready."""
        ready = None
        for message in worker.heard():
            match message:
                case Ready():
                    ready = message
                case Failed(reason):
                    self._reason = reason
                case _:
                    assert_never(message)
        return ready

    def _welcome(self, ready: Ready) -> None:
        self._in_use_since = None
        if self._has_served:
            _log.warning("worker_replaced")
            return
        self._has_served = True
        self._announce(f"listening on {self._address}")
        for line in ready.lines:
            self._announce(line)

    # --- starting and ending workers ----------------------------------------------------------

    def _start(self, now: float) -> State:
        self._reason = ""
        try:
            return Starting(self._start_worker(self._poison.for_worker()), now)
        except OSError as error:
            self._reason = f"no worker could be started: {error}"
            return self._after_failed_start(Exited(ExitStatus.FAILED), now)

    def _after_failed_start(self, death: WorkerDeath, now: float) -> State:
        match death:
            case Exited(ExitStatus.DATABASE_IN_USE):
                return self._after_database_in_use(now)
            case Exited(ExitStatus.CANNOT_START) if not self._has_served:
                return self._give_up(ExitStatus.CANNOT_START)
            case _:
                pause = self._restarts.after_failed_start()
        if self._restarts.is_hopeless:
            return self._give_up(ExitStatus.FAILED)
        return Pausing(now + pause)

    def _after_database_in_use(self, now: float) -> State:
        """A worker that was killed a moment ago may still have connections in the database."""
        if self._in_use_since is None:
            self._in_use_since = now
        if self._has_served and now - self._in_use_since < IN_USE_PATIENCE:
            return Pausing(now + IN_USE_RETRY)
        return self._give_up(ExitStatus.DATABASE_IN_USE)

    def _give_up(self, status: ExitStatus) -> Ended:
        self._complain(self._reason or "the worker ends while it starts; the log says more")
        return Ended(status)

    def _bury(self, worker: Worker, death: WorkerDeath, now: float) -> None:
        """Learn from a worker's end, and let go of it."""
        self._listen(worker)
        try:
            suspicion = worker.suspicion()
        except NoteUnreadable:
            _log.exception("worker_note_unreadable", pid=worker.pid, death=describe(death))
            suspicion = None
        is_guilty = suspicion is not None and is_to_blame(suspicion, death, now)
        # One that finds the database in use died of nothing; who uses it is told in the end.
        if death not in (Exited(ExitStatus.STOPPED), Exited(ExitStatus.DATABASE_IN_USE)):
            _log.error(
                "worker_died",
                pid=worker.pid,
                death=describe(death),
                applying_for=None if suspicion is None else str(suspicion.sender),
                refused=is_guilty,
            )
        if suspicion is not None and is_guilty:
            self._condemn(suspicion, describe(death))
        worker.close()

    def _condemn(self, suspicion: Suspicion, cause: str) -> None:
        at = self._wall_clock()
        try:
            self._poison.add(_poisons(suspicion, cause, at))
        except OSError:  # the next worker is told all the same
            _log.exception("refused_updates_not_stored")


def _poisons(suspicion: Suspicion, cause: str, at: datetime) -> Iterator[Poison]:
    for suspect in suspicion.updates:
        yield Poison(
            digest=suspect.digest,
            length=suspect.length,
            sender=suspicion.sender,
            ranges=() if suspect.update is None else ranges_of(suspect.update),
            at=at,
            cause=cause,
            update=suspect.update,
        )
