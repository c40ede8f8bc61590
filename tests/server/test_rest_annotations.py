"""REST: annotations, one by one, and who may change whose."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from pycrdt import Map

from crdt_docs.access import Role
from tests.server.open_board import PATH, OpenBoard, data, open_board
from tests.server.rest_client import Caller, refusal

ANNOTATIONS = f"{PATH}/annotations"
WHOLE: dict[str, Any] = {
    "annotation_type": "comment",
    "content": "why?",
    "object_id": "box",
    "position": {"x": 1, "y": 2},
    "resolved": True,
}


@pytest.fixture
async def board(tmp_path: Path) -> AsyncIterator[OpenBoard]:
    async with open_board(tmp_path) as opened:
        yield opened


async def test_an_annotation_from_its_creation_to_its_end(board: OpenBoard) -> None:
    answer = await board.anna.post(ANNOTATIONS, json={"id": "n", **WHOLE})
    made = data(answer, 201)
    assert answer.headers["location"] == f"{ANNOTATIONS}/n"
    assert {key: made[key] for key in WHOLE} == WHOLE
    assert (made["created_by"], made["version"]) == (str(board.anna.user_id), 1)
    board.later()
    patch = {"content": "why not?", "resolved": None}
    changed = data(await board.anna.call("PATCH", f"{ANNOTATIONS}/n", json=patch))
    assert (changed["content"], changed["resolved"], changed["version"]) == ("why not?", False, 2)
    gone = data(await board.anna.delete(f"{ANNOTATIONS}/n"))
    assert gone["deleted_at"] is not None
    missing = await board.anna.get(f"{ANNOTATIONS}/n")
    assert refusal(missing) == (404, "ANNOTATION_NOT_FOUND")
    back = data(await board.anna.post(f"{ANNOTATIONS}/n/restore", json={"version": 1}))
    assert (back["content"], back["resolved"], back["version"]) == ("why?", True, 4)
    versions = data(await board.anna.get(f"{ANNOTATIONS}/n/history"))["items"]
    kinds = [each["change_type"] for each in versions]
    assert kinds == ["restore", "delete", "update", "create"]
    assert {each["root"] for each in versions} == {"annotations"}


async def test_annotations_and_objects_have_ids_of_their_own(board: OpenBoard) -> None:
    await board.object("a")
    await board.remark(board.anna, "a")
    data(await board.anna.delete(f"{ANNOTATIONS}/a"))
    assert data(await board.anna.get(f"{PATH}/objects/a"))["id"] == "a"


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, ["annotation_type"]),
        ({"annotation_type": "x", "content": 5}, ["content"]),
        ({"annotation_type": "x", "object_id": ""}, ["object_id"]),
        ({"annotation_type": "x", "resolved": "no", "position": 5}, ["position", "resolved"]),
    ],
)
async def test_what_cannot_be_created_names_the_field(
    board: OpenBoard, body: dict[str, Any], fields: list[str]
) -> None:
    answer = await board.anna.post(ANNOTATIONS, json=body)
    assert refusal(answer) == (400, "INVALID_BODY")
    errors = answer.json()["error"]["details"]["errors"]
    assert [error["field"] for error in errors] == fields


async def test_the_annotations_of_one_object(board: OpenBoard) -> None:
    for number in range(5):
        await board.remark(board.anna, f"n{number}", object_id="ab"[number % 2])

    async def ids(query: str) -> list[str]:
        page = data(await board.anna.get(f"{ANNOTATIONS}?{query}"))
        return [item["id"] for item in page["items"]]

    assert await ids("") == ["n0", "n1", "n2", "n3", "n4"]
    assert await ids("object_id=a") == ["n0", "n2", "n4"]
    first = data(await board.anna.get(f"{ANNOTATIONS}?object_id=a&limit=2"))
    assert [item["id"] for item in first["items"]] == ["n0", "n2"]
    assert await ids(f"object_id=a&limit=2&cursor={first['next_cursor']}") == ["n4"]
    data(await board.anna.delete(f"{ANNOTATIONS}/n2"))
    assert await ids("object_id=a") == ["n0", "n4"]
    assert await ids("object_id=a&deleted=true") == ["n0", "n2", "n4"]
    for wrong in ("object_id=%00", "object_id=", f"object_id={'x' * 129}"):
        answer = await board.anna.get(f"{ANNOTATIONS}?{wrong}")
        assert refusal(answer) == (400, "INVALID_PARAMETER")


# Who may


async def attempts(caller: Caller, identifier: str) -> list[int]:
    """The statuses of changing, restoring and deleting an annotation."""
    path = f"{ANNOTATIONS}/{identifier}"
    answers = [
        await caller.call("PATCH", path, json={"resolved": True}),
        await caller.post(f"{path}/restore", json={"version": 1}),
        await caller.delete(path),
    ]
    return [answer.status_code for answer in answers]


async def test_edt_8_viewers_change_what_is_their_own(board: OpenBoard) -> None:
    viewer, other = await board.person(Role.VIEWER), await board.person(Role.VIEWER)
    made = await board.remark(viewer, "mine", content="mine")
    assert made["created_by"] == str(viewer.user_id)
    await board.remark(board.anna, "annas")
    assert await attempts(other, "mine") == [403, 403, 403]
    assert await attempts(viewer, "annas") == [403, 403, 403]
    assert await attempts(viewer, "none") == [404, 404, 404]
    assert await attempts(viewer, "mine") == [200, 200, 200]
    back = data(await viewer.post(f"{ANNOTATIONS}/mine/restore", json={"version": 1}))
    assert back["content"] == "mine"


async def test_edt_8_whose_it_is_says_the_history_and_not_the_document(board: OpenBoard) -> None:
    viewer = await board.person(Role.VIEWER)
    ada, _ = await board.member()
    theirs = {"annotation_type": "comment", "created_by": str(viewer.user_id)}
    ada.doc.get("annotations", type=Map)["n"] = theirs
    await board.house.settle()
    await board.house.journal.flush()
    assert await attempts(viewer, "n") == [403, 403, 403]


async def test_edt_8_viewers_do_not_sign_for_others(board: OpenBoard) -> None:
    """An id is used again, and its history holds what somebody else wrote."""
    viewer, path = await board.person(Role.VIEWER), f"{ANNOTATIONS}/n"
    await board.remark(board.anna, "n", content="Anna's")
    data(await board.anna.delete(path))
    await board.remark(viewer, "n", content="mine")
    answer = await viewer.post(f"{path}/restore", json={"version": 1})
    assert refusal(answer) == (403, "FORBIDDEN")
    assert data(await viewer.get(path))["created_by"] == str(viewer.user_id)
    for version in (2, 3):  # that it was deleted, and their own
        data(await viewer.post(f"{path}/restore", json={"version": version}))
    assert (
        data(await board.anna.post(f"{path}/restore", json={"version": 1}))["content"] == "Anna's"
    )


async def test_edt_8_editors_change_everything(board: OpenBoard) -> None:
    viewer, editor = await board.person(Role.VIEWER), await board.person(Role.EDITOR)
    await board.remark(viewer, "n")
    assert await attempts(editor, "n") == [200, 200, 200]
    # It is still the viewer's.
    data(await editor.post(f"{ANNOTATIONS}/n/restore", json={"version": 1}))
    assert await attempts(viewer, "n") == [200, 200, 200]


async def test_edt_8_spectators_only_watch(board: OpenBoard) -> None:
    spectator = await board.person(Role.SPECTATOR)
    await board.remark(board.anna, "n")
    assert data(await spectator.get(f"{ANNOTATIONS}/n"))["id"] == "n"
    answer = await spectator.post(ANNOTATIONS, json={"annotation_type": "comment"})
    assert refusal(answer) == (403, "FORBIDDEN")
    assert await attempts(spectator, "n") == [403, 403, 403]


async def test_a_viewer_whom_a_service_acts_for_is_a_viewer(board: OpenBoard) -> None:
    viewer, service = await board.person(Role.VIEWER), board.api.service()
    await board.remark(board.anna, "annas")
    acting = {"X-Acting-User": str(viewer.user_id)}
    body = {"annotation_type": "comment"}
    made = data(await service.post(ANNOTATIONS, json=body, headers=acting), 201)
    assert made["created_by"] == str(viewer.user_id)
    answer = await service.call("DELETE", f"{ANNOTATIONS}/annas", headers=acting)
    assert refusal(answer) == (403, "FORBIDDEN")
    assert data(await service.delete(f"{ANNOTATIONS}/annas"))["deleted_at"] is not None


async def test_nobody_annotates_a_session_that_has_ended(board: OpenBoard) -> None:
    viewer = await board.person(Role.VIEWER)
    await board.remark(viewer, "n")
    data(await board.anna.post(f"{PATH}/end"))
    answer = await viewer.call("PATCH", f"{ANNOTATIONS}/n", json={"resolved": True})
    assert refusal(answer) == (409, "SESSION_ENDED")
