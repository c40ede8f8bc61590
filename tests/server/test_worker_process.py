"""A worker in a process of its own, seen from its supervisor."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import UUID

import httpx
import pytest
from websockets.sync.client import connect

from server.blame import Exited, Signalled
from server.listener import open_listener, port_of
from server.settings import Settings
from server.worker_channel import ExitStatus, Failed, Message, Ready
from server.worker_process import WorkerProcess

REPOSITORY = Path(__file__).parents[2]


class Nursery:
    """Starts workers of the tiny application and leaves none behind."""

    def __init__(self, directory: Path, listener: socket.socket) -> None:
        self.directory = directory
        self.listener = listener
        self.port = port_of(listener)
        self.workers: list[WorkerProcess] = []

    def start(self, app: str = "create_app", poison_list: bytes = b"") -> WorkerProcess:
        worker = WorkerProcess(
            Settings(data_dir=self.directory, port=self.port),
            self.listener,
            poison_list,
            {**os.environ, "PYTHONPATH": str(REPOSITORY)},
            app=f"tests.helpers.tiny_app:{app}",
            ws="websockets-sansio",
        )
        self.workers.append(worker)
        return worker


@pytest.fixture
def nursery(tmp_path: Path) -> Iterator[Nursery]:
    with open_listener("127.0.0.1", 0) as listener:
        made = Nursery(tmp_path, listener)
        yield made
        for worker in made.workers:
            worker.close()


def wait_for(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)


def first_words(worker: WorkerProcess) -> list[Message]:
    """What it says, once it says something."""
    heard: list[Message] = []

    def has_spoken() -> bool:
        heard.extend(worker.heard())
        return heard != []

    wait_for(has_spoken)
    return heard


def last_words(worker: WorkerProcess) -> list[Message]:
    """What it says until it has ended."""
    heard: list[Message] = []

    def has_ended() -> bool:
        heard.extend(worker.heard())
        return not worker.channel.is_open and worker.death() is not None

    wait_for(has_ended)
    return heard


def test_a_worker_serves_beats_and_ends_when_it_is_asked_to(nursery: Nursery) -> None:
    worker = nursery.start()
    assert first_words(worker) == [Ready((f"tiny on {nursery.port}",))]
    assert worker.death() is None
    assert httpx.get(f"http://127.0.0.1:{nursery.port}/pid").text == str(worker.pid)
    wait_for(lambda: worker.beats() >= 3)
    worker.stop()
    assert last_words(worker) == []
    assert worker.death() == Exited(ExitStatus.STOPPED)
    assert worker.suspicion() is None
    assert (nursery.directory / "flushed").exists()


def test_a_worker_that_crashes_leaves_what_it_was_applying(nursery: Nursery) -> None:
    worker = nursery.start()
    with connect(f"ws://127.0.0.1:{nursery.port}/ws?user=7", compression=None) as client:
        client.send(b"abort now")
        wait_for(lambda: worker.death() is not None)
    assert worker.death() == Signalled(signal.SIGABRT)
    suspicion = worker.suspicion()
    assert suspicion is not None
    assert suspicion.sender == UUID(int=7)
    assert [each.update for each in suspicion.updates] == [b"abort now"]
    assert 0 <= time.monotonic() - suspicion.since < 20


def test_the_reason_of_a_worker_that_cannot_start_is_heard(nursery: Nursery) -> None:
    worker = nursery.start("create_app_on_a_database_in_use")
    assert last_words(worker) == [Failed("another server works on this database")]
    assert worker.death() == Exited(ExitStatus.DATABASE_IN_USE)


def test_a_worker_that_is_let_go_of_does_not_go_on(nursery: Nursery) -> None:
    worker = nursery.start()
    pid = worker.pid
    worker.close()
    nursery.workers.clear()
    assert worker.death() is not None
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
