"""Microseconds per call of something in this process."""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from time import perf_counter_ns
from typing import TypeVar

T = TypeVar("T")

SLICES = 9


def cost_each(work: Callable[[T], object], inputs: Sequence[T]) -> float:
    """Microseconds that `work` takes for one input, in the least disturbed slice of the inputs."""
    size = max(1, len(inputs) // SLICES)
    costs = []
    gc.collect()
    gc.disable()
    try:
        for start in range(0, len(inputs), size):
            part = inputs[start : start + size]
            begin = perf_counter_ns()
            for each in part:
                work(each)
            costs.append((perf_counter_ns() - begin) / len(part) / 1000)
    finally:
        gc.enable()
    return min(costs)


def cost(work: Callable[[], object], times: int) -> float:
    """The same for work without input."""
    return cost_each(lambda _: work(), range(times))
