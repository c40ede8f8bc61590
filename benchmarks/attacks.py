"""What people in a well-behaved room notice of an attack on the same server.

Each flood of `tests/attacks/floods.py` is repeated from a process of its own, as somebody who may
edit another session, while five people edit together; with it, and without any.
"""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.load import Kind, Load, Outcome, run_load
from benchmarks.report import Row, at_most
from benchmarks.scale import Scale
from benchmarks.swarm import Swarm
from benchmarks.targets import Collab
from server.settings import Settings, variable
from tests.attacks.floods import FLOODS, SETTINGS
from tests.helpers.lifted_limits import LIFTED

ROOT = Path(__file__).parent.parent
DEFAULTS = {variable(name): str(int(Settings.model_fields[name].default)) for name in LIFTED}
"""Other benchmarks lift these limits."""

PEOPLE = 5
RATE = 10.0
SECONDS = 10.0
MOST = 20.0
"""Milliseconds from an edit until the others see it, of 95 in 100."""


def measure(scale: Scale) -> Iterator[Row]:
    """The delay of those beside each flood, on a server of its own."""
    seconds = scale.pick(SECONDS, 1.0)
    yield _row("nobody attacks", _run(None, seconds))
    for name in FLOODS:
        yield _row(name, _run(name, seconds))


def _row(name: str, outcome: Outcome) -> Row:
    late = outcome.delays.percentile(0.95)
    note = (
        f"p50 {outcome.delays.percentile(0.5):.2f} ms, p99 {outcome.delays.percentile(0.99):.1f} ms"
    )
    if outcome.disconnected or outcome.lost:
        note = f"{outcome.disconnected} disconnected, {outcome.lost} lost; {note}"
    return Row(f"edit to seen, p95: {name}", late, "ms", at_most(MOST), note, outcome.details())


def _run(flood: str | None, seconds: float) -> Outcome:
    with Collab({**DEFAULTS, **SETTINGS}) as server, Swarm() as swarm:
        people = swarm.connect(server.seats(1, PEOPLE))
        load = Load(RATE, seconds, Kind.EDITS)
        if flood is None:
            return run_load(swarm, people, load, server.meter)
        (attacked,) = asyncio.run(server.server.create_sessions(1))
        with _flooding(flood, server.server.port, attacked.id):
            return run_load(swarm, people, load, server.meter)


@contextlib.contextmanager
def _flooding(flood: str, port: int, session: str) -> Iterator[None]:
    """A process that floods; it has the processor when the people beside need nothing."""
    command = ["nice", "-n", "19", sys.executable, "-m", "tests.attacks.floods"]
    process = subprocess.Popen(
        [*command, flood, str(port), session], stderr=subprocess.DEVNULL, cwd=ROOT
    )
    try:
        yield
    finally:
        is_over = process.poll() is not None
        process.kill()
        process.wait()
    if is_over:
        raise RuntimeError(f"the flood ended before the measuring: {flood}")
