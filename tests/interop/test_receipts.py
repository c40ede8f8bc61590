"""Acknowledged means stored: `[113][n]` for those who connect with `?ack=1` (PROTOCOL §4)."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator

import asyncpg
import pytest

from tests.helpers.node_clients import NodeClients
from tests.helpers.server_process import LiveSession
from tests.helpers.yjs_peer import YjsPeer, contents, step2, sync_update
from tests.interop.agreement import agree

KEY = re.compile(rb"(ada|bob)-\d+-\d+\.")


@pytest.fixture
async def database(session: LiveSession) -> AsyncIterator[asyncpg.Connection]:
    """A connection of our own to the server's database."""
    connection = await asyncpg.connect(session.server.database_dsn(), timeout=10)
    yield connection
    await connection.close()


async def logged(database: asyncpg.Connection, session: LiveSession) -> bytes:
    """Everything in the session's log at this moment, in one string of bytes."""
    rows = await database.fetch(
        "SELECT u.update FROM document_updates u JOIN documents d ON d.id = u.document_id"
        " WHERE d.name = $1 ORDER BY u.seq",
        f"ocw/{session.id}",
    )
    return b"".join(row["update"] for row in rows)


async def test_every_edit_is_in_the_database_when_it_is_acknowledged(
    session: LiveSession, database: asyncpg.Connection
) -> None:
    async with await YjsPeer.join(session.invite().url_with(ack="1")) as ada:
        for number in range(40):
            ada.objects["k"] = f"marker-{number:04}-"
            await ada.until_stored()
            assert f"marker-{number:04}-".encode() in await logged(database, session)


async def test_under_load_what_is_acknowledged_is_stored(
    session: LiveSession, database: asyncpg.Connection
) -> None:
    """Not only in quiet: many edits in flight, and the log read at moments of our choosing."""
    async with (
        await YjsPeer.join(session.invite().url_with(ack="1")) as ada,
        await YjsPeer.join(session.invite().url_with(ack="1")) as bob,
    ):
        for round_ in range(10):
            for number in range(50):
                for person, peer in (("ada", ada), ("bob", bob)):
                    # A key of its own: a value that was overwritten at once need not be stored.
                    peer.objects[f"{person}-{round_}-{number}."] = number
            await ada.until(lambda: ada.wire.stored > 0)
            promised = [*ada.wire.acknowledged, *bob.wire.acknowledged]
            log = await logged(database, session)
            for frame in promised:
                key = KEY.search(frame)
                assert key is None or key[0] in log
        await asyncio.gather(ada.until_stored(), bob.until_stored())
        await agree(session, ada, bob)


async def test_those_who_did_not_ask_are_sent_none(session: LiveSession) -> None:
    async with await YjsPeer.join(session.invite().url, keeps_frames=True) as ada:
        ada.objects["a"] = 1
        await agree(session, ada)
        assert all(frame[0] != 113 for frame in ada.wire.received)


async def test_a_stock_provider_can_read_them(clients: NodeClients, session: LiveSession) -> None:
    await clients.process.complaints()
    ada = await clients.create("ada", session.invite(), params={"ack": "1"}, connect=False)
    await ada.run(
        """
        provider.messageHandlers[113] = (_encoder, decoder) => {
          let value = 0, factor = 1, byte
          do {
            byte = decoder.arr[decoder.pos++]
            value += (byte & 127) * factor
            factor *= 128
          } while (byte > 127)
          client.acknowledged = value
        }
        provider.connect()"""
    )
    await ada.synced()
    await ada.run("for (let i = 0; i < 200; i++) doc.getMap('objects').set('k' + i, i)")
    # The answer to the server's own step 1 is one, the edits are the others.
    await ada.until("client.acknowledged === 201")
    assert len(contents(await session.stored())["objects"]) == 200
    assert await clients.process.complaints() == []


async def test_an_empty_answer_counts(session: LiveSession) -> None:
    """ROM-5: a client with nothing to give answers the server's step 1 all the same."""
    async with await YjsPeer.join(session.invite().url_with(ack="1")) as ada:
        await ada.until(lambda: ada.wire.stored == 1)
        assert len(ada.wire.sent) == 1


async def test_a_duplicate_is_acknowledged(session: LiveSession) -> None:
    async with await YjsPeer.join(session.invite().url_with(ack="1")) as ada:
        ada.objects["a"] = 1
        await ada.until_stored()
        again = ada.wire.sent[-1]
        ada.send(again)
        ada.send(step2(ada.update()))
        await ada.until_stored()
        assert ada.wire.stored == 4


async def test_a_refused_edit_is_answered_and_counted(session: LiveSession) -> None:
    url = session.invite("viewer").url_with(ack="1")
    async with await YjsPeer.join(url) as eve:
        eve.objects["a"] = 1
        await eve.until_stored()
        assert eve.denials
        assert (await session.state())["objects"] == {}


async def test_what_does_not_connect_is_not_acknowledged(session: LiveSession) -> None:
    """ROM-4, ROM-5: not before what it builds on has come; then it is."""
    url = session.invite().url_with(ack="1")
    async with await YjsPeer.join(url, answers_step1=False, keeps_frames=True) as ada:
        updates: list[bytes] = []
        writer = YjsPeer(client_id=77)
        writer.doc.observe(lambda event: updates.append(event.update))
        for number in range(3):
            writer.objects["k"] = number
        ada.send(sync_update(updates[1]))
        ada.send(sync_update(updates[2]))
        ada.send(sync_update(updates[0]))
        await ada.until(lambda: len(ada.wire.sent) == 3)
        await ada.until(lambda: [f[:2] for f in ada.wire.received].count(b"\x00\x00") == 2)
        await asyncio.sleep(0.1)
        assert ada.wire.stored == 0
        ada.send(step2(writer.update()))
        await ada.until(lambda: ada.wire.stored == 4)
        assert (await session.state())["objects"] == {"k": 2}
