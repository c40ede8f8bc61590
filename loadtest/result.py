"""What a run found: one JSON file with everything, that is compared, shown and kept.

Delays are in milliseconds, and in the histograms (HdrHistogram, V2 compressed, base64) in
microseconds; CPU is in shares of one core (1.0 is all of it), memory in bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Self

import orjson

from loadtest.histogram import Histogram
from loadtest.measures import Totals
from loadtest.plan import Plan
from loadtest.second import Second
from loadtest.thresholds import NO_TROUBLE, Threshold, Verdict, check_all

WHENEVER = ("joined", "left")
HOUR = 3600.0
FORMAT = "chenu-collab/loadtest-result/1"


class NotAResult(ValueError):  # noqa: N818 - says what is the case
    """A file is not a result of a run, or one of another format."""


@dataclass(frozen=True, slots=True)
class Tested:
    """The server that was tested."""

    name: str
    version: str
    url: str


@dataclass(frozen=True, slots=True)
class ServerUse:
    """What the server used; None where it is on another machine, or the run was too short.

    Attributes:
        cpu_us_per_delivered: microseconds of CPU for each edit or cursor that reached somebody.
        share: of one core, while it was measured.
        memory_bytes: at the end, with the program itself.
        memory_each: bytes for each person, of what came with them.
        memory_slope_bytes_per_hour: by which its own memory grew while it was measured.
        memory_slope_interval: within which the slope is with 95 % confidence.
    """

    cpu_us_per_delivered: float | None = None
    share: float | None = None
    memory_bytes: int | None = None
    memory_each: float | None = None
    memory_slope_bytes_per_hour: float | None = None
    memory_slope_interval: tuple[float, float] | None = None

    def numbers(self) -> dict[str, Any]:
        """Its fields, and `memory_slope_low` and `memory_slope_high`: by so much memory grows at
        the very least, and at most."""
        low, high = self.memory_slope_interval or (None, None)
        return {**asdict(self), "memory_slope_low": low, "memory_slope_high": high}


@dataclass(frozen=True, slots=True)
class Checks:
    """What the witnesses say.

    Attributes:
        witnesses: real documents, in all rooms.
        converged: whether those of a room are equal, and equal to what a newcomer is given; None
            without witnesses.
        missing_acknowledged: structs that the server called stored and that nobody has.
        missing_sent: structs sent that nobody has; of servers that do not acknowledge.
        notes: what exactly is wrong.
    """

    witnesses: int = 0
    converged: bool | None = None
    missing_acknowledged: int = 0
    missing_sent: int = 0
    notes: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether nothing is wrong."""
        return (
            self.converged is not False and not self.missing_acknowledged and not self.missing_sent
        )


@dataclass(slots=True)
class Result:
    """A run, and what it measured.

    Attributes:
        started: UTC.
        machine: of `machine.describe`.
        totals: of all processes.
    """

    plan: Plan
    started: datetime
    target: Tested
    machine: dict[str, Any]
    totals: Totals
    series: list[Second] = field(default_factory=list)
    server: ServerUse = field(default_factory=ServerUse)
    checks: Checks = field(default_factory=Checks)
    thresholds: list[Verdict] = field(default_factory=list)

    def judge(self, wanted: tuple[Threshold, ...]) -> None:
        """Hold it against thresholds; errors and lost connections are never right, unless one of
        them says how many are."""
        self.thresholds = check_all((*NO_TROUBLE, *wanted), self.numbers())

    @property
    def passed(self) -> bool:
        """Whether all thresholds are kept and the documents are right."""
        return self.checks.passed and all(each.passed for each in self.thresholds)

    def rates(self) -> dict[str, float]:
        """Counts, a second; not of who came and went, which is counted all the time."""
        return {
            name: times / self.plan.seconds
            for name, times in self.totals.counts.items()
            if name not in WHENEVER
        }

    def numbers(self) -> dict[str, float]:
        """Everything that is a number, by names as `seen.p95`: what thresholds and comparisons
        are about. What was not measured is not there."""
        return {
            **_delays(self.totals),
            **_prefixed("counts", self.totals.counts),
            **_prefixed("rates", self.rates()),
            **_prefixed("server", self.server.numbers()),
            **_prefixed("checks", asdict(self.checks)),
            "closes": float(sum(self.totals.closes.values())),
            "errors": float(sum(self.totals.errors.values())),
        }

    def to_json(self) -> dict[str, Any]:
        """As a JSON object."""
        totals = self.totals
        return {
            "format": FORMAT,
            "scenario": self.plan.scenario,
            "passed": self.passed,
            "started": self.started.isoformat(timespec="seconds"),
            "plan": self.plan.to_json(),
            "target": asdict(self.target),
            "machine": self.machine,
            "thresholds": [asdict(each) for each in self.thresholds],
            "checks": asdict(self.checks),
            "server": asdict(self.server),
            "delays": {
                name: {**each.summary(), "histogram": each.to_base64() if each.at else ""}
                for name, each in totals.delays.items()
            },
            "counts": totals.counts,
            "rates": self.rates(),
            "closes": totals.closes,
            "errors": totals.errors,
            "series": [each.to_json() for each in self.series],
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """What `to_json` gave.

        Raises:
            NotAResult: it is something else.
        """
        _check_format(content)
        try:
            return cls(
                plan=Plan.from_json(content["plan"]),
                started=datetime.fromisoformat(content["started"]),
                target=Tested(**content["target"]),
                machine=dict(content["machine"]),
                totals=_totals(content),
                series=[Second.from_json(each) for each in content["series"]],
                server=_server(content["server"]),
                checks=_checks(content["checks"]),
                thresholds=[Verdict(**each) for each in content["thresholds"]],
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise NotAResult(f"a part of it is missing or wrong: {error!r}") from error

    def write(self, path: Path) -> None:
        """Write it into a file."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(orjson.dumps(self.to_json(), option=orjson.OPT_INDENT_2))

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a file.

        Raises:
            NotAResult: there is something else in it.
            OSError: it cannot be read.
        """
        try:
            content = orjson.loads(path.read_bytes())
        except orjson.JSONDecodeError as error:
            raise NotAResult(f"this is not JSON: {error}") from error
        return cls.from_json(content)


def _check_format(content: object) -> None:
    found = content.get("format") if isinstance(content, Mapping) else None
    if found != FORMAT:
        raise NotAResult(f"the format is {found!r}, and not {FORMAT!r}")


def _totals(content: Mapping[str, Any]) -> Totals:
    whole = Totals.merge([{**content, "delays": {}}])
    for name, each in content["delays"].items():
        if each["histogram"]:
            whole.delays[name] = Histogram.from_base64(each["histogram"])
    return whole


def _server(content: Mapping[str, Any]) -> ServerUse:
    interval = content["memory_slope_interval"]
    return ServerUse(
        **{**content, "memory_slope_interval": tuple(interval) if interval is not None else None}
    )


def _checks(content: Mapping[str, Any]) -> Checks:
    return Checks(**{**content, "notes": tuple(content["notes"])})


def _delays(totals: Totals) -> dict[str, float]:
    return {
        name: value
        for delay, each in totals.delays.items()
        for name, value in _prefixed(delay, each.summary()).items()
    }


def _prefixed(prefix: str, values: Mapping[str, Any]) -> dict[str, float]:
    return {
        f"{prefix}.{name}": float(value)
        for name, value in values.items()
        if isinstance(value, int | float)
    }
