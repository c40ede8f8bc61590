"""This server beside others, on the same workloads, in the same run."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from benchmarks import workloads
from benchmarks.report import Bound, Row, at_least
from benchmarks.scale import Scale
from benchmarks.targets import Collab, Target, peers

Measurement = Callable[[Target, Scale], float]

IS_BEST_PEER_TIMES = 1.5


def measure(scale: Scale) -> Iterator[Row]:
    """Each workload on every server; ratios are against the best of the others."""
    others = peers()
    if not others:
        yield Row("no node and npm here: nothing to compare with", float("nan"), "")
        return
    for title, unit, is_floor, bound, work in _WORKLOADS:
        ours = _on(Collab(), work, scale)
        yield Row(f"{title}: this server", ours, unit)
        theirs = []
        for other in others:
            value = _on(other, work, scale)
            theirs.append(value)
            yield Row(f"{title}: {other.name}", value, unit)
        best = max(theirs) if is_floor else min(theirs)
        ratio = ours / best if is_floor else best / ours
        yield Row(f"{title}: times as good as the best of them", ratio, "x", bound)


def _on(target: Target, work: Measurement, scale: Scale) -> float:
    with target:
        return work(target, scale)


def _most(target: Target, scale: Scale) -> float:
    found = workloads.saturation(target, scale)
    return found[1].delivered_per_second if found is not None else float("nan")


def _steady(target: Target, scale: Scale) -> float:
    return workloads.steady_room(target, scale).cpu_per_delivered


def _presence(target: Target, scale: Scale) -> float:
    return workloads.moving_crowd(target, scale.pick(100, 6), 10.0, scale).server_share


def _small_rooms(target: Target, scale: Scale) -> float:
    return workloads.small_rooms(target, scale).server_share


def _storm(target: Target, scale: Scale) -> float:
    joiners, items = scale.pick((300, 10_000), (5, 100))
    return workloads.join_storm(target, joiners, items).cpu.server


def _idle(target: Target, scale: Scale) -> float:
    return workloads.idle_connections(target, scale.pick(100, 2), 10).bytes_each / 1024


_WORKLOADS: tuple[tuple[str, str, bool, Bound | None, Measurement], ...] = (
    ("50 writers, most delivered a second", "/s", True, at_least(IS_BEST_PEER_TIMES), _most),
    ("50 writers at 5/s, CPU a delivered update", "us", False, None, _steady),
    ("100 people at 10 Hz, share of a core", "%", False, None, _presence),
    ("40 rooms of 5, mixed, share of a core", "%", False, None, _small_rooms),
    ("300 join 10,000 items, CPU", "s", False, None, _storm),
    ("idle connection", "KiB", False, None, _idle),
)
"""Title, unit, whether more is better, what the ratio has to keep, the work."""
