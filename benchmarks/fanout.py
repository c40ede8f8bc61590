"""A room of 50 over real sockets: how much it delivers, how late, and at what price."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks import workloads
from benchmarks.load import Load, Outcome, run_load
from benchmarks.report import Row, at_least, at_most
from benchmarks.scale import Scale
from benchmarks.swarm import Swarm
from benchmarks.targets import Collab

OVERLOAD = 1.5


def measure(scale: Scale) -> Iterator[Row]:
    """Steady, quiet, acknowledged, saturated, beyond saturation."""
    with Collab() as server:
        yield from _steady(workloads.steady_room(server, scale))
        quiet = workloads.quiet_room(server, scale)
        median = quiet.delays.percentile(0.5)
        yield Row(
            "an edit into the quiet room: median delay",
            median,
            "ms",
            at_most(1),
            details=quiet.details(),
        )
        stored = _acknowledged(server, scale)
        yield Row(
            "5 edits/s each, with ?ack=1: edit to stored, p95",
            stored.stored.percentile(0.95),
            "ms",
            at_most(30),
            details=stored.details(),
        )
        yield from _saturated(server, scale)


def _steady(outcome: Outcome) -> Iterator[Row]:
    details = outcome.details()
    note = other_note(outcome)
    name = "5 edits/s each"
    yield Row(
        f"{name}: CPU a delivered update",
        outcome.cpu_per_delivered,
        "us",
        at_most(7),
        note,
        details,
    )
    yield Row(f"{name}: delay, p95", outcome.delays.percentile(0.95), "ms", at_most(10), note)
    yield Row(f"{name}: the database's share of a core", details["database_share"], "%")


def other_note(outcome: Outcome) -> str:
    """A warning when somebody else was using the machine."""
    share = outcome.others_share
    return f"(others used {share:.0f} % of a core)" if share > workloads.DISTURBED else ""


def _acknowledged(server: Collab, scale: Scale) -> Outcome:
    with Swarm() as swarm:
        people = swarm.connect(server.seats(1, scale.pick(50, 6), with_receipts=True))
        load = Load(5.0, scale.pick(5.0, 0.6), warmup=scale.pick(1.0, 0.2))
        return run_load(swarm, people, load, server.meter, with_receipts=True)


def _saturated(server: Collab, scale: Scale) -> Iterator[Row]:
    found = workloads.saturation(server, scale)
    if found is None:
        yield Row("most delivered updates a second", float("nan"), "/s", at_least(1_300_000))
        return
    rate, outcome = found
    details = {"rate": rate, **outcome.details()}
    yield Row(
        "most delivered updates a second at p99 < 100 ms",
        outcome.delivered_per_second,
        "/s",
        at_least(1_300_000),
        f"{rate:.0f} a writer; generator {details['generator_share']:.0f} % of its core"
        f" {other_note(outcome)}",
        details,
    )
    covered = outcome.covered_per_second
    yield Row("  the same, counting values that newer ones replaced on the way", covered, "/s")
    yield Row("  CPU a delivered update there", outcome.cpu_per_delivered, "us")
    yield Row("  delay there, p99", outcome.delays.percentile(0.99), "ms")
    beyond = workloads.busy_room(
        server, OVERLOAD * rate, scale.pick(4.0, 0.5), people=scale.pick(50, 6)
    )
    yield Row(
        f"delivered at {OVERLOAD} times that rate",
        beyond.delivered_per_second,
        "/s",
        details=beyond.details(),
    )
