"""One member of a busy room stops reading for a minute: what it costs, whom it delays, and how it
comes back."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterator
from dataclasses import dataclass
from threading import Timer
from typing import Any

from pycrdt import Doc, Map

from benchmarks import workloads
from benchmarks.fanout import other_note
from benchmarks.load import Kind, Load, Outcome, run_load
from benchmarks.processes import resident
from benchmarks.report import Row, at_most
from benchmarks.scale import Scale
from benchmarks.stalling import MemoryCurve, Return, StallingMember
from benchmarks.swarm import Swarm
from benchmarks.targets import Collab
from benchmarks.writers import ROOT

PEOPLE = 20
EDITORS = 10
RATE = 40.0
"""Messages a second of each editor: 20 edits and 20 times presence."""

STALL_SECONDS, AFTERWARDS, WARMUP = 60.0, 3.0, 5.0
MOST_WAITING = 512 * 1024
"""Bytes that may wait for one who does not read: kernel buffers, 64 KiB, and one difference."""

KIB = 1024
PATIENT = {"COLLAB_SLOW_MEMBER_SECONDS": "600"}
"""Nobody is sent away for being slow."""


@dataclass(frozen=True, slots=True)
class Course:
    """What came of one run.

    Attributes:
        others: of those who read.
        memory: of the worker, while the one who stalls does not read.
        back: of the one who stalls; None in the run without.
        agrees: whether its document was the server's in the end.
    """

    others: Outcome
    memory: MemoryCurve
    back: Return | None = None
    agrees: bool = False


def measure(scale: Scale) -> Iterator[Row]:
    """The same room without anybody who stalls and with one, each on a server of its own."""
    seconds = scale.pick((STALL_SECONDS, AFTERWARDS, WARMUP), (5.0, 1.0, 0.5))
    without = run(*seconds, is_stalled=False)
    with_one = run(*seconds, is_stalled=True)
    yield from _delay_rows(without.others, with_one.others)
    yield from _memory_rows(without.memory, with_one.memory)
    yield from _return_rows(with_one)


def _delay_rows(without: Outcome, with_one: Outcome) -> Iterator[Row]:
    for share, name in ((0.5, "median"), (0.95, "p95")):
        usual = without.delays.percentile(share)
        late = with_one.delays.percentile(share)
        title = f"delay of the others, {name}"
        yield Row(
            f"{title}: nobody stalls", usual, "ms", None, other_note(without), without.details()
        )
        yield Row(
            f"{title}: one stalls",
            late,
            "ms",
            at_most(usual + 2),
            other_note(with_one),
            with_one.details(),
        )


def _memory_rows(without: MemoryCurve, with_one: MemoryCurve) -> Iterator[Row]:
    usual, more = without.growth / KIB, with_one.growth / KIB
    slope, steeper = (60 * curve.slope / KIB for curve in (without, with_one))
    yield Row("growth of the worker's memory meanwhile: nobody stalls", usual, "KiB")
    yield Row("growth of the worker's memory meanwhile: one stalls", more, "KiB")
    yield Row("its slope: nobody stalls", slope, "KiB/min")
    yield Row("its slope: one stalls", steeper, "KiB/min", at_most(max(slope, 0) + KIB))


def _return_rows(course: Course) -> Iterator[Row]:
    back = course.back
    if back is None:
        raise AssertionError("this run has one who stalls")
    outcome = course.others
    each = outcome.received_bytes / PEOPLE / KIB
    note = f"each of the others has received {each:,.0f}"
    waiting = back.waiting / KIB if back.seconds is not None else math.nan
    yield Row(
        "what it receives until it is up to date again",
        waiting,
        "KiB",
        at_most(MOST_WAITING / KIB),
        note,
    )
    problem = back.closed or ("" if course.agrees else "its document is not the server's")
    seconds = math.nan if problem or back.seconds is None else back.seconds
    yield Row("until it is up to date again", seconds, "s", at_most(1), problem)


def run(stall: float, afterwards: float, warmup: float, *, is_stalled: bool) -> Course:
    """One room on a server of its own.

    Args:
        stall: seconds for which one member does not read.
        afterwards: seconds for which the others go on when it reads again.
        warmup: seconds before.
        is_stalled: False for the same without that member.
    """
    load = Load(RATE, stall + afterwards, Kind.IN_TURN, warmup=warmup)
    with Collab(PATIENT) as server, Swarm() as swarm:
        people = swarm.connect(server.seats(1, PEOPLE))
        (seat,) = server.seats_in(server.sessions, 1, first=PEOPLE)
        curve = MemoryCurve(lambda: resident(server.pid))
        member = StallingMember(seat, EDITORS) if is_stalled else None
        if member is not None:
            member.join()

        def start() -> None:
            curve.begin()
            if member is not None:
                member.stall()
                Timer(stall, member.resume).start()

        others = run_load(swarm, people[:EDITORS], load, server.meter, on_start=start)
        curve.end()
        if member is None:
            return Course(others, curve)
        workloads.settle(server)
        back = member.end()
        stored = asyncio.run(server.sessions[0].update())
        return Course(others, curve, back, contents(back.update) == contents(stored))


def contents(update: bytes) -> dict[str, Any]:
    """What a document looks like; every value in it was written once only."""
    doc: Doc[Any] = Doc()
    doc.apply_update(update)
    objects: Map[Any] = doc.get(ROOT, type=Map)
    return objects.to_py() or {}
