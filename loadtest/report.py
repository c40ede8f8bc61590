"""The HTML report of a run: one file that needs no other, and no script."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from loadtest.doubts import doubts
from loadtest.labels import (
    SUMMARY,
    check_rows,
    delay_rows,
    headline,
    server_rows,
    throughput_rows,
)
from loadtest.plots import plots
from loadtest.result import Result

TEMPLATE = "report.html"


def render(result: Result) -> str:
    """The page."""
    pages = Environment(
        loader=PackageLoader("loadtest", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return pages.get_template(TEMPLATE).render(_content(result))


def _content(result: Result) -> dict[str, Any]:
    return {
        "headline": headline(result),
        "started": f"{result.started:%d %B %Y, %H:%M} UTC",
        "passed": result.passed,
        "checks": list(check_rows(result)),
        "notes": result.checks.notes,
        "doubts": list(doubts(result)),
        "heads_of_delays": ("", "count", *SUMMARY.values()),
        "delays": list(delay_rows(result)),
        "throughput": list(throughput_rows(result)),
        "server": list(server_rows(result)),
        "troubles": list(_troubles(result)),
        "plots": list(plots(result)),
        "plan": list(_run(result)),
        "machine": list(_flat(result.machine)),
    }


def _troubles(result: Result) -> Iterator[tuple[str, int]]:
    for code, times in sorted(result.totals.closes.items()):
        yield f"closed with {code}", times
    yield from sorted(result.totals.errors.items(), key=lambda each: -each[1])


def _run(result: Result) -> Iterator[tuple[str, object]]:
    yield "target", result.target.name
    yield "version", result.target.version or "not said"
    yield "address", result.target.url
    yield from result.plan.to_json().items()


def _flat(facts: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    for name, value in facts.items():
        if isinstance(value, Mapping):
            yield from value.items()
        else:
            yield name, value
