"""How long a request is: said once. Over the wire: tests/attacks/test_misleading_requests.py."""

from __future__ import annotations

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from server.message_length import OneLength


async def _endpoint(request: Request) -> PlainTextResponse:
    return PlainTextResponse(f"{len(await request.body())}")


@pytest.fixture
def client() -> httpx.AsyncClient:
    app = OneLength(Starlette(routes=[Route("/", _endpoint, methods=["GET", "POST"])]))
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://server")


@pytest.mark.parametrize(
    "headers",
    [
        [("Content-Length", "3"), ("Transfer-Encoding", "chunked")],
        [("Content-Length", "3"), ("Content-Length", "3")],
        [("Transfer-Encoding", "chunked"), ("Transfer-Encoding", "identity")],
    ],
)
async def test_len_1_two_lengths_are_refused_and_end_the_connection(
    client: httpx.AsyncClient, headers: list[tuple[str, str]]
) -> None:
    answer = await client.post("/", content=b"abc", headers=headers)
    assert (answer.status_code, answer.headers["connection"]) == (400, "close")


async def test_one_length_or_none_is_served(client: httpx.AsyncClient) -> None:
    assert (await client.post("/", content=b"abc")).text == "3"
    assert (await client.get("/")).text == "0"
