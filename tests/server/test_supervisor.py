"""`collab serve` from its first step to its exit status, with fakes for the processes."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from persistence.errors import (
    DatabaseInUse,
    DatabaseTooNew,
    DatabaseUnusable,
    EmbeddedPostgresError,
)
from persistence.ports import StorageUnavailable
from server import supervisor
from server.blame import Exited
from server.listener import open_listener, port_of
from server.poison_list import PoisonList
from server.settings import Settings
from server.stop_signals import StopSignals
from server.supervision import Supervisor
from server.supervisor import ONE_WISH, Database, open_database, serve, watch
from server.worker_channel import ExitStatus, Ready
from tests.helpers.fake_worker import FakeWorker

DSN = "postgresql://collab:pa55word@/collab"


@pytest.fixture(autouse=True)
def _logging_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "configure_logging", lambda _settings: None)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path / "data", port=0)


class Workers:
    """Stands in for `WorkerProcess`: each worker is ready at once and ends when told to."""

    def __init__(self) -> None:
        self.started: list[FakeWorker] = []
        self.settings: list[Settings] = []
        self.options: dict[str, str] = {}

    def __call__(
        self,
        settings: Settings,
        listener: socket.socket,
        poison_list: bytes,
        _environ: object,
        **options: str,
    ) -> FakeWorker:
        assert settings.port == port_of(listener)
        self.settings.append(settings)
        self.options = options
        worker = ObedientWorker(4000, poison_list, says=[Ready(("demo line",))])
        self.started.append(worker)
        return worker


class ObedientWorker(FakeWorker):
    """Asks for SIGTERM as soon as it is looked at for the second time, and obeys."""

    def beats(self) -> int:
        self.count += 1
        if self.count == 2:
            os.kill(os.getpid(), signal.SIGTERM)
        return self.count

    def stop(self) -> None:
        super().stop()
        self.fate = Exited(ExitStatus.STOPPED)


@pytest.fixture
def workers(monkeypatch: pytest.MonkeyPatch) -> Workers:
    made = Workers()
    monkeypatch.setattr(supervisor, "WorkerProcess", made)
    return made


def given(database: Database) -> Callable[[Settings, ExitStack], Database]:
    return lambda _settings, _stack: database


def raising(error: BaseException) -> Callable[[Settings, ExitStack], Database]:
    def open_database(_settings: Settings, _stack: ExitStack) -> Database:
        raise error

    return open_database


def test_a_server_prints_where_it_listens_and_what_its_application_says(
    settings: Settings, workers: Workers, capsys: pytest.CaptureFixture[str]
) -> None:
    assert serve(settings, open_database=given(Database(DSN))) == ExitStatus.STOPPED
    (of_worker,) = workers.settings
    assert capsys.readouterr() == (
        f"listening on http://127.0.0.1:{of_worker.port}\ndemo line\n",
        "",
    )
    assert workers.started[0].done_to_it == ["stop", "close"]


def test_a_worker_gets_the_settings_with_the_port_and_database_that_were_found(
    settings: Settings, workers: Workers
) -> None:
    serve(settings, app="some:app", ws="some:Protocol", open_database=given(Database(DSN)))
    (of_worker,) = workers.settings
    assert of_worker.port != 0
    assert of_worker == settings.model_copy(update={"port": of_worker.port, "database_url": DSN})
    assert workers.options == {"app": "some:app", "ws": "some:Protocol"}


def test_a_worker_is_told_what_an_earlier_supervisor_learnt(
    settings: Settings, workers: Workers, tmp_path: Path
) -> None:
    line = (
        b'{"at": "2026-03-01T12:00:00+00:00", "cause": "signal 11", "digest": "' + b"00" * 16 + b'"'
        b', "sender": "00000000-0000-0000-0000-000000000007", "length": 4, "ranges": []}\n'
    )
    settings.data_dir.mkdir()
    (settings.data_dir / supervisor.POISON_FILE).write_bytes(line)
    serve(settings, open_database=given(Database(DSN)))
    assert b'"digest": "000000' in workers.started[0].poison_list


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        (DatabaseInUse("another server uses it"), ExitStatus.DATABASE_IN_USE),
        (DatabaseTooNew("it is too new"), ExitStatus.CANNOT_START),
        (DatabaseUnusable("wrong password"), ExitStatus.CANNOT_START),
        (EmbeddedPostgresError("it does not start"), ExitStatus.FAILED),
        (StorageUnavailable("connection refused"), ExitStatus.FAILED),
        (OSError("No space left on device"), ExitStatus.FAILED),
    ],
)
def test_a_database_that_cannot_be_had_ends_it_with_one_line(
    settings: Settings,
    workers: Workers,
    capsys: pytest.CaptureFixture[str],
    fault: Exception,
    status: ExitStatus,
) -> None:
    assert serve(settings, open_database=raising(fault)) == status
    assert capsys.readouterr() == ("", f"collab: {fault}\n")
    assert workers.started == []


def test_a_port_that_is_taken_ends_it_with_one_line_before_a_database_is_started(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with open_listener("127.0.0.1", 0) as other:
        settings = Settings(data_dir=tmp_path, port=port_of(other))
        status = serve(settings, open_database=raising(AssertionError("it was started")))
    assert status == ExitStatus.CANNOT_START
    assert f"port {settings.port} of 127.0.0.1 is in use" in capsys.readouterr().err


def test_a_data_directory_that_cannot_be_made_ends_it_with_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    status = serve(Settings(data_dir=tmp_path / "file" / "data", port=0))
    assert status == ExitStatus.CANNOT_START
    output = capsys.readouterr()
    assert "Not a directory" in output.err
    assert output.err.count("\n") == 1


def test_a_signal_while_the_database_starts_stops_it_again_and_is_no_fault(
    settings: Settings, workers: Workers
) -> None:
    undone: list[str] = []

    def open_database(_settings: Settings, stack: ExitStack) -> Database:
        stack.callback(undone.append, "stopped")
        os.kill(os.getpid(), signal.SIGINT)
        raise AssertionError("it went on")

    assert serve(settings, open_database=open_database) == ExitStatus.STOPPED
    assert undone == ["stopped"]
    assert workers.started == []


def test_the_database_is_stopped_after_the_worker(settings: Settings, workers: Workers) -> None:
    def open_database(_settings: Settings, stack: ExitStack) -> Database:
        stack.callback(lambda: workers.started[0].done_to_it.append("database stopped"))
        return Database(DSN)

    serve(settings, open_database=open_database)
    assert workers.started[0].done_to_it == ["stop", "close", "database stopped"]


# --- watching ---------------------------------------------------------------------------------


class StubbornWorker(FakeWorker):
    """Serves, and does not end when it is asked to."""


class Interrupting(StopSignals):
    """Instead of waiting, lets a second pass and sends the signals a test has planned."""

    def __init__(self, at: dict[int, int]) -> None:
        super().__init__()
        self.at = at
        self.waits = 0
        self.now = 0.0

    def wait(self, channel: object, seconds: float) -> None:
        assert seconds <= 0.1
        self.waits += 1
        self.now += 0.1
        self.received += self.at.get(self.waits, 0)
        assert self.waits < 500, "it does not end"


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Callable[[dict[int, int]], tuple[ExitStatus, float, bool]]]:
    """Watch a stubborn worker while signals come at these waits; returns the status, how long it
    was waited for, and whether the port was closed."""
    with open_listener("127.0.0.1", 0) as listener:

        def run(at: dict[int, int]) -> tuple[ExitStatus, float, bool]:
            worker = StubbornWorker(4000, b"", says=[Ready()])
            machine = Supervisor(
                lambda _poison_list: worker,
                PoisonList(tmp_path / "refused.jsonl"),
                Settings(shutdown_seconds=5.0, heartbeat_timeout=100.0),
                address="",
                announce=lambda _line: None,
                complain=lambda _line: None,
            )
            signals = Interrupting(at)
            status = watch(machine, signals, listener, clock=lambda: signals.now)
            signals.wakeup.close()
            signals._waker.close()
            return status, signals.now - 0.1 * min(at), listener.fileno() == -1

        yield run


Watched = Callable[[dict[int, int]], tuple[ExitStatus, float, bool]]


def test_a_first_signal_closes_the_port_and_gives_the_worker_its_time(watched: Watched) -> None:
    status, waited, is_port_closed = watched({5: 1})
    assert status is ExitStatus.FAILED
    assert waited == pytest.approx(5.0, abs=0.2)
    assert is_port_closed


def test_a_second_signal_hurries(watched: Watched) -> None:
    _, waited, _ = watched({5: 1, 15: 1})
    assert waited == pytest.approx(1.0, abs=0.2)


def test_several_signals_at_once_are_one_wish(watched: Watched) -> None:
    _, waited, _ = watched({5: 2, 6: 1, 5 + int(ONE_WISH * 10) - 1: 1})
    assert waited == pytest.approx(5.0, abs=0.2)


# --- preparing --------------------------------------------------------------------------------


class FakePostgres:
    """Stands in for `EmbeddedPostgres`."""

    log: list[str]

    def __init__(self, data_dir: Path) -> None:
        self.log.append(f"made in {data_dir.name}")

    def start(self) -> str:
        self.log.append("started")
        return DSN

    def stop(self) -> None:
        self.log.append("stopped")

    def poll_and_restart(self) -> bool:
        return False


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    made: list[str] = []

    async def migrate(url: str) -> list[str]:
        made.append(f"migrated {url}")
        return []

    monkeypatch.setattr(FakePostgres, "log", made, raising=False)
    monkeypatch.setattr(supervisor, "EmbeddedPostgres", FakePostgres)
    monkeypatch.setattr("persistence.migrations.migrate", migrate)
    return made


def test_without_an_address_the_embedded_database_is_started_and_stopped(
    settings: Settings, log: list[str]
) -> None:
    with ExitStack() as stack:
        database = open_database(settings, stack)
        assert database.url == DSN
        assert database.watched is not None
    assert log == ["made in data", "started", f"migrated {DSN}", "stopped"]


def test_somebody_elses_database_is_only_migrated(settings: Settings, log: list[str]) -> None:
    url = "postgresql://elsewhere/collab"
    with ExitStack() as stack:
        named = settings.model_copy(update={"database_url": url})
        assert open_database(named, stack) == Database(url, None)
    assert log == [f"migrated {url}"]


def test_a_database_that_did_not_start_is_cleaned_up(
    settings: Settings, log: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_postgres: FakePostgres) -> str:
        raise EmbeddedPostgresError("no")

    monkeypatch.setattr(FakePostgres, "start", fail)
    with pytest.raises(EmbeddedPostgresError), ExitStack() as stack:
        open_database(settings, stack)
    assert log == ["made in data", "stopped"]
