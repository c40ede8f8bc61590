"""REST: full text search."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from crdt_docs.access import Role
from crdt_docs.identifiers import DocumentKind, document_name
from tests.server.open_board import PATH, SESSION, OpenBoard, data, open_board
from tests.server.rest_client import Caller, refusal

SEARCH = "/api/ocw/search"


@pytest.fixture
async def board(tmp_path: Path) -> AsyncIterator[OpenBoard]:
    """With one object and one annotation that say something."""
    async with open_board(tmp_path) as opened:
        text = {"text": "the zebra <b>crossing</b>"}
        await opened.object("a", position={"x": 1, "y": 2}, properties=text)
        await opened.remark(opened.anna, "n", content="a zebra?", object_id="a")
        yield opened


async def found(caller: Caller, query: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = data(await caller.get(f"{SEARCH}?{query}"))["items"]
    return items


async def ids(caller: Caller, query: str) -> set[str]:
    return {item["id"] for item in await found(caller, query)}


async def test_what_was_written_is_found(board: OpenBoard) -> None:
    items = {item["id"]: item for item in await found(board.anna, "q=zebra")}
    thing, said = items["a"], items["n"]
    assert (thing["root"], thing["type"], thing["object_id"]) == ("objects", "sticky", None)
    assert (thing["session_id"], thing["position"]) == (str(SESSION), {"x": 1, "y": 2})
    assert (said["root"], said["type"], said["object_id"]) == ("annotations", "comment", "a")
    assert thing["snippet"] == [
        {"text": "the ", "is_match": False},
        {"text": "zebra", "is_match": True},
        {"text": " <b>crossing</b>", "is_match": False},
    ]
    assert await ids(board.anna, "q=zebra&root=objects") == {"a"}
    assert await ids(board.anna, f"q=zebra&session_id={SESSION}&root=annotations") == {"n"}
    assert await ids(board.anna, "q=giraffe") == set()
    data(await board.anna.delete(f"{PATH}/objects/a"))
    assert await ids(board.anna, "q=zebra") == {"n"}


async def test_everything_in_pages(board: OpenBoard) -> None:
    first = data(await board.anna.get(f"{SEARCH}?q=zebra&limit=1"))
    second = data(await board.anna.get(f"{SEARCH}?q=zebra&limit=1&cursor={first['next_cursor']}"))
    assert {first["items"][0]["id"], second["items"][0]["id"]} == {"a", "n"}
    assert second["next_cursor"] is None
    for wrong in (f"q=other&cursor={first['next_cursor']}", "q=zebra&cursor=x"):
        assert refusal(await board.anna.get(f"{SEARCH}?{wrong}")) == (400, "INVALID_CURSOR")


async def test_people_find_what_they_may_read(board: OpenBoard) -> None:
    spectator, stranger = await board.person(Role.SPECTATOR), board.api.caller()
    assert await ids(spectator, "q=zebra") == {"a", "n"}
    assert await ids(stranger, "q=zebra") == set()
    answer = await stranger.get(f"{SEARCH}?q=zebra&session_id={SESSION}")
    assert refusal(answer) == (403, "FORBIDDEN")
    answer = await stranger.get(f"{SEARCH}?q=zebra&session_id={uuid4()}")
    assert refusal(answer) == (404, "SESSION_NOT_FOUND")
    grants = {document_name(DocumentKind.OCW, SESSION): "viewer"}
    assert await ids(board.api.caller(grants=grants), "q=zebra") == {"a", "n"}


async def test_services_find_what_is_in_their_workspaces(board: OpenBoard) -> None:
    inside = board.api.service(workspaces=[str(board.anna.workspace)])
    outside = board.api.service(workspaces=[str(uuid4())])
    assert await ids(board.api.service(), "q=zebra") == {"a", "n"}
    assert await ids(inside, "q=zebra") == {"a", "n"}
    assert await ids(outside, "q=zebra") == set()
    for caller, expected in ((inside, {"a", "n"}), (outside, set[str]())):
        headers = {"X-Acting-User": str(board.anna.user_id)}
        answer = await caller.get(f"{SEARCH}?q=zebra", headers=headers)
        assert {item["id"] for item in data(answer)["items"]} == expected


async def test_an_agent_finds_nothing(board: OpenBoard) -> None:
    agent = board.api.caller(kind="agent")
    assert refusal(await agent.get(f"{SEARCH}?q=zebra")) == (403, "FORBIDDEN")


@pytest.mark.parametrize(
    "query", ["", "q=", "q=%00", f"q={'x' * 257}", "q=a&root=both", "q=a&limit=0", "q=a&q=b"]
)
async def test_what_cannot_be_asked(board: OpenBoard, query: str) -> None:
    assert refusal(await board.anna.get(f"{SEARCH}?{query}")) == (400, "INVALID_PARAMETER")
