"""People moving: what their presence costs."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks import workloads
from benchmarks.fanout import other_note
from benchmarks.report import Row, at_most
from benchmarks.scale import Scale
from benchmarks.targets import Collab

CROWDS = ((100, 10.0, 10.0), (100, 30.0, 16.0), (500, 1.0, 10.0))
"""People, their rate in Hz, and the share of a core (%) it may cost."""


def measure(scale: Scale) -> Iterator[Row]:
    """Crowds of different size and speed in one room."""
    with Collab() as server:
        for people, rate, share in scale.pick(CROWDS, ((6, 10.0, 10.0),)):
            outcome = workloads.moving_crowd(server, people, rate, scale)
            name = f"{people} people at {rate:.0f} Hz"
            yield Row(
                f"{name}: share of a core",
                outcome.server_share,
                "%",
                at_most(share),
                other_note(outcome),
                outcome.details(),
            )
            yield Row(f"{name}: delay, p95", outcome.delays.percentile(0.95), "ms")
