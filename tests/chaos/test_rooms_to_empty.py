"""The server is killed between the end of a session and the emptying of its room (LIF-4)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress

import asyncpg
import httpx
import pytest

from tests.helpers.live_rooms import LiveRoom, live_room
from tests.helpers.server_process import ServerProcess, running_server
from tests.helpers.verifying import findings
from tests.helpers.waiting import until

RETURN_SECONDS = 60.0


@pytest.fixture(scope="module")
def server() -> Iterator[ServerProcess]:
    with running_server() as started:
        yield started


@asynccontextmanager
async def connected(server: ServerProcess) -> AsyncIterator[asyncpg.Connection]:
    """With the server's database."""
    connection = await asyncpg.connect(server.database_dsn(), timeout=10)
    try:
        yield connection
    finally:
        connection.terminate()  # its server may be dead


async def furnish(room: LiveRoom) -> None:
    """Put two objects there, of which one goes with any session."""
    for fields in ({"id": "chair"}, {"id": "note", "lifetime": "session"}):
        await room.request("POST", "/objects", json={"object_type": "model", **fields})


async def rows(room: LiveRoom) -> set[str]:
    """The objects that the database has of a room."""
    async with connected(room.server) as connection:
        found = await connection.fetch(
            "SELECT id FROM xr_objects WHERE room_id = $1::uuid AND deleted_at IS NULL", room.id
        )
    return {row["id"] for row in found}


async def end(room: LiveRoom) -> None:
    """Ask for it, and perhaps not live to hear the answer."""
    with suppress(httpx.TransportError):
        await room.server.request("POST", f"/xr/sessions/{room.session_id}/end")


async def kill_while_it_ends(server: ServerProcess, *rooms: LiveRoom) -> None:
    """Their sessions have ended, nothing is deleted: the tables of objects are locked until all is
    dead."""
    async with connected(server) as connection, connected(server) as watching:
        begun = connection.transaction()
        await begun.start()
        await connection.execute("LOCK TABLE xr_objects IN SHARE MODE")
        ends = [asyncio.create_task(end(room)) for room in rooms]

        async def have_ended() -> bool:
            query = "SELECT count(*) FROM xr_sessions WHERE id = ANY ($1) AND ended_at IS NOT NULL"
            ids = [room.session_id for room in rooms]
            return bool(await watching.fetchval(query, ids) == len(rooms))

        await until(have_ended, within=RETURN_SECONDS, every=0.02)
        await asyncio.to_thread(server.kill, everything=True)
        await asyncio.gather(*ends)


@pytest.mark.timeout(180)
async def test_lif_4_what_was_left_is_gone_soon_after_the_server_is_back(
    server: ServerProcess,
) -> None:
    """And when the next session begins, however soon that is."""
    room, lasting = await live_room(server), await live_room(server, is_persistent=True)
    next_one = await live_room(server)
    for each in (room, lasting, next_one):
        await furnish(each)
    assert await rows(room) == await rows(lasting) == {"chair", "note"}
    await kill_while_it_ends(server, room, lasting, next_one)
    await asyncio.to_thread(server.start)
    await next_one.request("POST", "/sessions")
    assert await rows(next_one) == set()

    async def is_empty() -> bool:
        return await rows(room) == set() and await rows(lasting) == {"chair"}

    await until(is_empty, within=RETURN_SECONDS, every=0.05)
    assert (await room.state())["objects"] == {}
    documents = (room.name, lasting.name, next_one.name)
    assert await findings(server.database_dsn(), *documents) == []
