"""A worker serves what it inherited, beats, says what became of it, and never outlives its
supervisor."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr
from starlette.applications import Starlette
from websockets.asyncio.client import connect

from persistence.errors import DatabaseInUse
from persistence.ports import StorageUnavailable
from server import worker
from server.applying_note import ApplyingNote, NoteReader
from server.inheritance import Inheritance, worker_environment
from server.listener import open_listener, port_of
from server.settings import Settings
from server.worker import AppFactory, Heartbeat, Worker
from server.worker_channel import (
    ExitStatus,
    Failed,
    Message,
    Ready,
    SupervisorEnd,
    WorkerEnd,
    open_channel,
)
from tests.helpers import tiny_app


class Legacy:
    """What a supervisor leaves to a worker, for one in this process."""

    def __init__(self, directory: Path) -> None:
        self.settings = Settings(data_dir=directory, port=0, shutdown_seconds=2.0)
        self.reader = NoteReader()
        self.channel: SupervisorEnd
        self.channel, self.theirs = open_channel()
        self.listener = open_listener("127.0.0.1", 0)
        self.port = port_of(self.listener)
        self.left = asyncio.Event()

    def worker(self, app: AppFactory = tiny_app.create_app) -> Worker:
        return Worker(
            self.settings,
            ApplyingNote(self.reader.fd),
            WorkerEnd(self.theirs),
            app=app,
            leave=self.left.set,
        )

    def inheritance(self, app: str) -> Inheritance:
        """For `run`, which closes what it takes over."""
        return Inheritance(
            os.dup(self.listener.fileno()),
            self.reader.fd,
            os.dup(self.theirs.fileno()),
            os.getppid(),
            f"{app_module}:{app}",
        )

    def close(self) -> None:
        self.reader.close()
        self.channel.close()
        self.theirs.close()
        self.listener.close()


app_module = "tests.helpers.tiny_app"


@pytest.fixture
def legacy(tmp_path: Path) -> Iterator[Legacy]:
    made = Legacy(tmp_path)
    yield made
    made.close()


@asynccontextmanager
async def serving(legacy: Legacy) -> AsyncIterator[Worker]:
    made = legacy.worker()
    task = asyncio.create_task(made.serve(legacy.listener))
    await readable(legacy.channel.fileno())
    try:
        yield made
    finally:
        made.stop()
        assert await asyncio.wait_for(task, 10) is ExitStatus.STOPPED


async def readable(fd: int) -> None:
    """Return when there is something to read."""
    loop = asyncio.get_running_loop()
    event = asyncio.Event()
    loop.add_reader(fd, event.set)
    try:
        await asyncio.wait_for(event.wait(), 10)
    finally:
        loop.remove_reader(fd)


async def test_a_worker_says_when_it_serves_and_what_is_to_be_printed(legacy: Legacy) -> None:
    async with serving(legacy), httpx.AsyncClient() as client:
        assert legacy.channel.heard() == [Ready(("tiny on 0",))]
        answer = await client.get(f"http://127.0.0.1:{legacy.port}/pid")
        assert answer.text == str(os.getpid())


async def test_a_worker_carries_websockets(legacy: Legacy) -> None:
    async with (
        serving(legacy),
        connect(f"ws://127.0.0.1:{legacy.port}/ws?user=1", compression=None) as client,
    ):
        await client.send(b"hello")
        assert await client.recv() == b"hello"


async def test_a_worker_that_serves_has_a_beating_heart(legacy: Legacy) -> None:
    async with serving(legacy):
        assert legacy.reader.beats() == 1


async def test_a_heart_beats_until_it_is_stopped(legacy: Legacy) -> None:
    beaten = asyncio.Event()

    class Note(ApplyingNote):
        __slots__ = ()

        def beat(self) -> None:
            super().beat()
            if self._beats == 5:
                beaten.set()

    heartbeat = Heartbeat(Note(legacy.reader.fd), interval=0.001)
    heartbeat.stop()  # no fault before it beats
    heartbeat.start()
    await asyncio.wait_for(beaten.wait(), 10)
    heartbeat.stop()
    before = legacy.reader.beats()
    for _ in range(10):
        await asyncio.sleep(0)
    assert legacy.reader.beats() == before >= 5


async def test_a_worker_leaves_when_its_supervisor_is_gone(legacy: Legacy) -> None:
    async with serving(legacy):
        assert not legacy.left.is_set()
        legacy.channel.close()
        await asyncio.wait_for(legacy.left.wait(), 10)


async def test_an_application_without_lines_is_ready_all_the_same(legacy: Legacy) -> None:
    made = legacy.worker(lambda _settings, _note: Starlette())
    task = asyncio.create_task(made.serve(legacy.listener))
    await readable(legacy.channel.fileno())
    assert legacy.channel.heard() == [Ready()]
    made.stop()
    assert await task is ExitStatus.STOPPED


async def test_an_unclean_end_has_another_status(legacy: Legacy) -> None:
    def create_app(_settings: Settings, _note: ApplyingNote) -> Starlette:
        @asynccontextmanager
        async def lifespan(_app: Starlette) -> AsyncIterator[None]:
            yield
            raise RuntimeError("could not flush")

        return Starlette(lifespan=lifespan)

    made = legacy.worker(create_app)
    task = asyncio.create_task(made.serve(legacy.listener))
    await readable(legacy.channel.fileno())
    made.stop()
    assert await task is ExitStatus.FAILED


@pytest.mark.parametrize(
    ("app", "status", "reason"),
    [
        (
            "create_app_on_a_database_in_use",
            ExitStatus.DATABASE_IN_USE,
            "another server works on this database",
        ),
        ("create_app_without_storage", ExitStatus.FAILED, "connection refused"),
        (
            "create_app_that_is_misconfigured",
            ExitStatus.CANNOT_START,
            "the secret is too short, token=[removed]",
        ),
        (
            "no_such_function",
            ExitStatus.CANNOT_START,
            f'Attribute "no_such_function" not found in module "{app_module}".',
        ),
    ],
)
def test_a_worker_that_cannot_start_says_why(
    legacy: Legacy, app: str, status: ExitStatus, reason: str
) -> None:
    assert worker.run(legacy.inheritance(app), legacy.settings) is status
    assert legacy.channel.heard() == [Failed(reason)]


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        (DatabaseInUse("x"), ExitStatus.DATABASE_IN_USE),
        (StorageUnavailable("x"), ExitStatus.FAILED),
        (ConnectionRefusedError(), ExitStatus.FAILED),
        (TypeError("x"), ExitStatus.CANNOT_START),
    ],
)
def test_only_faults_that_may_pass_are_worth_another_attempt(
    fault: Exception, status: ExitStatus
) -> None:
    assert worker.status_of(fault) is status


def stopped_at_once(settings: Settings, note: ApplyingNote) -> Starlette:
    """The tiny application, whose process gets SIGTERM as soon as it has started."""
    tiny = tiny_app.TinyApp(settings, note)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with tiny.lifespan(app):
            asyncio.get_running_loop().call_soon(os.kill, os.getpid(), signal.SIGTERM)
            yield

    return Starlette(lifespan=lifespan)


def test_a_process_that_is_told_to_stop_ends_well(
    legacy: Legacy, monkeypatch: pytest.MonkeyPatch
) -> None:
    configured: list[Settings] = []
    bound_to: list[int] = []
    monkeypatch.setattr(worker, "configure_logging", configured.append)
    monkeypatch.setattr(worker, "end_with", bound_to.append)
    monkeypatch.setattr(tiny_app, "stopped_at_once", stopped_at_once, raising=False)
    monkeypatch.setenv("COLLAB_DATA_DIR", str(legacy.settings.data_dir))
    inheritance = legacy.inheritance("stopped_at_once")
    assert worker.main([inheritance.command()[-1]]) == ExitStatus.STOPPED
    assert bound_to == [os.getppid()]
    assert [each.data_dir for each in configured] == [legacy.settings.data_dir]
    heard: list[Message] = legacy.channel.heard()
    assert heard == [Ready(("tiny on 8000",))]
    assert (legacy.settings.data_dir / "flushed").exists()


def test_what_is_inherited_survives_the_command_line() -> None:
    inheritance = Inheritance(5, 6, 7, 4000, "some.module:app", "wsproto")
    command = inheritance.command()
    assert command[:4] == [sys.executable, "-P", "-m", "server.worker_entry"]
    assert Inheritance.from_argument(command[4]) == inheritance
    assert inheritance.descriptors == (5, 6, 7)


def test_secrets_go_by_the_environment_and_not_by_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(
        data_dir=tmp_path,
        jwt_secret=SecretStr("s3cret" * 8),
        database_url="postgresql://collab:pa55word@/collab",
    )
    said = {"PATH": "/bin", "COLLAB_PORT": "9", "COLLAB_TYPO": "1", "collab_port": "8"}
    environ = worker_environment(said, settings)
    assert environ["PATH"] == "/bin"
    assert not {"COLLAB_TYPO", "collab_port"} & set(environ)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    assert Settings() == settings
    assert not set(asdict(Inheritance(1, 2, 3, 4)).values()) & set(environ.values())


class FakeLibc:
    def __init__(self, result: int) -> None:
        self.result = result
        self.calls: list[tuple[int, ...]] = []

    def prctl(self, *arguments: int) -> int:
        self.calls.append(arguments)
        return self.result


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux knows a parent-death signal")
def test_a_worker_asks_to_be_killed_with_its_supervisor(monkeypatch: pytest.MonkeyPatch) -> None:
    libc = FakeLibc(0)
    monkeypatch.setattr("ctypes.CDLL", lambda *_, **__: libc)
    worker.end_with(os.getppid())
    assert libc.calls == [(1, signal.SIGKILL, 0, 0, 0)]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux knows a parent-death signal")
def test_a_worker_that_cannot_be_bound_to_its_supervisor_does_not_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("ctypes.CDLL", lambda *_, **__: FakeLibc(-1))
    with pytest.raises(OSError, match="PDEATHSIG"):
        worker.end_with(os.getppid())


def test_a_worker_whose_supervisor_is_gone_already_does_not_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("ctypes.CDLL", lambda *_, **__: FakeLibc(0))
    with pytest.raises(SystemExit, match="supervisor ended"):
        worker.end_with(os.getppid() + 1)


@pytest.mark.parametrize(
    ("limits", "wanted"),
    [
        ((1024, 524_288), (worker.OPEN_FILES, 524_288)),
        ((1024, 4096), (4096, 4096)),
        ((256, resource.RLIM_INFINITY), (worker.OPEN_FILES, resource.RLIM_INFINITY)),
        ((524_288, 524_288), None),
        ((resource.RLIM_INFINITY, resource.RLIM_INFINITY), None),
    ],
)
def test_as_many_files_as_may_be_are_allowed(
    monkeypatch: pytest.MonkeyPatch, limits: tuple[int, int], wanted: tuple[int, int] | None
) -> None:
    asked: list[tuple[int, int]] = []
    monkeypatch.setattr("resource.getrlimit", lambda _: limits)
    monkeypatch.setattr("resource.setrlimit", lambda _, limits: asked.append(limits))
    worker.allow_many_files()
    assert asked == ([] if wanted is None else [wanted])


def test_leaving_ends_the_process_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    statuses: list[int] = []
    monkeypatch.setattr("os._exit", statuses.append)
    worker.leave()
    assert statuses == [ExitStatus.FAILED]


def test_the_listening_socket_is_left_closed(legacy: Legacy) -> None:
    inheritance = legacy.inheritance("create_app_without_storage")
    worker.run(inheritance, legacy.settings)
    with pytest.raises(OSError, match="Bad file descriptor"):
        socket.socket(fileno=inheritance.listener)
