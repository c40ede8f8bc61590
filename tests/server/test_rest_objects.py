"""REST: objects, one by one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from pycrdt import Map, Text

from crdt_docs import projector
from crdt_docs.access import Role
from crdt_docs.object_kinds import ObjectKind
from persistence.object_ports import ObjectRow
from persistence.ports import StorageUnavailable
from tests.server.open_board import PATH, SESSION, OpenBoard, OpenRoom, data, open_board, opened
from tests.server.rest_client import refusal

OBJECTS = f"{PATH}/objects"
WHOLE: dict[str, Any] = {
    "object_type": "sticky",
    "position": {"x": 1, "y": -2.5},
    "size": {"width": 10, "height": 20, "depth": 3},
    "rotation": 90,
    "properties": {"text": "hello", "color": "#ffee00"},
    "layer": 3,
    "is_locked": True,
}


@pytest.fixture
async def board(tmp_path: Path) -> AsyncIterator[OpenBoard]:
    async with open_board(tmp_path) as board:
        yield board


@pytest.fixture(params=[OpenBoard, OpenRoom])
async def place(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[OpenBoard]:
    async with opened(request.param, tmp_path) as place:
        yield place


# Creating


async def test_an_object_is_created_and_everybody_sees_it(board: OpenBoard) -> None:
    ada, _ = await board.member()
    answer = await board.anna.post(OBJECTS, json={"id": "box 1", **WHOLE, "own": {"k": [1]}})
    made = data(answer, 201)
    assert answer.headers["location"] == f"{OBJECTS}/box%201"
    assert {key: made[key] for key in WHOLE} == WHOLE
    anna = str(board.anna.user_id)
    assert (made["id"], made["session_id"]) == ("box 1", str(SESSION))
    assert (made["created_by"], made["updated_by"]) == (anna, anna)
    assert (made["version"], made["is_valid"], made["deleted_at"]) == (1, True, None)
    assert (made["stored"], made["seq"]) == (True, 1)
    await board.house.settle()
    assert ada.json()["box 1"]["own"] == {"k": [1]}
    shown = data(await board.anna.get(answer.headers["location"]))
    assert shown == {key: value for key, value in made.items() if key not in ("seq", "stored")}


async def test_people_type_in_the_text_of_what_was_created(board: OpenBoard) -> None:
    ada, _ = await board.member()
    await board.object(properties={"text": "hello"})
    await board.house.settle()
    ada.edit(lambda objects: objects["a"]["properties"]["text"].insert(5, " you"))
    await board.house.settle()
    await board.house.journal.flush()
    assert data(await board.anna.get(f"{OBJECTS}/a"))["properties"]["text"] == "hello you"


async def test_an_id_is_made_where_there_is_none(board: OpenBoard) -> None:
    answer = await board.anna.post(OBJECTS, json={"object_type": "text"})
    made = data(answer, 201)
    assert str(UUID(made["id"])) == made["id"]
    assert answer.headers["location"].endswith(made["id"])


async def test_who_created_it_is_not_for_the_client_to_say(board: OpenBoard) -> None:
    made = await board.object(created_by="somebody else")
    assert made["created_by"] == str(board.anna.user_id)
    service = board.api.service()
    acting = {"X-Acting-User": str(board.anna.user_id)}
    body = {"object_type": "text"}
    made = data(await service.post(OBJECTS, json=body, headers=acting), 201)
    assert made["created_by"] == str(board.anna.user_id)
    made = data(await service.post(OBJECTS, json=body), 201)
    assert made["created_by"] == str(service.user_id)


async def test_edt_2_an_id_is_used_once(place: OpenBoard) -> None:
    await place.object("a")
    answer = await place.anna.post(f"{place.path}/objects", json={"id": "a", "object_type": "text"})
    assert refusal(answer) == (409, "ID_TAKEN")
    data(await place.anna.delete(f"{place.path}/objects/a"))
    again = await place.object("a")
    assert again["version"] == 3
    assert again["deleted_at"] is None


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, ["object_type"]),
        ({"object_type": ""}, ["object_type"]),
        ({"object_type": None}, ["object_type"]),
        ({"object_type": "x", "position": {"x": 1}}, ["position"]),
        ({"object_type": "x", "size": [1], "rotation": "90"}, ["size", "rotation"]),
        ({"object_type": "x", "properties": {"text": 5}}, ["properties"]),
        ({"object_type": "x", "properties": {"n": 2**53 + 1}}, ["properties.n"]),
        ({"object_type": "x", "own": ["a", {"b": "\x00"}]}, ["own[1].b"]),
        ({"object_type": "x", "id": ""}, ["id"]),
        ({"object_type": "x", "id": "\u00e9" * 65}, ["id"]),
        ({"object_type": "x", "id": "a\x00"}, ["id"]),
        ({"object_type": "x", "id": 5}, ["id"]),
        ({"object_type": "x", "version": 3, "seq": 1}, ["seq", "version"]),
    ],
)
async def test_edt_5_what_cannot_be_created_names_the_field(
    board: OpenBoard, body: dict[str, Any], fields: list[str]
) -> None:
    answer = await board.anna.post(OBJECTS, json=body)
    assert refusal(answer) == (400, "INVALID_BODY")
    errors = answer.json()["error"]["details"]["errors"]
    assert [error["field"] for error in errors] == fields
    assert data(await board.anna.get(OBJECTS))["items"] == []


async def test_edt_5_what_is_nested_too_deep_is_refused(board: OpenBoard) -> None:
    value: dict[str, Any] = {}
    for _ in range(400):
        value = {"k": value}
    answer = await board.anna.post(OBJECTS, json={"object_type": "x", "own": value})
    assert refusal(answer) == (400, "INVALID_BODY")
    assert "64 levels" in answer.json()["error"]["message"]


async def test_fields_may_be_called_anything(board: OpenBoard) -> None:
    names = ["model_dump", "model_extra", "__dict__", "copy", "given", "beside", "self", ""]
    ada, _ = await board.member()
    body = {"id": "a", "object_type": "x", **dict.fromkeys(names, 1)}
    data(await board.anna.post(OBJECTS, json=body), 201)
    await board.house.settle()
    assert set(names) <= ada.json()["a"].keys()


# Changing


async def test_edt_3_a_patch_changes_what_it_names(board: OpenBoard) -> None:
    ada, _ = await board.member()
    data(await board.anna.post(OBJECTS, json={"id": "a", **WHOLE, "own": 1}), 201)
    board.later()
    patch = {"position": {"x": 7}, "properties": {"color": None, "w": 2}, "rotation": None}
    media = {"Content-Type": "application/merge-patch+json"}
    content = b'{"position":{"x":7},"properties":{"color":null,"w":2},"rotation":null}'
    answer = await board.anna.call("PATCH", f"{OBJECTS}/a", content=content, headers=media)
    changed = data(answer)
    assert changed["position"] == {"x": 7, "y": -2.5}
    assert changed["properties"] == {"text": "hello", "w": 2}
    assert changed["rotation"] is None
    assert changed["size"] == WHOLE["size"]
    assert (changed["version"], changed["stored"]) == (2, True)
    assert answer.headers["etag"].startswith('"2.')
    await board.house.settle()
    assert ada.json()["a"]["own"] == 1
    again = data(await board.anna.call("PATCH", f"{OBJECTS}/a", json=patch))
    assert (again["version"], again["seq"]) == (2, changed["seq"]), "nothing was written"


async def test_edt_4_who_types_meanwhile_keeps_the_place(board: OpenBoard) -> None:
    ada, seat = await board.member()
    await board.object(properties={"text": "one three"})
    await board.house.settle()
    ada.edit(lambda objects: objects["a"]["properties"]["text"].insert(9, "!"))
    patch = {"properties": {"text": "one two three"}}
    data(await board.anna.call("PATCH", f"{OBJECTS}/a", json=patch))
    seat.pump()
    await board.house.settle()
    assert ada.json()["a"]["properties"]["text"] == "one two three!"


@pytest.mark.parametrize(
    ("patch", "fields"),
    [
        ({"object_type": None}, ["object_type"]),
        ({"position": None, "size": {"width": "1"}}, ["size"]),
        ({"properties": {"text": False}}, ["properties"]),
        ({"layer": 1e300}, ["layer"]),
        ({"created_by": "me"}, ["created_by"]),
        ({"id": "b"}, ["id"]),
        ({"is_valid": True}, ["is_valid"]),
    ],
)
async def test_edt_1_a_patch_that_is_refused_changes_nothing(
    board: OpenBoard, patch: dict[str, Any], fields: list[str]
) -> None:
    made = await board.object(size={"width": 1, "height": 1}, layer=1)
    answer = await board.anna.call("PATCH", f"{OBJECTS}/a", json={"rotation": 5, **patch})
    assert refusal(answer) == (400, "INVALID_BODY")
    errors = answer.json()["error"]["details"]["errors"]
    assert [error["field"] for error in errors] == fields
    shown = data(await board.anna.get(f"{OBJECTS}/a"))
    assert (shown["rotation"], shown["updated_at"]) == (None, made["updated_at"])


async def test_what_was_wrong_before_may_stay_wrong(board: OpenBoard) -> None:
    ada, _ = await board.member()
    ada.set("a", Map({"object_type": "sticky", "rotation": "up"}))
    await board.house.settle()
    await board.house.journal.flush()
    changed = data(await board.anna.call("PATCH", f"{OBJECTS}/a", json={"layer": 2}))
    assert (changed["layer"], changed["is_valid"]) == (2, False)
    answer = await board.anna.call("PATCH", f"{OBJECTS}/a", json={"rotation": "down"})
    assert refusal(answer) == (400, "INVALID_BODY")
    changed = data(await board.anna.call("PATCH", f"{OBJECTS}/a", json={"rotation": 90}))
    assert changed["is_valid"] is True


# If-Match


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
async def test_an_edit_may_depend_on_the_version(place: OpenBoard, method: str) -> None:
    await place.object("a")
    answer = await place.anna.get(f"{place.path}/objects/a")
    tag = answer.headers["etag"]
    body: dict[str, Any] = {"json": {"properties": {"n": 1}}} if method == "PATCH" else {}
    for wrong in ("2", '"2"', 'W/"2"', tag.replace(".", ".9")):
        refused = await place.anna.call(
            method, f"{place.path}/objects/a", **body, headers={"If-Match": wrong}
        )
        assert refusal(refused) == (409, "VERSION_CONFLICT")
        assert refused.json()["error"]["details"] == {"version": 1}
    data(
        await place.anna.call(method, f"{place.path}/objects/a", **body, headers={"If-Match": tag})
    )


@pytest.mark.parametrize("tag", ["1", '"1"', 'W/"1"', "*", " 1 "])
async def test_a_version_may_be_said_in_several_ways(board: OpenBoard, tag: str) -> None:
    await board.object("a")
    answer = await board.anna.call(
        "PATCH", f"{OBJECTS}/a", json={"layer": 1}, headers={"If-Match": tag}
    )
    assert data(answer)["layer"] == 1


async def test_a_tag_tells_apart_what_one_gesture_changed(board: OpenBoard) -> None:
    await board.object("a")
    tag = (await board.anna.get(f"{OBJECTS}/a")).headers["etag"]
    changed = data(await board.anna.call("PATCH", f"{OBJECTS}/a", json={"layer": 1}))
    assert changed["version"] == 1, "it goes on from the creation"
    late = await board.anna.call(
        "PATCH", f"{OBJECTS}/a", json={"layer": 2}, headers={"If-Match": tag}
    )
    assert refusal(late) == (409, "VERSION_CONFLICT")


async def test_an_edit_that_is_not_stored_yet_is_a_conflict(board: OpenBoard) -> None:
    """The row has the version still; the document has gone on."""
    ada, seat = await board.member()
    await board.object("a")
    await board.house.settle()
    tag = (await board.anna.get(f"{OBJECTS}/a")).headers["etag"]
    board.house.store.pause()
    ada.edit(lambda objects: objects["a"].update({"layer": 9}))
    seat.pump()
    answer = await board.anna.call(
        "PATCH", f"{OBJECTS}/a", json={"layer": 1}, headers={"If-Match": tag}
    )
    assert refusal(answer) == (409, "VERSION_CONFLICT")
    board.house.store.resume()


@pytest.mark.parametrize("tag", ["", "x", '"1', "1, 2", '""', "9" * 30, "1.x"])
async def test_what_is_no_version_is_refused(board: OpenBoard, tag: str) -> None:
    await board.object("a")
    answer = await board.anna.call(
        "PATCH", f"{OBJECTS}/a", json={"layer": 1}, headers={"If-Match": tag}
    )
    if tag == '"1':
        assert answer.status_code == 200  # generous with quotes
    else:
        assert refusal(answer) == (400, "INVALID_PARAMETER")


# Deleting and restoring


async def test_what_is_deleted_keeps_its_row(board: OpenBoard) -> None:
    ada, _ = await board.member()
    await board.object("a", layer=4)
    gone = data(await board.anna.delete(f"{OBJECTS}/a"))
    assert gone["deleted_at"] is not None
    assert (gone["version"], gone["layer"]) == (2, 4)
    await board.house.settle()
    assert ada.json() == {}
    for method in ("GET", "PATCH", "DELETE"):
        more = {"json": {"layer": 1}} if method == "PATCH" else {}
        answer = await board.anna.call(method, f"{OBJECTS}/a", **more)
        assert refusal(answer) == (404, "OBJECT_NOT_FOUND")
    assert data(await board.anna.get(f"{OBJECTS}/a?deleted=true"))["id"] == "a"


async def test_edt_6_an_object_is_restored(board: OpenBoard) -> None:
    ada, _ = await board.member()
    await board.object("a", layer=1, properties={"text": "one"}, own=1)
    board.later()
    data(await board.anna.call("PATCH", f"{OBJECTS}/a", json={"layer": 2, "own": 2}))
    board.later()
    data(await board.anna.delete(f"{OBJECTS}/a"))
    ben = await board.person(Role.EDITOR)
    back = data(await ben.post(f"{OBJECTS}/a/restore", json={"version": 1}))
    assert (back["layer"], back["properties"], back["version"]) == (1, {"text": "one"}, 4)
    assert (back["created_by"], back["updated_by"]) == (str(board.anna.user_id), str(ben.user_id))
    await board.house.settle()
    assert isinstance(ada.objects["a"]["properties"]["text"], Text)
    assert "own" not in ada.json()["a"], "its row never had it"
    again = data(await ben.post(f"{OBJECTS}/a/restore", json={"version": 2}))
    assert (again["layer"], again["version"]) == (2, 5)
    gone = data(await ben.post(f"{OBJECTS}/a/restore", json={"version": 3}))
    assert gone["deleted_at"] is not None
    versions = data(await ben.get(f"{OBJECTS}/a/history"))["items"]
    kinds = [each["change_type"] for each in versions]
    assert kinds[::-1][:5] == ["create", "update", "delete", "restore", "restore"]
    assert versions[-4]["changed_by"] == str(ben.user_id)


async def test_only_versions_that_there_are_can_be_restored(place: OpenBoard) -> None:
    await place.object("a")
    answer = await place.anna.post(f"{place.path}/objects/a/restore", json={"version": 2})
    assert refusal(answer) == (404, "VERSION_NOT_FOUND")
    answer = await place.anna.post(f"{place.path}/objects/b/restore", json={"version": 1})
    assert refusal(answer) == (404, "OBJECT_NOT_FOUND")
    for version in (0, -1, 2**31, "1", 1.5, None):
        answer = await place.anna.post(f"{place.path}/objects/a/restore", json={"version": version})
        assert refusal(answer) == (400, "INVALID_BODY")


async def test_edt_6_a_version_without_content_is_not_restored(
    place: OpenBoard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PRJ-7, HST-7: it would empty what is there, and no other version could bring it back."""
    monkeypatch.setattr(projector, "LARGE", 0)
    monkeypatch.setattr(projector, "HEAVY_SECONDS", -1.0)
    ada, _ = await place.member()
    await place.object("a", properties={"text": "work"})
    for words in ("more work", "long work"):
        place.later()
        body = {"properties": {"text": words}}
        data(await place.anna.call("PATCH", f"{place.path}/objects/a", json=body))
    versions = data(await place.anna.get(f"{place.path}/objects/a/history"))["items"]
    assert len(versions) == 3
    for version in (2, 3):
        answer = await place.anna.post(f"{place.path}/objects/a/restore", json={"version": version})
        assert refusal(answer) == (409, "VERSION_WITHOUT_CONTENT")
        assert "restore all of it" in answer.json()["error"]["message"]
    await place.house.settle()
    assert ada.json()["a"]["properties"] == {"text": "long work"}
    data(await place.anna.post(f"{place.path}/objects/a/restore", json={"version": 1}), 200)
    await place.house.settle()
    assert ada.json()["a"]["properties"] == {"text": "work"}


# Lists


async def test_objects_are_listed_by_id(place: OpenBoard) -> None:
    for identifier in ("b", "a", "\u00e9", "c"):
        await place.object(identifier)
    data(await place.anna.delete(f"{place.path}/objects/b"))

    async def ids(query: str) -> list[str]:
        found: list[str] = []
        cursor = ""
        while True:
            page = data(await place.anna.get(f"{place.path}/objects?{query}{cursor}"))
            found += [item["id"] for item in page["items"]]
            if page["next_cursor"] is None:
                return found
            cursor = f"&cursor={page['next_cursor']}"

    for limit in (1, 2, 3, 100):
        assert await ids(f"limit={limit}") == ["a", "c", "\u00e9"]
        assert await ids(f"limit={limit}&deleted=true") == ["a", "b", "c", "\u00e9"]
    for wrong in ("cursor=x", "cursor=AAAAAAAAYQ", f"cursor={'A' * 400}"):
        assert refusal(await place.anna.get(f"{place.path}/objects?{wrong}")) == (
            400,
            "INVALID_CURSOR",
        )
    for wrong in ("deleted=1", "deleted=yes", "limit=101", "limit=0", "other=1"):
        assert refusal(await place.anna.get(f"{place.path}/objects?{wrong}")) == (
            400,
            "INVALID_PARAMETER",
        )


async def test_the_versions_of_an_object_in_pages(board: OpenBoard) -> None:
    await board.object("a", layer=0)
    await board.object("b")
    for layer in (1, 2):
        board.later()
        data(await board.anna.call("PATCH", f"{OBJECTS}/a", json={"layer": layer}))
    found = []
    query = "limit=2"
    while True:
        page = data(await board.anna.get(f"{OBJECTS}/a/history?{query}"))
        found += page["items"]
        if page["next_cursor"] is None:
            break
        query = f"limit=2&cursor={page['next_cursor']}"
    assert [each["version"] for each in found] == [3, 2, 1]
    assert [each["previous_state"].get("layer") for each in found] == [1, 0, None]
    assert {each["root"] for each in found} == {"objects"}
    assert refusal(await board.anna.get(f"{OBJECTS}/x/history")) == (404, "OBJECT_NOT_FOUND")
    wrong = f"{OBJECTS}/a/history?cursor=x"
    assert refusal(await board.anna.get(wrong)) == (400, "INVALID_CURSOR")


@pytest.mark.parametrize(
    "identifier",
    ["a/b", "/", "shape:a?b#c%", "é/😀", "history/x", "a/history", "a b", "two\nlines\n", "%2F"],
)
async def test_ids_may_hold_anything(place: OpenBoard, identifier: str) -> None:
    answer = await place.anna.post(
        f"{place.path}/objects", json={"id": identifier, "object_type": "text"}
    )
    made = data(answer, 201)
    path = answer.headers["location"]
    assert made["id"] == identifier
    assert data(await place.anna.get(path))["id"] == identifier
    assert (
        data(await place.anna.call("PATCH", path, json={"properties": {"n": 1}}))["properties"]["n"]
        == 1
    )
    assert len(data(await place.anna.get(f"{path}/history"))["items"]) == 1
    data(await place.anna.post(f"{path}/restore", json={"version": 1}))
    assert data(await place.anna.delete(path))["id"] == identifier


@pytest.mark.parametrize("identifier", ["x", "x%00", "%C3%A9" * 65, "%FF"])
async def test_ids_that_nothing_has_are_not_found(place: OpenBoard, identifier: str) -> None:
    assert refusal(await place.anna.get(f"{place.path}/objects/{identifier}")) == (
        404,
        "OBJECT_NOT_FOUND",
    )
    answer = await place.anna.delete(f"{place.path}/objects/{identifier}")
    assert refusal(answer) == (404, "OBJECT_NOT_FOUND")


# Who may


@pytest.mark.parametrize("role", [Role.VIEWER, Role.SPECTATOR])
async def test_readers_read_and_change_nothing(place: OpenBoard, role: Role) -> None:
    await place.object("a")
    reader = await place.person(role)
    assert data(await reader.get(f"{place.path}/objects/a"))["id"] == "a"
    assert len(data(await reader.get(f"{place.path}/objects/a/history"))["items"]) == 1
    answers = [
        await reader.post(f"{place.path}/objects", json={"object_type": "text"}),
        await reader.call("PATCH", f"{place.path}/objects/a", json={"properties": {"n": 1}}),
        await reader.delete(f"{place.path}/objects/a"),
        await reader.post(f"{place.path}/objects/a/restore", json={"version": 1}),
    ]
    assert {refusal(answer) for answer in answers} == {(403, "FORBIDDEN")}


async def test_nothing_is_changed_in_a_session_that_has_ended(board: OpenBoard) -> None:
    await board.object("a")
    data(await board.anna.post(f"{PATH}/end"))
    answer = await board.anna.call("PATCH", f"{OBJECTS}/a", json={"layer": 1})
    assert refusal(answer) == (409, "SESSION_ENDED")
    assert data(await board.anna.get(f"{OBJECTS}/a"))["id"] == "a"


# When the database is slow


async def test_an_edit_that_is_not_stored_in_time_says_so(
    place: OpenBoard, monkeypatch: pytest.MonkeyPatch
) -> None:
    live = place.api.services.live
    edit = live.edit

    async def impatient(*args: Any, **options: Any) -> Any:
        return await edit(*args, **{**options, "within": 0.01})

    monkeypatch.setattr(live, "edit", impatient)
    ada, _ = await place.member()
    place.house.store.pause()
    answer = await place.anna.post(f"{place.path}/objects", json={"id": "a", "object_type": "text"})
    pending = data(answer, 202)
    assert pending == {place.owner: str(SESSION), "id": "a", "seq": 1, "stored": False}
    place.house.store.resume()
    await place.house.settle()
    assert "a" in ada.json()
    await place.house.journal.flush()
    assert data(await place.anna.get(f"{place.path}/objects/a"))["version"] == 1


@pytest.mark.parametrize("edit", [("PATCH", {"layer": 3}), ("DELETE", None)])
async def test_an_edit_of_what_has_no_row_is_not_looked_up(
    place: OpenBoard, monkeypatch: pytest.MonkeyPatch, edit: tuple[str, dict[str, Any] | None]
) -> None:
    ada, _ = await place.member()
    ada.set("x\0y", Map({"object_type": "sticky"}))
    await place.house.settle()
    find = place.api.services.objects.row

    async def strict(owner_id: UUID, kind: ObjectKind, identifier: str) -> ObjectRow | None:
        assert "\0" not in identifier  # PostgreSQL has no such texts
        return await find(owner_id, kind, identifier)

    monkeypatch.setattr(place.api.services.objects, "row", strict)
    method, body = edit
    answer = await place.anna.call(method, f"{place.path}/objects/x%00y", json=body)
    assert data(answer, 202)["id"] == "x\0y"
    await place.house.settle()
    assert ada.json().get("x\0y", {}).get("layer") == (3 if body else None)


async def test_without_a_database_it_is_unavailable(place: OpenBoard) -> None:
    place.house.store.fail_with = StorageUnavailable("gone")
    answer = await place.anna.post(f"{place.path}/objects", json={"object_type": "text"})
    assert refusal(answer) == (503, "STORAGE_UNAVAILABLE")


async def test_the_same_post_with_a_key_creates_one_object(place: OpenBoard) -> None:
    key = {"Idempotency-Key": str(uuid4())}
    first, second = await asyncio.gather(
        *(
            place.anna.post(f"{place.path}/objects", json={"object_type": "text"}, headers=key)
            for _ in range(2)
        )
    )
    again = await place.anna.post(
        f"{place.path}/objects", json={"object_type": "text"}, headers=key
    )
    ids = {each.json()["data"]["id"] for each in (first, second, again) if each.is_success}
    assert len(ids) == 1
    assert len(data(await place.anna.get(f"{place.path}/objects"))["items"]) == 1


@pytest.mark.parametrize("identifier", [".", ".."])
async def test_an_id_that_clients_take_out_of_addresses_is_refused(
    place: OpenBoard, identifier: str
) -> None:
    """`DELETE …/objects/..` is `DELETE` of the session to most of them."""
    answer = await place.anna.post(
        f"{place.path}/objects", json={"id": identifier, "object_type": "text"}
    )
    assert refusal(answer) == (400, "INVALID_BODY")
