"""The JSON file of a run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from loadtest.machine import describe
from loadtest.result import Checks, NotAResult, Result, ServerUse
from loadtest.thresholds import Threshold
from tests.loadtest.runs import failed_run, measured_run


@pytest.mark.parametrize("run", [measured_run(), failed_run()], ids=["passed", "failed"])
def test_what_is_written_is_read_again(run: Result, tmp_path: Path) -> None:
    path = tmp_path / "below" / "run.json"
    run.write(path)
    again = Result.read(path)
    assert again.to_json() == run.to_json()
    assert again.numbers() == run.numbers()
    assert again.series == run.series
    assert again.server == run.server
    assert again.checks == run.checks


def test_a_run_of_which_little_is_known_is_read_again() -> None:
    run = measured_run()
    run.server, run.checks, run.series = ServerUse(), Checks(), []
    again = Result.from_json(orjson.loads(orjson.dumps(run.to_json())))
    assert again.to_json() == run.to_json()
    assert not [name for name in run.numbers() if name.startswith("server.")]


def _without(content: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in content.items() if key != name}


def test_what_is_no_result_is_refused(tmp_path: Path) -> None:
    content = measured_run().to_json()
    strange: list[Any] = [
        [],
        {},
        {"format": "other/1"},
        {**content, "delays": 3},
        {**content, "plan": {}},
    ]
    parts = ("plan", "delays", "counts", "series", "server", "checks", "thresholds", "target")
    for each in (*strange, *(_without(content, name) for name in parts)):
        with pytest.raises(NotAResult):
            Result.from_json(each)
    path = tmp_path / "run.json"
    path.write_text("{")
    with pytest.raises(NotAResult, match="not JSON"):
        Result.read(path)


def test_numbers_are_what_was_measured() -> None:
    numbers = measured_run().numbers()
    assert numbers["counts.edits_sent"] == 1600
    assert numbers["rates.edits_sent"] == 200
    assert numbers["counts.joined"] == 20
    assert "rates.joined" not in numbers
    assert numbers["checks.converged"] == 1
    assert numbers["server.memory_slope_low"] == -2048
    assert numbers["server.memory_slope_high"] == 4096
    assert numbers["errors"] == numbers["closes"] == 0
    assert 2 < numbers["seen.p50"] < numbers["seen.p95"] < numbers["seen.max"]


def test_it_passes_when_thresholds_and_checks_do() -> None:
    run = measured_run()
    run.judge((Threshold("seen.p95", at_most=1000),))
    assert run.passed
    run.judge((Threshold("seen.p95", at_most=0.1),))
    assert not run.passed


@pytest.mark.parametrize(
    "wrong", [{"converged": False}, {"missing_acknowledged": 1}, {"missing_sent": 1}]
)
def test_it_fails_when_documents_are_wrong(wrong: dict[str, Any]) -> None:
    run = measured_run()
    run.checks = replace(run.checks, **wrong)
    run.judge(())
    assert not run.passed


def test_errors_and_lost_connections_fail_a_run_unless_it_says_how_many_are_right() -> None:
    run = measured_run()
    run.totals.errors["no"] = 1
    run.totals.closes["1006"] = 2
    run.judge((Threshold("closes", at_most=2),))
    assert [each.name for each in run.thresholds if not each.passed] == ["errors"]
    run.judge((Threshold("closes", at_most=2), Threshold("errors", at_most=1)))
    assert run.passed


def test_it_says_on_what_machine_and_of_which_versions() -> None:
    machine = describe()
    assert machine["cpu"]
    assert machine["cores"] >= 1
    assert machine["packages"]["pycrdt"]
