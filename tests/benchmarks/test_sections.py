"""Every section of the bench runs, on a server where it needs one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.__main__ import ON_REQUEST, SECTIONS, main

IN_PROCESS = ["stages", "guard", "outbound", "rules", "poses", "lane", "lifetimes"]
WITH_SERVER = [name for name in SECTIONS if name not in {*IN_PROCESS, *ON_REQUEST}]


def _measured(directory: Path, *sections: str) -> dict[str, list[dict[str, object]]]:
    assert main([*sections, "--quick", "--results", str(directory)]) == 0
    (written,) = directory.glob("*.json")
    measured: dict[str, list[dict[str, object]]] = json.loads(written.read_text())["sections"]
    return measured


@pytest.mark.parametrize("section", IN_PROCESS)
def test_a_section_measures_something(section: str, tmp_path: Path) -> None:
    rows = _measured(tmp_path, section)[section]

    assert len(rows) > 3
    assert all(isinstance(row["value"], float) and row["value"] > 0 for row in rows)


@pytest.mark.prove
@pytest.mark.parametrize("section", [*WITH_SERVER, *ON_REQUEST])
def test_each_section_measures_something(section: str, tmp_path: Path) -> None:
    assert _measured(tmp_path, section)[section]


def test_what_is_sent_arrives_at_everybody(tmp_path: Path) -> None:
    rows = _measured(tmp_path, "rooms")["rooms"]

    details = rows[0]["details"]
    assert isinstance(details, dict)
    assert (details["lost"], details["disconnected"]) == (0, 0)
    assert details["delivered_per_s"] > 0


def test_unknown_sections_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["nonsense"])

    assert "invalid choice" in capsys.readouterr().err
