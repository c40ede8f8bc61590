"""`python -m loadtest.comparison`: this server beside others, scenario by scenario, as one table.

Each server is started for each scenario, alone on its core. A cell is what was measured, and how
many times this server's that is. All numbers of a row are better when they are smaller, and worth
nothing where documents differ or lack something: the cell says so. Whatever a server did wrong, or
cannot do, is said below the table, errors and connections that ended as well.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from loadtest.labels import NOTHING
from loadtest.plan import Plan
from loadtest.result import Result
from loadtest.runner import run
from loadtest.scenarios import SCENARIOS
from loadtest.targets.choosing import NAMES, started
from loadtest.targets.collab import NAME as THIS_SERVER
from loadtest.targets.target import CannotRun

COMMAND: Final = "python -m loadtest.comparison"
OTHERS_TOO_MUCH: Final = 0.1
"""Share of a core from which on others on the machine make numbers doubtful."""


@dataclass(frozen=True, slots=True)
class Row:
    """What is shown of a scenario.

    Attributes:
        number: of `Result.numbers()`.
        unit: that the number is shown in, and how many of its own make one.
    """

    title: str
    number: str
    unit: str
    divisor: float = 1.0


SEEN: Final = Row("edit to seen, p95", "seen.p95", "ms")
CURSOR: Final = Row("cursor to seen, p95", "cursor.p95", "ms")
JOIN: Final = Row("join, p95", "join.p95", "ms")
COST: Final = Row("CPU a delivery", "server.cpu_us_per_delivered", "µs")
SHARE: Final = Row("CPU", "server.share", "% of a core", 0.01)
MEMORY: Final = Row("memory at the end", "server.memory_bytes", "MiB", 2**20)
EACH: Final = Row("memory a person", "server.memory_each", "KiB", 2**10)


@dataclass(frozen=True, slots=True)
class Part:
    """One scenario of the comparison: how large, and what is shown of it."""

    plan: Plan
    rows: tuple[Row, ...]


def _part(name: str, people: int, *rows: Row, ramp: float = 3.0) -> Part:
    return Part(Plan(name, people, 1, 15.0, ramp, seed=1, processes=1, witnesses=1), rows)


PARTS: Final = (
    _part("whiteboard", 50, SEEN, CURSOR, COST),
    _part("crowd", 200, SEEN, CURSOR, COST, EACH),
    _part("join_storm", 200, JOIN, SHARE, MEMORY, ramp=0.0),
    _part("reconnect_storm", 200, JOIN, SEEN, SHARE),
    _part("slow_readers", 50, SEEN, CURSOR, MEMORY),
)

Found = Mapping[tuple[str, str], Result | str]
"""By scenario and server: what came of it, or why nothing did."""


def measure(
    parts: Sequence[Part], servers: Sequence[str]
) -> Iterator[tuple[str, str, Result | str]]:
    """Run everything: scenario, server, and what came of it."""
    for part in parts:
        for server in servers:
            yield part.plan.scenario, server, _measured(part.plan, server)


def _measured(plan: Plan, server: str) -> Result | str:
    try:
        with started(server) as target:
            return run(SCENARIOS[plan.scenario](), target, plan)
    except CannotRun as error:
        return str(error)


def table(parts: Sequence[Part], servers: Sequence[str], found: Found) -> str:
    """The comparison as Markdown: a table, and what has to be known to read it."""
    heads = [_head(server, found) for server in servers]
    lines = ["| | " + " | ".join(heads) + " |", "|---" + "|---:" * len(servers) + "|"]
    for part in parts:
        scenario = part.plan.scenario
        for row in part.rows:
            cells = [_cell(row, server, found, scenario) for server in servers]
            title = f"{scenario}, {part.plan.people} people: {row.title}, {row.unit}"
            lines.append(f"| {title} | " + " | ".join(cells) + " |")
    return "\n".join([*lines, "", *(f"- {each}" for each in _remarks(found)), ""])


def _head(server: str, found: Found) -> str:
    versions = {each.target.version for each in _results(found) if each.target.name == server}
    name = "this server" if server == THIS_SERVER else server
    return " ".join((name, *sorted(versions)))


def _cell(row: Row, server: str, found: Found, scenario: str) -> str:
    result = found.get((scenario, server))
    value = _value(row, result)
    if value is None:
        return f"{NOTHING}{_mark(result)}"
    ours = _value(row, found.get((scenario, THIS_SERVER)))
    ratio = f" ({_ratio(value / ours)} x)" if ours and server != THIS_SERVER else ""
    return f"{_digits(value / row.divisor)}{ratio}{_mark(result)}"


def _mark(result: Result | str | None) -> str:
    """What has to be known of a number before it is compared."""
    if result is None:
        return ""
    if loss := _loss(result):
        return f" **{loss}** †"
    return " †" if _faults(result) else ""


def _loss(result: Result | str) -> str:
    """What makes a number void; empty: nothing does."""
    if isinstance(result, str):
        return "did not run"
    checks = result.checks
    if checks.missing_sent or checks.missing_acknowledged:
        return "loses edits"
    return "not converged" if checks.converged is False else ""


def _value(row: Row, result: Result | str | None) -> float | None:
    return result.numbers().get(row.number) if isinstance(result, Result) else None


def _digits(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _ratio(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"


def _remarks(found: Found) -> Iterator[str]:
    for (scenario, server), result in found.items():
        for fault in _faults(result):
            yield f"† {server}, {scenario}: {fault}"
    results = list(_results(found))
    if not results:
        return
    said: dict[str, Any] = results[0].machine
    yield f"{said['cpu']}, {said['cores']} cores, {said['kernel']}, Python {said['python']}"
    yield f"commit {said['commit']}; `{COMMAND}`"
    others = max(each.machine["others_share"] for each in results)
    if others > OTHERS_TOO_MUCH:
        yield f"others on this machine took up to {others:.0%} of a core: the numbers are doubtful"


def _results(found: Found) -> Iterator[Result]:
    return (each for each in found.values() if isinstance(each, Result))


def _faults(result: Result | str) -> list[str]:
    """What a server did wrong. Being slow is not wrong."""
    if isinstance(result, str):
        return [result.splitlines()[0]]
    checks, faults = result.checks, list(result.checks.notes)
    if checks.missing_sent or checks.missing_acknowledged:
        faults.append(f"{checks.missing_sent + checks.missing_acknowledged} structs are lost")
    closes = sum(result.totals.closes.values())
    if closes:
        faults.append(f"{closes} connections ended")
    faults.extend(f"{times} times: {text}" for text, times in result.totals.errors.items())
    return faults[:5]


def _quick(part: Part) -> Part:
    people = max(part.plan.people // 10, 4)
    return replace(part, plan=replace(part.plan, people=people, seconds=2.0, ramp=0.5))


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare, and print the table; returns the exit status."""
    parser = argparse.ArgumentParser(prog=COMMAND, description=__doc__)
    names = [each.plan.scenario for each in PARTS]
    parser.add_argument("--scenarios", nargs="+", choices=names, default=names, metavar="NAME")
    parser.add_argument("--servers", nargs="+", choices=NAMES, default=NAMES, metavar="NAME")
    parser.add_argument("--quick", action="store_true", help="see that it works; numbers are void")
    parser.add_argument("--results", type=Path, metavar="DIRECTORY", help="every run, as JSON")
    options = parser.parse_args(arguments)
    parts = [each for each in PARTS if each.plan.scenario in options.scenarios]
    parts = [_quick(each) for each in parts] if options.quick else parts
    found: dict[tuple[str, str], Result | str] = {}
    for scenario, server, result in measure(parts, options.servers):
        found[scenario, server] = result
        print(f"{scenario} on {server}: {_short(result)}", file=sys.stderr)  # noqa: T201
        if options.results is not None and isinstance(result, Result):
            result.write(options.results / f"{scenario}-{server}.json")
    print(table(parts, options.servers, found))  # noqa: T201 - what it is for
    return 0


def _short(result: Result | str) -> str:
    return "; ".join(_faults(result)) or "measured"


if __name__ == "__main__":
    raise SystemExit(main())
