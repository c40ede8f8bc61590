"""Pages of other origins: what they may do, and what is said to them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from crdt_docs.messages import CloseCode
from server.app import create_app
from server.memory_stores import open_memory
from server.origins import REFUSED, Origins
from server.settings import Settings
from tests.server.served import SECRET, Served, served
from tests.server.test_session_socket import closed


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("https://collab.example", "collab.example"),
        ("https://collab.example", "collab.example:443"),
        ("http://collab.example", "collab.example"),
        ("http://127.0.0.1:8000", "127.0.0.1:8000"),
        ("http://[::1]:8000", "[::1]:8000"),
        ("HTTPS://Collab.Example", "collab.example"),
        ("https://app.example", "elsewhere"),
    ],
)
def test_its_own_pages_and_those_named_may_come(origin: str, host: str) -> None:
    """ORG-1"""
    assert Origins({"https://app.example"}).allow(origin, host)


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("https://evil.example", "collab.example"),
        ("https://collab.example.evil.example", "collab.example"),
        ("https://collab.example:8443", "collab.example"),
        ("http://app.example", "collab.example"),
        ("https://sub.app.example", "collab.example"),
        ("http://localhost:5173", "collab.example"),
        ("null", "collab.example"),
        ("null", ""),
        ("", ""),
        ("https://", ""),
        ("http://[", "["),
        ("https://collab.example:port", "collab.example:port"),
    ],
)
def test_others_may_not(origin: str, host: str) -> None:
    """ORG-1"""
    assert not Origins({"https://app.example"}).allow(origin, host)


def test_all_may_come_where_the_operator_says_so() -> None:
    assert Origins({"*"}).allow("null", "collab.example")


@pytest.mark.parametrize("origin", ["http://localhost:5173", "http://127.0.0.9", "http://[::1]:1"])
def test_development_lets_in_pages_of_this_machine(origin: str) -> None:
    origins = Origins((), with_this_machine=True)
    assert origins.allow(origin, "127.0.0.1:8000")
    assert not origins.allow("http://192.0.2.1", "127.0.0.1:8000")


@pytest.fixture(params=["asgi", "direct"])
async def server(request: pytest.FixtureRequest) -> AsyncIterator[Served]:
    async with served(request.param, allowed_origins="https://app.example") as running:
        yield running


async def test_a_page_of_another_origin_is_told_why(server: Served) -> None:
    """ORG-1"""
    url = server.url(await server.session(), server.token())
    assert await closed(url, origin="https://evil.example") == (CloseCode.FORBIDDEN, REFUSED)
    assert server.directory.counters.limited == {"origin": 1}
    assert server.directory.counters.closes == {4403: 1}


async def test_a_page_that_brings_its_token_as_a_subprotocol_is_told_too(server: Served) -> None:
    """ORG-1"""
    token = server.token()
    url = server.url(await server.session(), None)
    code, _ = await closed(url, origin="https://evil.example", subprotocols=[f"bearer.{token}"])
    assert code == CloseCode.FORBIDDEN


@pytest.mark.parametrize("origin", [None, "https://app.example", "http://127.0.0.1:{port}"])
async def test_its_own_pages_others_named_and_no_pages_at_all_come_in(
    server: Served, origin: str | None
) -> None:
    """ORG-1, ORG-2"""
    given: Any = None if origin is None else origin.format(port=server.port)
    url = server.url(await server.session(), server.token())
    async with connect(url, origin=given) as socket:
        assert await socket.recv()


async def test_two_origins_are_none(server: Served) -> None:
    """ORG-1"""
    url = server.url(await server.session(), server.token())
    headers = [("Origin", "https://app.example"), ("Origin", "https://evil.example")]
    with pytest.raises(InvalidStatus):  # of such a request not even the handshake is accepted
        await closed(url, additional_headers=headers)


# REST


@asynccontextmanager
async def client_of(
    tmp_path: Path, *, address: str = "127.0.0.1", **settings: Any
) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the whole application over stores in memory."""
    given = Settings(data_dir=tmp_path, jwt_secret=SecretStr(SECRET), **settings)
    app = create_app(given, open_stores=open_memory)
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app, client=(address, 4711))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            yield client


async def preflight(client: httpx.AsyncClient, origin: str) -> httpx.Response:
    """What a browser asks before a page of another origin may send a body with a token."""
    return await client.options(
        "/api/ocw/sessions",
        headers={
            "Origin": origin,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization, content-type, idempotency-key",
        },
    )


async def test_pages_of_allowed_origins_may_call_and_read(tmp_path: Path) -> None:
    """ORG-3"""
    async with client_of(tmp_path, allowed_origins="https://app.example") as client:
        asked = await preflight(client, "https://app.example")
        assert asked.status_code == 200
        assert asked.headers["access-control-allow-origin"] == "https://app.example"
        assert "PATCH" in asked.headers["access-control-allow-methods"]
        answer = await client.get("/api/health", headers={"Origin": "https://app.example"})
        assert answer.headers["access-control-allow-origin"] == "https://app.example"
        exposed = answer.headers["access-control-expose-headers"].split(", ")
        assert {"ETag", "Location", "Retry-After", "X-Request-ID"} <= set(exposed)
        assert "access-control-allow-credentials" not in answer.headers
        assert "Origin" in answer.headers["vary"]


async def test_pages_of_other_origins_may_not(tmp_path: Path) -> None:
    """ORG-3"""
    async with client_of(tmp_path, allowed_origins="https://app.example") as client:
        asked = await preflight(client, "https://evil.example")
        assert asked.status_code == 400
        assert "access-control-allow-origin" not in asked.headers
        answer = await client.get("/api/health", headers={"Origin": "https://evil.example"})
        assert "access-control-allow-origin" not in answer.headers


async def test_by_default_no_other_origin_may(tmp_path: Path) -> None:
    """ORG-3"""
    async with client_of(tmp_path) as client:
        asked = await preflight(client, "https://app.example")
        assert asked.status_code == 405
        assert not [name for name in asked.headers if name.startswith("access-control")]


async def test_all_origins_may_where_the_operator_says_so(tmp_path: Path) -> None:
    """ORG-3"""
    async with client_of(tmp_path, allowed_origins="*") as client:
        answer = await client.get("/api/health", headers={"Origin": "https://any.example"})
        assert answer.headers["access-control-allow-origin"] == "*"


async def test_development_lets_pages_of_this_machine_call(tmp_path: Path) -> None:
    """ORG-3"""
    async with client_of(tmp_path, dev=True) as client:
        asked = await preflight(client, "http://localhost:5173")
        assert asked.headers["access-control-allow-origin"] == "http://localhost:5173"
        asked = await preflight(client, "http://localhost.evil.example")
        assert "access-control-allow-origin" not in asked.headers
