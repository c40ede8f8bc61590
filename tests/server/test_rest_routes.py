"""REST: its routes beside others in one application."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.types import Message
from starlette.websockets import WebSocket

from server.rest.routes import rest_routes
from tests.server.rest_client import Api


async def accept(websocket: WebSocket) -> None:
    await websocket.accept()


async def page(_request: object) -> PlainTextResponse:
    return PlainTextResponse("a page")


@pytest.mark.parametrize("rest_first", [True, False])
async def test_sockets_under_the_same_path_are_reached_in_any_order(
    tmp_path: Path,
    rest_first: bool,  # noqa: FBT001 - a parameter of the table
) -> None:
    socket = WebSocketRoute("/api/ocw/sessions/{session_id}/ws", accept)
    rest = rest_routes(Api(tmp_path).services)
    app = Starlette(routes=[*rest, socket] if rest_first else [socket, *rest])
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "websocket", "path": "/api/ocw/sessions/1/ws", "headers": []}
    await app(scope, receive, send)
    assert [message["type"] for message in sent] == ["websocket.accept"]


async def test_other_pages_are_left_alone(tmp_path: Path) -> None:
    app = Starlette(routes=[*rest_routes(Api(tmp_path).services), Route("/page", page)])
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://collab.test") as client:
        assert (await client.get("/page")).text == "a page"
        assert (await client.get("/nothing")).text == "Not Found"
