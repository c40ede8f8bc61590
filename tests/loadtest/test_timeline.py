"""What is due stays due, and lateness is measured."""

from __future__ import annotations

from loadtest.timeline import RESOLUTION, SECOND, Timeline
from tests.loadtest.clocks import Clock

MS = SECOND // 1000


def timeline(clock: Clock, late: list[int]) -> Timeline:
    """One that begins now."""
    return Timeline(clock.now, lambda _, by: late.append(by), clock, clock.sleep)


async def test_pauses_add_up_whatever_happens_between_them() -> None:
    clock, late = Clock(), list[int]()
    time = timeline(clock, late)
    begin = clock.now
    for _ in range(10):
        clock.turn(0.03)
        await time.pause(0.1)
    assert clock.now == begin + SECOND
    assert late == [0] * 10


async def test_a_stall_of_one_second_is_seen_in_the_delays() -> None:
    """No coordinated omission: the ten messages that were due meanwhile are late by as much as
    they are, although all were sent and seen at once when the stall was over."""
    clock, late = Clock(), list[int]()
    time = timeline(clock, late)
    clock.stalls[clock.now + 2 * SECOND] = 1.0
    delays, by_sending = [], []
    for _ in range(50):
        await time.pause(0.1)
        sent = clock.now
        seen = sent + MS
        delays.append((seen - time.at) // MS)
        by_sending.append((seen - sent) // MS)
    assert delays == [1] * 19 + list(range(1001, 1, -100)) + [1] * 21
    assert set(by_sending) == {1}
    assert [by // MS for by in late] == [delay - 1 for delay in delays]


async def test_who_is_late_does_not_wait_but_lets_others_go_on() -> None:
    clock, late = Clock(), list[int]()
    time = timeline(clock, late)
    clock.turn(5.0)
    for _ in range(3):
        await time.pause(1.0)
    assert clock.slept == [0.0] * 3


async def test_waiting_for_the_server_is_measured_once() -> None:
    """It is neither the generator's lateness nor part of the delays of what comes after it; and
    what is due later is due when it was."""
    clock, late = Clock(), list[int]()
    time = timeline(clock, late)
    begin = clock.now
    clock.turn(3.0)
    time.waited()
    assert time.at == clock.now
    await time.pause(1.0)
    assert (time.due, time.at) == (begin + SECOND, clock.now)
    await time.pause(2.5)
    assert clock.now == time.at == begin + 3.5 * SECOND
    assert late == [0, 0]


async def test_what_a_timer_cannot_tell_apart_is_on_time() -> None:
    clock, late = Clock(), list[int]()
    time = timeline(clock, late)
    clock.stalls[clock.now + SECOND] = RESOLUTION / SECOND
    await time.pause(1.0)
    assert time.at == clock.now
    assert time.due == clock.now - RESOLUTION
    assert late == [RESOLUTION]


async def test_the_first_thing_is_waited_for() -> None:
    clock, late = Clock(), list[int]()
    time = Timeline(clock.now + 4 * SECOND, lambda _, by: late.append(by), clock, clock.sleep)
    await time.begin()
    assert clock.slept == [4.0]
