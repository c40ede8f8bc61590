"""Delays and reports: the arithmetic of the bench."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from benchmarks.load import Delays
from benchmarks.report import Report, Row, at_least, at_most


def test_percentiles_count_each_delay_with_its_weight() -> None:
    delays = Delays()
    for value, weight in ((1.0, 98.0), (50.0, 1.0), (9.0, 1.0)):
        delays.add(value, weight)

    assert [delays.percentile(share) for share in (0.5, 0.985, 1.0)] == [1.0, 9.0, 50.0]


def test_without_delays_there_is_no_percentile() -> None:
    assert math.isnan(Delays().percentile(0.5))


def test_a_row_says_whether_it_keeps_its_bound(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [
        Row("slow enough", 7.0, "us", at_most(7)),
        Row("too slow", 7.5, "us", at_most(7)),
        Row("too few", 999_999.0, "/s", at_least(1_000_000)),
        Row("never measured", math.nan, "us", at_most(7)),
    ]

    Report({}).add("section", rows)

    verdicts = [line.split()[-1] for line in capsys.readouterr().out.splitlines()[2:]]
    assert verdicts == ["ok", "MISSED", "MISSED", "MISSED"]


def test_a_report_is_written_as_json(tmp_path: Path) -> None:
    report = Report({"cores": 2})
    report.add("section", [Row("title", 1.5, "us", at_most(2), details={"p99_ms": 3.0})])

    report.write(tmp_path / "results" / "now.json")

    content = json.loads((tmp_path / "results" / "now.json").read_text())
    (row,) = content["sections"]["section"]
    assert content["machine"] == {"cores": 2}
    assert (row["value"], row["bound"]["limit"], row["details"]) == (1.5, 2, {"p99_ms": 3.0})
