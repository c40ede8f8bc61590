"""When turns are run. The clock is turned by hand; what is waited for is the loop's next round."""

from __future__ import annotations

import asyncio
import time

import pytest
import uvloop

from server.turn_timer import QUIET_SECONDS, TurnTimer


class Turns:
    """Counts the turns that a timer runs."""

    def __init__(self) -> None:
        self.now = 100.0
        self.count = 0
        self.timer = TurnTimer(self._run, lambda: self.now)

    def _run(self) -> None:
        self.timer.clear()
        self.count += 1
        self.timer.ended()


@pytest.fixture
async def turns() -> Turns:
    return Turns()


async def test_a_quiet_room_has_its_turn_at_once(turns: Turns) -> None:
    turns.timer.ask_for(turns.now)
    assert turns.count == 1
    turns.now += 2 * QUIET_SECONDS
    turns.timer.ask_for(turns.now)
    assert turns.count == 2


async def test_what_more_follows_at_once_is_waited_for(turns: Turns) -> None:
    turns.timer.ask_for(turns.now, more=True)
    assert turns.timer.is_scheduled
    assert turns.count == 0
    await asyncio.sleep(0)
    assert turns.count == 1


async def test_a_busy_room_has_its_turn_when_all_that_has_arrived_was_read(turns: Turns) -> None:
    turns.timer.ask_for(turns.now)
    turns.timer.ask_for(turns.now)
    assert turns.timer.is_scheduled
    turns.timer.schedule()
    assert turns.count == 1
    await asyncio.sleep(0)
    assert turns.count == 2
    assert not turns.timer.is_scheduled


async def test_a_turn_that_was_run_meanwhile_is_not_run_again(turns: Turns) -> None:
    turns.timer.schedule()
    turns.timer.clear()
    await asyncio.sleep(0)
    assert turns.count == 0


async def test_of_several_times_the_first_counts(turns: Turns) -> None:
    turns.timer.wake_at(turns.now + 3600)
    turns.timer.ask_for(turns.now + 7200)
    assert turns.count == 0
    turns.timer.ask_for(turns.now)
    assert turns.count == 1, "what comes meanwhile is not kept for an hour"


async def test_a_room_that_wants_a_turn_now_has_it_in_the_next_round(turns: Turns) -> None:
    turns.timer.wake_at(turns.now)
    assert turns.count == 0
    await asyncio.sleep(0)
    assert turns.count == 1


def test_a_wait_shorter_than_timers_tell_is_no_spin() -> None:
    """uvloop's timers go by whole milliseconds: a turn would be run until its time has come."""

    async def count(wait: float) -> int:
        done, runs, due = asyncio.Event(), 0, time.monotonic() + wait

        def run() -> None:
            nonlocal runs
            runs += 1
            timer.clear()
            if time.monotonic() < due:
                timer.wake_at(due)
            else:
                done.set()

        timer = TurnTimer(run, time.monotonic)
        timer.wake_at(due)
        await asyncio.wait_for(done.wait(), 5)
        return runs

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runs = [runner.run(count(wait)) for wait in (0.0001, 0.0003, 0.00045, 0.0014, 0.0045) * 4]
    assert max(runs) <= 3
