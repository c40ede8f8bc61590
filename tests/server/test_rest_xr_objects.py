"""REST: the objects of XR rooms, one by one; what is as in sessions is tried with those."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from pycrdt import Map, Text

from crdt_docs.access import Role
from tests.server.open_board import SESSION, OpenRoom, data, open_room
from tests.server.rest_client import Caller, refusal

OBJECTS = f"{OpenRoom.path}/objects"
WHOLE: dict[str, Any] = {
    "object_type": "furniture",
    "position": {"x": 1, "y": 0.5, "z": -2},
    "rotation": {"x": 0, "y": 0, "z": 0, "w": 1},
    "scale": {"x": 1, "y": 2, "z": 1},
    "parent_id": "table",
    "asset_url": "https://models.example/chair.glb",
    "properties": {"text": "hello", "color": "#ffee00"},
    "is_interactive": True,
    "is_locked": True,
    "lifetime": "session",
}
PARTS = ("position", "rotation", "scale")


@pytest.fixture
async def room(tmp_path: Path) -> AsyncIterator[OpenRoom]:
    async with open_room(tmp_path) as opened:
        yield opened


async def patch(caller: Caller, body: dict[str, Any]) -> httpx.Response:
    return await caller.call("PATCH", f"{OBJECTS}/a", json=body)


async def test_an_object_is_created_and_everybody_sees_it(room: OpenRoom) -> None:
    """PRJ-8: three columns of its row, one value in the document."""
    ada, _ = await room.member()
    answer = await room.anna.post(OBJECTS, json={"id": "a b", **WHOLE, "own": {"k": [1]}})
    made = data(answer, 201)
    assert answer.headers["location"] == f"{OBJECTS}/a%20b"
    assert {key: made[key] for key in WHOLE} == WHOLE
    assert (made["id"], made["room_id"]) == ("a b", str(SESSION))
    assert "session_id" not in made
    assert made["created_by"] == str(room.anna.user_id)
    await room.house.settle()
    seen = ada.json()["a b"]
    assert seen["transform"] == {part: WHOLE[part] for part in PARTS}
    assert not {*PARTS} & seen.keys()
    assert seen["own"] == {"k": [1]}
    assert isinstance(ada.objects["a b"]["transform"], dict), "one value, no shared map"
    assert isinstance(ada.objects["a b"]["properties"]["text"], Text)
    shown = data(await room.anna.get(answer.headers["location"]))
    assert shown == {key: value for key, value in made.items() if key not in ("seq", "stored")}
    assert data(await room.anna.get(OBJECTS))["items"] == [shown]


async def test_edt_3_a_patch_on_the_row_writes_one_transform(room: OpenRoom) -> None:
    ada, _ = await room.member()
    await room.object("a", **WHOLE)
    changed = data(await patch(room.anna, {"position": {"x": 7}, "scale": None}))
    assert changed["position"] == {**WHOLE["position"], "x": 7}
    assert (changed["rotation"], changed["scale"]) == (WHOLE["rotation"], None)
    assert (changed["asset_url"], changed["is_valid"]) == (WHOLE["asset_url"], True)
    await room.house.settle()
    expected = {"position": changed["position"], "rotation": WHOLE["rotation"]}
    assert ada.json()["a"]["transform"] == expected
    ada.edit(lambda objects: objects["a"].update({"transform": Map(expected)}))
    await room.house.settle()
    data(await patch(room.anna, {"position": {"x": 8}}))
    await room.house.settle()
    assert isinstance(ada.objects["a"]["transform"], dict)


async def test_a_thousand_moves_leave_a_small_document(room: OpenRoom) -> None:
    await room.object("a", **WHOLE)
    await room.house.settle()
    before = len(room.house.host().room.document.full_state())
    for x in range(50):
        data(await patch(room.anna, {"position": {"x": x, "y": 1, "z": 2}}))
    await room.house.settle()
    assert len(room.house.host().room.document.full_state()) < before + 100


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, ["object_type"]),
        ({"object_type": "x", "position": {"x": 1, "y": 2}}, ["position"]),
        ({"object_type": "x", "rotation": 90, "scale": []}, ["rotation", "scale"]),
        ({"object_type": "x", "lifetime": "ever"}, ["lifetime"]),
        (
            {"object_type": "x", "parent_id": "", "is_interactive": 1},
            ["parent_id", "is_interactive"],
        ),
        ({"object_type": "x", "position": {"x": 1e300, "y": 1, "z": 1}}, ["position.x"]),
        ({"object_type": "x", "transform": {}}, ["transform"]),
        ({"object_type": "x", "room_id": str(SESSION)}, ["room_id"]),
    ],
)
async def test_edt_5_what_cannot_be_created_names_the_column(
    room: OpenRoom, body: dict[str, Any], fields: list[str]
) -> None:
    answer = await room.anna.post(OBJECTS, json=body)
    assert refusal(answer) == (400, "INVALID_BODY")
    errors = answer.json()["error"]["details"]["errors"]
    assert [error["field"] for error in errors] == fields
    assert data(await room.anna.get(OBJECTS))["items"] == []


async def test_what_was_wrong_of_a_transform_may_stay_wrong(room: OpenRoom) -> None:
    ada, _ = await room.member()
    ada.set("a", Map({"object_type": "model", "transform": {"rotation": "up"}}))
    await room.house.settle()
    await room.house.journal.flush()
    changed = data(await patch(room.anna, {"position": WHOLE["position"]}))
    assert (changed["position"], changed["is_valid"]) == (WHOLE["position"], False)
    answer = await patch(room.anna, {"rotation": "down"})
    assert refusal(answer) == (400, "INVALID_BODY")
    answer = await patch(room.anna, {"scale": {"x": 1}})
    assert answer.json()["error"]["details"]["errors"][0]["field"] == "scale"
    assert data(await patch(room.anna, {"rotation": WHOLE["rotation"]}))["is_valid"] is True


async def test_edt_6_an_object_is_restored_to_where_it_was(room: OpenRoom) -> None:
    ada, _ = await room.member()
    await room.object("a", **{**WHOLE, "is_locked": False})
    room.later()
    data(await patch(room.anna, {"position": {"z": 9}, "parent_id": None}))
    back = data(await room.anna.post(f"{OBJECTS}/a/restore", json={"version": 1}))
    assert (back["position"], back["parent_id"]) == (WHOLE["position"], "table")
    await room.house.settle()
    assert ada.json()["a"]["transform"] == {part: WHOLE[part] for part in PARTS}
    versions = data(await room.anna.get(f"{OBJECTS}/a/history"))["items"]
    assert [each["change_type"] for each in versions] == ["restore", "update", "create"]
    assert versions[0]["previous_state"]["position"]["z"] == 9


async def test_rul_9_what_is_in_somebodys_hand_nobody_else_moves(room: OpenRoom) -> None:
    """All else of it may be changed, and it may be deleted."""
    ben = await room.person(Role.EDITOR)
    await room.object("a", **{**WHOLE, "is_locked": False})
    room.house.host().room.hold("a", ben.user_id)
    expected = (409, "OBJECT_HELD")
    for body in ({"position": {"x": 3}}, {"scale": None, "asset_url": "x"}):
        assert refusal(await patch(room.anna, body)) == expected
    restored = {"version": 1}
    answer = await room.anna.post(f"{OBJECTS}/a/restore", json=restored)
    assert refusal(answer) == expected
    assert data(await patch(room.anna, {"asset_url": "y"}))["asset_url"] == "y"
    moved = data(await patch(ben, {"position": {"x": 3}}))
    assert moved["position"] == {**WHOLE["position"], "x": 3}
    room.house.host().room.let_go("a")
    assert data(await patch(room.anna, {"position": {"x": 4}}))["position"]["x"] == 4
    room.house.host().room.hold("a", ben.user_id)
    assert data(await room.anna.delete(f"{OBJECTS}/a"))["deleted_at"] is not None


async def test_rul_9_a_room_is_restored_around_what_somebody_holds(room: OpenRoom) -> None:
    """PST-10: all else of it becomes what it was."""
    ben = await room.person(Role.EDITOR)
    for identifier in "ab":
        await room.object(identifier, **{**WHOLE, "is_locked": False})
    seq = data(await room.anna.post(f"{room.path}/snapshots", json={"label": "before"}), 201)["seq"]
    moved = {"position": {"x": 9}, "asset_url": "elsewhere"}
    for identifier in "ab":
        data(await room.anna.call("PATCH", f"{OBJECTS}/{identifier}", json=moved))
    room.house.host().room.hold("a", ben.user_id)
    data(await room.anna.post(f"{room.path}/restore", json={"seq": seq}))
    held, other = data(await room.anna.get(OBJECTS))["items"]
    assert (held["position"]["x"], other["position"]["x"]) == (9, 1)
    assert held["asset_url"] == other["asset_url"] == WHOLE["asset_url"]
    assert refusal(await ben.post(f"{room.path}/restore", json={"seq": seq})) == (403, "FORBIDDEN")


async def test_what_is_done_is_in_the_trail_of_the_room(room: OpenRoom) -> None:
    await room.object("a")
    data(await room.anna.post(f"{OBJECTS}/a/lock"))
    data(await room.anna.post(f"{room.path}/restore", json={"seq": 0}))
    trail = room.api.audit
    assert [event.action for event in trail.tallied] == ["object.created"]
    assert trail.actions == ["object.locked", "room.restored"]
    assert {event.session_id for event in (*trail.tallied, *trail.events)} == {SESSION}


async def test_rul_1_what_a_rooms_config_asks_for_counts_at_once(room: OpenRoom) -> None:
    """Also for who has been in it since before."""
    ada, _ = await room.member()
    await room.object("a")
    await room.house.settle()
    config = {"config": {"own_objects_only": True}}
    data(await room.anna.call("PATCH", room.path, json=config))
    ada.edit(lambda objects: objects["a"].update({"asset_url": "x"}))
    await room.house.settle()
    assert len(ada.denials) == 1
    data(await room.anna.call("PATCH", room.path, json={"config": {"own_objects_only": None}}))
    ada.edit(lambda objects: objects["a"].update({"asset_url": "y"}))
    await room.house.settle()
    assert data(await room.anna.get(f"{room.path}/state"))["objects"]["a"]["asset_url"] == "y"
