"""Why a reader should not believe a run: the generator, or the machine, was part of what was
measured."""

from __future__ import annotations

import math
from collections.abc import Iterator

from loadtest.labels import milliseconds, percent
from loadtest.result import Result

MOST_OTHERS = 0.2  # of a core, used by neither server nor generator
MOST_GENERATOR = 0.8  # of each core that the generator has
MOST_LATE = 0.25  # of what was measured
LEAST_LATE = 1.0  # milliseconds that are no matter


def doubts(result: Result) -> Iterator[str]:
    """One sentence for each reason."""
    yield from _of_others(result)
    yield from _of_a_busy_generator(result)
    yield from _of_a_late_generator(result)
    if measured := sum(each.is_measured for each in result.series):
        yield from _of_a_short_run(result, measured)


def _of_others(result: Result) -> Iterator[str]:
    """Only where the server's processes are known: otherwise it would be one of the others."""
    others: float = result.machine.get("others_share", 0.0)
    if result.server.share is not None and others > MOST_OTHERS:
        yield f"Others on this machine took {percent(others)} of a core: part of it is theirs."


def _of_a_busy_generator(result: Result) -> Iterator[str]:
    used = [each.generator_cpu for each in result.series if each.is_measured]
    known = sorted(each for each in used if each is not None)
    if not known:
        return
    middle = known[len(known) // 2]
    if middle > MOST_GENERATOR * result.plan.processes:
        yield f"The generator took {percent(middle)} of a core: give it more --processes."


def _of_a_late_generator(result: Result) -> Iterator[str]:
    late = result.totals.delays["late"].percentiles(95)[0]
    seen = result.totals.delays["seen"].percentiles(95)[0]
    bound = max(LEAST_LATE, MOST_LATE * (0.0 if math.isnan(seen) else seen))
    if late > bound:
        yield f"The generator itself was late by {milliseconds(late)} ms (p95): delays hold that."


def _of_a_short_run(result: Result, measured: int) -> Iterator[str]:
    """Seconds come from all processes: where some are missing, a process was held up."""
    expected = int(result.plan.seconds) - 1
    if measured < expected:
        yield f"Of {expected} seconds only {measured} are known: a process was held up."
