"""Everybody comes at once."""

from __future__ import annotations

from collections.abc import Iterator
from time import monotonic

from benchmarks import documents, workloads
from benchmarks.load import Load, run_load
from benchmarks.processes import peak_resident
from benchmarks.report import Row, at_least, at_most
from benchmarks.scale import Scale
from benchmarks.swarm import Connection, Swarm
from benchmarks.targets import Collab

MEGABYTE = 1_000_000


def measure(scale: Scale) -> Iterator[Row]:
    """A storm on an ordinary document, and one on a large one while people work in it."""
    joiners, items = scale.pick((300, 10_000), (5, 100))
    with Collab() as server:
        storm = workloads.join_storm(server, joiners, items)
        name = f"{joiners} join a document of {items:,} items"
        yield Row(f"{name}: CPU in all", storm.cpu.server, "s", at_most(0.4))
        yield Row(f"{name}: until the last one has it", storm.seconds, "s")
    with Collab() as server:
        yield from _large_document(server, scale)


def _large_document(server: Collab, scale: Scale) -> Iterator[Row]:
    joiners, items, present = scale.pick((150, 20_000, 10), (4, 300, 3))
    seats = server.seats(1, present + joiners)
    coming: list[Connection] = []
    with Swarm() as swarm:
        workloads.preload(
            server, swarm, seats[0], documents.map_items(items, scale.pick(1000, 100))
        )
        people = [*swarm.connections.values(), *swarm.connect(seats[1:present])]
        begin = 0.0

        def start() -> None:
            nonlocal begin
            begin = monotonic()
            coming.extend(swarm.start(seat) for seat in seats[present:])

        load = Load(5.0, scale.pick(8.0, 1.0), warmup=scale.pick(1.0, 0.2))
        outcome = run_load(swarm, people, load, server.meter, on_start=start)
        ready = sorted(each.ready_at for each in coming if each.ready_at is not None)
    name = f"{joiners} join a document of 20 MB"
    seconds = ready[-1] - begin if ready else load.seconds
    note = "" if len(ready) == joiners else f"only {len(ready)} of them in {load.seconds:.0f} s"
    details = outcome.details()
    yield Row(f"{name}: joins a second", len(ready) / seconds, "/s", at_least(50), note, details)
    peak = peak_resident(server.pid) / MEGABYTE
    yield Row(f"{name}: the server's memory at most", peak, "MB", at_most(1000))
    late = outcome.delays.percentile(0.95)
    yield Row(f"{name}: delay of those in the room, p95", late, "ms", at_most(100))
    yield Row(f"{name}: CPU of those seconds", outcome.cpu.server, "s")
