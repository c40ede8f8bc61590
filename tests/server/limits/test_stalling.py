"""What goes on too slowly is noticed; on a loop whose clock is turned by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from server.limits.stalling import StallWatch


class HandLoop:
    """A loop that calls back when its clock is turned."""

    def __init__(self) -> None:
        self.now = 0.0
        self._due: list[Timer] = []

    def call_later(self, delay: float, callback: Callable[..., object], *args: Any) -> Timer:
        timer = Timer(self.now + delay, lambda: callback(*args))
        self._due.append(timer)
        return timer

    def turn(self, seconds: float) -> None:
        """Let time pass."""
        until = self.now + seconds
        while due := sorted((t for t in self._due if t.at <= until), key=lambda t: t.at):
            self._due.remove(due[0])
            self.now = due[0].at
            if not due[0].is_cancelled:
                due[0].run()
        self.now = until


class Timer:
    def __init__(self, at: float, run: Callable[[], object]) -> None:
        self.at = at
        self.run = run
        self.is_cancelled = False

    def cancel(self) -> None:
        self.is_cancelled = True


class Upload:
    """Something that comes in, watched."""

    def __init__(self) -> None:
        self.loop = HandLoop()
        self.bytes = 0
        self.is_excused = False
        self.stalls = 0
        self.watch = StallWatch(
            self.loop,  # type: ignore[arg-type]  # has all that is asked of it
            seconds=10.0,
            least_per_second=100.0,
            amount=lambda: self.bytes,
            on_stall=self.stall,
            is_excused=lambda: self.is_excused,
        )

    def stall(self) -> None:
        self.stalls += 1

    def come(self, each: int, seconds: int) -> None:
        """So many bytes a second."""
        for _ in range(seconds):
            self.bytes += each
            self.loop.turn(1.0)


def test_what_comes_at_the_least_rate_may_go_on_for_ever() -> None:
    """CON-3"""
    upload = Upload()
    upload.watch.start()
    upload.come(100, 1000)
    assert upload.stalls == 0


def test_what_comes_more_slowly_is_noticed_once() -> None:
    """CON-3"""
    upload = Upload()
    upload.watch.start()
    upload.come(99, 9)
    assert upload.stalls == 0
    upload.come(99, 100)
    assert upload.stalls == 1
    assert not upload.watch.is_running


def test_a_fast_beginning_excuses_nothing_later() -> None:
    """CON-3"""
    upload = Upload()
    upload.watch.start()
    upload.come(1_000_000, 10)
    upload.come(1, 10)
    assert upload.stalls == 1


def test_what_we_do_not_read_is_not_their_fault() -> None:
    """CON-3"""
    upload = Upload()
    upload.watch.start()
    upload.is_excused = True
    upload.come(0, 100)
    assert upload.stalls == 0
    upload.is_excused = False
    upload.come(0, 10)
    assert upload.stalls == 1


def test_what_is_done_is_not_watched() -> None:
    upload = Upload()
    upload.watch.start()
    upload.watch.start()
    upload.watch.stop()
    upload.watch.stop()
    upload.come(0, 100)
    assert upload.stalls == 0
