"""Headers of every answer: pages, REST, and what answers for faults."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from server.security_headers import SECURITY_HEADERS, TRANSPORT_SECURITY, SecurityHeaders
from tests.server.test_origins import client_of

OWN = "Content-Security-Policy"


@pytest.mark.parametrize(
    "path",
    ["/", "/docs", "/openapi.json", "/api/health", "/api/ocw/sessions", "/nothing", "/assets/x.js"],
)
async def test_every_answer_carries_them(tmp_path: Path, path: str) -> None:
    """HDR-1"""
    async with client_of(tmp_path) as client:
        answer = await client.get(path)
        for name, value in SECURITY_HEADERS.items():
            given = answer.headers.get_list(name)
            assert len(given) == 1
            if name != OWN:
                assert given == [value]
        assert "default-src 'none'" in answer.headers[OWN]
        assert "strict-transport-security" not in answer.headers


async def fails(_: Request) -> Response:
    raise RuntimeError


async def has_its_own(_: Request) -> Response:
    return Response("", headers={OWN: "sandbox"})


async def get(path: str, base: str = "http://x") -> httpx.Response:
    """Ask an application with nothing but these two."""
    app: Any = Starlette(routes=[Route("/fails", fails), Route("/own", has_its_own)])
    transport = httpx.ASGITransport(SecurityHeaders(app), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url=base) as client:
        return await client.get(path)


async def test_what_answers_for_faults_carries_them() -> None:
    """HDR-1"""
    answer = await get("/fails")
    assert answer.status_code == 500
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_what_an_endpoint_says_stands() -> None:
    """HDR-2"""
    answer = await get("/own")
    assert answer.headers.get_list(OWN) == ["sandbox"]


async def test_under_tls_browsers_are_told_to_stay_there() -> None:
    """HDR-3"""
    answer = await get("/own", "https://x")
    assert answer.headers["strict-transport-security"] == TRANSPORT_SECURITY


async def test_a_proxy_that_is_believed_may_say_that_it_is_tls(tmp_path: Path) -> None:
    """HDR-3"""
    forwarded = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "192.0.2.1"}
    for address in ("127.0.0.1", "::ffff:127.0.0.1"):
        async with client_of(tmp_path, address=address, trusted_proxies="127.0.0.1") as client:
            answer = await client.get("/api/health", headers=forwarded)
            assert "strict-transport-security" in answer.headers
    async with client_of(tmp_path) as client:
        answer = await client.get("/api/health", headers=forwarded)
        assert "strict-transport-security" not in answer.headers
