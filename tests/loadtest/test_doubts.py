"""Why a run should not be believed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from loadtest.doubts import doubts
from loadtest.measures import Totals
from loadtest.report import render
from loadtest.result import ServerUse
from loadtest.table import summary
from tests.loadtest.runs import as_text, measured_run


def test_a_quiet_run_is_believed() -> None:
    assert list(doubts(measured_run())) == []


def test_a_run_in_which_nothing_happened_has_no_doubts_of_its_own() -> None:
    run = measured_run()
    run.totals, run.series = Totals.merge([]), []
    assert list(doubts(run)) == []


@pytest.mark.parametrize(("share", "doubted"), [(0.1, 0), (0.2, 0), (0.3, 1)])
def test_others_on_the_machine_are_a_doubt(share: float, doubted: int) -> None:
    run = measured_run()
    run.machine["others_share"] = share
    assert len(list(doubts(run))) == doubted
    run.server = ServerUse()  # which is then one of the others
    assert list(doubts(run)) == []


def test_a_busy_generator_is_a_doubt() -> None:
    run = measured_run()
    run.series = [replace(each, generator_cpu=1.7) for each in run.series]
    assert "--processes" in next(doubts(run))
    run.plan = replace(run.plan, processes=4)
    assert list(doubts(run)) == []


def test_a_generator_that_is_late_by_as_much_as_it_measures_is_a_doubt() -> None:
    run = measured_run()
    run.totals.delays["late"].add(5_000, times=2_000)
    assert "late by 5.00 ms" in next(doubts(run))


def test_missing_seconds_are_a_doubt() -> None:
    run = measured_run()
    del run.series[-3:]
    assert "only 5 are known" in next(doubts(run))


def test_doubts_are_shown_wherever_the_run_is() -> None:
    run = measured_run()
    run.machine["others_share"] = 1.5
    (doubt,) = doubts(run)
    assert doubt in as_text(summary(run))
    assert doubt in render(run)
