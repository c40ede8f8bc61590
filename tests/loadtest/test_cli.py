"""The command line of the load test."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from loadtest import cli
from loadtest.cli import BAD_INPUT, CANNOT_RUN, FAILED, INTERRUPTED, main
from loadtest.plan import Plan
from loadtest.result import Result
from loadtest.scenarios import SCENARIOS
from loadtest.second import Second
from loadtest.targets.target import CannotRun
from loadtest.thresholds import Threshold
from tests.loadtest.runs import measured_run


class Stage:
    """Stands in for servers and runs, and remembers what was asked for.

    Attributes:
        broken: what goes wrong instead.
        acknowledges: whether the server says what is stored.
        keeps_limits: whether a server with its ordinary limits was asked for.
        is_cut_short: as if somebody had pressed Ctrl-C.
    """

    def __init__(self) -> None:
        self.broken: BaseException | None = None
        self.acknowledges = True
        self.keeps_limits = False
        self.is_cut_short = False
        self.asked: list[Any] = []

    def chosen(self, name: str, url: str, token: str, *, keeps_limits: bool) -> Any:
        self.asked = [name, url, token]
        self.keeps_limits = keeps_limits
        return nullcontext(SimpleNamespace(name=name, acknowledges=self.acknowledges))

    def run(
        self, scenario: object, target: object, plan: Plan, on_second: Callable[[Second], None]
    ) -> Result:
        del target
        if self.broken is not None:
            raise self.broken
        self.asked += [scenario, plan]
        result = measured_run()
        result.plan = replace(plan, seconds=2) if self.is_cut_short else plan
        for second in result.series:
            on_second(second)
        return result


@pytest.fixture(autouse=True)
def stage(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Stage:
    stage = Stage()
    monkeypatch.setattr(cli, "chosen", stage.chosen)
    monkeypatch.setattr(cli, "run_scenario", stage.run)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "160")
    return stage


@pytest.fixture
def output(capsys: pytest.CaptureFixture[str]) -> Callable[[], str]:
    return lambda: capsys.readouterr().out


def _written(name: str, result: Result) -> str:
    result.write(Path(name))
    return name


def test_list_says_what_there_is(output: Callable[[], str]) -> None:
    assert main(["list"]) == 0
    text = output()
    for name, scenario in SCENARIOS.items():
        assert name in text
        assert scenario.about.split(maxsplit=1)[0] in text


def test_a_run_has_the_sizes_of_its_scenario_unless_others_are_given(stage: Stage) -> None:
    assert main(["run", "soak", "--people", "30", "--duration", "90", "--seed", "5"]) == 0
    name, url, token, scenario, plan = stage.asked
    assert (name, url, token) == ("collab", "", "")
    assert isinstance(scenario, SCENARIOS["soak"])
    assert plan == Plan("soak", 30, 2, 90, 10, 5, processes=1, witnesses=2, meetings=3)


def test_many_rooms_have_one_real_document_each_unless_more_are_asked_for(stage: Stage) -> None:
    main(["run", "mixed_campus"])
    assert stage.asked[-1].witnesses == 1
    main(["run", "mixed_campus", "--witnesses", "3", "--processes", "4"])
    assert (stage.asked[-1].witnesses, stage.asked[-1].processes) == (3, 4)


def test_a_server_that_runs_has_an_address_and_a_token(stage: Stage) -> None:
    Path("token").write_text("of a service\n")
    main(["run", "crowd", "--url", "https://there", "--token", "@token"])
    assert stage.asked[:3] == ["collab", "https://there", "of a service"]
    main(["run", "crowd", "--target", "hocuspocus", "--url", "ws://there", "--token", "plain"])
    assert stage.asked[:3] == ["hocuspocus", "ws://there", "plain"]


def test_only_the_scenario_of_limits_has_a_server_with_its_ordinary_ones(stage: Stage) -> None:
    main(["run", "whiteboard"])
    assert not stage.keeps_limits
    main(["run", "limits"])
    assert stage.keeps_limits


def test_a_run_shows_its_summary_and_writes_result_and_report(output: Callable[[], str]) -> None:
    files = ["--json", "below/run.json", "--html", "below/run.html"]
    assert main(["run", "whiteboard", *files]) == 0
    assert output().rstrip().endswith("passed")
    assert Result.read(Path("below/run.json")).passed
    assert "passed" in Path("below/run.html").read_text()


def test_a_threshold_that_is_not_kept_is_a_failure(output: Callable[[], str]) -> None:
    assert main(["run", "whiteboard", "--threshold", "seen.p95=0.5"]) == FAILED
    assert output().rstrip().endswith("failed")
    loose = ["--threshold", "seen.p95=900", "--threshold", "seen.p50<=800"]
    assert main(["run", "whiteboard", *loose]) == 0


def test_a_server_that_never_says_what_is_stored_is_not_asked_for_it(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = (Threshold("stored.p95", at_most=0.1), Threshold("seen.p95", at_most=999))
    monkeypatch.setattr(SCENARIOS["whiteboard"], "thresholds", wanted)
    assert main(["run", "whiteboard"]) == FAILED
    stage.acknowledges = False
    assert main(["run", "whiteboard"]) == 0
    assert main(["run", "whiteboard", "--threshold", "stored.p95=0.1"]) == FAILED


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["run"],
        ["run", "nothing"],
        ["run", "whiteboard", "--people", "0"],
        ["run", "whiteboard", "--people", "2", "--rooms", "3"],
        ["run", "whiteboard", "--duration", "0"],
        ["run", "whiteboard", "--threshold", "seen.p95"],
        ["run", "whiteboard", "--target", "nothing"],
        ["compare", "a.json", "b.json"],
        ["report", "a.json"],
    ],
    ids=" ".join,
)
def test_wrong_input_is_one_line_and_status_two(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == BAD_INPUT
    error = capsys.readouterr().err
    assert error.startswith(("Error: ", "Usage: "))


@pytest.mark.parametrize(
    ("broken", "status"), [(CannotRun("not there"), CANNOT_RUN), (KeyboardInterrupt(), INTERRUPTED)]
)
def test_a_run_that_could_not_be_made_has_a_status_of_its_own(
    stage: Stage, broken: BaseException, status: int
) -> None:
    stage.broken = broken
    assert main(["run", "whiteboard"]) == status


def test_an_interrupted_run_is_no_success_and_has_a_result(stage: Stage) -> None:
    stage.is_cut_short = True
    assert main(["run", "whiteboard", "--json", "run.json"]) == INTERRUPTED
    assert Result.read(Path("run.json")).plan.seconds == 2


def test_a_fault_of_ours_is_not_taken_for_wrong_input(stage: Stage) -> None:
    stage.broken = ValueError("ours")
    with pytest.raises(ValueError, match="ours"):
        main(["run", "whiteboard"])


def test_a_token_whose_file_is_not_there_cannot_be_used() -> None:
    assert main(["run", "whiteboard", "--token", "@nowhere"]) == CANNOT_RUN


def test_compare_fails_when_something_got_worse(output: Callable[[], str]) -> None:
    before = _written("a.json", measured_run())
    after = _written("b.json", measured_run(slower=2))
    assert main(["compare", before, before]) == 0
    assert main(["compare", before, after]) == FAILED
    assert "worse" in output()
    assert main(["compare", before, after, "--tolerance", "5"]) == 0
    assert main(["compare", after, before]) == 0


def test_what_is_no_result_or_another_scenarios_is_not_compared() -> None:
    before = _written("a.json", measured_run())
    other = measured_run()
    other.plan = Plan("crowd", 20, 2, 8, 2, 1, 2, 2)
    Path("c.json").write_text("{}")
    assert main(["compare", before, _written("b.json", other)]) == BAD_INPUT
    assert main(["compare", before, "c.json"]) == BAD_INPUT
    assert main(["report", "c.json"]) == BAD_INPUT


def test_a_report_is_written_beside_its_result(output: Callable[[], str]) -> None:
    result = _written("a.json", measured_run())
    assert main(["report", result]) == 0
    assert "Edit to seen" in output()
    assert Path("a.html").read_text().startswith("<!DOCTYPE html>")
    assert main(["report", result, "--html", "elsewhere/b.html"]) == 0
    assert Path("elsewhere/b.html").exists()
