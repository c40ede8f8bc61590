"""What is shown while a run goes on: on a terminal a table that changes, elsewhere a line now and
then, which logs of builds can keep."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.padding import Padding
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from loadtest.labels import amount, memory, milliseconds, percent
from loadtest.plan import Plan
from loadtest.second import Second

LINE_EVERY = 10  # seconds, where there is no terminal


class Progress:
    """Shows the seconds of a run as they come.

    Args:
        console: where; standard error, so that standard output is for results.
    """

    def __init__(self, plan: Plan, console: Console) -> None:
        self._plan = plan
        self._console = console
        self._live = Live(Text("starting"), console=console, auto_refresh=False, transient=True)

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live.start(refresh=True)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._live.stop()

    def show(self, second: Second) -> None:
        """One second more."""
        if self._console.is_terminal:
            self._live.update(_panel(self._plan, second), refresh=True)
        elif second.second % LINE_EVERY == 0:
            self._console.print(_line(second), highlight=False, soft_wrap=True)


def _panel(plan: Plan, second: Second) -> RenderableType:
    whole = plan.ramp + plan.seconds
    # Padding, because a bar does not end its line.
    bar = Padding(ProgressBar(total=whole, completed=min(second.second, whole), width=60), 0)
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 3, 0, 0))
    for name, value in _facts(plan, second):
        table.add_row(Text(name, style="dim"), value)
    return Group(Text(f"{plan.scenario}, {_stage(second)}", style="bold"), bar, table)


def _facts(plan: Plan, second: Second) -> list[tuple[str, Text]]:
    seen = (second.seen_p50, second.seen_p95, second.seen_p99)
    trouble = "bold red" if second.errors or second.closes else ""
    facts = [
        ("people", Text(f"{second.connected:,} of {plan.people:,}")),
        ("edits a second", Text(amount(second.sent))),
        ("frames a second", Text(amount(second.frames))),
        ("seen after", Text(f"{' / '.join(map(milliseconds, seen))} ms (p50 / p95 / p99)")),
        ("server", Text(f"{percent(second.server_cpu)}, {memory(second.server_memory)}")),
        ("generator", Text(_generator(second))),
        ("errors", Text(f"{second.errors:,}, {second.closes:,} closed", style=trouble)),
    ]
    if second.stored_p95 is not None:
        facts.insert(4, ("stored after", Text(f"{milliseconds(second.stored_p95)} ms (p95)")))
    if second.pose_age_p95 is not None:
        facts.insert(4, ("age of poses", Text(f"{milliseconds(second.pose_age_p95)} ms (p95)")))
    return facts


def _generator(second: Second) -> str:
    return f"{percent(second.generator_cpu)}, late by {milliseconds(second.late_p99)} ms (p99)"


def _stage(second: Second) -> str:
    return f"second {second.second}" if second.is_measured else "people arrive or leave"


def _line(second: Second) -> str:
    return (
        f"{second.second:>5} s  {second.connected:,} people  {second.sent:,} edits/s"
        f"  {second.frames:,} frames/s  seen p95 {milliseconds(second.seen_p95)} ms"
        f"  server {percent(second.server_cpu)}  {second.errors:,} errors"
    )
