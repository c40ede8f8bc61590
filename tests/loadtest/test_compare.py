"""Two results side by side."""

from __future__ import annotations

from dataclasses import replace

import pytest

from loadtest.compare import Change, Comparison, NotComparable, Trend, compare, shown
from tests.loadtest.runs import PLAN, as_text, failed_run, measured_run


def _change(comparison: Comparison, name: str) -> Change:
    return next(each for each in comparison.changes if each.name == name)


def _trends(comparison: Comparison, *trends: Trend) -> set[str]:
    return {each.name for each in comparison.changes if each.trend in trends}


def test_a_run_is_as_good_as_itself() -> None:
    comparison = compare(measured_run(), measured_run())
    assert _trends(comparison, Trend.SAME) == {each.name for each in comparison.changes}
    assert not comparison.is_worse
    assert not comparison.notes


def test_another_seed_is_no_change() -> None:
    assert not compare(measured_run(seed=1), measured_run(seed=2)).is_worse


def test_what_is_slower_is_worse_and_by_how_much_is_said() -> None:
    comparison = compare(measured_run(), measured_run(slower=2))
    worse = _trends(comparison, Trend.WORSE)
    assert {"seen.p50", "seen.p95", "seen.p99", "stored.p50"} <= worse
    assert "server.cpu_us_per_delivered" in worse
    assert "join.p50" not in worse
    assert _change(comparison, "server.cpu_us_per_delivered").by == "+100 %"


def test_what_is_faster_is_better() -> None:
    comparison = compare(measured_run(slower=2), measured_run())
    assert "seen.p95" in _trends(comparison, Trend.BETTER)
    assert not comparison.is_worse


def test_the_tolerance_says_what_is_worse() -> None:
    slower = measured_run(slower=1.5)
    assert compare(measured_run(), slower, tolerance=0.1).is_worse
    assert not compare(measured_run(), slower, tolerance=0.6).is_worse


def test_the_tails_may_change_more_than_the_median() -> None:
    comparison = compare(measured_run(), measured_run(slower=1.25))
    assert _change(comparison, "seen.p50").trend is Trend.WORSE
    assert _change(comparison, "seen.p99").trend is Trend.SAME


def test_fewer_deliveries_are_worse() -> None:
    after = measured_run()
    after.totals.counts["marks_seen"] //= 2
    assert _trends(compare(measured_run(), after), Trend.WORSE) == {"rates.marks_seen"}


@pytest.mark.parametrize("name", ["errors", "closes", "checks.converged"])
def test_no_tolerance_forgives_trouble(name: str) -> None:
    comparison = compare(measured_run(), failed_run(), tolerance=100)
    assert _change(comparison, name).trend is Trend.WORSE


def test_what_is_not_measured_any_more_is_worse() -> None:
    after = measured_run()
    after.totals.delays["stored"].at.clear()
    comparison = compare(measured_run(), after)
    assert _trends(comparison, Trend.GONE) == {"stored.p50", "stored.p95", "stored.p99"}
    assert comparison.is_worse


def test_what_else_differs_is_said() -> None:
    after = measured_run(plan=replace(PLAN, people=24))
    after.machine = {**after.machine, "commit": "def5678"}
    assert compare(measured_run(), after).notes == (
        "plan: people was 20, and is 24",
        "machine: commit was abc1234, and is def5678",
    )


def test_two_scenarios_are_not_compared() -> None:
    with pytest.raises(NotComparable, match="two scenarios"):
        compare(measured_run(), measured_run(plan=replace(PLAN, scenario="crowd")))


def test_it_is_shown_as_a_table() -> None:
    before = measured_run()
    text = as_text(shown(before, compare(before, measured_run(slower=2))))
    assert "whiteboard: 20 people in 2 rooms on collab 0.1.0" in text
    assert text.count(" ms") > 10
    assert "90.0 MiB" in text
    assert "worse" in text
    assert "rates.marks_seen" in text
    assert "rates.poses_seen" not in text
