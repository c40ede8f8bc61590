"""How numbers of a run are called and written, in tables, pages and comparisons."""

from __future__ import annotations

import math
from collections.abc import Iterator

from loadtest.result import Result

DELAYS = {
    "seen": "Edit to seen",
    "cursor": "Cursor to seen",
    "stored": "Edit to stored",
    "pose_age": "Age of poses",
    "join": "Join",
    "rest": "REST call",
    "late": "Generator late",
}
SUMMARY = {"p50": "p50", "p95": "p95", "p99": "p99", "p999": "p99.9", "max": "max"}
NOTHING = "-"


def milliseconds(value: float | None) -> str:
    """Three digits: `0.42`, `7.31`, `1,204`."""
    if value is None or math.isnan(value):
        return NOTHING
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def amount(value: float | None) -> str:
    """A count or a rate."""
    if value is None or math.isnan(value):
        return NOTHING
    return f"{value:,.0f}" if value >= 10 or value == int(value) else f"{value:.2f}"


def memory(value: float | None) -> str:
    """Bytes as MiB, a few of them as KiB."""
    if value is None:
        return NOTHING
    if abs(value) < 2**20:
        return f"{value / 1024:.3g} KiB"
    return f"{value / 2**20:,.1f} MiB"


def percent(share: float | None) -> str:
    """A share as percent."""
    return NOTHING if share is None else f"{share * 100:.0f} %"


def headline(result: Result) -> str:
    """What ran against what."""
    plan, target = result.plan, result.target
    version = f" {target.version}" if target.version else ""
    rooms = "one room" if plan.rooms == 1 else f"{plan.rooms:,} rooms"
    if plan.meetings > 1:
        rooms += f", {plan.meetings:,} meetings each,"
    return f"{plan.scenario}: {plan.people:,} people in {rooms} on {target.name}{version}"


def delay_rows(result: Result) -> Iterator[tuple[str, ...]]:
    """What was measured at all: name, count, and milliseconds as `SUMMARY` has them."""
    for name, title in DELAYS.items():
        summary = result.totals.delays[name].summary()
        if summary["count"]:
            yield (
                title,
                amount(summary["count"]),
                *(milliseconds(summary[each]) for each in SUMMARY),
            )


def throughput_rows(result: Result) -> Iterator[tuple[str, str, str]]:
    """Counts that are not nothing: name, how many, how many a second."""
    rates = result.rates()
    for name, times in result.totals.counts.items():
        if times:
            a_second = amount(rates[name]) if name in rates else ""
            yield name.replace("_", " "), amount(times), a_second


def server_rows(result: Result) -> Iterator[tuple[str, str]]:
    """What the server used, as far as it is known."""
    use = result.server
    known = (
        ("CPU", use.share, f"{percent(use.share)} of a core"),
        ("CPU per delivery", use.cpu_us_per_delivered, f"{_digits(use.cpu_us_per_delivered)} µs"),
        ("memory at the end", use.memory_bytes, memory(use.memory_bytes)),
        ("memory per person", use.memory_each, memory(use.memory_each)),
        ("memory growth an hour", use.memory_slope_bytes_per_hour, growth(result)),
    )
    return ((name, text) for name, value, text in known if value is not None)


def growth(result: Result) -> str:
    """The slope of memory, with its interval."""
    slope = memory(result.server.memory_slope_bytes_per_hour)
    interval = result.server.memory_slope_interval
    if interval is None:
        return slope
    return f"{slope} ({memory(interval[0])} to {memory(interval[1])})"


def check_rows(result: Result) -> Iterator[tuple[str, str, str, bool]]:
    """Checks and thresholds: name, what was measured, what was wanted, whether it passed."""
    checks = result.checks
    if checks.converged is not None:
        said = "equal" if checks.converged else "different"
        yield f"{checks.witnesses} real documents", said, "equal", checks.converged
        lost = checks.missing_acknowledged + checks.missing_sent
        yield "structs stored, or sent, and missing", amount(lost), "0", lost == 0
    for each in result.thresholds:
        yield each.name, amount_of(each.name, each.value), each.bound, each.passed


def amount_of(name: str, value: float | None) -> str:
    """A number of `Result.numbers`, written as what it is."""
    if name.startswith(tuple(f"{each}." for each in DELAYS)) and not name.endswith("count"):
        return f"{milliseconds(value)} ms" if value is not None else NOTHING
    return _digits(value)


def _digits(value: float | None) -> str:
    """Three digits of what is small, all of what is not."""
    return amount(value) if value is None or abs(value) >= 100 else f"{value:.3g}"
