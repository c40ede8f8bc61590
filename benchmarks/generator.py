"""The load test's own limit: how many people, and how many frames a second, one process drives.

The server is a bare relay in a process of its own on the other core. Rooms of 50 in which
everybody moves something now and then: each move reaches 49.
"""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from time import monotonic, monotonic_ns
from typing import Self

import httpx
import uvloop

from benchmarks.processes import CpuMeter, CpuUse
from benchmarks.report import Row, at_least, at_most
from benchmarks.scale import Scale
from benchmarks.targets import PinnedProcess
from benchmarks.workloads import DISTURBED
from loadtest.measures import Measures, Totals
from loadtest.participant import Participant, Shared
from loadtest.plan import Plan
from loadtest.seat import Seat
from loadtest.timeline import SECOND
from tests.helpers.server_process import free_port

PEOPLE = 1_000
IN_A_ROOM = 50
RATE = 1.2
"""Moves a second of each: 58,800 frames a second for a thousand people."""

FRAMES_BOUND = 50_000
LATE_BOUND = 50.0
STEEPER = 2.0
"""From one attempt at the limit to the next."""


@dataclass(frozen=True, slots=True)
class Drive:
    """What one process drove.

    Attributes:
        due: frames a second that were to be received.
        frames: that were.
        late: 99th percentile of the generator's own lateness, milliseconds.
        seen: the same of delays from a move to another's screen, all of it in relay and generator.
        share: percent of a core.
        others: percent of a core that processes took which have nothing to do with this.
    """

    due: float
    frames: float
    late: float
    seen: float
    share: float
    others: float

    @property
    def is_kept_up(self) -> bool:
        """Whether everything was received that was due, and nothing sent much too late."""
        return self.frames > 0.97 * self.due and self.late < LATE_BOUND

    @property
    def cpu_each(self) -> float:
        """Microseconds of the generator for each frame."""
        return self.share / 100 / self.frames * 1e6


def measure(scale: Scale) -> Iterator[Row]:
    """A thousand people at a rate, then more and more until one process cannot any more."""
    people = scale.pick(PEOPLE, 20)
    with BareRelay() as relay:
        drive = relay.drive(people, RATE, scale)
        yield from _at_rate(people, drive)
        yield from _limit(relay, people, drive, scale)


def _at_rate(people: int, drive: Drive) -> Iterator[Row]:
    driven = float(people if drive.is_kept_up else 0)
    yield Row("people whom one process drives", driven, "", at_least(PEOPLE), _note(drive))
    yield Row("  frames/s that they receive", drive.frames, "/s", at_least(FRAMES_BOUND))
    yield Row("  lateness of the generator, p99", drive.late, "ms", at_most(LATE_BOUND))
    yield Row("  edit to seen, p99", drive.seen, "ms")
    yield Row("  share of a core", drive.share, "%")
    yield Row("  CPU a frame, with what is sent", drive.cpu_each, "us")


def _limit(relay: BareRelay, people: int, most: Drive, scale: Scale) -> Iterator[Row]:
    """More and more a second, until not all of it is received, or too much of it late."""
    drive, rate = most, RATE
    for _ in range(scale.pick(3, 1)):
        if not drive.is_kept_up:
            break
        rate *= STEEPER
        drive = relay.drive(people, rate, scale)
        most = max(most, drive, key=lambda each: each.frames)
    yield Row("most frames/s that one process receives", most.frames, "/s", None, _note(most))
    yield Row("  lateness of the generator there, p99", most.late, "ms")
    yield Row("  CPU a frame there", most.cpu_each, "us")


def _note(drive: Drive) -> str:
    return f"(others used {drive.others:.0f} % of a core)" if drive.others > DISTURBED else ""


class BareRelay:
    """`benchmarks.bare_relay` in a process of its own."""

    def __init__(self) -> None:
        self._port = free_port()
        command = [sys.executable, "-m", "benchmarks.bare_relay", str(self._port)]
        self._process = PinnedProcess(command, self._port)

    def __enter__(self) -> Self:
        self._process.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()

    def drive(self, people: int, rate: float, scale: Scale) -> Drive:
        """So many people move something so many times a second each."""
        rooms = max(people // IN_A_ROOM, 1)
        ramp, seconds = scale.pick(4.0, 0.3), scale.pick(8.0, 0.5)
        plan = Plan("generator", people, rooms, seconds, ramp, seed=1, processes=1, witnesses=0)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            totals, use, passed = runner.run(self._run(plan, rate))
        due = people * rate * (people / rooms - 1)
        late, seen = (totals.delays[name].percentiles(99)[0] for name in ("late", "seen"))
        shares = [100 * each / passed for each in (use.generator, use.other)]
        return Drive(due, totals.counts["frames_in"] / passed, late, seen, *shares)

    async def _run(self, plan: Plan, rate: float) -> tuple[Totals, CpuUse, float]:
        measures = Measures()
        async with httpx.AsyncClient() as api:
            shared = Shared(plan, measures, monotonic_ns(), api)
            everybody = [
                Participant(self._seat(plan, number), shared) for number in range(plan.people)
            ]
            async with asyncio.TaskGroup() as stories:
                for each in everybody:
                    stories.create_task(_move(each, rate))
                use, passed = await self._measure(plan, shared.start, measures)
            await asyncio.gather(*(each.leave() for each in everybody))
        return Totals.merge([measures.dump()]), use, passed

    async def _measure(self, plan: Plan, start: int, measures: Measures) -> tuple[CpuUse, float]:
        await asyncio.sleep(plan.ramp + (start - monotonic_ns()) / SECOND)
        gc.freeze()
        measures.begin(monotonic_ns())
        # In threads: reading /proc would stop everybody.
        meter, begun = await asyncio.to_thread(CpuMeter, self._process.pid), monotonic()
        await asyncio.sleep(plan.seconds)
        measures.end()
        passed, use = monotonic() - begun, await asyncio.to_thread(meter.use)
        gc.unfreeze()
        return use, passed

    def _seat(self, plan: Plan, number: int) -> Seat:
        room = plan.room_of(number)
        return Seat(number, room, "127.0.0.1", self._port, is_tls=False, path=f"/{room}")


async def _move(me: Participant, rate: float) -> None:
    """One person's story."""
    await me.join()
    sticky, update = me.board.sticky(0, 0)
    me.edit(update)
    await me.pause(me.random.uniform(0, 1 / rate))
    while me.is_running:
        me.edit(me.board.move(sticky, me.random.uniform(0, 1000), 0))
        await me.pause(1 / rate)
