"""What a terminal shows, during a run and after it."""

from __future__ import annotations

import io
import re
from dataclasses import replace

from rich.console import Console

from loadtest.progress import LINE_EVERY, Progress
from loadtest.result import Result
from loadtest.table import summary
from loadtest.thresholds import Threshold
from tests.loadtest.runs import PLAN, as_text, failed_run, measured_run


def _judged(*thresholds: Threshold) -> Result:
    run = measured_run()
    run.judge(thresholds)
    return run


def test_a_summary_has_everything_a_reader_wants_first_and_the_verdict_last() -> None:
    text = as_text(summary(_judged(Threshold("seen.p95", at_most=100))))
    assert text.startswith("whiteboard: 20 people in 2 rooms on collab 0.1.0\n")
    for expected in ("Edit to seen", "p99.9", "frames in", "50 % of a core", "seen.p95", "<= 100"):
        assert expected in text
    assert "Age of poses" not in text
    assert text.rstrip().endswith("passed")


def test_how_often_people_met_is_told() -> None:
    run = measured_run(plan=replace(PLAN, meetings=3))
    assert "in 2 rooms, 3 meetings each, on collab" in as_text(summary(run))


def test_a_summary_names_what_failed() -> None:
    text = as_text(summary(failed_run()))
    for expected in ("closed with 1011", "<b>[bold]no</b>", "different", "7 structs", "errors"):
        assert expected in text
    assert text.rstrip().endswith("failed")


def test_many_errors_are_summed_up() -> None:
    run = _judged()
    run.totals.errors.update({f"error {number}": 10 - number for number in range(8)})
    text = as_text(summary(run))
    assert "error 4" in text
    assert "error 5" not in text
    assert "other errors" in text


def test_a_display_shows_the_last_second_on_a_terminal() -> None:
    written = io.StringIO()
    console = Console(file=written, force_terminal=True, width=120, height=40)
    run = measured_run()
    with Progress(PLAN, console) as progress:
        for second in run.series:
            progress.show(replace(second, errors=3, pose_age_p95=8.5))
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", written.getvalue())
    assert re.search(r"^people +20 of 20 *$", text, re.MULTILINE)
    assert "p50 / p95 / p99" in text
    assert "8.50 ms" in text
    assert "3, 0 closed" in text


def test_without_a_terminal_there_is_a_line_now_and_then() -> None:
    written = io.StringIO()
    second = measured_run().series[-1]
    with Progress(PLAN, Console(file=written, width=80)) as progress:
        for number in range(2 * LINE_EVERY):
            progress.show(replace(second, second=number))
    lines = written.getvalue().splitlines()
    assert len(lines) == 2
    assert lines[1].startswith("   10 s  20 people  200 edits/s  1,400 frames/s  seen p95 ")
