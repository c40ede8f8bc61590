"""Rooms full of headsets over real sockets: how old what they see is, and what it costs.

`python -m benchmarks headsets` prints these alone. Everybody sends a pose with both hands 30 times
a second. An *age* is the time from when a pose was sent to when a frame with it was read by one of
those who are nearest. Plain relaying is `headset_relay.py`.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator
from typing import Self

from benchmarks.headset_client import Address
from benchmarks.headset_swarm import Course, HeadsetSwarm, Homecoming
from benchmarks.processes import CpuMeter
from benchmarks.report import Row, at_least, at_most
from benchmarks.scale import Scale
from benchmarks.targets import Collab, PinnedProcess
from benchmarks.workloads import AGAIN, DISTURBED
from tests.helpers.live_rooms import LiveRoom, live_room
from tests.helpers.server_process import free_port

RATE = 30.0

SHARED, HUNDRED, CROWD = 50, 100, 200
"""The most who are sent the same frame; the two sizes that have bounds."""

FRAMES_EACH = 0.99 * RATE
"""A second begins and ends between two ticks."""

AGE_BOUND = 50.0
SHARE_BOUNDS = {HUNDRED: 50.0, CROWD: 60.0}
BYTES_BOUND = 80_000.0

SETTLING_EACH = 0.08
"""Seconds before measuring, for each who came. All at once make the server late; what it left out
then it gives back by and by (POS-20)."""

STALL_SECONDS = 10.0
OLDEST_BOUND = 2.0
NO_WORSE_MS = 5.0
"""By so much the others' ages may differ between two runs."""


def measure(scale: Scale) -> Iterator[Row]:
    """Crowds, beside plain relaying; then one who does not read."""
    with Collab() as server:
        everybody = _crowd(server, scale.pick(SHARED, 4), scale)
        hundred = _crowd(server, scale.pick(HUNDRED, 6), scale)
        yield from _hundred_rows(hundred)
        yield from _crowd_rows(_crowd(server, scale.pick(CROWD, 9), scale))
    with Relay() as relay:
        yield from _relay_rows(everybody, relay.crowd(scale.pick(SHARED, 4), scale))
    with Relay() as relay:
        yield from _overload_rows(hundred, relay.crowd(scale.pick(HUNDRED, 6), scale))
    with Collab() as server:
        yield from _stall_rows(server, scale)


def _hundred_rows(course: Course) -> Iterator[Row]:
    frames, bound = course.frames_per_second, at_least(course.headsets * FRAMES_EACH)
    yield Row("100: frames a second", frames, "/s", bound, _note(course), course.details())
    yield from _age_and_share("100", course, HUNDRED)


def _crowd_rows(course: Course) -> Iterator[Row]:
    frames = course.frames_per_second
    yield Row("200: frames a second; fewer where the server is late", frames, "/s")
    yield from _age_and_share("200", course, CROWD)
    yield Row("200: to each", course.bytes_each, "B/s", at_most(BYTES_BOUND))


def _age_and_share(name: str, course: Course, size: int) -> Iterator[Row]:
    age = course.ages.percentile(0.95)
    yield Row(f"{name}: age of near poses, p95", age, "ms", at_most(AGE_BOUND), _note(course))
    bound = at_most(SHARE_BOUNDS[size])
    share = course.server_share
    yield Row(f"{name}: share of a core", share, "%", bound, details=course.details())


def _relay_rows(ours: Course, relayed: Course) -> Iterator[Row]:
    """50, all of whom see all: the same poses reach the same people."""
    for name, course in (("this server", ours), ("plain relay", relayed)):
        share, details = course.server_share, course.details()
        yield Row(f"50: share of a core: {name}", share, "%", None, _note(course), details)
        yield Row(f"50: age of poses, p95: {name}", course.ages.percentile(0.95), "ms")
    ratio = relayed.cpu_per_record / ours.cpu_per_record
    yield Row("50: CPU a pose that arrives: the relay's is so many times ours", ratio, "x")


def _overload_rows(ours: Course, relayed: Course) -> Iterator[Row]:
    """100: more than a core can relay. What it does deliver tells what the rest would cost."""
    due = relayed.headsets**2 * RATE
    arrived = 100 * relayed.records / relayed.seconds / due
    note, details = _note(relayed), relayed.details()
    title = "100: of the poses that were due so many arrived: plain relay"
    yield Row(title, arrived, "%", None, note, details)
    yield Row("100: age of near poses, p95: plain relay", relayed.ages.percentile(0.95), "ms")
    wanted = relayed.cpu_per_record * due / 1e4
    yield Row("100: share of a core that it would need for all of them", wanted, "%")
    ratio = wanted / ours.server_share
    yield Row("100: that is so many times what this server uses", ratio, "x")


def _note(course: Course) -> str:
    share = course.others_share
    return f"(others used {share:.0f} % of a core)" if share > DISTURBED else ""


# This server


def _crowd(server: Collab, people: int, scale: Scale) -> Course:
    """A room of its own; again while others are using the machine."""
    courses = []
    for _ in range(1 + scale.pick(AGAIN, 0)):
        with HeadsetSwarm(RATE) as swarm:
            swarm.connect(_way_in(server), people)
            swarm.move(scale.pick(people * SETTLING_EACH, 0.3))
            courses.append(swarm.measure(scale.pick(6.0, 0.6), server.meter))
        if courses[-1].others_share <= DISTURBED:
            break
    return min(courses, key=lambda each: each.others_share)


def _way_in(server: Collab) -> Callable[[], Address]:
    room: LiveRoom = asyncio.run(live_room(server.server))
    return lambda: Address(server.server.port, room.path())


# One who does not read


def _stall_rows(server: Collab, scale: Scale) -> Iterator[Row]:
    usual, stalled, back = _stall(server, scale.pick(HUNDRED, 6), scale.pick(STALL_SECONDS, 1.0))
    age, late = (course.ages.percentile(0.95) for course in (usual, stalled))
    yield Row("age for the others, p95: all read", age, "ms", None, _note(usual), usual.details())
    bound = at_most(age + NO_WORSE_MS)
    note, details = _note(stalled), stalled.details()
    yield Row("age for the others, p95: one does not", late, "ms", bound, note, details)
    yield Row("what lies on the way to it", back.on_the_way / 1024, "KiB")
    title = "when it has read that: the oldest pose near it"
    yield Row(title, back.oldest, "s", at_most(OLDEST_BOUND))


def _stall(server: Collab, people: int, seconds: float) -> tuple[Course, Course, Homecoming]:
    with HeadsetSwarm(RATE) as swarm:
        swarm.connect(_way_in(server), people)
        swarm.move(min(seconds, 3.0))
        usual = swarm.measure(seconds, server.meter)
        busy = swarm.clients[0]
        swarm.stall(busy)
        stalled = swarm.measure(seconds, server.meter)
        back = swarm.come_back(busy)
        swarm.move(0.2)
        return usual, stalled, back


# Plain relaying


class Relay:
    """A server that passes everything on, in a process of its own."""

    def __init__(self) -> None:
        self._port = free_port()
        command = [sys.executable, "-m", "benchmarks.headset_relay", str(self._port)]
        self._process = PinnedProcess(command, self._port)

    def __enter__(self) -> Self:
        self._process.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()

    def meter(self) -> CpuMeter:
        """Begin to count its CPU time."""
        return CpuMeter(self._process.pid)

    def crowd(self, people: int, scale: Scale) -> Course:
        """So many move."""
        with HeadsetSwarm(RATE) as swarm:
            swarm.connect(lambda: Address(self._port, "/", is_relay=True), people)
            swarm.move(scale.pick(1.0, 0.3))
            return swarm.measure(scale.pick(4.0, 0.6), self.meter)
