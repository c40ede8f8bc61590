"""One second of a run: what the display shows and the plots are drawn of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

from loadtest.histogram import Histogram, merged


@dataclass(frozen=True, slots=True)
class Use:
    """What processes used in a second; None where the server is on another machine.

    Attributes:
        server_cpu: share of one core, 1.0 being all of it.
        server_memory: bytes.
        generator_cpu: share of one core, of all processes of the generator.
    """

    server_cpu: float | None = None
    server_memory: int | None = None
    generator_cpu: float | None = None


@dataclass(frozen=True, slots=True)
class Second:
    """What happened in one second, in all processes.

    Attributes:
        second: since the run began.
        is_measured: people have arrived.
        seen_p50: milliseconds, as all delays here; None if nothing was seen.
        frames: received.
        marks: edits and cursors that arrived, each as often as people who got it.
        sent: edits.
        connected: people, at the end of the second.
        errors: until now.
        closes: connections that ended and should not have, until now.
    """

    second: int
    is_measured: bool
    seen_p50: float | None
    seen_p95: float | None
    seen_p99: float | None
    stored_p95: float | None
    pose_age_p95: float | None
    late_p99: float | None
    frames: int
    marks: int
    sent: int
    connected: int
    errors: int
    closes: int
    server_cpu: float | None
    server_memory: int | None
    generator_cpu: float | None

    def to_json(self) -> dict[str, Any]:
        """As a JSON object."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """What `to_json` gave."""
        return cls(**content)


def merge_seconds(second: int, ticks: Sequence[Mapping[str, Any]], use: Use) -> Second:
    """The same second of all processes, as `Measures.tick` gave it."""
    delays = [tick["delays"] for tick in ticks]
    p50, p95, p99 = _percentiles(merged(delays, "seen"), 50, 95, 99)
    return Second(
        second=second,
        is_measured=all(tick["is_measured"] for tick in ticks),
        seen_p50=p50,
        seen_p95=p95,
        seen_p99=p99,
        stored_p95=_percentiles(merged(delays, "stored"), 95)[0],
        pose_age_p95=_percentiles(merged(delays, "pose_age"), 95)[0],
        late_p99=_percentiles(merged(delays, "late"), 99)[0],
        frames=_counted(ticks, "frames_in"),
        marks=_counted(ticks, "marks_seen"),
        sent=_counted(ticks, "edits_sent"),
        connected=sum(tick["connected"] for tick in ticks),
        errors=sum(tick["errors"] for tick in ticks),
        closes=sum(tick["closes"] for tick in ticks),
        server_cpu=use.server_cpu,
        server_memory=use.server_memory,
        generator_cpu=use.generator_cpu,
    )


def _percentiles(delays: Histogram, *wanted: float) -> list[float | None]:
    return list(delays.percentiles(*wanted)) if delays.at else [None] * len(wanted)


def _counted(ticks: Sequence[Mapping[str, Any]], name: str) -> int:
    return sum(tick["counts"][name] for tick in ticks)
