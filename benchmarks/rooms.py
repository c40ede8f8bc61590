"""Many small rooms at once."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks import workloads
from benchmarks.fanout import other_note
from benchmarks.report import Row, at_most
from benchmarks.scale import Scale
from benchmarks.targets import Collab


def measure(scale: Scale) -> Iterator[Row]:
    """40 rooms of five: edits and presence."""
    with Collab() as server:
        outcome = workloads.small_rooms(server, scale)
    note = other_note(outcome)
    details = outcome.details()
    name = "40 rooms of 5, mixed, 10 Hz"
    yield Row(f"{name}: share of a core", outcome.server_share, "%", at_most(20), note, details)
    yield Row(f"{name}: delay, p99", outcome.delays.percentile(0.99), "ms", at_most(5), note)
    yield Row(f"{name}: the database's share of a core", details["database_share"], "%")
