"""A signal ends preparations at once, and is counted once somebody looks."""

from __future__ import annotations

import os
import signal
import time

import pytest

from server.stop_signals import StopRequested, StopSignals
from server.worker_channel import WorkerEnd, open_channel

NUMBERS = [signal.SIGTERM, signal.SIGINT, signal.SIGHUP]


@pytest.mark.parametrize("number", NUMBERS)
def test_a_signal_before_anybody_looks_ends_what_is_being_done(number: int) -> None:
    with StopSignals().caught() as signals:
        with pytest.raises(StopRequested):
            os.kill(os.getpid(), number)
        assert signals.received == 1


@pytest.mark.parametrize("number", NUMBERS)
def test_a_signal_ends_the_waiting_and_is_counted(number: int) -> None:
    with StopSignals().caught() as signals:
        signals.are_awaited = True
        os.kill(os.getpid(), number)
        begun = time.monotonic()
        signals.wait(None, 30.0)
        assert time.monotonic() - begun < 5.0
        assert signals.received == 1


def test_without_a_signal_waiting_takes_its_time() -> None:
    with StopSignals().caught() as signals:
        begun = time.monotonic()
        signals.wait(None, 0.02)
        assert time.monotonic() - begun >= 0.02
        assert signals.received == 0


def test_a_worker_that_speaks_ends_the_waiting() -> None:
    supervisor, theirs = open_channel()
    with StopSignals().caught() as signals, theirs:
        WorkerEnd(theirs).say_ready([])
        begun = time.monotonic()
        signals.wait(supervisor, 30.0)
        assert time.monotonic() - begun < 5.0
    supervisor.close()


def test_a_worker_that_ended_is_not_waited_for_again_and_again() -> None:
    supervisor, theirs = open_channel()
    theirs.close()
    assert supervisor.heard() == []
    with StopSignals().caught() as signals:
        begun = time.monotonic()
        signals.wait(supervisor, 0.02)
        assert time.monotonic() - begun >= 0.02
    supervisor.close()


def test_nohup_is_respected() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with StopSignals().caught() as signals:
            os.kill(os.getpid(), signal.SIGHUP)
            assert signals.received == 0
    finally:
        signal.signal(signal.SIGHUP, before)


def test_handlers_are_put_back() -> None:
    before = [signal.getsignal(number) for number in NUMBERS]
    with StopSignals().caught():
        assert [signal.getsignal(number) for number in NUMBERS] != before
    assert [signal.getsignal(number) for number in NUMBERS] == before
