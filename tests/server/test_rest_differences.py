"""REST: what is different between two moments."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pycrdt import Doc, Map

from tests.server.clocks import NOON
from tests.server.past_session import MINUTE, Json, Past, PastRoom, lived_session, text_of
from tests.server.rest_client import refusal


@pytest.fixture(params=[Past, PastRoom])
async def past(request: pytest.FixtureRequest, tmp_path: Path) -> Past:
    return await lived_session(tmp_path, request.param)


async def difference(past: Past, start: object, end: object | None = None, **more: Any) -> Json:
    to = {} if end is None else {"to": end}
    return await past.get("/diff", **{"from": start, **to, **more})


async def test_what_is_different_between_two_moments(past: Past) -> None:
    """PST-9"""
    await past.begin()
    await past.draw(1)
    first = await past.edit(
        lambda doc: doc.get("objects", type=Map).__setitem__("b", {"object_type": "text"})
    )

    def change(doc: Doc[Any]) -> None:
        objects = doc.get("objects", type=Map)
        objects["note 0"]["is_locked"] = True
        del objects["b"]
        objects["c"] = {"object_type": "frame"}
        doc.get("annotations", type=Map)["n"] = {"annotation_type": "marker"}

    second = await past.edit(change)
    data = await difference(past, first, second)
    assert data["before"]["seq"] == first
    assert data["after"]["seq"] == second
    assert data["objects"] == {"added": 1, "changed": 1, "removed": 1}
    found = [(each["root"], each["id"], each["change"]) for each in data["items"]]
    assert found[:3] == [
        ("objects", "b", "removed"),
        ("objects", "c", "added"),
        ("objects", "note 0", "changed"),
    ]
    if "annotations" in past.roots:
        assert data["annotations"] == {"added": 1, "changed": 0, "removed": 0}
        assert found[3:] == [("annotations", "n", "added")]
    else:
        assert "annotations" not in data
        assert not found[3:]
    changed = data["items"][2]
    assert changed["fields"] == ["is_locked"]
    assert (changed["before"]["is_locked"], changed["after"]["is_locked"]) == (False, True)
    assert changed["after"] == {**changed["before"], "is_locked": True}
    assert "search_text" not in changed["after"]
    assert (data["items"][0]["after"], data["items"][1]["before"]) == (None, None)


async def test_moments_are_times_positions_and_snapshots(past: Past) -> None:
    """PST-9"""
    made = await past.snapshot()
    await past.draw(3)
    expected = await difference(past, 20, 23)
    assert expected["items"]
    for start in (made["id"], text_of(NOON + 20 * MINUTE)):
        assert await difference(past, start) == expected
    assert (await difference(past, made["id"], 20))["items"] == []


async def test_differences_come_in_pages_of_the_same_moments(past: Past) -> None:
    """PST-9"""
    whole = await difference(past, 0)
    assert len(whole["items"]) == 6
    seen: list[Json] = []
    cursor: dict[str, str] = {}
    for size in (4, 2):
        data = await difference(past, text_of(NOON), limit=4, **cursor)
        assert len(data["items"]) == size
        assert data["objects"] == whole["objects"]
        seen += data["items"]
        cursor = {"cursor": data["next_cursor"]}
        await past.draw(1)  # which later pages do not show
    assert seen == whole["items"]
    assert cursor == {"cursor": None}


async def test_a_cursor_is_the_sessions_own(past: Past) -> None:
    cursor = (await difference(past, 0, limit=1))["next_cursor"]
    await past.begin()
    for wrong in (cursor, "x", cursor[:-4] + "AAAA", ""):
        assert await past.refused("/diff", **{"from": "0", "cursor": wrong}) == (
            400,
            "INVALID_CURSOR",
        )


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({}, "from"),
        ({"from": "x"}, "from"),
        ({"from": "21"}, "from"),
        ({"from": "2030-05-17T13:00:00Z"}, "from"),
        ({"from": "0", "to": "99"}, "to"),
        ({"from": "0", "to": "2030-05-17T13:00:00Z"}, "to"),
        ({"from": "99999999999999999999"}, "from"),
        ({"from": "0", "limit": "101"}, "limit"),
    ],
)
async def test_a_difference_of_nothing_is_refused(
    past: Past, query: dict[str, str], field: str
) -> None:
    answer = await past.anna.get(f"{past.path}/diff", params=query)
    assert refusal(answer) == (400, "INVALID_PARAMETER")
    assert answer.json()["error"]["details"]["errors"][0]["field"] == field
