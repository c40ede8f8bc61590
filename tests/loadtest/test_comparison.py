"""This server beside others, in one table."""

from __future__ import annotations

from dataclasses import replace

import pytest

from loadtest.comparison import COST, PARTS, SEEN, Part, main, table
from loadtest.result import Checks, Result
from tests.loadtest.runs import PLAN, measured_run

PART = Part(PLAN, (SEEN, COST))


def result_of(name: str, *, slower: float = 1.0, others: float = 0.0) -> Result:
    result = measured_run(slower=slower)
    result.target = replace(result.target, name=name, version="1.2")
    result.machine["others_share"] = others
    return result


def test_a_cell_says_how_many_times_this_servers_it_is() -> None:
    found: dict[tuple[str, str], Result | str] = {
        ("whiteboard", "collab"): result_of("collab"),
        ("whiteboard", "hocuspocus"): result_of("hocuspocus", slower=2.0),
    }
    lines = table([PART], ["collab", "hocuspocus"], found).splitlines()
    assert lines[0] == "| | this server 1.2 | hocuspocus 1.2 |"
    assert lines[3] == "| whiteboard, 20 people: CPU a delivery, µs | 12.5 | 25 (2 x) |"
    assert lines[2].endswith("(2 x) |")


def test_what_a_server_did_wrong_is_marked_and_said() -> None:
    wrong = result_of("hocuspocus")
    wrong.totals.closes["1006"] = 2
    found: dict[tuple[str, str], Result | str] = {
        ("whiteboard", "hocuspocus"): wrong,
        ("whiteboard", "collab"): "not there\nlog",
    }
    text = table([PART], ["collab", "hocuspocus"], found)
    assert "| - **did not run** † | 12.5 † |" in text
    assert "- † hocuspocus, whiteboard: 2 connections ended" in text
    assert "- † collab, whiteboard: not there\n" in text


@pytest.mark.parametrize(
    ("checks", "said"),
    [
        (Checks(2, converged=False, missing_sent=3), "loses edits"),
        (Checks(2, converged=False, notes=("room 0: a witness differs",)), "not converged"),
        (Checks(2, converged=True, missing_acknowledged=1), "loses edits"),
    ],
    ids=["sent", "differ", "acknowledged"],
)
@pytest.mark.parametrize("number", ["seen.p95", "not.measured"])
def test_a_cell_says_that_a_server_loses_something(checks: Checks, said: str, number: str) -> None:
    lossy = result_of("hocuspocus")
    lossy.checks = checks
    part = Part(PLAN, (replace(SEEN, number=number),))
    found: dict[tuple[str, str], Result | str] = {("whiteboard", "hocuspocus"): lossy}
    text = table([part], ["hocuspocus"], found)
    assert f" **{said}** † |" in text.splitlines()[2]
    assert "- † hocuspocus, whiteboard: " in text


@pytest.mark.parametrize("others", [0.05, 0.5], ids=str)
def test_a_machine_that_others_used_is_noted(others: float) -> None:
    found: dict[tuple[str, str], Result | str] = {
        ("whiteboard", "collab"): result_of("collab", others=others)
    }
    assert ("doubtful" in table([PART], ["collab"], found)) == (others > 0.1)


def test_nothing_found_is_an_empty_table() -> None:
    assert "| - |" in table([PART], ["collab"], {})


def test_all_that_is_promised_is_compared() -> None:
    assert [each.plan.scenario for each in PARTS] == [
        "whiteboard", "crowd", "join_storm", "reconnect_storm", "slow_readers"
    ]  # fmt: skip
    assert all(each.plan.witnesses for each in PARTS)


def test_a_server_can_be_compared_quickly(capsys: pytest.CaptureFixture[str]) -> None:
    chosen = ["--servers", "pycrdt-websocket", "--scenarios", "crowd"]
    assert main(["--quick", *chosen]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [each for each in lines if "†" in each] == []
    (seen,) = (each for each in lines if "| crowd, 20 people: edit to seen, p95, ms |" in each)
    assert "| - |" not in seen
