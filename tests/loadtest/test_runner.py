"""A whole run, in processes of its own, on a real server; on one that lies; on one that stops."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

import psutil
import pytest

from loadtest.cli import INTERRUPTED
from loadtest.plan import Plan
from loadtest.result import Result
from loadtest.runner import run
from loadtest.scenarios import SCENARIOS
from loadtest.seat import Seat
from loadtest.second import Second
from loadtest.targets.collab import Collab
from loadtest.targets.target import Casting, ServerPids
from tests.helpers.proving import few_or_many
from tests.loadtest.faulty_proxy import (
    AcknowledgesLate,
    Fault,
    FaultyProxy,
    LosesDeliveries,
    LosesEdits,
)

SECONDS = float(few_or_many(3, 10))
PLAN = Plan("whiteboard", 30, 2, SECONDS, 0.5, seed=7, processes=2, witnesses=1)


@dataclass
class Behind:
    """A server behind a proxy."""

    server: Collab
    port: int
    name: str = "behind a proxy"
    version: str = ""
    acknowledges: bool = True
    pids: ServerPids = field(default_factory=ServerPids)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def seats(self, plan: Plan, scenario: Casting) -> list[Seat]:
        return [replace(each, port=self.port) for each in self.server.seats(plan, scenario)]


def nothing() -> None:
    pass


def run_behind(
    server: Collab, proxy: FaultyProxy, *, in_between: Callable[[], None] = nothing
) -> Result:
    """A run through a proxy, to which something happens after two seconds."""

    def on_second(second: Second) -> None:
        if second.second == 2:
            in_between()

    return run(SCENARIOS["whiteboard"](), Behind(server, proxy.port), PLAN, on_second)


def proxy_of(server: Collab, kind: type[Fault] = Fault) -> FaultyProxy:
    port = urlsplit(server.url).port
    assert port is not None
    return FaultyProxy(port, kind)


def failed(result: Result) -> set[str]:
    """Which thresholds were missed."""
    return {each.name for each in result.thresholds if not each.passed}


def test_a_server_that_does_its_work_is_believed(server: Collab) -> None:
    seconds: list[Second] = []
    result = run(SCENARIOS["whiteboard"](), server, PLAN, seconds.append)
    assert (result.checks.witnesses, result.checks.notes) == (2, ())
    assert result.checks.passed
    assert result.checks.converged
    assert not {"errors", "closes"} & failed(result)
    counts = result.totals.counts
    assert counts["joined"] == counts["left"] == PLAN.people
    assert counts["marks_seen"] > 10 * counts["edits_sent"] > 100
    assert seconds == result.series
    assert [each.second for each in seconds] == list(range(1, len(seconds) + 1))
    assert seconds[-1].connected == PLAN.people
    assert result.server.share
    assert Result.from_json(result.to_json()).to_json() == result.to_json()


def test_a_proxy_alone_is_not_what_is_found(server: Collab) -> None:
    with proxy_of(server) as proxy:
        result = run_behind(server, proxy)
    assert (result.checks.notes, result.totals.errors, result.totals.closes) == ((), {}, {})
    assert result.checks.passed


def test_a_server_that_loses_one_in_a_hundred_deliveries_is_caught(server: Collab) -> None:
    with proxy_of(server, LosesDeliveries) as proxy:
        result = run_behind(server, proxy)
    assert result.checks.converged is False
    assert not result.passed
    assert "a witness has 0 clocks" in result.checks.notes[0]


def test_a_server_that_stores_less_than_it_says_is_caught(server: Collab) -> None:
    with proxy_of(server, LosesEdits) as proxy:
        result = run_behind(server, proxy)
    assert result.checks.missing_acknowledged > 0
    assert not result.passed


def test_a_server_that_says_late_what_is_stored_is_caught(server: Collab) -> None:
    with proxy_of(server, AcknowledgesLate) as proxy:
        result = run_behind(server, proxy)
    assert "stored.p95" in failed(result)
    assert result.totals.delays["stored"].summary()["p50"] > 1000
    assert result.totals.errors == {}  # what was written last was waited for
    assert result.checks.passed


def test_a_server_that_dies_is_caught(server: Collab) -> None:
    with proxy_of(server) as proxy:
        result = run_behind(server, proxy, in_between=proxy.die)
    assert result.checks.converged is False
    assert {"closes"} <= failed(result)
    assert not result.passed


@pytest.mark.prove
def test_a_server_that_stops_without_a_word_is_caught(server: Collab) -> None:
    with proxy_of(server) as proxy:
        result = run_behind(server, proxy, in_between=proxy.stop)
    assert result.checks.converged is False
    assert {"errors"} <= failed(result)
    assert not result.passed


def test_ctrl_c_ends_a_run_with_what_there_is(server: Collab) -> None:
    long = replace(PLAN, seconds=600.0)

    def interrupt(second: Second) -> None:
        if second.second == 2:
            os.kill(os.getpid(), signal.SIGINT)

    result = run(SCENARIOS["whiteboard"](), server, long, interrupt)
    assert 0 < result.plan.seconds < 60
    assert result.totals.counts["marks_seen"] > 0
    assert result.checks.passed


def below(process: subprocess.Popen[bytes], *parts: str) -> list[psutil.Process]:
    """All that a run has started, as soon as each of these is part of somebody's command."""
    top, deadline = psutil.Process(process.pid), time.monotonic() + 60
    while True:
        assert process.poll() is None
        assert time.monotonic() < deadline
        started = top.children(recursive=True)
        commands = " ".join(map(command_of, started))
        if all(each in commands for each in parts):
            return started
        time.sleep(0.05)


def command_of(process: psutil.Process) -> str:
    """Empty when it has just ended, as those do that are only asked something."""
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return ""


def test_sigterm_leaves_nothing_behind() -> None:
    command = [sys.executable, "-m", "loadtest", "run", "whiteboard", "--people", "4"]
    with subprocess.Popen([*command, "--target", "pycrdt-websocket"]) as process:
        started = below(process, "pycrdt_server", "loadtest.worker")
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == INTERRUPTED
    _, left = psutil.wait_procs(started, timeout=30)
    assert left == []


def test_a_run_that_is_killed_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    command = [sys.executable, "-m", "loadtest", "run", "whiteboard", "--people", "4"]
    with subprocess.Popen(command) as process:
        started = below(process, "server.worker", "postgres", "loadtest.worker")
        process.kill()
    _, left = psutil.wait_procs(started, timeout=30)
    assert left == []
    assert not list(tmp_path.glob("collab-loadtest-*"))
