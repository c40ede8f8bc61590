"""ACC-13: the tokens of the people in a room, by a clock that stands still."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from crdt_docs.access import Role
from crdt_docs.identifiers import Identity
from crdt_docs.member import Member
from server.leases import LONGEST_WAIT, Lease, Leases


class Timers:
    """What a loop was asked to call, and when."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        self.waits: list[float] = []
        self.called = 0
        loop = asyncio.get_running_loop()
        self._call_later: Any = loop.call_later
        monkeypatch.setattr(loop, "call_later", self._note)
        self.leases = Leases(lambda: self.now, self._on_due)

    def _note(self, wait: float, callback: Callable[[], None], *more: Any) -> asyncio.TimerHandle:
        if callback == self._on_due:
            self.waits.append(wait)
            wait = 1e6
        handle: asyncio.TimerHandle = self._call_later(wait, callback, *more)
        return handle

    def _on_due(self) -> None:
        self.called += 1


@pytest.fixture
async def timers(monkeypatch: pytest.MonkeyPatch) -> Timers:
    return Timers(monkeypatch)


def member(number: int) -> Member:
    return Member(Identity(UUID(int=number)), Role.EDITOR)


async def test_the_timer_is_for_the_first_to_end(timers: Timers) -> None:
    ada, ben, cleo = member(1), member(2), member(3)
    timers.leases.put(ada, Lease(None, 160.0))
    timers.leases.put(ben, Lease(None, 130.0))
    timers.leases.put(cleo, Lease(None, 140.0))
    assert timers.waits == [60.0, 30.0]
    timers.now = 130.0
    assert timers.leases.expired() == [ben]
    timers.leases.drop(ben)
    assert timers.waits[-1] == 10.0
    timers.now = 160.0
    assert timers.leases.expired() == [ada, cleo]


async def test_a_renewed_token_ends_later(timers: Timers) -> None:
    ada = member(1)
    timers.leases.put(ada, Lease(None, 130.0))
    timers.leases.put(ada, Lease(None, 500.0))
    timers.now = 130.0
    assert timers.leases.expired() == []
    assert timers.waits[-1] == 370.0


async def test_who_has_left_is_waited_for_no_more(timers: Timers) -> None:
    ada = member(1)
    timers.leases.put(ada, Lease(None, 130.0))
    timers.leases.drop(ada)
    timers.leases.drop(ada)
    timers.now = 130.0
    assert timers.leases.expired() == []
    assert timers.waits == [30.0]


async def test_a_token_without_an_end_sets_no_timer(timers: Timers) -> None:
    timers.leases.put(member(1), Lease(None, math.inf))
    assert timers.waits == []
    assert timers.leases.tokens() == {}


async def test_years_are_waited_for_in_hours(timers: Timers) -> None:
    timers.leases.put(member(1), Lease(None, 1e12))
    assert timers.waits == [LONGEST_WAIT]
    assert timers.leases.expired() == []
    assert timers.waits == [LONGEST_WAIT, LONGEST_WAIT]


async def test_what_has_ended_before_is_due_at_once(timers: Timers) -> None:
    timers.leases.put(member(1), Lease(None, 5.0))
    assert timers.waits == [0.0]
