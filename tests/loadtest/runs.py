"""Results of runs that never were, made by the measures themselves."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import UTC, datetime
from random import Random

from rich.console import Console, RenderableType

from loadtest.measures import Count, Delay, Measures, Totals
from loadtest.plan import Plan
from loadtest.result import Checks, Result, ServerUse, Tested
from loadtest.second import Second, Use, merge_seconds

SECOND = 1_000_000_000
MILLISECOND = 1_000_000
PLAN = Plan("whiteboard", people=20, rooms=2, seconds=8, ramp=2, seed=1, processes=2, witnesses=2)


def measured_run(*, slower: float = 1.0, seed: int = 1, plan: Plan = PLAN) -> Result:
    """A run whose delays are `slower` times as long, with everything in it that a run can have.

    Its server does half the work of a core, and its memory grows a little.
    """
    random = Random(seed)
    both = [Measures() for _ in range(plan.processes)]
    length = int(plan.ramp + plan.seconds)
    series = [_second(plan, both, at, slower, random) for at in range(length)]
    return Result(
        plan=plan,
        started=datetime(2026, 3, 1, 9, 30, tzinfo=UTC),
        target=Tested("collab", "0.1.0", "http://127.0.0.1:8000"),
        machine={
            "cpu": "a CPU",
            "cores": 2,
            "kernel": "Linux 6",
            "python": "3.13.1",
            "packages": {"pycrdt": "0.14.13"},
            "commit": "abc1234",
        },
        totals=Totals.merge([each.dump() for each in both]),
        series=series,
        server=ServerUse(12.5 * slower, 0.5, 90 * 2**20, 41_000.0, 1024.0, (-2048.0, 4096.0)),
        checks=Checks(witnesses=4, converged=True),
    )


def _second(
    plan: Plan, processes: list[Measures], at: int, slower: float, random: Random
) -> Second:
    now = at * SECOND
    if at == plan.ramp:
        for each in processes:
            each.begin(now)
    for each in processes:
        _happen(each, plan, at, slower, random)
    use = Use(0.5 + random.random() / 10, 80 * 2**20 + at * 2**17, 0.3)
    return merge_seconds(at, [each.tick(now + SECOND) for each in processes], use)


def _happen(measures: Measures, plan: Plan, at: int, slower: float, random: Random) -> None:
    if at < plan.ramp:
        for _ in range(plan.people // plan.processes // int(plan.ramp)):
            measures.count(Count.JOINED)
            measures.delay(Delay.JOIN, at * SECOND, int(random.uniform(5, 20) * MILLISECOND))
    for _ in range(300):
        late = random.lognormvariate(1.0, 0.6) * slower
        now = (at + 1) * SECOND - 1
        measures.delay(Delay.SEEN, now, int(late * MILLISECOND))
        measures.delay(Delay.STORED, now, int(late * 1.5 * MILLISECOND))
        measures.delay(Delay.LATE, now, int(random.random() * MILLISECOND / 4))
    measures.count(Count.EDITS_SENT, 100)
    measures.count(Count.MARKS_SEEN, 900)
    measures.count(Count.FRAMES_IN, 700)
    measures.count(Count.BYTES_IN, 80_000)


def failed_run() -> Result:
    """One with trouble of every kind; what its server says looks like markup."""
    run = measured_run()
    run.totals.closes["1011"] = 2
    run.totals.errors["<b>[bold]no</b>"] = 3
    run.checks = replace(
        run.checks, converged=False, missing_acknowledged=7, notes=("room 1: <i>7 structs</i>",)
    )
    run.judge(())
    return run


def as_text(shown: RenderableType) -> str:
    """What a wide terminal would show."""
    written = io.StringIO()
    Console(file=written, width=160).print(shown)
    return written.getvalue()
