"""Bad input of every kind closes one socket, with a reason; nobody else notices (FRM-4, GRD)."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from pycrdt import Map

from tests.helpers import raw_updates as raw
from tests.helpers.node_clients import NodeClient, NodeClients
from tests.helpers.proving import few_or_many
from tests.helpers.server_process import LiveSession, ServerProcess
from tests.helpers.yjs_peer import YjsPeer, awareness, step1, step2, sync_update
from tests.interop.agreement import agree
from tests.interop.hostile import ATTACKS, MALFORMED, contradictions

NOTICED = 2.0
"""Seconds an edit of the others may take while somebody misbehaves, on a machine under load."""


@dataclass
class Pair:
    """Two well-behaved editors who go on working."""

    session: LiveSession
    ada: NodeClient
    bob: NodeClient
    edits: int = 0

    async def works_on(self) -> None:
        """Each sees an edit of the other, soon; neither has ever lost its socket."""
        self.edits += 1
        started = time.monotonic()
        await self.ada.run("doc.getMap('objects').set('ada', args.n)", n=self.edits)
        await self.bob.until("contents().objects.ada === args.n", n=self.edits)
        await self.bob.run("doc.getMap('objects').set('bob', args.n)", n=self.edits)
        await self.ada.until("contents().objects.bob === args.n", n=self.edits)
        assert time.monotonic() - started < NOTICED
        for person in (self.ada, self.bob):
            assert await person.field("sockets") == 1, f"{person.name} has lost its connection"
            assert await person.field("denials") == []


@pytest.fixture
async def pair(clients: NodeClients, session: LiveSession) -> AsyncIterator[Pair]:
    ada = await clients.join("ada", session.invite(name="Ada"))
    bob = await clients.join("bob", session.invite(name="Bob"))
    together = Pair(session, ada, bob)
    yield together
    await together.works_on()
    await agree(session, ada, bob)


@pytest.mark.parametrize("name", ATTACKS)
async def test_an_attack_closes_one_socket(pair: Pair, name: str) -> None:
    attack = ATTACKS[name]
    memory = pair.session.server.memory()
    async with await YjsPeer.join(pair.session.invite().url) as mallory:
        for frame in attack.frames():
            mallory.send(frame)
        code, reason = await mallory.until_closed()
    assert code == attack.code
    assert reason
    await pair.works_on()
    assert pair.session.server.memory() - memory < 64 * 1024 * 1024


async def test_text_frames_close_the_socket(pair: Pair) -> None:
    async with await YjsPeer.join(pair.session.invite().url) as mallory:
        await mallory.send_text('{"type": "hello"}')
        assert (await mallory.until_closed())[0] == MALFORMED


async def test_the_reason_fits_whatever_was_sent(pair: Pair) -> None:
    """A close reason is 123 bytes at most; a longer one would break the connection instead."""
    async with await YjsPeer.join(pair.session.invite().url) as mallory:
        mallory.send(awareness([(7, 1, '{"' + "\u00fc" * 5000 + '": }')]))
        code, reason = await mallory.until_closed()
        assert code == MALFORMED
        assert len(reason.encode()) <= 123


@pytest.mark.parametrize("seed", range(few_or_many(3, 50)))
async def test_random_frames_hurt_nobody(pair: Pair, seed: int) -> None:
    """Each on a socket of its own: closed as malformed, or of no consequence."""
    rng = random.Random(seed)
    for _ in range(30):
        async with await YjsPeer.join(pair.session.invite().url) as mallory:
            kind = bytes((rng.choice([0, 0, 0, 1, 1, 2, 3, 7]), rng.choice([0, 1, 2, 2, 3])))
            mallory.send(kind[: rng.choice([1, 2, 2])] + rng.randbytes(rng.randrange(60)))
            mallory.send(b"\x03")  # "who is here?": an answer shows that the socket is open
            await mallory.sent()
            await mallory.until(lambda m=mallory: not m.is_connected or m.others)  # type: ignore[misc] # mypy does not infer lambdas with defaults
            if mallory.wire.closed is not None:
                assert mallory.wire.closed[0] == MALFORMED
    await pair.works_on()


@pytest.mark.parametrize("seed", range(few_or_many(2, 50)))
async def test_damaged_updates_hurt_nobody(pair: Pair, seed: int) -> None:
    """What editors send, cut short or with a byte changed."""
    rng = random.Random(seed)
    genuine = _genuine_update()
    for _ in range(30):
        damaged = bytearray(genuine)
        if rng.random() < 0.5:
            del damaged[rng.randrange(1, len(damaged)) :]
        else:
            damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        async with await YjsPeer.join(pair.session.invite().url, answers_step1=False) as mallory:
            mallory.send(sync_update(bytes(damaged)))
            mallory.send(b"\x03")
            await mallory.until(lambda m=mallory: not m.is_connected or m.others)  # type: ignore[misc] # mypy does not infer lambdas with defaults
            if mallory.wire.closed is not None:
                assert mallory.wire.closed[0] == MALFORMED
    await pair.works_on()


def _genuine_update() -> bytes:
    writer = YjsPeer(client_id=4711)
    writer.objects["shape"] = Map({"x": 1.5, "label": "box", "points": [1, [2, None]]})
    writer.text.insert(0, "hello w\u00f6rld")
    writer.list.extend([1, "two", {"three": 3}])
    del writer.list[1]
    writer.objects["shape"]["x"] = 2
    return writer.update()


async def test_every_prefix_of_an_update_is_refused(pair: Pair) -> None:
    genuine = _genuine_update()
    lengths = range(len(genuine)) if few_or_many(0, 1) else range(0, len(genuine), 13)
    for length in lengths:
        async with await YjsPeer.join(pair.session.invite().url) as mallory:
            mallory.send(step2(genuine[:length]))
            assert (await mallory.until_closed())[0] == MALFORMED, length


SMALL = [step1(b"\x00"), b"\x01\x01\x00", sync_update(b"\x00\x00"), b"\x03"]


@pytest.mark.timeout(300)
async def test_a_million_small_messages(pair: Pair) -> None:
    """One socket that never pauses; the others' edits still arrive soon."""
    server = pair.session.server
    memory = server.memory()
    async with await YjsPeer.join(pair.session.invite().url) as mallory:
        flood = asyncio.create_task(_flood(mallory, few_or_many(30_000, 1_000_000)))
        while not flood.done():
            await pair.works_on()
            await asyncio.sleep(0.05)
        await flood
        await pair.works_on()
    assert server.memory() - memory < 32 * 1024 * 1024


async def test_questions_of_somebody_who_does_not_read_the_answers(pair: Pair) -> None:
    """What is answered must not pile up: the server stops listening, or closes."""
    server = pair.session.server
    await pair.ada.run("doc.getText('text').insert(0, 'x'.repeat(20_000))")
    await agree(pair.session, pair.ada, pair.bob)
    memory = server.memory()
    async with await YjsPeer.join(pair.session.invite().url) as mallory:
        mallory.pause_reading()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(few_or_many(2, 20)):
                await _flood(mallory, few_or_many(20_000, 200_000))
        await pair.works_on()
        assert server.memory() - memory < 32 * 1024 * 1024
        mallory.resume_reading()
        await mallory.cut()


async def _flood(mallory: YjsPeer, count: int) -> None:
    for number in range(count):
        mallory.send(SMALL[number % len(SMALL)])
        if number % 200 == 0:
            if not mallory.is_connected:
                return  # sent away for it: just as good
            await mallory.sent()


async def test_deep_nesting_by_many_tiny_updates(server: ServerProcess, pair: Pair) -> None:
    """GRD-16: 20,000 levels, one by one: no walk over the document may meet them."""
    depth = 20_000
    async with await YjsPeer.join(pair.session.invite().url, answers_step1=False) as mallory:
        for level in range(depth):
            parent: str | tuple[int, int] = "objects" if level == 0 else (7, level - 1)
            item = raw.item(raw.shared_type(1), parent=parent, key="k")
            mallory.send(sync_update(raw.update(raw.section(7, level, item))))
            if not mallory.is_connected:
                break
            if level % 500 == 0:
                await mallory.sent()
        code, reason = await mallory.until_closed()
        assert code == MALFORMED
        assert "nested" in reason
    state = (await pair.session.state())["objects"]
    levels = 0
    while isinstance(state, dict) and "k" in state:
        state, levels = state["k"], levels + 1
    assert 16 <= levels < 200
    await pair.works_on()
    async with await YjsPeer.join(pair.session.invite().url) as newcomer:
        assert newcomer.contents()["objects"]["k"] is not None


@pytest.mark.parametrize("number", range(len(contradictions())))
async def test_contradictory_neighbours_stall_nobody(pair: Pair, number: int) -> None:
    """Refused, or taken without harm; in either case in no time."""
    async with await YjsPeer.join(pair.session.invite().url, answers_step1=False) as mallory:
        mallory.send(sync_update(contradictions()[number]))
        mallory.send(b"\x03")
        await mallory.until(lambda: not mallory.is_connected or mallory.others)
        await pair.works_on()


async def test_one_key_by_many_clients_stalls_nobody(server: ServerProcess) -> None:
    """yrs needs time by the square of the clients that wrote one key at the same time, and again
    whenever the document is opened: what one attacker makes must stay openable."""
    attacked = await server.create_session()
    count = 10_000
    clients = range(100_000, 100_000 - count, -1)
    sections = [
        raw.section(client, 0, raw.item(raw.values(raw.NULL), parent="objects", key="hot"))
        for client in clients
    ]
    worker = server.worker().pid
    url = attacked.invite().url_with(ack="1")
    async with await YjsPeer.join(url, answers_step1=False) as mallory:
        for start in range(0, len(sections), 500):
            # Patiently: each part is stored before the next one comes.
            mallory.send(sync_update(raw.update(*sections[start : start + 500])))
            await mallory.sent()
            await mallory.until(
                lambda: not mallory.is_connected or mallory.wire.stored == len(mallory.wire.sent)
            )
    # The room leaves memory after a second without anybody in it; then it is opened anew.
    await asyncio.sleep(2.5)
    started = time.monotonic()
    await attacked.update()
    assert time.monotonic() - started < NOTICED
    assert server.worker().pid == worker, "the worker was replaced"


async def test_a_huge_but_honest_document_is_taken_in_slices(
    clients: NodeClients, pair: Pair
) -> None:
    """ROM-6: an update of a megabyte is walked while the others go on."""
    text = "x" * 1000
    async with await YjsPeer.join(pair.session.invite().url) as carol:
        with carol.doc.transaction():
            for number in range(1000):
                carol.objects[f"o{number}"] = {"n": number, "text": text}
        await pair.works_on()
        await carol.sent()
        await pair.works_on()
        await pair.bob.until("contents().objects.o999?.n === 999")
    dave = await clients.join("dave", pair.session.invite())
    await dave.until("Object.keys(contents().objects).length >= 1000")
