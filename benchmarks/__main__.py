"""`python -m benchmarks [section …] [--quick]`: what this server costs, as a table and as JSON.

Without sections all but `peers` are run. Sections with sockets start a server of their own
(`collab serve`) on the first core and drive it from the second.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from benchmarks import (
    attacks,
    comparison,
    echoes,
    fanout,
    generator,
    growth,
    guard,
    headsets,
    joins,
    lifetimes,
    loading,
    memory,
    outbound,
    past,
    pose_lane,
    poses,
    presence,
    rooms,
    rules,
    searching,
    stages,
    stalled,
)
from benchmarks.report import Report, Row
from benchmarks.scale import Scale
from loadtest import machine

Section = Callable[[Scale], Iterator[Row]]

SECTIONS: dict[str, Section] = {
    "stages": stages.measure,
    "guard": guard.measure,
    "outbound": outbound.measure,
    "rules": rules.measure,
    "poses": poses.measure,
    "lane": pose_lane.measure,
    "lifetimes": lifetimes.measure,
    "fanout": fanout.measure,
    "presence": presence.measure,
    "headsets": headsets.measure,
    "echoes": echoes.measure,
    "rooms": rooms.measure,
    "joins": joins.measure,
    "stalled": stalled.measure,
    "memory": memory.measure,
    "growth": growth.measure,
    "loading": loading.measure,
    "past": past.measure,
    "search": searching.measure,
    "attacks": attacks.measure,
    "generator": generator.measure,
    "peers": comparison.measure,
}
ON_REQUEST = {"peers"}
"""Sections that are run only when named: they need Node, and minutes."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what was asked for; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("sections", nargs="*", choices=[[], *SECTIONS], metavar="section")
    parser.add_argument("--quick", action="store_true", help="see that it works; numbers are void")
    parser.add_argument("--results", type=Path, default=Path("bench-results"), metavar="DIRECTORY")
    options = parser.parse_args(arguments)
    chosen = options.sections or [name for name in SECTIONS if name not in ON_REQUEST]
    where = machine.describe()
    packages = where.pop("packages")
    report = Report({**where, **packages, "is_quick": options.quick})
    print(", ".join(f"{key} {value}" for key, value in report.machine.items()), flush=True)
    for name in chosen:
        report.add(name, SECTIONS[name](Scale(options.quick)))
    path = options.results / f"{time.strftime('%Y-%m-%dT%H-%M-%S')}.json"
    report.write(path)
    print(f"\nwritten to {path}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
