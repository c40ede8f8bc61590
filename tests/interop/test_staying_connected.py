"""A stock client closes after 30 s without a frame; the server never lets it come to that.

With PROVE=1: the server's own settings, the client's own 30 s, and 95 s by the clock. Otherwise a
server that breaks the silence after 1 s instead of 20, and clients that lose patience after 2.5 s.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from uuid import UUID

import pytest
from websockets.asyncio.server import ServerConnection, serve

from tests.helpers.node_clients import NodeClient, NodeClients
from tests.helpers.server_process import Invitation, ServerProcess, running_server
from tests.helpers.yjs_peer import YjsPeer

PATIENCE = 2.5
"""Seconds of silence after which the hastened provider reconnects; it looks every 3 s."""

LONG_ENOUGH = 9.5
"""Seconds in which it looks three times."""


@pytest.fixture(scope="module")
def short_clocks() -> Iterator[ServerProcess]:
    """A server that breaks the silence soon."""
    with running_server(COLLAB_KEEPALIVE_SECONDS="1") as server:
        yield server


@pytest.fixture
async def silent_server() -> AsyncIterator[Invitation]:
    """What happens without the empty messages: a server that accepts and says nothing."""

    async def say_nothing(connection: ServerConnection) -> None:
        async for _ in connection:
            pass

    async with serve(say_nothing, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        yield Invitation(f"ws://127.0.0.1:{port}", "room/ws", "", UUID(int=0))


async def test_nobody_alone_ever_reconnects(
    clients: NodeClients, short_clocks: ServerProcess, silent_server: Invitation
) -> None:
    """AWR-11: an editor, a viewer and a spectator, each alone; and proof that they could."""
    impatient = await clients.create("impatient", silent_server, watchdog=PATIENCE)
    lonely: list[NodeClient] = []
    for version in ("3.1", "3.0"):
        for role in ("editor", "viewer", "spectator"):
            session = await short_clocks.create_session()
            name = f"{role} {version}"
            client = await clients.join(
                name, session.invite(role), version=version, watchdog=PATIENCE
            )
            lonely.append(client)
    without_presence = await short_clocks.create_session()
    lonely.append(
        await clients.join("nobody", without_presence.invite(), present=False, watchdog=PATIENCE)
    )
    await asyncio.sleep(LONG_ENOUGH)
    assert await impatient.field("sockets") > 1, "the shortened watchdog does its work"
    for client in lonely:
        assert await client.field("sockets") == 1, client.name
        assert await client.field("closes") == [], client.name
        assert await client.field("longestSilence") < 2000, client.name
        assert await client.run("return provider.synced"), client.name


async def test_what_breaks_the_silence_says_nothing(short_clocks: ServerProcess) -> None:
    """It is an empty presence message, which no client notices."""
    session = await short_clocks.create_session()
    async with await YjsPeer.join(session.invite("spectator").url, keeps_frames=True) as peer:
        greeting = len(peer.wire.received)
        await peer.until(lambda: len(peer.wire.received) >= greeting + 2)
        assert set(peer.wire.received[greeting:]) == {b"\x01\x01\x00"}


async def test_those_who_hear_something_hear_nothing_besides(short_clocks: ServerProcess) -> None:
    session = await short_clocks.create_session()
    async with (
        await YjsPeer.join(session.invite().url) as ada,
        await YjsPeer.join(session.invite().url, keeps_frames=True) as bob,
    ):
        greeting = len(bob.wire.received)
        for number in range(12):
            ada.objects["n"] = number
            await asyncio.sleep(0.2)
        await bob.until(lambda: bob.objects.to_py() == {"n": 11.0})
        assert b"\x01\x01\x00" not in bob.wire.received[greeting:]


@pytest.mark.prove
@pytest.mark.timeout(300)
async def test_nobody_alone_reconnects_for_95_seconds(
    clients: NodeClients, server: ServerProcess
) -> None:
    """Real clocks, nothing shortened."""
    lonely = []
    for role in ("editor", "spectator"):
        for version in ("3.1", "3.0"):
            session = await server.create_session()
            name = f"{role} {version}"
            lonely.append(await clients.join(name, session.invite(role), version=version))
    await asyncio.sleep(95)
    for client in lonely:
        assert await client.field("sockets") == 1, client.name
        assert await client.field("closes") == [], client.name
        assert await client.run("return provider.synced"), client.name
