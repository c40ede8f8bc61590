"""Rounds of the loop, kept apart only when that helps."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

from server.moderation import READS_COUNTED, Moderation

GAP = 0.001


class Rounds:
    """A loop whose rounds take as long as they are said to; its own clock."""

    def __init__(self, gap: float = GAP) -> None:
        self.now = 0.0
        self.slept = 0.0
        self._due: list[Callable[[], None]] = []
        self.moderation = Moderation(gap, clock=lambda: self.now, sleep=self._sleep)

    def _sleep(self, seconds: float) -> None:
        self.slept += seconds
        self.now += seconds

    def call_soon(self, callback: Callable[[], None]) -> None:
        """As the loop's."""
        self._due.append(callback)

    def round(self, reads: int, work: float = 0.0, idle: float = 0.0) -> float:
        """Wait, read so many sockets, work; how long was slept afterwards."""
        before = self.slept
        self.now += idle
        for _ in range(reads):
            self.moderation.note_read(cast(asyncio.AbstractEventLoop, self))
        self.now += work
        due, self._due = self._due, []
        for callback in due:
            callback()
        return self.slept - before

    def become_busy(self) -> None:
        self.round(READS_COUNTED + 1, work=0.000_01)


def test_a_quiet_loop_is_left_alone() -> None:
    rounds = Rounds()
    for _ in range(5 * READS_COUNTED):
        assert rounds.round(1, idle=0.004) == 0.0


def test_rounds_with_many_small_messages_are_kept_apart() -> None:
    rounds = Rounds()
    for _ in range(3 * READS_COUNTED):
        rounds.round(1, work=0.000_1, idle=0.000_4)
    begun, counted = rounds.now, 40
    for _ in range(counted):
        rounds.round(2, work=0.000_1)
    assert rounds.now - begun >= 0.9 * counted * GAP


def test_long_rounds_are_not_made_longer() -> None:
    """A loop that is saturated must not rest."""
    rounds = Rounds()
    rounds.become_busy()
    for _ in range(50):
        assert rounds.round(20, work=0.005) == 0.0


def test_it_ends_when_the_messages_do() -> None:
    rounds = Rounds()
    for _ in range(3 * READS_COUNTED):
        rounds.round(1, work=0.000_1, idle=0.000_4)
    assert rounds.slept > 0
    for _ in range(30):
        rounds.round(1, idle=0.01)
    slept = rounds.slept
    for _ in range(50):
        rounds.round(1, idle=0.01)
    assert rounds.slept == slept


def test_without_a_gap_it_never_waits() -> None:
    rounds = Rounds(gap=0.0)
    for _ in range(10 * READS_COUNTED):
        rounds.round(1, work=0.000_1)
    assert rounds.slept == 0.0
