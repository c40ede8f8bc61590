"""The summary of a run, for a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from loadtest.doubts import doubts
from loadtest.labels import (
    SUMMARY,
    check_rows,
    delay_rows,
    headline,
    server_rows,
    throughput_rows,
)
from loadtest.result import Result

PASSED = Text("passed", style="bold green")
FAILED = Text("failed", style="bold red")
MOST_ERRORS = 5


def summary(result: Result) -> RenderableType:
    """Everything that a reader wants first, and the verdict last."""
    parts: list[RenderableType] = [Text(headline(result), style="bold")]
    parts.append(_table(("Delay (ms)", "count", *SUMMARY.values()), delay_rows(result)))
    parts.append(_table(("Happened", "in all", "a second"), throughput_rows(result)))
    if server := list(server_rows(result)):
        parts.append(_table(("Server", ""), server))
    if result.totals.closes or result.totals.errors:
        parts.append(_troubles(result))
    if checks := list(check_rows(result)):
        parts.append(_checks(checks))
    parts.extend(Text(each, style="red") for each in result.checks.notes)
    parts.extend(Text(each, style="yellow") for each in doubts(result))
    parts.append(PASSED if result.passed else FAILED)
    return Group(*parts)


def _table(heads: Sequence[str], rows: Iterable[Sequence[RenderableType]]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 3, 0, 0))
    table.add_column(heads[0], min_width=16)
    for head in heads[1:]:
        table.add_column(head, justify="right")
    for row in rows:
        table.add_row(*row)
    return table


def _checks(rows: Iterable[tuple[str, str, str, bool]]) -> Table:
    shown = (
        (name, measured, wanted, PASSED if passed else FAILED)
        for name, measured, wanted, passed in rows
    )
    return _table(("Check", "measured", "wanted", ""), shown)


def _troubles(result: Result) -> Table:
    closes = [(f"closed with {code}", str(n)) for code, n in result.totals.closes.items()]
    most = sorted(result.totals.errors.items(), key=lambda each: -each[1])
    # As text: what servers say may look like markup.
    shown = [(Text(text), str(times)) for text, times in most[:MOST_ERRORS]]
    if rest := sum(times for _, times in most[MOST_ERRORS:]):
        shown.append((Text("other errors"), str(rest)))
    return _table(("Trouble", "times"), [*closes, *shown])
