"""What the README says of load tests."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from loadtest.cli import cli
from loadtest.measures import DELAYS
from loadtest.scenarios import SCENARIOS
from loadtest.scenarios.scenario import Scenario
from loadtest.targets.choosing import NAMES
from loadtest.thresholds import Threshold
from tests.loadtest.runs import measured_run

README = (Path(__file__).parents[2] / "README.md").read_text()
SECTION = README.partition("## Load tests\n")[2].partition("\n## ")[0]


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS)
def test_scenarios_are_in_the_table(scenario: type[Scenario]) -> None:
    rooms = "one room" if scenario.rooms == 1 else f"{scenario.rooms} rooms"
    where = f"{scenario.people:,} in {rooms}"
    assert f"| `{scenario.name}` | {where} | {scenario.about} |" in SECTION


def test_every_command_and_option_is_named_and_no_other() -> None:
    synopsis = SECTION.split("```")[1]
    assert set(re.findall(r"collab-loadtest (\w+)", synopsis)) == set(cli.commands)
    options = {
        option
        for command in cli.commands.values()
        for parameter in command.params
        for option in parameter.opts
        if option.startswith("--")
    }
    assert set(re.findall(r"--[a-z]+", synopsis)) == options


def test_every_target_and_delay_is_named() -> None:
    for name in (*NAMES[1:], *DELAYS):
        assert f"`{name}`" in SECTION


def test_thresholds_that_are_examples_are_of_numbers_that_results_have() -> None:
    numbers = measured_run().numbers()
    examples = re.findall(r"`([a-z_0-9.]+(?:<=|>=|=)[\d.]+)`", SECTION)
    assert len(examples) >= 4
    for each in examples:
        assert Threshold.parse(each).name in numbers
