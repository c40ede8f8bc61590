"""What people complain about in servers like this one, again and again; one test each."""

from __future__ import annotations

import asyncio
import contextlib
import time

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tests.helpers.node_clients import NodeClients
from tests.helpers.proving import few_or_many
from tests.helpers.server_process import LiveSession, ServerProcess
from tests.helpers.yjs_peer import YjsPeer, contents, step2, sync_update
from tests.interop.agreement import agree

MIB = 1024 * 1024


async def restart(server: ServerProcess) -> None:
    """A graceful stop, and a start on the same data."""
    assert await asyncio.to_thread(server.stop) == 0
    await asyncio.to_thread(server.start)


# Lost data


async def test_lost_data_nothing_is_lost_when_the_server_stops(
    clients: NodeClients, server: ServerProcess, session: LiveSession
) -> None:
    """Edits of the last moment, with nobody waiting for them to be stored."""
    ada = await clients.join("ada", session.invite())
    await ada.run("for (let i = 0; i < 500; i++) doc.getMap('objects').set('k' + i, i)")
    async with await YjsPeer.join(session.invite().url) as bob:
        await bob.until(lambda: len(bob.objects) == 500)
        await ada.run("doc.getMap('objects').set('last', 1)")
        await bob.until(lambda: "last" in bob.objects)
        await ada.run("provider.disconnect()")
    await restart(server)
    assert len((await session.state())["objects"]) == 501


async def test_lost_data_an_empty_document_never_overwrites_a_stored_one(
    clients: NodeClients, server: ServerProcess, session: LiveSession
) -> None:
    """ROM-11: a client with an empty document is the first to come back after a restart."""
    async with await YjsPeer.join(session.invite().url) as ada:
        ada.objects["precious"] = 1
        await agree(session, ada)
    await restart(server)
    empty = await clients.join("empty", session.invite())
    assert (await empty.contents())["objects"] == {"precious": 1}
    async with await YjsPeer.join(session.invite().url) as bob:
        bob.send(step2(b"\x00\x00"))
        await bob.until(lambda: "precious" in bob.objects)
    assert contents(await session.stored())["objects"] == {"precious": 1}


async def test_lost_data_edits_during_a_save_are_saved(session: LiveSession) -> None:
    """Compaction happens every 500 updates; nothing that comes meanwhile may be missed."""
    async with await YjsPeer.join(session.invite().url_with(ack="1")) as ada:
        for number in range(1300):
            ada.objects[f"k{number % 50}"] = number
            if number % 20 == 0:
                await asyncio.sleep(0)
        await ada.until_stored()
    # The room is closed by and by, its snapshot written; then it is loaded again.
    await asyncio.sleep(2)
    async with await YjsPeer.join(session.invite().url) as bob:
        assert bob.objects.to_py() == {f"k{n % 50}": float(n) for n in range(1250, 1300)}


async def test_lost_data_saved_is_not_said_before_it_is(session: LiveSession) -> None:
    async with await YjsPeer.join(session.invite().url_with(ack="1")) as ada:
        for number in range(20):
            ada.objects[f"k{number}"] = number
            await ada.until_stored()
            assert f"k{number}" in contents(await session.stored())["objects"]


# Duplicated content


async def test_duplicated_content_a_stale_client_meets_a_restarted_server(
    clients: NodeClients, server: ServerProcess, session: LiveSession
) -> None:
    """It brings its whole document to a server that has rebuilt the same one from storage."""
    ada = await clients.join("ada", session.invite())
    await ada.run("doc.getText('text').insert(0, 'once'); doc.getArray('list').push([1, 2])")
    await agree(session, ada)
    await ada.run("provider.disconnect(); doc.getText('text').insert(4, ' only')")
    await restart(server)
    bob = await clients.join("bob", session.invite())
    await bob.run("doc.getText('text').insert(0, 'just ')")
    await ada.run("provider.connect()")
    for person in (ada, bob):
        await person.until("doc.getText('text').toString() === 'just once only'")
        assert (await person.contents())["list"] == [1, 2]
    await agree(session, ada, bob)


async def test_duplicated_content_frames_that_come_twice_count_once(session: LiveSession) -> None:
    async with (
        await YjsPeer.join(session.invite().url) as ada,
        await YjsPeer.join(session.invite().url, keeps_frames=True) as bob,
    ):
        ada.text.insert(0, "once")
        await bob.until(lambda: str(bob.text) == "once")
        heard = edits_heard(bob)
        for _ in range(5):
            ada.send(sync_update(ada.update()))
            ada.send(step2(ada.update()))
        ada.objects["after"] = 1
        await bob.until(lambda: "after" in bob.objects)
        assert str(bob.text) == "once"
        # Duplicates are not even passed on.
        assert edits_heard(bob) == heard + 1
        await agree(session, ada, bob)


# Memory that only grows


@pytest.mark.timeout(600)
async def test_memory_opening_and_closing_rooms_leaves_it_flat(server: ServerProcess) -> None:
    rooms = few_or_many(160, 2000)
    sessions = await server.create_sessions(rooms)
    half = rooms // 2
    await visit(sessions[:half])
    between = await settled_memory(server)
    await visit(sessions[half:])
    after = await settled_memory(server)
    # A room of this kind takes about 100 KiB while it is open.
    assert after - between < 4 * MIB + half * 2 * 1024, (between, after)


async def visit(sessions: list[LiveSession]) -> None:
    """Somebody opens each document, edits it, and leaves; a few at a time."""

    async def one(session: LiveSession) -> None:
        async with await YjsPeer.join(session.invite().url, state={}) as peer:
            with peer.doc.transaction():
                for number in range(20):
                    peer.objects[f"k{number}"] = {"x": number, "text": "x" * 100}
            await peer.sent()
        peer.forget()

    for start in range(0, len(sessions), 8):
        await asyncio.gather(*(one(session) for session in sessions[start : start + 8]))


async def settled_memory(server: ServerProcess) -> int:
    """The worker's memory once its rooms are closed."""
    await asyncio.sleep(2.5)
    return server.memory()


async def test_memory_reconnects_leak_nothing(session: LiveSession) -> None:
    """Neither observers, which would repeat every edit, nor memory."""
    server = session.server
    url = session.invite().url
    async with await YjsPeer.join(session.invite().url, keeps_frames=True) as ada:
        with ada.doc.transaction():
            for number in range(200):
                ada.objects[f"k{number}"] = "x" * 500
        await reconnect(url, 50)
        before = server.memory()
        await reconnect(url, few_or_many(150, 2000))
        assert server.memory() - before < 4 * MIB
        heard = edits_heard(ada)
        async with await YjsPeer.join(url) as bob:
            bob.objects["once"] = 1
            await ada.until(lambda: "once" in ada.objects)
            assert edits_heard(ada) == heard + 1


def edits_heard(peer: YjsPeer) -> int:
    """How many sync frames the server has sent."""
    return sum(frame[0] == 0 for frame in peer.wire.received)


async def reconnect(url: str, times: int) -> None:
    """One client comes and goes."""
    peer = YjsPeer(state={})
    for _ in range(times):
        await peer.connect(url)
        await peer.until(lambda: peer.is_synced)
        await peer.cut()
    peer.forget()


async def test_memory_turned_away_clients_leak_nothing(
    server: ServerProcess, session: LiveSession
) -> None:
    nobody = session.invite(None)

    async def knock(times: int) -> None:
        for _ in range(times):
            async with connect(nobody.url) as socket:
                with contextlib.suppress(ConnectionClosed):
                    await socket.recv()

    await knock(50)
    before = server.memory()
    await knock(few_or_many(200, 3000))
    assert server.memory() - before < 2 * MIB


# Reconnect storms


async def test_reconnect_storms_a_rejected_client_does_not_come_again(
    clients: NodeClients, session: LiveSession
) -> None:
    eve = await clients.create("eve", session.invite(None))
    await eve.until("client.ended.length === 1")
    await eve.run("await new Promise(resolve => setTimeout(resolve, 1000))")
    assert await eve.field("sockets") == 1


async def test_reconnect_storms_many_returning_at_once_are_served(session: LiveSession) -> None:
    """Everybody's socket is cut in the same moment."""
    urls = [session.invite().url for _ in range(40)]
    peers = [YjsPeer() for _ in urls]
    for peer, url in zip(peers, urls, strict=True):
        peer.stay_connected(url)
    await asyncio.gather(*(peer.until(lambda p=peer: p.is_synced) for peer in peers))  # type: ignore[misc] # mypy does not infer lambdas with defaults
    peers[0].objects["before"] = 1
    for peer in peers:
        peer.wire.connection.transport.abort()
    started = time.monotonic()
    await asyncio.gather(
        *(
            peer.until(lambda p=peer: len(p.wires) > 1 and p.is_synced and "before" in p.objects)  # type: ignore[misc] # as above
            for peer in peers
        )
    )
    assert time.monotonic() - started < 10
    await asyncio.gather(*(peer.leave() for peer in peers))


# Ghosts and the invisible


async def test_ghosts_dead_sockets_leave_no_presence(
    clients: NodeClients, session: LiveSession
) -> None:
    ada = await clients.join("ada", session.invite())
    ghosts = [await YjsPeer.join(session.invite().url, state={"n": n}) for n in range(10)]
    await ada.until("awareness.getStates().size === 11")
    for ghost in ghosts:
        await ghost.cut()
    await ada.until("awareness.getStates().size === 1", timeout=5)
    newcomer = await clients.join("newcomer", session.invite())
    await newcomer.until("awareness.getStates().size === 2")


async def test_ghosts_a_server_that_restarts_knows_nobody_who_is_not_there(
    clients: NodeClients, server: ServerProcess, session: LiveSession
) -> None:
    gone = await YjsPeer.join(session.invite().url, state={"gone": True})
    ada = await clients.join("ada", session.invite())
    await ada.until("awareness.getStates().size === 2")
    await gone.leave()
    await restart(server)
    await ada.until("client.syncs === 2")
    newcomer = await clients.join("newcomer", session.invite())
    await newcomer.until("awareness.getStates().size === 2")
    assert gone.client_id not in await newcomer.present()


# Slow clients


async def test_slow_clients_miss_nothing_and_cost_nothing(session: LiveSession) -> None:
    """ROM-8: one that does not read is sent one difference later, not a queue of everything."""
    server = session.server
    async with (
        await YjsPeer.join(session.invite().url_with(ack="1"), state={}) as ada,
        await YjsPeer.join(session.invite().url, state={}) as slow,
    ):
        slow.pause_reading()
        before = server.memory()
        for number in range(few_or_many(1500, 10_000)):
            ada.objects[f"k{number % 20}"] = f"{number:06}" + "x" * 10_000
            if number % 20 == 0:
                ada.show({"n": number})
                await ada.until_stored()  # or what waits for the database is measured, too
        await agree(session, ada)
        assert server.memory() - before < 24 * MIB
        slow.resume_reading()
        await agree(session, ada, slow)
        await slow.until(lambda: "n" in slow.others.get(ada.client_id, {}))
        assert len(slow.wires) == 1


# Honest work that others refuse


async def test_honest_work_a_large_paste_is_taken(
    clients: NodeClients, session: LiveSession
) -> None:
    """A page that is closed with 4400 never comes back, and its edits are lost."""
    ada = await clients.join("ada", session.invite())
    await ada.run(
        """
        const shape = (x) => new Y.Map(Object.entries({
          object_type: 'shape', position: { x, y: 2 }, size: { width: 3, height: 4 },
          rotation: 0, layer: 1, is_locked: false, created_by: 'ada',
          properties: new Y.Map([['text', 'hello'], ['color', 'red']])
        }))
        doc.transact(() => {
          for (let i = 0; i < 3000; i++) doc.getMap('objects').set('o' + i, shape(i))
        })
        doc.getMap('objects').set('last', 1)"""
    )
    bob = await clients.join("bob", session.invite())
    await bob.until("Object.keys(contents().objects).length === 3001", timeout=4)
    assert await ada.field("closes") == []


# Authorisation


async def test_auth_read_only_is_enforced(clients: NodeClients, session: LiveSession) -> None:
    ada = await clients.join("ada", session.invite())
    await ada.run("doc.getMap('objects').set('mine', 1)")
    eve = await clients.join("eve", session.invite("viewer"))
    await eve.run("doc.getMap('objects').delete('mine'); doc.getMap('objects').set('hers', 1)")
    await eve.until("client.denials.length > 0")
    assert (await session.state())["objects"] == {"mine": 1}
    assert (await ada.contents())["objects"] == {"mine": 1}


async def test_auth_expiry_is_enforced_on_an_open_socket(session: LiveSession) -> None:
    async with await YjsPeer.join(session.invite(lifetime=2.0).url) as ada:
        code, reason = await ada.until_closed()
        assert code == 4501
        assert reason


# One bad message


async def test_one_bad_message_stops_no_other_room(
    clients: NodeClients, server: ServerProcess, session: LiveSession
) -> None:
    """Nor anybody else in its own."""
    other = await server.create_session()
    there = [await clients.join(name, other.invite()) for name in ("ada", "bob")]
    here = [await clients.join(name, session.invite()) for name in ("carol", "dave")]
    worker = server.worker().pid
    for bad in (
        b"\x00\x02\x05\xff\xff\xff\xff\x0f",
        b"\x00\x02" + b"\xff" * 9,
        b"\x01\xff\xff\xff\xff\x0f",
        b"\xff",
        sync_update(
            b"\x01\x01\x07\x00\x28\x01\x07objects\x01k\x01" + b"\x75\x01" * 40_000 + b"\x7e\x00"
        ),
    ):
        async with await YjsPeer.join(session.invite().url) as mallory:
            mallory.send(bad)
            assert (await mallory.until_closed())[0] == 4400
    for first, second in (there, here):
        await first.run("doc.getMap('objects').set('still', 'here')")
        await second.until("contents().objects.still === 'here'")
        assert await first.field("sockets") == await second.field("sockets") == 1
    assert server.worker().pid == worker


# Blind operation


async def test_blind_operation_it_says_whether_it_can_take_edits(server: ServerProcess) -> None:
    alive = await server.request("GET", "/health")
    ready = await server.request("GET", "/health/ready")
    assert alive.is_success
    assert ready.is_success
