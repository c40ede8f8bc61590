"""Handshakes of an address: taken, told, cut."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidMessage, InvalidStatus

from crdt_docs.messages import CloseCode
from tests.server.served import Served, served
from tests.server.test_session_socket import closed


@pytest.fixture(params=["asgi", "direct"])
async def server(request: pytest.FixtureRequest) -> AsyncIterator[Served]:
    async with served(
        request.param, handshakes_per_minute=3, trusted_proxies="127.0.0.1"
    ) as running:
        yield running


async def from_address(server: Served, address: str) -> tuple[int, str]:
    """How a socket without a token ends that a proxy opens for an address."""
    url = server.url(await server.session(), None)
    return await closed(url, additional_headers={"X-Forwarded-For": address})


async def test_past_the_limit_one_is_told_and_past_twice_the_limit_cut(server: Served) -> None:
    """LIM-9"""
    for _ in range(3):
        code, _ = await from_address(server, "192.0.2.1")
        assert code == CloseCode.UNAUTHENTICATED
    for _ in range(3):
        code, reason = await from_address(server, "192.0.2.1")
        assert code == CloseCode.TRY_LATER
        assert "retry in" in reason
    with pytest.raises((InvalidMessage, InvalidStatus, ConnectionClosed, OSError)):
        await from_address(server, "192.0.2.1")
    assert server.directory.counters.limited == {"handshakes": 4}


async def test_other_addresses_are_served(server: Served) -> None:
    """LIM-9"""
    for _ in range(5):
        await from_address(server, "192.0.2.1")
    code, _ = await from_address(server, "192.0.2.2")
    assert code == CloseCode.UNAUTHENTICATED


async def test_who_was_let_in_stays(server: Served) -> None:
    """LIM-9"""
    session = await server.session()
    async with connect(server.url(session, server.token())) as socket:
        for _ in range(5):
            await closed(server.url(session, None))
        await socket.send(b"\x00\x00\x01\x00")
        assert await socket.recv()


@pytest.mark.parametrize("channel", ["asgi", "direct"])
async def test_a_stranger_cannot_say_who_they_are(channel: str) -> None:
    """LIM-9"""
    limits: dict[str, Any] = {"handshakes_per_minute": 3, "trusted_proxies": "192.0.2.0/24"}
    async with served(channel, **limits) as server:
        ends = [(await from_address(server, f"198.51.100.{n}"))[0] for n in range(5)]
        assert ends == [4401, 4401, 4401, 4503, 4503]
