"""Real supervisors and workers, killed, stopped and hung. The application is a tiny one."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import psutil
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from server.supervisor import POISON_FILE
from tests.helpers.proving import few_or_many, is_proving

REPOSITORY = Path(__file__).parents[2]
SILENCE = 2.0 if is_proving() else 1.0  # seconds until a worker counts as hung
STOPPING = 2.0  # seconds a graceful stop may take

SERVE = """
import sys
from server.settings import Settings
from server.supervisor import Database, serve
sys.exit(serve(
    Settings(),
    app="tests.helpers.tiny_app:create_app",
    ws="websockets-sansio",
    open_database=lambda settings, stack: Database("postgresql://nobody@/nothing"),
))
"""


class TinyServer:
    """`serve` with the tiny application, in a process of its own."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self.log = data_dir.with_suffix(".log")
        self.port = 0
        self._seen: dict[int, psutil.Process] = {}

    def start(self) -> None:
        environ = {name: each for name, each in os.environ.items() if "COLLAB_" not in name}
        environ |= {
            "PYTHONPATH": str(REPOSITORY),
            "COLLAB_DATA_DIR": str(self.data_dir),
            "COLLAB_PORT": str(self.port),
            "COLLAB_HEARTBEAT_TIMEOUT": str(SILENCE),
            "COLLAB_SHUTDOWN_SECONDS": str(STOPPING),
        }
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", SERVE],
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
            )
        assert self.process.stdout is not None
        ready = self.process.stdout.readline().decode()
        assert ready.startswith("listening on http://127.0.0.1:"), self.log.read_text()
        self.port = int(ready.rsplit(":", 1)[1])
        self.worker()

    def worker(self) -> psutil.Process:
        """The worker that serves now, or will in a moment."""
        pid = int(httpx.get(f"http://127.0.0.1:{self.port}/pid", timeout=20).text)
        process = self._seen.setdefault(pid, psutil.Process(pid))
        assert process.ppid() == self.process.pid
        return process

    def connect(self, user: int = 1) -> ClientConnection:
        """A socket, which is let in as soon as there is a worker."""
        address = f"ws://127.0.0.1:{self.port}/ws?user={user}"
        return connect(address, compression=None, open_timeout=20, close_timeout=1)

    def deaths(self) -> int:
        """How often a worker died so far."""
        return self.log.read_text().count('"event":"worker_died"')

    def end(self) -> None:
        """Leave nothing behind, whatever a test did."""
        for process in self._seen.values():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        with contextlib.suppress(psutil.NoSuchProcess):
            for child in psutil.Process(self.process.pid).children():
                child.kill()
        self.process.kill()
        self.process.wait(20)
        assert self.process.stdout is not None
        self.process.stdout.close()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[TinyServer]:
    made = TinyServer(tmp_path / "data")
    made.start()
    yield made
    made.end()


def wait_for(condition: Callable[[], bool], seconds: float) -> float:
    """How long it took."""
    begun = time.monotonic()
    while not condition():
        assert time.monotonic() - begun < seconds, f"it did not happen within {seconds} s"
        time.sleep(0.01)
    return time.monotonic() - begun


def is_gone(process: psutil.Process) -> bool:
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def echo(client: ClientConnection, message: bytes) -> None:
    client.send(message)
    assert client.recv(timeout=10) == message


def code_of_close(client: ClientConnection) -> int:
    """The code with which the server closes; 1006 when it just vanishes."""
    with pytest.raises(ConnectionClosed) as closed:
        client.recv(timeout=20)
    return 1006 if closed.value.rcvd is None else closed.value.rcvd.code


def test_a_killed_worker_is_replaced_and_whoever_connects_meanwhile_is_served(
    server: TinyServer,
) -> None:
    before = server.worker()
    before.kill()
    for _ in range(3):  # the first ones come while there is no worker at all
        with server.connect() as client:
            echo(client, b"hello")
    assert server.worker() != before
    assert server.deaths() == 1


def test_an_update_that_hangs_costs_one_reconnect_and_is_refused_from_then_on(
    server: TinyServer,
) -> None:
    with server.connect(1) as bystander, server.connect(7) as mallory:
        echo(bystander, b"hello")
        mallory.send(b"hang please")
        begun = time.monotonic()
        assert code_of_close(bystander) == 1006
    with server.connect(1) as bystander:
        echo(bystander, b"hello again")
        assert time.monotonic() - begun < SILENCE + 3
        for user in (7, 8):
            with server.connect(user) as mallory:
                mallory.send(b"hang please")
                assert code_of_close(mallory) == 4400
        echo(bystander, b"still here")
    assert server.deaths() == 1


@pytest.mark.parametrize(
    "update",
    [b"abort now", b"spin for ever", pytest.param(b"slow-die", marks=pytest.mark.prove)],
)
def test_two_workers_never_die_of_the_same_update(server: TinyServer, update: bytes) -> None:
    codes = []
    for _ in range(few_or_many(3, 20)):
        with server.connect(7) as mallory:
            mallory.send(update)
            codes.append(code_of_close(mallory))
    assert codes == [1006] + [4400] * (len(codes) - 1)
    assert server.deaths() == 1


def test_a_fatal_update_is_remembered_by_the_next_server(server: TinyServer) -> None:
    with server.connect(7) as mallory:
        mallory.send(b"abort now")
        code_of_close(mallory)
    server.worker()
    server.process.kill()
    server.end()
    server.start()
    with server.connect(7) as mallory:
        mallory.send(b"abort now")
        assert code_of_close(mallory) == 4400


def test_a_worker_that_hangs_of_itself_is_replaced_and_accuses_nobody(server: TinyServer) -> None:
    before = server.worker()
    with server.connect(7) as client:
        client.send(b"stuck")
        assert code_of_close(client) == 1006
    assert server.worker() != before
    assert not (server.data_dir / POISON_FILE).exists()


def test_rom_17_trusted_work_may_take_as_long_as_was_noted(server: TinyServer) -> None:
    worker = server.worker()
    with server.connect(1) as bystander, server.connect(2) as opener:
        for _ in range(2):
            echo(opener, b"heavy %.1f %.1f" % (1.7 * SILENCE, 2.5 * SILENCE))
        echo(bystander, b"still here")
    assert server.worker() == worker
    assert server.deaths() == 0


def test_rom_17_afterwards_silence_is_no_longer_allowed(server: TinyServer) -> None:
    with server.connect(1) as client:
        echo(client, b"heavy 0.1 60")
        client.send(b"stuck")
        assert code_of_close(client) == 1006


def test_rom_15_trusted_work_that_takes_longer_is_ended_and_known_again(
    server: TinyServer,
) -> None:
    work = b"heavy 60 %.1f" % (1.5 * SILENCE)
    with server.connect(1) as client:
        client.send(work)
        assert code_of_close(client) == 1006
    with server.connect(1) as client:
        client.send(work)
        assert code_of_close(client) == 4400
    assert server.deaths() == 1


def test_a_worker_killed_in_the_middle_of_ordinary_work_accuses_nobody(server: TinyServer) -> None:
    """Somebody, or the system, ends a worker while edits stream in: none of them is lost."""
    for seed in range(few_or_many(2, 20)):
        worker = server.worker()
        with server.connect(1) as client, contextlib.suppress(ConnectionClosed):
            for number in range(100 + 37 * seed):
                echo(client, b"edit %d" % number)
            worker.kill()
            while True:
                echo(client, b"edit")
    with server.connect(1) as client:
        echo(client, b"edit")
    assert not (server.data_dir / POISON_FILE).exists()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux knows a parent-death signal")
@pytest.mark.parametrize(
    "busy_with",
    [
        None,
        b"spin",
        pytest.param(b"hang", marks=pytest.mark.prove),
        pytest.param(b"stuck", marks=pytest.mark.prove),
    ],
)
def test_a_worker_does_not_outlive_its_supervisor_whatever_it_is_doing(
    server: TinyServer, busy_with: bytes | None
) -> None:
    worker = server.worker()
    with server.connect() as client:
        if busy_with is not None:
            echo(client, b"hello")
            client.send(busy_with)
        server.process.kill()
        wait_for(lambda: is_gone(worker), 2.0)
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://127.0.0.1:{server.port}/pid")


@pytest.mark.parametrize(
    "number",
    [
        signal.SIGTERM,
        pytest.param(signal.SIGINT, marks=pytest.mark.prove),
        pytest.param(signal.SIGHUP, marks=pytest.mark.prove),
    ],
)
def test_a_server_that_is_told_to_stop_says_goodbye_and_ends_with_0(
    server: TinyServer, number: int
) -> None:
    worker = server.worker()
    with server.connect(1) as one, server.connect(2) as two:
        echo(one, b"hello")
        echo(two, b"hello")
        server.process.send_signal(number)
        assert [code_of_close(one), code_of_close(two)] == [1012, 1012]
    assert server.process.wait(STOPPING + 2) == 0
    assert is_gone(worker)
    assert (server.data_dir / "flushed").exists()
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://127.0.0.1:{server.port}/pid")


def test_a_hung_worker_does_not_keep_a_server_from_ending(server: TinyServer) -> None:
    worker = server.worker()
    with server.connect() as client:
        echo(client, b"hello")
        client.send(b"stuck")
        server.process.terminate()
        assert server.process.wait(STOPPING + 3) == 1
    assert is_gone(worker)
    assert "may be lost" in server.log.read_text()


def test_a_second_signal_hurries_it(server: TinyServer) -> None:
    with server.connect() as client:
        echo(client, b"hello")
        client.send(b"stuck")
        server.process.terminate()
        time.sleep(0.7)
        server.process.terminate()
        assert server.process.wait(STOPPING - 0.8) == 1


def test_a_machine_that_sleeps_is_not_taken_for_a_worker_that_hangs(server: TinyServer) -> None:
    worker = server.worker()
    supervisor = psutil.Process(server.process.pid)
    with server.connect() as client:
        echo(client, b"hello")
        worker.suspend()
        supervisor.suspend()
        time.sleep(max(SILENCE, 1.0) + 0.5)
        supervisor.resume()
        worker.resume()
        echo(client, b"good morning")
    assert server.worker() == worker
    assert server.deaths() == 0


def test_a_worker_alone_that_stands_still_is_replaced(server: TinyServer) -> None:
    worker = server.worker()
    worker.suspend()
    with server.connect() as client:
        echo(client, b"hello")
    assert is_gone(worker)
    assert server.deaths() == 1
