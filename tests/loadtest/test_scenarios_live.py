"""Every scenario on a real server, short and with few people: its stories are what it takes."""

from __future__ import annotations

import pytest

from loadtest.plan import Plan
from loadtest.runner import run
from loadtest.scenarios import SCENARIOS
from loadtest.targets.collab import Collab

SECONDS = 14.0
"""A storm comes after 7.5 seconds, and who writes too often by REST is told so after 10."""

LONGER = {"soak": 60.0}
"""With three meetings."""

DELAYED = ("seen.", "stored.", "join.", "rest.", "pose_age.")
"""How long things take depends on the machine, and is not what is tried."""


@pytest.mark.prove
@pytest.mark.parametrize("name", SCENARIOS)
def test_it_runs_without_trouble_and_all_documents_are_right(server: Collab, name: str) -> None:
    scenario = SCENARIOS[name]()
    rooms = min(scenario.rooms, 3)
    seconds = LONGER.get(name, SECONDS)
    plan = Plan(name, 8 * rooms, rooms, seconds, 1.0, 7, 2, 1, scenario.meetings(seconds))

    result = run(scenario, server, plan)

    assert result.totals.errors == {}
    assert result.totals.closes == {}
    assert result.checks.notes == ()
    assert result.checks.converged
    assert result.checks.witnesses == plan.documents
    missed = [each for each in result.thresholds if not each.passed]
    assert [each for each in missed if not each.name.startswith(DELAYED)] == []
    counts = result.totals.counts
    assert counts["marks_seen"] > counts["edits_stored"] > 0
