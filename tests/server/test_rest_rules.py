"""REST: edits are held against the rules of a session or room, as everybody's are (EDT-8, RUL)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from crdt_docs.access import Role
from crdt_docs.room_limits import RoomLimits
from tests.server.open_board import OpenBoard, OpenRoom, data, open_board, opened
from tests.server.rest_client import refusal

KINDS = pytest.mark.parametrize("kind", [OpenBoard, OpenRoom])


@pytest.fixture(params=[OpenBoard, OpenRoom])
async def board(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[OpenBoard]:
    async with opened(request.param, tmp_path) as board:
        yield board


@pytest.fixture
async def session(tmp_path: Path) -> AsyncIterator[OpenBoard]:
    async with open_board(tmp_path) as board:
        yield board


async def test_who_may_edit_locks_and_only_hosts_unlock(board: OpenBoard) -> None:
    editor = await board.person(Role.EDITOR)
    await board.object()
    locked = data(await editor.post(f"{board.path}/objects/a/lock"))
    assert locked["is_locked"] is True
    assert refusal(await editor.post(f"{board.path}/objects/a/unlock")) == (403, "OBJECT_LOCKED")
    assert data(await board.anna.post(f"{board.path}/objects/a/unlock"))["is_locked"] is False
    assert data(await board.anna.post(f"{board.path}/objects/a/unlock"))["is_locked"] is False
    viewer = await board.person(Role.VIEWER)
    assert refusal(await viewer.post(f"{board.path}/objects/a/lock")) == (403, "FORBIDDEN")
    assert refusal(await board.anna.post(f"{board.path}/objects/none/lock")) == (
        404,
        "OBJECT_NOT_FOUND",
    )


async def test_only_hosts_change_what_is_locked(board: OpenBoard) -> None:
    editor = await board.person(Role.EDITOR)
    await board.object(is_locked=True)
    body = {"properties": {"n": 1}}
    for answer in (
        await editor.call("PATCH", f"{board.path}/objects/a", json=body),
        await editor.delete(f"{board.path}/objects/a"),
        await editor.post(f"{board.path}/objects/a/restore", json={"version": 1}),
    ):
        assert refusal(answer) == (403, "OBJECT_LOCKED")
        assert "a is locked; ask a host" in answer.json()["error"]["message"]
    assert data(await board.anna.call("PATCH", f"{board.path}/objects/a", json=body))[
        "properties"
    ] == {"n": 1}
    service = board.api.service()
    assert data(
        await service.call("PATCH", f"{board.path}/objects/a", json={"properties": {"n": 2}})
    )["properties"] == {"n": 2}


async def test_what_is_locked_by_rest_is_locked_for_sockets(board: OpenBoard) -> None:
    ada, _ = await board.member()
    await board.object(properties={"text": "hello"})
    await board.house.settle()
    data(await board.anna.post(f"{board.path}/objects/a/lock"))
    ada.edit(lambda objects: objects["a"]["properties"]["text"].insert(0, "x"))
    await board.house.settle()
    assert ada.json()["a"]["properties"]["text"] == "hello"
    assert ada.denials == ["a is locked; ask a host to unlock it"]
    data(await board.anna.post(f"{board.path}/objects/a/unlock"))
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
    versions = data(await board.anna.get(f"{board.path}/objects/a/history"))["items"]
    assert [row["change_type"] for row in versions] == ["create"]
    assert data(await board.anna.get(f"{board.path}/objects/a"))["deleted_at"] is None
    (log,) = [
        entry
        for entry in await board.house.store.read_log(board.house.host().name)
        if entry.taken_back
    ]
    assert [entry.key for entry in log.taken_back] == ["a"]


@KINDS
async def test_own_objects_only(kind: type[OpenBoard], tmp_path: Path) -> None:
    """RUL-2: as the history says, also after the room was put away."""
    async with opened(kind, tmp_path, {"own_objects_only": True}) as board:
        editor = await board.person(Role.EDITOR)
        await board.object()
        assert refusal(
            await editor.call("PATCH", f"{board.path}/objects/a", json={"properties": {"n": 1}})
        ) == (
            403,
            "NOT_YOURS",
        )
        own = {"id": "b", "object_type": "text"}
        data(await editor.post(f"{board.path}/objects", json=own), 201)
        await board.house.put_away()
        assert data(
            await editor.call("PATCH", f"{board.path}/objects/b", json={"properties": {"n": 1}})
        )["properties"] == {"n": 1}
        assert refusal(await editor.delete(f"{board.path}/objects/a")) == (403, "NOT_YOURS")
        data(await board.anna.delete(f"{board.path}/objects/b"))


@KINDS
async def test_strict_schema(kind: type[OpenBoard], tmp_path: Path) -> None:
    """RUL-3"""
    async with opened(kind, tmp_path, {"strict_schema": True}) as board:
        wrong = {"id": "a", "object_type": "bomb"}
        answer = await board.anna.post(f"{board.path}/objects", json=wrong)
        assert refusal(answer) == (400, "INVALID_BODY")
        assert "object_type must be one of " in answer.json()["error"]["message"]
        await board.object()
        answer = await board.anna.call("PATCH", f"{board.path}/objects/a", json={"more": 1})
        assert "more is no field of it" in answer.json()["error"]["message"]
        assert data(
            await board.anna.call("PATCH", f"{board.path}/objects/a", json={"properties": {"n": 1}})
        )["properties"] == {"n": 1}


async def test_so_many_objects(board: OpenBoard) -> None:
    """RUL-4"""
    board.house.directory._opening._limits = RoomLimits(objects=1)
    await board.object()
    answer = await board.anna.post(f"{board.path}/objects", json={"object_type": "text"})
    assert refusal(answer) == (409, "TOO_MANY_OBJECTS")
    data(await board.anna.call("PATCH", f"{board.path}/objects/a", json={"properties": {"n": 1}}))


async def test_while_it_is_paused_hosts_go_on(session: OpenBoard) -> None:
    """RUL-8"""
    editor = await session.person(Role.EDITOR)
    await session.object()
    data(await session.anna.post(f"{session.path}/pause"))
    assert refusal(
        await editor.call("PATCH", f"{session.path}/objects/a", json={"properties": {"n": 1}})
    ) == (
        409,
        "SESSION_PAUSED",
    )
    assert data(
        await session.anna.call("PATCH", f"{session.path}/objects/a", json={"properties": {"n": 1}})
    )["properties"] == {"n": 1}


async def test_viewers_annotate_unless_the_session_says_no(tmp_path: Path) -> None:
    """ACC-6"""
    async with open_board(tmp_path, {"viewers_annotate": False}) as board:
        viewer = await board.person(Role.VIEWER)
        body = {"annotation_type": "comment"}
        answer = await viewer.post(f"{board.path}/annotations", json=body)
        assert refusal(answer) == (403, "FORBIDDEN")


async def test_only_hosts_restore_a_session(board: OpenBoard) -> None:
    """PST-10"""
    editor = await board.person(Role.EDITOR)
    await board.object()
    answer = await editor.post(f"{board.path}/restore", json={"seq": 0})
    assert refusal(answer) == (403, "FORBIDDEN")
    data(await board.anna.post(f"{board.path}/restore", json={"seq": 0}))


async def test_a_config_says_true_or_false(session: OpenBoard) -> None:
    """RUL-1"""
    body = {
        "workspace_id": str(session.anna.workspace),
        "session_type": "whiteboard",
        "config": {"strict_schema": "yes"},
    }
    answer = await session.anna.post("/api/ocw/sessions", json=body)
    assert refusal(answer) == (400, "INVALID_BODY")
    assert "strict_schema must be true or false" in answer.json()["error"]["message"]
