"""REST: edits are held against the rules of a session, as everybody's are (EDT-8, RUL)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from crdt_docs.access import Role
from crdt_docs.room import RoomLimits
from tests.server.open_board import PATH, OpenBoard, data, open_board
from tests.server.rest_client import refusal

OBJECTS = f"{PATH}/objects"


@pytest.fixture
async def board(tmp_path: Path) -> AsyncIterator[OpenBoard]:
    async with open_board(tmp_path) as opened:
        yield opened


async def test_who_may_edit_locks_and_only_hosts_unlock(board: OpenBoard) -> None:
    editor = await board.person(Role.EDITOR)
    await board.object()
    locked = data(await editor.post(f"{OBJECTS}/a/lock"))
    assert locked["is_locked"] is True
    assert refusal(await editor.post(f"{OBJECTS}/a/unlock")) == (403, "OBJECT_LOCKED")
    assert data(await board.anna.post(f"{OBJECTS}/a/unlock"))["is_locked"] is False
    assert data(await board.anna.post(f"{OBJECTS}/a/unlock"))["is_locked"] is False
    viewer = await board.person(Role.VIEWER)
    assert refusal(await viewer.post(f"{OBJECTS}/a/lock")) == (403, "FORBIDDEN")
    assert refusal(await board.anna.post(f"{OBJECTS}/none/lock")) == (404, "OBJECT_NOT_FOUND")


async def test_only_hosts_change_what_is_locked(board: OpenBoard) -> None:
    editor = await board.person(Role.EDITOR)
    await board.object(is_locked=True)
    body = {"layer": 1}
    for answer in (
        await editor.call("PATCH", f"{OBJECTS}/a", json=body),
        await editor.delete(f"{OBJECTS}/a"),
        await editor.post(f"{OBJECTS}/a/restore", json={"version": 1}),
    ):
        assert refusal(answer) == (403, "OBJECT_LOCKED")
        assert "a is locked; ask a host" in answer.json()["error"]["message"]
    assert data(await board.anna.call("PATCH", f"{OBJECTS}/a", json=body))["layer"] == 1
    service = board.api.service()
    assert data(await service.call("PATCH", f"{OBJECTS}/a", json={"layer": 2}))["layer"] == 2


async def test_what_is_locked_by_rest_is_locked_for_sockets(board: OpenBoard) -> None:
    ada, _ = await board.member()
    await board.object(properties={"text": "hello"})
    await board.house.settle()
    data(await board.anna.post(f"{OBJECTS}/a/lock"))
    ada.edit(lambda objects: objects["a"]["properties"]["text"].insert(0, "x"))
    await board.house.settle()
    assert ada.json()["a"]["properties"]["text"] == "hello"
    assert ada.denials == ["a is locked; ask a host to unlock it"]
    data(await board.anna.post(f"{OBJECTS}/a/unlock"))
    ada.edit(lambda objects: objects["a"]["properties"]["text"].insert(0, "x"))
    await board.house.settle()
    assert ada.json()["a"]["properties"]["text"] == "xhello"


async def test_what_is_refused_is_in_no_history_and_the_rows_agree(board: OpenBoard) -> None:
    """RUL-5"""
    ada, _ = await board.member()
    await board.object(is_locked=True)
    await board.house.settle()
    ada.edit(lambda objects: objects.pop("a"))
    ada.set("b", 1)
    await board.house.settle()
    await board.house.journal.flush()
    versions = data(await board.anna.get(f"{OBJECTS}/a/history"))["items"]
    assert [row["change_type"] for row in versions] == ["create"]
    assert data(await board.anna.get(f"{OBJECTS}/a"))["deleted_at"] is None
    (log,) = [
        entry
        for entry in await board.house.store.read_log(board.house.host().name)
        if entry.taken_back
    ]
    assert [entry.key for entry in log.taken_back] == ["a"]


async def test_own_objects_only(tmp_path: Path) -> None:
    """RUL-2: as the history says, also after the room was put away."""
    async with open_board(tmp_path, {"own_objects_only": True}) as board:
        editor = await board.person(Role.EDITOR)
        await board.object()
        assert refusal(await editor.call("PATCH", f"{OBJECTS}/a", json={"layer": 1})) == (
            403,
            "NOT_YOURS",
        )
        own = {"id": "b", "object_type": "text"}
        data(await editor.post(OBJECTS, json=own), 201)
        await board.house.put_away()
        assert data(await editor.call("PATCH", f"{OBJECTS}/b", json={"layer": 1}))["layer"] == 1
        assert refusal(await editor.delete(f"{OBJECTS}/a")) == (403, "NOT_YOURS")
        data(await board.anna.delete(f"{OBJECTS}/b"))


async def test_strict_schema(tmp_path: Path) -> None:
    """RUL-3"""
    async with open_board(tmp_path, {"strict_schema": True}) as board:
        wrong = {"id": "a", "object_type": "bomb"}
        answer = await board.anna.post(OBJECTS, json=wrong)
        assert refusal(answer) == (400, "INVALID_BODY")
        assert "object_type must be one of connector" in answer.json()["error"]["message"]
        await board.object()
        answer = await board.anna.call("PATCH", f"{OBJECTS}/a", json={"more": 1})
        assert "more is no field of it" in answer.json()["error"]["message"]
        assert data(await board.anna.call("PATCH", f"{OBJECTS}/a", json={"layer": 1}))["layer"] == 1


async def test_so_many_objects(board: OpenBoard) -> None:
    """RUL-4"""
    board.house.directory._limits = RoomLimits(objects=1)
    await board.object()
    answer = await board.anna.post(OBJECTS, json={"object_type": "text"})
    assert refusal(answer) == (409, "TOO_MANY_OBJECTS")
    data(await board.anna.call("PATCH", f"{OBJECTS}/a", json={"layer": 1}))


async def test_while_it_is_paused_hosts_go_on(board: OpenBoard) -> None:
    """RUL-8"""
    editor = await board.person(Role.EDITOR)
    await board.object()
    data(await board.anna.post(f"{PATH}/pause"))
    assert refusal(await editor.call("PATCH", f"{OBJECTS}/a", json={"layer": 1})) == (
        409,
        "SESSION_PAUSED",
    )
    assert data(await board.anna.call("PATCH", f"{OBJECTS}/a", json={"layer": 1}))["layer"] == 1


async def test_viewers_annotate_unless_the_session_says_no(tmp_path: Path) -> None:
    """ACC-6"""
    async with open_board(tmp_path, {"viewers_annotate": False}) as board:
        viewer = await board.person(Role.VIEWER)
        body = {"annotation_type": "comment"}
        answer = await viewer.post(f"{PATH}/annotations", json=body)
        assert refusal(answer) == (403, "FORBIDDEN")


async def test_only_hosts_restore_a_session(board: OpenBoard) -> None:
    """PST-10"""
    editor = await board.person(Role.EDITOR)
    await board.object()
    answer = await editor.post(f"{PATH}/restore", json={"seq": 0})
    assert refusal(answer) == (403, "FORBIDDEN")
    data(await board.anna.post(f"{PATH}/restore", json={"seq": 0}))


async def test_a_config_says_true_or_false(board: OpenBoard) -> None:
    """RUL-1"""
    body = {
        "workspace_id": str(board.anna.workspace),
        "session_type": "whiteboard",
        "config": {"strict_schema": "yes"},
    }
    answer = await board.anna.post("/api/ocw/sessions", json=body)
    assert refusal(answer) == (400, "INVALID_BODY")
    assert "strict_schema must be true or false" in answer.json()["error"]["message"]
