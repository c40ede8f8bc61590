"""Users who flood are let go with 4503, on both kinds of channel; who sits beside them is not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from pycrdt import Doc, Map
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from crdt_docs.messages import CloseCode
from server.authentication import mint
from tests.helpers.yjs_peer import YjsPeer, step2, sync_update
from tests.server.served import SECRET, Served, served
from tests.server.test_session_socket import closed

QUERY_AWARENESS = b"\x03"  # small, legal, and asks for nothing that costs


@pytest.fixture(params=["asgi", "direct"])
async def server(request: pytest.FixtureRequest) -> AsyncIterator[Served]:
    async with served(
        request.param,
        has_limits=True,
        messages_per_second=10,
        burst_seconds=2.0,
        bytes_per_second=50_000,
        max_frame_bytes=100_000,
        connections_per_user=2,
        rooms_per_minute=5,
        max_connections=6,
    ) as running:
        yield running


async def end_of(socket: ClientConnection) -> tuple[int | None, str | None]:
    """How the server closed."""
    try:
        while True:
            await asyncio.wait_for(socket.recv(), 10)
    except ConnectionClosed:
        return socket.close_code, socket.close_reason


async def until_step2(socket: ClientConnection) -> None:
    """Wait for the answer to a step 1: all that was sent before it has been read."""
    while (await asyncio.wait_for(socket.recv(), 10))[:2] != b"\x00\x01":
        pass


def large_edit() -> bytes:
    """An edit of 90 KB by somebody new."""
    doc: Doc[Any] = Doc()
    doc.get("meta", type=Map)["text"] = "x" * 90_000
    return sync_update(doc.get_update())


def limited(server: Served) -> dict[str, int]:
    return server.directory.counters.limited


async def test_too_many_messages_end_in_4503_and_nobody_else_notices(server: Served) -> None:
    """LIM-2"""
    session = await server.session()
    async with (
        await YjsPeer.join(server.url(session, server.token())) as ada,
        await YjsPeer.join(server.url(session, server.token())) as ben,
    ):
        code, reason = await closed(server.url(session, server.token()), *[QUERY_AWARENESS] * 100)
        assert code == CloseCode.TRY_LATER
        assert "messages" in reason
        assert limited(server) == {"messages": 1}
        ada.objects["a"] = 1
        await ben.until(lambda: "a" in ben.objects)


async def test_too_many_bytes_end_in_4503(server: Served) -> None:
    """LIM-2"""
    url = server.url(await server.session(), server.token())
    code, _ = await closed(url, *[large_edit() for _ in range(5)])
    assert code == CloseCode.TRY_LATER
    assert limited(server) == {"messages": 1}


async def test_the_sockets_of_a_user_share_what_may_be_sent(server: Served) -> None:
    """LIM-2"""
    session, token = await server.session(), server.token()
    async with connect(server.url(session, token)) as one:
        async with connect(server.url(session, token)) as other:
            for _ in range(15):
                await one.send(QUERY_AWARENESS)
                await other.send(QUERY_AWARENESS)
            ends = [asyncio.ensure_future(end_of(each)) for each in (one, other)]
            done, others = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            for each in others:
                each.cancel()
        assert CloseCode.TRY_LATER in [each.result()[0] for each in done]


async def test_step_2_are_exempt(server: Served) -> None:
    """LIM-3"""
    session = await server.session()
    empty = step2(b"\x00\x00")
    async with connect(server.url(session, server.token())) as socket:
        for _ in range(50):
            await socket.send(empty)
        await socket.send(b"\x00\x00\x01\x00")  # a step 1, which is answered
        await until_step2(socket)
        assert limited(server) == {}


async def test_a_user_has_so_many_sockets(server: Served) -> None:
    """LIM-1"""
    session, user = await server.session(), uuid4()
    url = server.url(session, server.token(user))
    async with connect(url), connect(url) as second:
        code, reason = await closed(url)
        assert (code, reason) == (CloseCode.TRY_LATER, "a user may have 2 connections at once")
        assert limited(server) == {"connections": 1}
        await second.close()
        async with connect(url) as third:
            await third.recv()


async def test_there_are_so_many_sockets_in_all(server: Served) -> None:
    """LIM-1"""
    session = await server.session()
    sockets = [await connect(server.url(session, server.token())) for _ in range(6)]
    for socket in sockets:
        await socket.recv()
    code, reason = await closed(server.url(session, server.token()))
    assert (code, reason) == (CloseCode.TRY_LATER, "the server is full; retry later")
    for socket in sockets:
        await socket.close()


async def test_a_user_enters_so_many_rooms(server: Served) -> None:
    """LIM-4"""
    url = server.url(await server.session(), server.token())
    for _ in range(5):
        async with connect(url) as socket:
            await socket.recv()
    code, reason = await closed(url)
    assert code == CloseCode.TRY_LATER
    assert "rooms a minute" in reason


async def test_who_is_turned_away_takes_no_place(server: Served) -> None:
    """LIM-1"""
    token = server.token()
    for _ in range(10):
        code, _ = await closed(server.url(uuid4(), token))
        assert code == CloseCode.NOT_FOUND
    async with connect(server.url(await server.session(), token)) as socket:
        await socket.recv()


async def test_a_service_is_exempt(server: Served) -> None:
    """LIM-5"""
    url = server.url(await server.session(), service_token())
    sockets: list[Any] = [await connect(url) for _ in range(4)]
    for _ in range(100):
        await sockets[0].send(QUERY_AWARENESS)
    await sockets[0].send(b"\x00\x00\x01\x00")
    await until_step2(sockets[0])
    assert limited(server) == {}
    for socket in sockets:
        await socket.close()


def service_token() -> str:
    return mint(
        SECRET.encode(),
        uuid4(),
        lifetime=timedelta(minutes=5),
        now=datetime.now(UTC),
        is_service=True,
    )
