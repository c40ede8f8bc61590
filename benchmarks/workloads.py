"""The workloads that servers are compared on. Each works on any target."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from benchmarks import documents
from benchmarks.load import Kind, Load, Outcome, run_load
from benchmarks.processes import CpuUse, peak_resident, resident
from benchmarks.scale import Scale
from benchmarks.swarm import Connection, Seat, Swarm
from benchmarks.targets import Target
from loadtest.processes import cpu_seconds

WRITERS = 50
STEADY_RATE = 5.0
PASSING_P99 = 100.0
PASSING_SENT = 0.985
FIRST_RATE = 40.0
LAST_RATE = 5000.0

DISTURBED = 10.0
"""Percent of a core from which on others make a measurement doubtful."""

AGAIN = 2
"""How often a disturbed measurement is repeated."""


@contextmanager
def crowd(target: Target, rooms: int, people: int) -> Iterator[tuple[Swarm, list[Connection]]]:
    """So many people in each of so many new rooms."""
    with Swarm() as swarm:
        yield swarm, swarm.connect(target.seats(rooms, people))
    settle(target)


def settle(target: Target, seconds: float = 5.0) -> None:
    """Wait until the server has digested what it was given: until it is nearly idle."""
    deadline = time.monotonic() + seconds
    before = cpu_seconds((target.pid,))
    while time.monotonic() < deadline:
        time.sleep(0.25)
        now = cpu_seconds((target.pid,))
        if now - before < 0.015:
            return
        before = now


def put_on(
    target: Target,
    rooms: int,
    people: int,
    load: Load,
    *,
    senders: int | None = None,
    again: int = 0,
) -> Outcome:
    """Fill new rooms and put a load on them.

    Args:
        senders: how many of the people write; None for all.
        again: how often this is repeated while others are using the machine.
    """
    with crowd(target, rooms, people) as (swarm, members):
        outcome = run_load(swarm, members[:senders], load, target.meter)
    if again == 0 or outcome.others_share <= DISTURBED:
        return outcome
    other = put_on(target, rooms, people, load, senders=senders, again=again - 1)
    return min(outcome, other, key=lambda each: each.others_share)


def steady_room(target: Target, scale: Scale) -> Outcome:
    """One room of 50, everybody writes five times a second."""
    load = Load(STEADY_RATE, scale.pick(6.0, 0.6), warmup=scale.pick(1.5, 0.2))
    return put_on(target, 1, scale.pick(WRITERS, 6), load, again=scale.pick(AGAIN, 0))


def quiet_room(target: Target, scale: Scale) -> Outcome:
    """The same room, where only one of them writes now and then."""
    load = Load(STEADY_RATE, scale.pick(5.0, 0.6), warmup=scale.pick(1.0, 0.2))
    people = scale.pick(WRITERS, 6)
    return put_on(target, 1, people, load, senders=1, again=scale.pick(AGAIN, 0))


def busy_room(target: Target, rate: float, seconds: float, *, people: int = WRITERS) -> Outcome:
    """One room in which everybody writes at a rate."""
    return put_on(target, 1, people, Load(rate, seconds, warmup=min(0.8, seconds / 2), drain=1.0))


def passes(outcome: Outcome, rate: float, people: int) -> bool:
    """Whether a server has kept up: everybody's newest write arrived, in time, and nobody was
    thrown out. That older ones were left out on the way is no fault."""
    wanted = rate * people * outcome.seconds
    return (
        outcome.lost == 0
        and outcome.delays.percentile(0.99) <= PASSING_P99
        and outcome.disconnected == 0
        and outcome.sent >= PASSING_SENT * wanted
    )


def saturation(target: Target, scale: Scale) -> tuple[float, Outcome] | None:
    """The highest rate a writer (to about 6 %) at which one room of 50 keeps up, and what it did.

    None when even the lowest rate is too much.
    """
    people = scale.pick(WRITERS, 6)
    best: tuple[float, Outcome] | None = None
    too_much: float | None = None
    rate = FIRST_RATE
    while rate <= scale.pick(LAST_RATE, FIRST_RATE):
        outcome = _tried(target, rate, people, scale)
        if passes(outcome, rate, people):
            best = (rate, outcome)
        else:
            too_much = rate
        if too_much is None:
            rate *= 2
            continue
        low = best[0] if best is not None else 0.0
        if too_much - low < 0.06 * too_much:
            break
        rate = (low + too_much) / 2
    return _confirmed(target, best, people, scale) if best is not None else None


def _tried(target: Target, rate: float, people: int, scale: Scale) -> Outcome:
    """A short run; a second chance for one that failed while others were using the machine."""
    outcome = busy_room(target, rate, scale.pick(2.0, 0.5), people=people)
    if not passes(outcome, rate, people) and outcome.others_share > DISTURBED:
        return busy_room(target, rate, scale.pick(2.0, 0.5), people=people)
    return outcome


def _confirmed(
    target: Target, best: tuple[float, Outcome], people: int, scale: Scale
) -> tuple[float, Outcome]:
    """The best rate that also a longer run keeps."""
    rate, outcome = best
    for _ in range(scale.pick(3, 0)):
        longer = busy_room(target, rate, 5.0, people=people)
        if passes(longer, rate, people):
            return rate, longer
        rate *= 0.94
    return rate, outcome


def moving_crowd(target: Target, people: int, rate: float, scale: Scale) -> Outcome:
    """One room, presence only."""
    load = Load(rate, scale.pick(6.0, 0.6), Kind.PRESENCE, warmup=scale.pick(1.5, 0.2), drain=0.5)
    return put_on(target, 1, people, load, again=scale.pick(AGAIN, 0))


def small_rooms(target: Target, scale: Scale) -> Outcome:
    """40 rooms of five, a tenth edits, the rest presence, ten times a second."""
    load = Load(10.0, scale.pick(6.0, 0.6), Kind.MIXED, warmup=scale.pick(1.5, 0.2))
    return put_on(target, scale.pick(40, 2), scale.pick(5, 3), load, again=scale.pick(AGAIN, 0))


@dataclass(frozen=True, slots=True)
class Storm:
    """What came of many people joining at once.

    Attributes:
        seconds: until the last one had the document.
        cpu: used in that time.
        peak: bytes the server has had resident at most, ever.
    """

    joined: int
    seconds: float
    cpu: CpuUse
    peak: int


def join_storm(target: Target, joiners: int, items: int) -> Storm:
    """So many people open one document of so many small items at the same moment."""
    with Swarm() as swarm:
        seats = target.seats(1, joiners + 1)
        preload(target, swarm, seats[0], documents.map_items(items, 60))
        cpu = target.meter()
        begin = time.monotonic()
        coming = [swarm.start(seat) for seat in seats[1:]]
        swarm.run(60.0, until=lambda: all(each.ready_at is not None for each in coming))
        ready = [each.ready_at for each in coming if each.ready_at is not None]
        swarm.run(0.3)
        return Storm(
            len(ready), max(ready, default=begin) - begin, cpu.use(), peak_resident(target.pid)
        )


def preload(target: Target, swarm: Swarm, seat: Seat, updates: Iterator[bytes]) -> Connection:
    """Write a document as one person, who stays."""
    (writer,) = swarm.connect([seat])
    for update in updates:
        swarm.send(writer, documents.message(update, seat.dialect))
        swarm.run(0.05)
    swarm.run(0.5)
    settle(target)
    return writer


@dataclass(frozen=True, slots=True)
class Idle:
    """Memory that connections hold which do nothing."""

    connections: int
    bytes_each: float


def idle_connections(target: Target, rooms: int, people: int) -> Idle:
    """So many people in so many rooms, all of them silent."""
    with Swarm() as swarm:
        swarm.connect(target.seats(1, 20))  # what the first ones cost is not theirs
    time.sleep(1.0)
    settle(target)
    before = resident(target.pid)
    with Swarm() as swarm:
        swarm.connect(target.seats(rooms, people))
        swarm.run(2.0)
        return Idle(rooms * people, (resident(target.pid) - before) / (rooms * people))
