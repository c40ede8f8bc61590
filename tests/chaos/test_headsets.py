"""Rooms of headsets when something dies: no ghosts, and nothing in hands is lost."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest
from pycrdt import Doc, Map

from benchmarks.headset_client import Address
from benchmarks.headset_swarm import HeadsetSwarm
from benchmarks.processes import CpuMeter
from crdt_docs.pose_messages import Presence
from tests.helpers.breaking_proxy import BreakingProxy
from tests.helpers.headset_peers import HeadsetPeer, place_in
from tests.helpers.live_rooms import LiveRoom, live_room
from tests.helpers.outages import database_stopped
from tests.helpers.proving import few_or_many
from tests.helpers.server_process import ServerProcess
from tests.helpers.waiting import until

RETURN_SECONDS = 60.0
CROWD, STALL_SECONDS = few_or_many(12, 40), float(few_or_many(3, 10))
OLDEST_SECONDS = 2.0
MOST_ON_THE_WAY = 512 * 1024
SLACK = 1.0
"""Seconds by which what happens at a time may be noticed later, on a machine that is busy."""

BACKLOG = 256 * 1024
"""Bytes of edits that may wait for the database."""

QUIET_AFTER, GONE_AFTER, LEASE = 3.0, 10.0, 5.0


@pytest.fixture(scope="module")
def settings() -> Mapping[str, str]:
    return {"COLLAB_JOURNAL_BACKLOG_BYTES": str(BACKLOG)}


@asynccontextmanager
async def two_in(room: LiveRoom, port: int | None = None) -> AsyncIterator[list[HeadsetPeer]]:
    """Ada, who may come through a proxy, and Ben; both come back whenever they are cut off."""
    peers = [HeadsetPeer(), HeadsetPeer()]
    for peer, way in zip(peers, (port, None), strict=True):
        peer.stay_connected(room.url(port=way, ack="1"))
    try:
        for peer in peers:
            await peer.until_welcome()
        yield peers
    finally:
        for peer in peers:
            await peer.leave()


@asynccontextmanager
async def chair_in_hand(
    room: LiveRoom, port: int | None = None
) -> AsyncIterator[tuple[HeadsetPeer, HeadsetPeer]]:
    """The two of `two_in`; there is a chair, which is stored, and Ada has it in her hand."""
    async with two_in(room, port) as (ada, ben):
        ada.furnish("chair")
        await ada.until_stored()
        await ben.until(lambda: "chair" in ben.objects)
        await ada.take("chair")
        yield ada, ben


async def stored_places(room: LiveRoom) -> set[float | None]:
    """Where the database has the chair, in the log and in its row."""
    doc: Doc[Any] = Doc()
    doc.apply_update(await room.stored())
    row = "SELECT (position->>'x')::float FROM xr_objects WHERE room_id = $1 AND id = 'chair'"
    return {place_in(doc.get("objects", type=Map), "chair"), await value(room, row, room.id)}


async def until_stored_at(room: LiveRoom, x: float) -> None:
    """Wait until the database has the chair there."""

    async def is_there() -> bool:
        return await stored_places(room) == {x}

    await until(is_there, within=RETURN_SECONDS, every=0.05)


async def until_written_down(room: LiveRoom, *, there: int, ever: int) -> None:
    """Wait until rows say that so many are there, of so many connections that ever were."""
    rows = "SELECT (count(*) - count(left_at), count(*)) FROM xr_participants WHERE session_id = $1"

    async def are_there() -> bool:
        return bool(await value(room, rows, room.session_id) == (there, ever))

    await until(are_there, within=RETURN_SECONDS, every=0.05)


async def value(room: LiveRoom, query: str, *arguments: object) -> Any:
    """The one value that a query of the server's database has."""
    connection = await asyncpg.connect(room.server.database_dsn(), timeout=10)
    try:
        return await connection.fetchval(query, *arguments)
    finally:
        await connection.close()


@pytest.mark.timeout(180)
async def test_a_worker_that_is_killed_leaves_no_ghosts_and_nothing_in_hands(
    server: ServerProcess,
) -> None:
    room = await live_room(server)
    async with chair_in_hand(room) as (ada, ben):
        ada.carry("chair", 2.0)
        await ben.until(lambda: ben.place_of("chair") == 2.0)  # it has rested for a second
        await until_stored_at(room, 2.0)

        noted = ada.doc.get("notes", type=Map)
        for number in range(20):
            ada.carry("chair", 3.0 + number / 10)
            noted[f"note-{number}-"] = number
            await asyncio.sleep(0.01)
        await ben.until(lambda: ben.carried.get("chair", 0.0) > 3.0)
        await asyncio.to_thread(server.worker().kill)
        await ada.until(lambda: not ada.is_connected)
        promised = b"".join(ada.wire.acknowledged)

        for peer in (ada, ben):
            await peer.until(lambda p=peer: len(p.welcomes) > 1, seconds=RETURN_SECONDS)  # type: ignore[misc] # mypy does not infer lambdas with defaults
            await peer.until_welcome(2)
            await peer.until(lambda p=peer: p.present == {ada.client_id, ben.client_id})  # type: ignore[misc] # the same
            assert not peer.is_held("chair")
            assert peer.place_of("chair") == 2.0
        await until_written_down(room, there=2, ever=4)

        ben.move(1.0)
        await ada.until(lambda: ben.welcomes[-1].slot in ada.seen)
        await ben.take("chair")
        ben.carry("chair", 7.0)
        await ada.until(lambda: ada.carried.get("chair") == 7.0)
        ben.put_down("chair")
        await until_stored_at(room, 7.0)
        await ada.until_stored()
        kept: Doc[Any] = Doc()
        kept.apply_update(await room.stored())
        stored = set(kept.get("notes", type=Map))
        lost = [f"note-{number}-" for number in range(20) if f"note-{number}-" not in stored]
        assert not [key for key in lost if key.encode() in promised]


@pytest.mark.timeout(120)
async def test_what_is_put_down_while_the_database_is_away_is_written_when_it_is_back(
    server: ServerProcess,
) -> None:
    room = await live_room(server)
    async with chair_in_hand(room) as (ada, ben):
        ada.carry("chair", 1.0)
        with database_stopped(server):
            ada.carry("chair", 3.0)
            await ben.until(lambda: ben.carried.get("chair") == 3.0)
            ada.put_down("chair")
            await ben.until(lambda: not ben.is_held("chair"))
            await ben.until(lambda: ben.place_of("chair") == 3.0)
            await ben.take("chair")  # the room goes on
            ben.carry("chair", 4.0)
            ben.put_down("chair")
            await ada.until(lambda: ada.place_of("chair") == 4.0)
        await until_stored_at(room, 4.0)
        assert len(ada.wires) == len(ben.wires) == 1


@pytest.mark.timeout(120)
async def test_pos_41_what_is_put_down_when_nothing_more_can_wait_is_written_later(
    server: ServerProcess,
) -> None:
    room = await live_room(server)
    async with chair_in_hand(room) as (ada, ben):
        with database_stopped(server):
            while ben.is_connected:  # an editor is sent away when too much waits
                ben.list.append("x" * 10_000)
                await ben.sent()
                await asyncio.sleep(0.01)
            ada.carry("chair", 5.0)
            ada.put_down("chair")
            await ada.until(lambda: not ada.is_held("chair"))
            assert ada.place_of("chair") == 0.0
        await ada.until(lambda: ada.place_of("chair") == 5.0)
        await until_stored_at(room, 5.0)
        assert len(ada.wires) == 1


@pytest.mark.timeout(120)
async def test_who_hangs_on_a_dead_line_fades_out_and_lets_go(server: ServerProcess) -> None:
    """The socket stands, and nothing comes through it."""
    room = await live_room(server)
    async with BreakingProxy(server.port) as proxy, chair_in_hand(room, proxy.port) as (ada, ben):
        slot = ada.welcomes[-1].slot
        ada.carry("chair", 4.0)
        await ben.until(lambda: ben.carried.get("chair") == 4.0)
        proxy.pause()
        silent_since = time.monotonic()

        await ben.until(lambda: ben.roster[slot].presence is Presence.SILENT)
        assert QUIET_AFTER - SLACK < time.monotonic() - silent_since < QUIET_AFTER + SLACK
        assert ben.is_held("chair")
        await ben.until(lambda: not ben.is_held("chair"))
        assert LEASE - SLACK < time.monotonic() - silent_since < LEASE + SLACK
        await ben.until(lambda: ben.place_of("chair") == 4.0)
        await until_stored_at(room, 4.0)
        assert ada.client_id in ben.present
        await ben.until(lambda: ben.present == {ben.client_id})
        assert GONE_AFTER - SLACK < time.monotonic() - silent_since < GONE_AFTER + SLACK
        assert slot not in ben.seen

        await ben.take("chair")
        proxy.resume()
        await ada.until_welcome(2)
        assert ada.welcomes[-1].generation != ada.welcomes[0].generation
        await ben.until(lambda: ben.present == {ada.client_id, ben.client_id})
        await ada.until(lambda: ada.is_held("chair"))
        ada.move(6.0)
        await ben.until(lambda: ada.welcomes[-1].slot in ben.seen)
        assert len(ada.wires) == 1


async def test_no_ghost_of_a_straggler_or_of_who_is_back_within_the_same_second(
    server: ServerProcess,
) -> None:
    """On one socket. That no pose is of a former seat each headset checks in all that it hears."""
    async with two_in(await live_room(server)) as (ada, ben):
        first = ada.welcomes[-1]
        ada.move(1.0)
        await ben.until(lambda: first.slot in ben.seen)
        ada.say_bye()
        ada.move(2.0)
        await ben.until(lambda: ben.present == {ben.client_id})
        ada.move(3.0)
        ada.say_hello()
        ada.move(4.0)  # it has not read its welcome yet
        again = await ada.until_welcome(2)
        await ben.until(lambda: ben.present == {ada.client_id, ben.client_id})
        assert (again.slot, again.generation) != (first.slot, first.generation)
        assert again.slot not in ben.seen
        ada.move(5.0)
        await ben.until(lambda: again.slot in ben.seen)
        assert len(ben.roster) == 2


@pytest.mark.timeout(120)
async def test_a_late_joiner_needs_nobodys_help(server: ServerProcess) -> None:
    """Objects, roster, poses and what is held, while nothing comes through from anybody else."""
    room = await live_room(server)
    async with BreakingProxy(server.port) as proxy:
        ada, late = HeadsetPeer(), HeadsetPeer()
        await ada.connect(room.url(port=proxy.port, ack="1"))
        await ada.until_welcome()
        ada.furnish("chair")
        await ada.until_stored()
        await ada.take("chair")
        ada.carry("chair", 2.0)
        await ada.until(lambda: ada.carried.get("chair") == 2.0)
        proxy.pause()
        await late.connect(room.url())
        await late.until_welcome()
        assert late.place_of("chair") is not None
        await late.until(lambda: late.present == {ada.client_id, late.client_id})
        await late.until(lambda: ada.welcomes[-1].slot in late.seen)
        await late.until(lambda: late.carried.get("chair") == 2.0)
        assert late.is_held("chair")
        proxy.resume()
        await ada.leave()
        await late.leave()


@pytest.mark.timeout(120)
async def test_who_comes_back_before_the_dead_line_is_noticed_is_there_once(
    server: ServerProcess,
) -> None:
    room = await live_room(server)
    async with BreakingProxy(server.port) as proxy, two_in(room) as (ada, ben):
        url = room.url(port=proxy.port)
        roamer = HeadsetPeer()
        await roamer.connect(url)
        await roamer.until_welcome()
        await ben.until(lambda: roamer.client_id in ben.present)
        proxy.pause()

        again = HeadsetPeer(client_id=roamer.client_id)
        await again.connect(url.replace(f":{proxy.port}", f":{server.port}"))
        await again.until_welcome()
        again.move(8.0)
        await ben.until(lambda: again.welcomes[-1].slot in ben.seen)
        everybody = {ada.client_id, ben.client_id, again.client_id}
        await ben.until(lambda: ben.present == everybody)
        assert len(ben.roster) == len(everybody)

        proxy.resume()  # what was held back on the dead line comes after all
        await asyncio.sleep(1.0)
        again.move(9.0)
        await ben.until(lambda: len(ben.roster) == len(everybody))
        assert ben.present == everybody
        await roamer.cut()
        await roamer.leave()
        await again.leave()
        await ben.until(lambda: ben.present == {ada.client_id, ben.client_id})


def test_who_does_not_read_for_a_while_is_back_in_the_present_at_once(
    server: ServerProcess,
) -> None:
    """It goes on sending; the others lose nothing by it."""
    room = asyncio.run(live_room(server))
    with HeadsetSwarm(rate=30.0) as swarm:
        swarm.connect(lambda: Address(server.port, room.path()), CROWD)
        swarm.move(1.0)
        busy = swarm.clients[0]
        swarm.stall(busy)
        course = swarm.measure(STALL_SECONDS, lambda: CpuMeter(server.worker().pid))
        back = swarm.come_back(busy)
        swarm.move(0.5)

    assert back.oldest < OLDEST_SECONDS
    assert back.on_the_way < MOST_ON_THE_WAY
    assert course.ages.percentile(0.5) < 1000 * OLDEST_SECONDS / 2
    assert course.records >= (CROWD - 1) * course.sent / 4
