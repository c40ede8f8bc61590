"""REST: what happened in a session or room."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest

from crdt_docs.access import Role
from tests.server.open_board import OpenBoard, OpenRoom, data, open_board, opened
from tests.server.rest_client import refusal


@pytest.fixture(params=[OpenBoard, OpenRoom])
async def board(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[OpenBoard]:
    async with opened(request.param, tmp_path) as board:
        yield board


@pytest.fixture
async def session(tmp_path: Path) -> AsyncIterator[OpenBoard]:
    async with open_board(tmp_path) as board:
        yield board


async def gestures(board: OpenBoard, query: str = "", limit: int = 100) -> list[dict[str, Any]]:
    """All pages."""
    found: list[dict[str, Any]] = []
    cursor = ""
    while True:
        page = data(await board.anna.get(f"{board.path}/history?limit={limit}&{query}{cursor}"))
        found += page["items"]
        if page["next_cursor"] is None:
            return found
        cursor = f"&cursor={page['next_cursor']}"


async def test_what_everybody_did_newest_first(session: OpenBoard) -> None:
    ben = await session.person(Role.EDITOR)
    await session.object("a")
    await session.remark(ben, "n", object_id="a")
    session.later()
    data(await ben.call("PATCH", f"{session.path}/objects/a", json={"layer": 1}))
    data(await session.anna.delete(f"{session.path}/annotations/n"))
    whole = await gestures(session)
    told = [(each["root"], each["object_id"], each["change_type"]) for each in whole]
    assert told == [
        ("annotations", "n", "delete"),
        ("objects", "a", "update"),
        ("annotations", "n", "create"),
        ("objects", "a", "create"),
    ]
    anna, bens = str(session.anna.user_id), str(ben.user_id)
    assert [each["changed_by"] for each in whole] == [anna, bens, bens, anna]
    assert [each["update_seq"] for each in whole] == [4, 3, 2, 1]
    assert whole[1]["previous_state"]["layer"] is None
    assert whole[3]["previous_state"] == {}
    for limit in (1, 3):
        assert await gestures(session, limit=limit) == whole
    assert await gestures(session, f"user_id={bens}") == whole[1:3]
    assert await gestures(session, "object_id=a") == [whole[1], whole[3]]
    assert await gestures(session, f"object_id=n&user_id={anna}") == whole[:1]
    assert await gestures(session, f"user_id={uuid4()}") == []
    times = [quote(each["changed_at"]) for each in whole]
    assert await gestures(session, f"from={times[2]}&to={times[0]}") == whole[1:3]


async def test_several_hands_are_one_gesture(board: OpenBoard) -> None:
    ben = await board.person(Role.EDITOR)
    await board.object("a")
    data(await ben.call("PATCH", f"{board.path}/objects/a", json={"properties": {"n": 1}}))
    (gesture,) = await gestures(board)
    assert gesture["contributors"] == [str(board.anna.user_id), str(ben.user_id)]
    assert await gestures(board, f"user_id={ben.user_id}") == [gesture]


async def test_the_future_is_empty(board: OpenBoard) -> None:
    await board.object("a")
    tomorrow = quote((datetime.now(UTC) + timedelta(days=1)).isoformat())
    assert await gestures(board, f"from={tomorrow}") == []
    assert len(await gestures(board, f"to={tomorrow}")) == 1


@pytest.mark.parametrize(
    "query",
    [
        "from=yesterday",
        "to=2030-01-01",
        "user_id=x",
        "object_id=%00",
        "since=2030-05-17T12:00:00Z",
        "limit=0",
    ],
)
async def test_what_cannot_be_asked(board: OpenBoard, query: str) -> None:
    assert refusal(await board.anna.get(f"{board.path}/history?{query}")) == (
        400,
        "INVALID_PARAMETER",
    )


async def test_a_wrong_cursor(board: OpenBoard) -> None:
    assert refusal(await board.anna.get(f"{board.path}/history?cursor=x")) == (
        400,
        "INVALID_CURSOR",
    )


async def test_it_is_read_by_whoever_reads_the_session(board: OpenBoard) -> None:
    await board.object("a")
    spectator, stranger = await board.person(Role.SPECTATOR), board.api.caller()
    assert len(data(await spectator.get(f"{board.path}/history"))["items"]) == 1
    assert refusal(await stranger.get(f"{board.path}/history")) == (403, "FORBIDDEN")
