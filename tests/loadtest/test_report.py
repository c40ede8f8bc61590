"""The HTML report: one file, safe to open, that says everything."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from dataclasses import replace

import pytest

from loadtest.measures import Totals
from loadtest.plots import COLOURS, MOST_POINTS, Plot, _unmeasured, plots
from loadtest.report import render
from loadtest.result import Checks, Result, ServerUse
from loadtest.thresholds import Threshold
from tests.loadtest.runs import failed_run, measured_run


@pytest.fixture(scope="module")
def run() -> Result:
    result = measured_run()
    result.judge((Threshold("seen.p95", at_most=100),))
    return result


@pytest.fixture(scope="module")
def page(run: Result) -> str:
    return render(run)


@pytest.fixture(scope="module")
def drawn(run: Result) -> list[Plot]:
    return list(plots(run))


def test_it_says_what_ran_and_how_it_did(page: str) -> None:
    for expected in (
        "<title>whiteboard: 20 people in 2 rooms on collab 0.1.0</title>",
        '<div class="verdict good">passed</div>',
        "01 March 2026, 09:30 UTC",
        "p99.9",
        "50 % of a core",
        "&lt;= 100",
        "abc1234",
        "0.14.13",
    ):
        assert expected in page


def test_it_needs_no_other_file_and_no_script(page: str) -> None:
    assert "<script" not in page
    assert "@import" not in page
    addresses = set(re.findall(r"\w+://[^\s\"'<]+", page))
    assert addresses == {
        "http://127.0.0.1:8000",
        "http://www.w3.org/2000/svg",
        "http://www.w3.org/1999/xlink",
    }
    assert all(each.startswith("#") for each in re.findall(r'(?:href|src)="([^"]*)"', page))


def test_a_failure_is_shown_and_what_servers_say_is_text() -> None:
    page = render(failed_run())
    assert '<div class="verdict bad">failed</div>' in page
    assert "closed with 1011" in page
    assert "room 1: &lt;i&gt;7 structs&lt;/i&gt;" in page
    assert "&lt;b&gt;[bold]no&lt;/b&gt;" in page


def test_there_is_a_plot_of_each_thing(drawn: list[Plot]) -> None:
    assert [each.title for each in drawn] == [
        "Delays over time",
        "Distribution of delays",
        "Throughput",
        "CPU",
        "Memory of the server",
        "Connections",
    ]
    text = "".join(each.svg for each in drawn)
    for line in ("seen p99", "stored p95", "Edit to stored", "99.9 %", "delivered", "generator"):
        assert f">{line}</text>" in text


def test_plots_take_all_their_colours_from_the_page(drawn: list[Plot], page: str) -> None:
    for plot in drawn:
        assert set(re.findall(r"#[0-9a-f]{6}\b", plot.svg)) <= {"#000000"}
    for variable in COLOURS.values():
        assert page.count(f"--{variable}:") == 2  # on light, and on dark


def test_plots_are_xml_and_their_ids_are_their_own(drawn: list[Plot]) -> None:
    ids: list[str] = []
    for plot in drawn:
        root = ET.fromstring(plot.svg)
        own = [each.attrib["id"] for each in root.iter() if "id" in each.attrib]
        for target in re.findall(r'(?:href="#|url\(#)([^")]+)', plot.svg):
            assert target in own
        ids += own
    assert len(ids) == len(set(ids))


def test_the_same_run_is_the_same_page(run: Result, page: str) -> None:
    assert render(run) == page


def test_what_was_not_measured_is_not_drawn() -> None:
    run = measured_run()
    run.server = ServerUse()
    run.series = [
        replace(each, server_cpu=None, server_memory=None, generator_cpu=None)
        for each in run.series
    ]
    page = render(run)
    for title in ("CPU", "Memory of the server", "The server"):
        assert f">{title}<" not in page


def test_a_run_of_hours_is_drawn_in_few_points(run: Result) -> None:
    seconds = [replace(run.series[-1], second=number) for number in range(3 * MOST_POINTS)]
    long = replace(run, series=seconds)
    drawn = next(plots(long)).svg
    assert "seconds, each point the mean of 3" in drawn
    assert len(render(long)) < 200_000


def test_a_run_that_was_over_at_once_has_a_page() -> None:
    run = measured_run()
    run.totals, run.series = Totals.merge([]), []
    run.checks = Checks()
    assert "<figure" not in render(run)


def test_what_was_not_measured_is_shaded_from_where_it_began(run: Result) -> None:
    assert list(_unmeasured(run.series)) == [(0, 1)]
    later = [replace(each, second=each.second + 1) for each in run.series]
    assert list(_unmeasured(later)) == [(0, 2)]
    ends = [replace(each, is_measured=each.second not in (0, 8, 9)) for each in run.series]
    assert list(_unmeasured(ends)) == [(0, 0), (7, 9)]
