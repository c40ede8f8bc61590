"""Documents made to be expensive, against a real server: nothing may stop it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence

import pytest

from tests.helpers import raw_updates as raw
from tests.helpers.server_process import LiveSession, ServerProcess
from tests.helpers.yjs_peer import YjsPeer, sync_update

FAR_APART = 5_500
"""Structs of each kind: with fewer, opening a snapshot would not take longer than the 2 s after
which a worker counts as hung."""
LONG = 300
"""Structs of an update that is applied in pieces, however long that takes (ROM-16, ROM-20)."""
VALUE = raw.values(raw.NULL)


@pytest.fixture(scope="module")
def settings() -> Mapping[str, str]:
    return {"COLLAB_ROOM_IDLE_SECONDS": "0.5"}


def _portions(sections: Sequence[bytes], size: int = 250) -> Iterator[bytes]:
    for start in range(0, len(sections), size):
        yield raw.update(*sections[start : start + size])


def _of_chain(number: int) -> tuple[int, int]:
    return (1 + number % 2, number // 2)


def _far_apart(count: int) -> Iterator[bytes]:
    """A list that two people wrote by turns, and one who puts everything before its n-th entry
    as if there were no other: each of them is compared with all that stands there."""
    chain = [raw.section(1, 0, raw.item(VALUE, parent="list"))]
    for number in range(1, count):
        one = raw.item(VALUE, origin=_of_chain(number - 1))
        chain.append(raw.section(*_of_chain(number), one))
    for portion in chain:
        yield raw.update(portion)
    late = [raw.item(VALUE, right=_of_chain(n + 1)) for n in range(count - 1)]
    for start in range(0, len(late), LONG):
        yield raw.update(raw.section(1_000_000, start, *late[start : start + LONG]))


async def _send(session: LiveSession, updates: Iterator[bytes]) -> bool:
    """Send updates, each window after the one before is stored; whether all were taken."""
    url = session.invite().url_with(ack="1")
    async with await YjsPeer.join(url, answers_step1=False) as attacker:
        for number, update in enumerate(updates, start=1):
            attacker.send(sync_update(update))
            if number % 200 == 0:
                await _settled(attacker)
        await _settled(attacker)
        return attacker.is_connected


async def _settled(peer: YjsPeer) -> None:
    await peer.sent()
    await peer.until(
        lambda: not peer.is_connected or peer.wire.stored == len(peer.wire.sent), seconds=60
    )


async def test_rom_18_a_document_that_is_slow_to_open_stops_nobody(server: ServerProcess) -> None:
    """Complaint *one bad message stops all rooms*, with a document built to stop whoever opens it:
    the worker stays the same one, other sockets stay open, and the document opens again."""
    attacked, other = await server.create_sessions(2)
    worker = server.worker().pid
    async with await YjsPeer.join(other.invite().url) as bystander:
        wire = bystander.wire
        assert await _send(attacked, _far_apart(FAR_APART))
        await asyncio.sleep(1.5)  # put away: idle for half a second
        state = await attacked.update()
        assert len(state) > 10 * FAR_APART
        assert server.worker().pid == worker
        assert bystander.wire is wire
        assert bystander.is_connected


async def test_grd_27_values_under_one_key_are_refused_before_they_stop_anybody(
    server: ServerProcess,
) -> None:
    """40,000 values that know nothing of one another, as many as it takes to hang yrs."""
    attacked, other = await server.create_sessions(2)
    worker = server.worker().pid
    hot = [
        raw.section(100_000 - n, 0, raw.item(VALUE, parent="objects", key="hot"))
        for n in range(40_000)
    ]
    async with await YjsPeer.join(other.invite().url) as bystander:
        assert not await _send(attacked, _portions(hot, 500)), "refused at some point"
        await asyncio.sleep(1.5)
        assert (await attacked.state())["objects"].keys() == {"hot"}
        assert server.worker().pid == worker
        assert bystander.is_connected
