"""The command line: `collab-loadtest list`, `run`, `compare`, `report`.

Exit status: 0 is passed; 1 a threshold or a check that failed, or a comparison that is worse;
2 wrong input; 3 a run that could not be made; 130 one that was interrupted (Ctrl-C), of which there
is a result of what was measured until then. Results go to standard output, all else to standard
error.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from loadtest.compare import TOLERANCE, NotComparable, compare, shown
from loadtest.plan import Plan
from loadtest.progress import Progress
from loadtest.result import NotAResult, Result
from loadtest.runner import fair
from loadtest.runner import run as run_scenario
from loadtest.scenarios import SCENARIOS
from loadtest.scenarios.scenario import Scenario
from loadtest.table import summary
from loadtest.targets.choosing import NAMES, chosen
from loadtest.targets.collab import NAME as THIS_SERVER
from loadtest.targets.target import CannotRun, Misuse
from loadtest.thresholds import Threshold

FAILED = 1
BAD_INPUT = 2
CANNOT_RUN = 3
INTERRUPTED = 130
PEOPLE_A_PROCESS = 250
MANY_ROOMS = 10  # with so many, one real document in each is enough

_File = click.Path(dir_okay=False, writable=True, path_type=Path)
_Result = click.Path(exists=True, dir_okay=False, path_type=Path)


class _Threshold(click.ParamType[Threshold]):
    name = "name=number"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> Threshold:
        try:
            return value if isinstance(value, Threshold) else Threshold.parse(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def cli() -> None:
    """Find out how many people a Yjs server carries, and whether that became worse."""


@cli.command("list")
def list_scenarios() -> None:
    """Say which scenarios there are."""
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 3, 0, 0))
    table.add_column("scenario", no_wrap=True)
    for head in ("people", "rooms", "seconds"):
        table.add_column(head, justify="right")
    table.add_column("")
    for name, each in SCENARIOS.items():
        numbers = f"{each.people:,}", f"{each.rooms:,}", f"{each.seconds:g}"
        table.add_row(name, *numbers, each.about)
    Console().print(table)


@cli.command()
@click.argument("name", metavar="SCENARIO", type=click.Choice(tuple(SCENARIOS)))
@click.option(
    "--target",
    type=click.Choice(NAMES),
    default=THIS_SERVER,
    show_default=True,
    help="Which server: it is started for the run, unless there is a --url.",
)
@click.option("--url", default="", help="Address of a server that runs already.")
@click.option("--token", default="", help="Of a service, for this server at a --url; @FILE has it.")
@click.option("--people", type=click.IntRange(1), help="In all rooms together.")
@click.option("--rooms", type=click.IntRange(1))
@click.option("--duration", type=click.FloatRange(0, min_open=True), help="Seconds measured.")
@click.option("--ramp", type=click.FloatRange(0), help="Seconds in which people arrive.")
@click.option("--seed", type=int, default=1, show_default=True)
@click.option("--processes", type=click.IntRange(1), help="That people are divided among.")
@click.option("--witnesses", type=click.IntRange(0), help="Real documents in each room.")
@click.option(
    "--threshold",
    "thresholds",
    type=_Threshold(),
    multiple=True,
    help="What the run has to keep, as seen.p95=20; may be given many times.",
)
@click.option("--json", "json_file", type=_File, help="Where the result is written.")
@click.option("--html", "html_file", type=_File, help="Where the report is written.")
def run(
    name: str,
    *,
    target: str,
    url: str,
    token: str,
    thresholds: tuple[Threshold, ...],
    json_file: Path | None,
    html_file: Path | None,
    **sizes: Any,
) -> int:
    """Run one scenario against a server, and say how it did."""
    scenario = SCENARIOS[name]()
    plan = _plan(scenario, **sizes)
    for each in (json_file, html_file):
        if each is not None:  # now, and not after an hour
            each.parent.mkdir(parents=True, exist_ok=True)
    result = _measured(scenario, plan, (target, url, _said(token)), thresholds)
    Console().print(summary(result))
    if json_file is not None:
        result.write(json_file)
    if html_file is not None:
        _write_report(result, html_file)
    if result.plan.seconds < plan.seconds:
        return INTERRUPTED
    return 0 if result.passed else FAILED


def _measured(
    scenario: Scenario, plan: Plan, where: tuple[str, str, str], thresholds: Sequence[Threshold]
) -> Result:
    """Run it and hold it against the scenario's thresholds and these.

    Raises:
        CannotRun: the server is not there.
        Misuse: it has no such documents.
    """
    started = chosen(*where, keeps_limits=scenario.keeps_limits)
    with started as target, Progress(plan, Console(stderr=True)) as progress:
        result = run_scenario(scenario, target, plan, progress.show)
        result.judge((*fair(scenario, target), *thresholds))
    return result


def _plan(scenario: Scenario, *, seed: int, duration: float | None, **given: Any) -> Plan:
    """The scenario's sizes, unless others are given.

    Raises:
        Misuse: nobody could run this.
    """
    sizes: dict[str, Any] = {
        "people": scenario.people,
        "rooms": scenario.rooms,
        "ramp": scenario.ramp,
        **{name: value for name, value in given.items() if value is not None},
    }
    sizes.setdefault("processes", _processes_for(sizes["people"]))
    sizes.setdefault("witnesses", 1 if sizes["rooms"] > MANY_ROOMS else 2)
    seconds = duration or scenario.seconds
    sizes["meetings"] = scenario.meetings(seconds)
    try:
        return Plan(scenario.name, seconds=seconds, seed=seed, **sizes)
    except ValueError as error:
        raise Misuse(str(error)) from error


def _processes_for(people: int) -> int:
    """Half of the cores are the server's; few people need few of the others."""
    return max(1, min((os.cpu_count() or 1) // 2, -(-people // PEOPLE_A_PROCESS)))


def _said(token: str) -> str:
    """The token itself, or what stands in the file of `@FILE`.

    Raises:
        OSError: there is no such file.
    """
    return Path(token[1:]).read_text().strip() if token.startswith("@") else token


@cli.command("compare")
@click.argument("before", type=_Result)
@click.argument("after", type=_Result)
@click.option(
    "--tolerance",
    type=click.FloatRange(0),
    default=TOLERANCE,
    show_default=True,
    help="Of what was before. p95 has twice, p99 three times as much.",
)
def compare_results(before: Path, after: Path, tolerance: float) -> int:
    """Say what got worse from one result to another, and by how much."""
    first, second = Result.read(before), Result.read(after)
    comparison = compare(first, second, tolerance)
    Console().print(shown(first, comparison))
    return FAILED if comparison.is_worse else 0


@cli.command("report")
@click.argument("result", type=_Result)
@click.option("--html", "html_file", type=_File, help="By default beside the result.")
def report_result(result: Path, html_file: Path | None) -> None:
    """Write the HTML report of a result, and show its summary."""
    read = Result.read(result)
    written = html_file or result.with_suffix(".html")
    _write_report(read, written)
    Console().print(summary(read))
    click.echo(f"Written to {written}", err=True)


def _write_report(result: Result, path: Path) -> None:
    from loadtest.report import render  # noqa: PLC0415 - matplotlib takes a second to load

    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(render(result), encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    try:
        result = cli.main(arguments, prog_name="collab-loadtest", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return BAD_INPUT
    except click.ClickException as error:
        return _complain(error.format_message(), BAD_INPUT)
    except (Misuse, NotAResult, NotComparable) as error:
        return _complain(str(error), BAD_INPUT)
    except (CannotRun, OSError) as error:
        return _complain(str(error), CANNOT_RUN)
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    return result if isinstance(result, int) else 0


def _complain(text: str, status: int) -> int:
    click.echo(f"Error: {text}", err=True)
    return status
