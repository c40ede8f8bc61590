"""Two results of one scenario side by side: what got worse, and by how much.

Worse is what changed in the wrong direction by more than the tolerance. Percentiles far out are
made of few values and scatter more: p95 has twice the tolerance, p99 three times. And what is
too small to matter is no change, whatever its ratio.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from loadtest.labels import amount_of, headline, memory
from loadtest.result import Result
from loadtest.thresholds import is_more_better

TOLERANCE = 0.1
SLACK_MILLISECONDS = 0.25
SLACK_BYTES = 2**20
_PARTS = (("p50", 1.0), ("p95", 2.0), ("p99", 3.0))
_TIMED = ("seen", "cursor", "stored", "pose_age", "join", "rest")


@dataclass(frozen=True, slots=True)
class Watched:
    """A number that is compared.

    Attributes:
        times: how many tolerances it may change by.
        slack: and this besides.
    """

    name: str
    times: float = 1.0
    slack: float = 0.0


WATCHED = (
    *(Watched(f"{a}.{b}", times, SLACK_MILLISECONDS) for a in _TIMED for b, times in _PARTS),
    Watched("rates.edits_sent"),
    Watched("rates.marks_seen"),
    Watched("rates.poses_seen"),
    Watched("rates.rest_calls"),
    Watched("server.share", slack=0.01),
    Watched("server.cpu_us_per_delivered", slack=0.1),
    Watched("server.memory_bytes", slack=SLACK_BYTES),
    Watched("server.memory_each", slack=1024),
    Watched("errors", times=0),
    Watched("closes", times=0),
    Watched("checks.converged", times=0),
    Watched("checks.missing_acknowledged", times=0),
    Watched("checks.missing_sent", times=0),
)


class NotComparable(Exception):  # noqa: N818 - says what is the case
    """The results are of two scenarios."""


class Trend(Enum):
    """What became of a number."""

    SAME = "same"
    BETTER = "better"
    WORSE = "worse"
    GONE = "not measured any more"


@dataclass(frozen=True, slots=True)
class Change:
    """A number before and after; None where it was not measured after."""

    name: str
    before: float
    after: float | None
    trend: Trend

    @property
    def by(self) -> str:
        """`+12 %`; empty where there was nothing before, or is nothing after."""
        if not self.before or self.after is None:
            return ""
        return f"{(self.after / self.before - 1) * 100:+.0f} %"


@dataclass(frozen=True, slots=True)
class Comparison:
    """All changes, and in what else the runs differ."""

    changes: tuple[Change, ...]
    notes: tuple[str, ...]

    @property
    def is_worse(self) -> bool:
        """Whether anything got worse, or is not measured any more."""
        return any(each.trend in (Trend.WORSE, Trend.GONE) for each in self.changes)


def compare(before: Result, after: Result, tolerance: float = TOLERANCE) -> Comparison:
    """
    Raises:
        NotComparable: they are of two scenarios.
    """
    if before.plan.scenario != after.plan.scenario:
        raise NotComparable(f"{before.plan.scenario} and {after.plan.scenario} are two scenarios")
    numbers = before.numbers(), after.numbers()
    changes = (_change(each, *numbers, tolerance) for each in WATCHED if each.name in numbers[0])
    return Comparison(tuple(changes), tuple(_differences(before, after)))


def _change(
    watched: Watched, before: Mapping[str, float], after: Mapping[str, float], tolerance: float
) -> Change:
    then, now = before[watched.name], after.get(watched.name)
    return Change(watched.name, then, now, _trend(watched, then, now, tolerance))


def _trend(watched: Watched, then: float, now: float | None, tolerance: float) -> Trend:
    if now is None:
        return Trend.GONE
    room = abs(then) * tolerance * watched.times + watched.slack
    gain = now - then if is_more_better(watched.name) else then - now
    if abs(gain) <= room:
        return Trend.SAME
    return Trend.BETTER if gain > 0 else Trend.WORSE


def _differences(before: Result, after: Result) -> Iterator[str]:
    """What a reader should know before believing the numbers."""
    pairs = (
        ("plan", before.plan.to_json(), after.plan.to_json()),
        ("target", _target(before), _target(after)),
        ("machine", before.machine, after.machine),
    )
    for what, then, now in pairs:
        for name in (name for name in then if then[name] != now.get(name)):
            yield f"{what}: {name} was {then[name]}, and is {now.get(name)}"


def _target(result: Result) -> dict[str, str]:
    return {"name": result.target.name, "version": result.target.version}


_STYLES = {Trend.WORSE: "bold red", Trend.GONE: "bold red", Trend.BETTER: "green", Trend.SAME: ""}


def shown(before: Result, comparison: Comparison) -> RenderableType:
    """The comparison, for a terminal."""
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 3, 0, 0))
    table.add_column("")
    for head in ("before", "after", "change", ""):
        table.add_column(head, justify="right")
    for each in comparison.changes:
        if each.name.startswith("rates.") and not each.before and not each.after:
            continue  # this scenario has none
        values = (_written(each.name, each.before), _written(each.name, each.after))
        trend = Text(each.trend.value, style=_STYLES[each.trend])
        table.add_row(each.name, *values, each.by, trend)
    notes = [Text(each, style="yellow") for each in comparison.notes]
    return Group(Text(headline(before), style="bold"), table, *notes)


def _written(name: str, value: float | None) -> str:
    return memory(value) if name.startswith("server.memory") else amount_of(name, value)
