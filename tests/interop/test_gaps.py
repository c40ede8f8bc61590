"""One client's updates out of order, with some missing: everything arrives in the end (ROM-4)."""

from __future__ import annotations

import asyncio
import random

import pytest

from tests.helpers.node_clients import NodeClients
from tests.helpers.proving import few_or_many
from tests.helpers.random_edits import random_edit
from tests.helpers.server_process import LiveSession, ServerProcess
from tests.helpers.yjs_peer import YjsPeer, contents, sync_update
from tests.interop.agreement import agree

SEEDS = range(few_or_many(2, 100))


@pytest.mark.parametrize("seed", SEEDS)
async def test_shuffled_and_dropped_updates_arrive_in_the_end(
    session: LiveSession, seed: int
) -> None:
    rng = random.Random(seed)
    updates: list[bytes] = []
    async with (
        await YjsPeer.join(session.invite().url) as bob,
        await YjsPeer.join(session.invite().url) as ada,
    ):
        recording = ada.doc.observe(lambda event: updates.append(event.update))
        for _ in range(3):
            # What she does goes nowhere by itself here: the test sends it, in its own order.
            ada.is_muted = True
            updates.clear()
            for _ in range(rng.randint(5, 60)):
                random_edit(ada.doc, rng)
            ada.is_muted = False
            batch = [update for update in updates if rng.random() > 0.2]
            rng.shuffle(batch)
            for update in batch:
                ada.send(sync_update(update))
                if rng.random() < 0.1:
                    await asyncio.sleep(0)
            bob.objects["bob"] = rng.random()
            random_edit(ada.doc, rng)  # and the next one reaches the server as usual
        ada.doc.unobserve(recording)
        ada.text += "."
        await agree(session, ada, bob)


async def test_stock_clients_that_lose_a_frame_bring_what_is_missing(
    clients: NodeClients, session: LiveSession
) -> None:
    """A proxy, say, swallows a message without closing the socket."""
    ada = await clients.join("ada", session.invite())
    bob = await clients.join("bob", session.invite())
    await ada.run(
        """
        const send = provider.ws.send
        let count = 0
        provider.ws.send = function (...message) {
          if (new Uint8Array(message[0])[1] === 2 && count++ === 1) return
          send.apply(this, message)
        }
        for (let i = 0; i < 100; i++) {
          doc.getMap('objects').set('k' + i, i)
          doc.getText('text').insert(0, i + ' ')
          if (i % 20 === 0) await new Promise(resolve => setTimeout(resolve, 2))
        }
        provider.ws.send = send
        doc.getMap('objects').set('last', 1)"""
    )
    await bob.until("Object.keys(contents().objects).length === 101")
    await agree(session, ada, bob)
    assert await ada.field("sockets") == 1


async def test_deletions_of_what_has_not_come_yet_are_not_forgotten(session: LiveSession) -> None:
    updates: list[bytes] = []
    writer = YjsPeer()
    writer.doc.observe(lambda event: updates.append(event.update))
    writer.objects["kept"] = 1
    writer.objects["gone"] = 1
    del writer.objects["gone"]
    created, made, deletion = updates
    async with await YjsPeer.join(session.invite().url) as ada:
        with ada.doc.transaction():
            ada.is_muted = True
            ada.doc.apply_update(writer.update())
        ada.is_muted = False
        for update in (deletion, made, created):
            ada.send(sync_update(update))
        async with await YjsPeer.join(session.invite().url) as bob:
            await bob.until(lambda: bob.objects.to_py() == {"kept": 1})
            await agree(session, ada, bob)


async def test_somebody_who_never_brings_what_is_missing_costs_nothing(
    server: ServerProcess, session: LiveSession
) -> None:
    """Nothing parked grows, and the others do not notice."""
    count = few_or_many(3_000, 50_000)
    writer = YjsPeer()
    updates: list[bytes] = []
    writer.doc.observe(lambda event: updates.append(event.update))
    for number in range(count // 10):
        writer.objects[f"k{number}"] = "x" * 1000
    url = session.invite().url
    async with (
        await YjsPeer.join(session.invite().url) as ada,
        await YjsPeer.join(session.invite().url) as bob,
        await YjsPeer.join(url, answers_step1=False) as thief,
    ):
        before = server.memory()
        for number in range(count):
            thief.send(sync_update(updates[1 + number % (len(updates) - 1)]))
            if number % 100 == 0:
                await thief.sent()
        await thief.sent()
        ada.objects["a"] = 1
        await bob.until(lambda: "a" in bob.objects)
        await agree(session, ada, bob)
        assert contents(await session.update())["objects"] == {"a": 1}
        assert server.memory() - before < 8 * 1024 * 1024
