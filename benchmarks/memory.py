"""What connections and rooms hold while nothing happens."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks import workloads
from benchmarks.report import Row, at_most
from benchmarks.scale import Scale
from benchmarks.targets import Collab

KIB = 1024


def measure(scale: Scale) -> Iterator[Row]:
    """Idle connections in rooms of ten, and rooms by the difference between many and few."""
    for count in scale.pick((1000, 5000), (20,)):
        with Collab() as server:
            idle = workloads.idle_connections(server, count // 10, 10)
        yield Row(
            f"{count:,} idle connections in rooms of 10: each",
            idle.bytes_each / KIB,
            "KiB",
            at_most(18),
        )
    count = scale.pick(500, 20)
    with Collab() as server:
        many = workloads.idle_connections(server, count, 1)
    with Collab() as server:
        few = workloads.idle_connections(server, count // 10, 10)
    rooms = count - count // 10
    a_room = (many.bytes_each - few.bytes_each) * count / rooms
    yield Row("an empty room, without its connections", a_room / KIB, "KiB")
