"""What a run has to keep."""

from __future__ import annotations

import pytest

from loadtest.thresholds import Threshold, check_all


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("seen.p95=20", Threshold("seen.p95", at_most=20)),
        ("rates.frames_in=1e4", Threshold("rates.frames_in", at_least=10_000)),
        ("rates.frames_in<=9", Threshold("rates.frames_in", at_most=9)),
        ("counts.refusals=0", Threshold("counts.refusals", at_most=0)),
        (" counts.refusals >= 1 ", Threshold("counts.refusals", at_least=1)),
        ("checks.converged=1", Threshold("checks.converged", at_least=1)),
    ],
)
def test_a_threshold_is_a_ceiling_or_where_more_is_better_a_floor(
    text: str, meant: Threshold
) -> None:
    assert Threshold.parse(text) == meant


@pytest.mark.parametrize("text", ["", "seen.p95", "=3", "seen.p95=soon", "seen.p95=nan", "a=="])
def test_what_is_no_threshold_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"no threshold|no number"):
        Threshold.parse(text)


def test_a_threshold_has_one_bound() -> None:
    for bounds in ({}, {"at_most": 1.0, "at_least": 0.0}):
        with pytest.raises(ValueError, match="one bound"):
            Threshold("seen.p95", **bounds)


def test_a_bound_itself_is_kept() -> None:
    numbers = {"seen.p95": 20.0}
    assert Threshold("seen.p95", at_most=20).check(numbers).passed
    assert Threshold("seen.p95", at_least=20).check(numbers).passed
    assert not Threshold("seen.p95", at_most=19.99).check(numbers).passed
    assert not Threshold("seen.p95", at_least=20.01).check(numbers).passed


@pytest.mark.parametrize("bound", [{"at_most": 1e9}, {"at_least": -1e9}])
def test_what_was_not_measured_keeps_nothing(bound: dict[str, float]) -> None:
    verdict = Threshold("pose_age.p95", **bound).check({"seen.p95": 1.0})
    assert not verdict.passed
    assert verdict.value is None


def test_the_last_bound_of_a_name_counts_and_a_floor_is_no_ceiling() -> None:
    wanted = [
        Threshold("seen.p95", at_most=1),
        Threshold("seen.p95", at_least=2),
        Threshold("seen.p95", at_most=9),
    ]
    verdicts = check_all(wanted, {"seen.p95": 5.0})
    assert [each.bound for each in verdicts] == ["<= 9", ">= 2"]
