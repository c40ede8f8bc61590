"""Presence as stock clients see it: who is there, and nobody else."""

from __future__ import annotations

import asyncio
import time
from typing import Any
from uuid import uuid4

import pytest

from tests.helpers.node_clients import NodeClient, NodeClients, NodeProcess
from tests.helpers.server_process import LiveSession, ServerProcess
from tests.helpers.yjs_peer import YjsPeer, awareness, decode_state_vector
from tests.interop.agreement import agree

AT_ONCE = 1.0
"""Seconds within which a departure or a return must be seen."""


async def sees(client: NodeClient, *others: int) -> None:
    """Wait until a client sees itself and exactly these."""
    wanted = sorted([client.client_id, *others])
    await client.until(
        "JSON.stringify([...awareness.getStates().keys()].sort((a, b) => a - b)) === args.wanted",
        wanted=str(wanted).replace(" ", ""),
    )


async def test_presence_appears_and_changes(clients: NodeClients, session: LiveSession) -> None:
    ada = await clients.join("ada", session.invite(name="Ada"))
    bob = await clients.join("bob", session.invite(name="Bob"))
    await asyncio.gather(sees(ada, bob.client_id), sees(bob, ada.client_id))

    await bob.run("awareness.setLocalStateField('cursor', { x: 1, y: 2 })")
    await ada.until(
        "awareness.getStates().get(args.bob)?.cursor?.x === 1",
        bob=bob.client_id,
    )
    await bob.run("awareness.setLocalStateField('cursor', { x: 3, y: 2 })")
    await ada.until("awareness.getStates().get(args.bob).cursor.x === 3", bob=bob.client_id)
    await bob.run("awareness.setLocalState(null)")
    await sees(ada)
    await bob.run("awareness.setLocalState({ back: true })")
    await sees(ada, bob.client_id)


async def test_newcomers_see_who_is_there_already(
    clients: NodeClients, session: LiveSession
) -> None:
    ada = await clients.join("ada", session.invite(name="Ada"))
    await ada.run("awareness.setLocalStateField('cursor', 7)")
    bob = await clients.join("bob", session.invite())
    await bob.until("awareness.getStates().get(args.ada)?.cursor === 7", ada=ada.client_id)


async def test_presence_tells_who_somebody_really_is(
    clients: NodeClients, session: LiveSession
) -> None:
    """AWR-4: the token says who it is; the client says the rest."""
    ada = await clients.join("ada", session.invite())
    invitation = session.invite("viewer", name="Bob")
    bob = await clients.join("bob", invitation)
    await bob.run(
        "awareness.setLocalStateField('user',"
        " { name: 'Ada', id: 'somebody', role: 'host', kind: 'agent', color: 'red' })"
    )
    await ada.until("awareness.getStates().get(args.bob)?.user?.color", bob=bob.client_id)
    assert (await ada.present())[bob.client_id]["user"] == {
        "id": str(invitation.user_id),
        "name": "Bob",
        "role": "viewer",
        "kind": "user",
        "color": "red",
    }


async def test_presence_goes_when_a_page_is_closed(
    clients: NodeClients, session: LiveSession
) -> None:
    ada = await clients.join("ada", session.invite())
    bob = await clients.join("bob", session.invite())
    await sees(ada, bob.client_id)
    started = time.monotonic()
    await bob.destroy()
    await sees(ada)
    assert time.monotonic() - started < AT_ONCE


async def test_presence_goes_when_a_socket_is_killed(
    clients: NodeClients, session: LiveSession
) -> None:
    ada = await clients.join("ada", session.invite())
    bob = await clients.join("bob", session.invite())
    await sees(ada, bob.client_id)
    started = time.monotonic()
    await bob.run("provider.shouldConnect = false; provider.ws.terminate()")
    await sees(ada)
    assert time.monotonic() - started < AT_ONCE


async def test_presence_goes_when_a_process_is_killed(
    clients: NodeClients, session: LiveSession
) -> None:
    ada = await clients.join("ada", session.invite())
    elsewhere = await asyncio.to_thread(NodeProcess)
    try:
        bob = await NodeClients(elsewhere).join("bob", session.invite())
        await sees(ada, bob.client_id)
    finally:
        started = time.monotonic()
        await asyncio.to_thread(elsewhere.kill)
    await sees(ada)
    assert time.monotonic() - started < AT_ONCE


async def test_the_server_is_nobody(clients: NodeClients, session: LiveSession) -> None:
    """AWR-10: no presence of its own, no client id of its own in the document."""
    ada = await clients.join("ada", session.invite())
    async with await YjsPeer.join(session.invite().url, state={}, keeps_frames=True) as bob:
        await bob.until(lambda: bob.others)
        await ada.run("doc.getMap('objects').set('a', 1)")
        bob.objects["b"] = 1
        await agree(session, ada, bob)
        await sees(ada, bob.client_id)
        people = {ada.client_id, bob.client_id}
        assert set(bob.presence) == people
        assert set(decode_state_vector(bob.doc.get_state())) == people


async def test_a_spectator_is_not_seen_but_sees(clients: NodeClients, session: LiveSession) -> None:
    """AWR-8."""
    ada = await clients.join("ada", session.invite())
    spectator = await clients.join("eve", session.invite("spectator"))
    viewer = await clients.join("bob", session.invite("viewer"))
    await sees(ada, viewer.client_id)
    await sees(spectator, ada.client_id, viewer.client_id)
    await spectator.run("awareness.setLocalStateField('cursor', 1)")
    await viewer.run("awareness.setLocalStateField('cursor', 1)")
    await ada.until("awareness.getStates().get(args.bob)?.cursor === 1", bob=viewer.client_id)
    await sees(ada, viewer.client_id)


async def test_one_person_may_have_two_pages(clients: NodeClients, session: LiveSession) -> None:
    user = uuid4()
    first = await clients.join("first", session.invite(user_id=user))
    second = await clients.join("second", session.invite(user_id=user))
    await asyncio.gather(sees(first, second.client_id), sees(second, first.client_id))
    await first.destroy()
    await sees(second)


@pytest.mark.parametrize("version", ["3.1", "3.0"])
async def test_a_returning_client_is_visible_at_once(
    clients: NodeClients, session: LiveSession, version: str
) -> None:
    """AWR-6: it has the clock that it had, which others would ignore for up to 15 s."""
    ada = await clients.join("ada", session.invite())
    bob = await clients.join("bob", session.invite(), version=version)
    await bob.run("awareness.setLocalStateField('cursor', 1)")
    await sees(ada, bob.client_id)
    await bob.run("provider.shouldConnect = false; provider.ws.terminate()")
    await sees(ada)
    await bob.run("provider.connect()")
    await bob.until("provider.wsconnected")
    started = time.monotonic()
    await sees(ada, bob.client_id)
    assert time.monotonic() - started < AT_ONCE
    # And it goes on from there: its next change is seen, too.
    await bob.run("awareness.setLocalStateField('cursor', 2)")
    await ada.until("awareness.getStates().get(args.bob).cursor === 2", bob=bob.client_id)


async def test_a_returning_client_sees_the_others_at_once(
    clients: NodeClients, session: LiveSession
) -> None:
    """AWR-12: it still knows the clock of everybody's presence, and believes only later ones."""
    ada = await clients.join("ada", session.invite())
    bob = await clients.join("bob", session.invite())
    await ada.run("awareness.setLocalStateField('cursor', 1)")
    await bob.until("awareness.getStates().get(args.ada)?.cursor === 1", ada=ada.client_id)
    await bob.cut()
    await bob.until("client.sockets === 2 && provider.wsconnected")
    await bob.until("awareness.getStates().size === 2", timeout=AT_ONCE)
    await ada.run("awareness.setLocalStateField('cursor', 2)")
    await bob.until("awareness.getStates().get(args.ada)?.cursor === 2", ada=ada.client_id)


async def test_after_a_restart_everybody_sees_everybody_at_once(
    clients: NodeClients, server: ServerProcess, session: LiveSession
) -> None:
    ada = await clients.join("ada", session.invite())
    bob = await clients.join("bob", session.invite())
    await asyncio.gather(sees(ada, bob.client_id), sees(bob, ada.client_id))
    await asyncio.to_thread(server.stop)
    await asyncio.to_thread(server.start)
    for person in (ada, bob):
        await person.until("client.syncs === 2")
    started = time.monotonic()
    await asyncio.gather(sees(ada, bob.client_id), sees(bob, ada.client_id))
    assert time.monotonic() - started < AT_ONCE


async def test_a_client_that_returns_before_it_was_missed_is_never_gone(
    clients: NodeClients, session: LiveSession
) -> None:
    """AWR-3: the old socket hangs; when the server learns of its end, the new presence stays."""
    ada = await clients.join("ada", session.invite())
    invitation = session.invite()
    client_id = 4711
    old = await YjsPeer.join(invitation.url, client_id=client_id, state={"page": 1})
    await sees(ada, client_id)
    old.pause_reading()
    async with await YjsPeer.join(invitation.url, client_id=client_id, state={"page": 2}) as new:
        await sees(ada, client_id)
        await old.cut()
        new.show({"page": 3})
        await ada.until("awareness.getStates().get(args.id)?.page === 3", id=client_id)
        await new.until(lambda: ada.client_id in new.others)
        await sees(ada, client_id)
    await sees(ada)


async def test_nobody_can_speak_for_somebody_else(
    clients: NodeClients, session: LiveSession
) -> None:
    """AWR-2: neither change, nor remove, nor take over the presence of another person."""
    ada = await clients.join("ada", session.invite(name="Ada"))
    bob = await clients.join("bob", session.invite(name="Bob"))
    await ada.run("awareness.setLocalStateField('cursor', 1)")
    await bob.until("awareness.getStates().get(args.ada)?.cursor === 1", ada=ada.client_id)
    async with await YjsPeer.join(session.invite(name="Mallory").url) as mallory:
        mallory.send(awareness([(ada.client_id, 10_000, '{"cursor":666}')]))
        mallory.send(awareness([(ada.client_id, 20_000, "null")]))
        mallory.show({"here": True})  # comes after those before it
        await bob.until("awareness.getStates().get(args.mallory)?.here", mallory=mallory.client_id)
        assert (await bob.present())[ada.client_id]["cursor"] == 1
        assert (await ada.present())[ada.client_id]["cursor"] == 1
        assert (await bob.present())[mallory.client_id]["user"]["name"] == "Mallory"
    await sees(bob, ada.client_id)


async def test_nobody_can_claim_the_id_of_somebody_present_by_joining_with_it(
    clients: NodeClients, session: LiveSession
) -> None:
    ada = await clients.join("ada", session.invite(name="Ada"))
    bob = await clients.join("bob", session.invite(name="Bob"))
    await ada.run("awareness.setLocalStateField('cursor', 1)")
    await bob.until("awareness.getStates().get(args.ada)?.cursor === 1", ada=ada.client_id)
    impostor = await YjsPeer.join(
        session.invite(name="Mallory").url, client_id=ada.client_id, state={"cursor": 666}
    )
    await impostor.leave()
    await bob.run("awareness.setLocalStateField('asked', 1)")
    await ada.until("awareness.getStates().get(args.bob).asked === 1", bob=bob.client_id)
    state = (await bob.present())[ada.client_id]
    assert (state["cursor"], state["user"]["name"]) == (1, "Ada")


async def test_echoes_of_stock_clients_do_not_multiply(
    clients: NodeClients, session: LiveSession
) -> None:
    """AWR-1: y-websocket sends back every change it hears; none of those is broadcast again."""
    people = [await clients.join(f"p{number}", session.invite()) for number in range(6)]
    await sees(people[0], *(person.client_id for person in people[1:]))
    async with await YjsPeer.join(session.invite("spectator").url, keeps_frames=True) as watcher:
        await watcher.until(lambda: len(watcher.others) == 6)
        heard_before = len(watcher.wire.received)
        for number in range(1, 11):
            await people[0].run("awareness.setLocalStateField('n', args.n)", n=number)
            await watcher.until(
                lambda n=number: watcher.others[people[0].client_id].get("n") == n  # type: ignore[misc] # mypy does not infer lambdas with defaults
            )
        assert len(watcher.wire.received) - heard_before == 10


async def test_departed_avatars_do_not_come_back(
    clients: NodeClients, session: LiveSession
) -> None:
    """AWR-2: what somebody late still repeats about people who have left is not believed."""
    ada = await clients.join("ada", session.invite())
    bob = await YjsPeer.join(session.invite().url, state={"cursor": 1})
    await sees(ada, bob.client_id)
    clock = bob.presence[bob.client_id][0]
    await bob.leave()
    await sees(ada)
    async with await YjsPeer.join(session.invite().url, state={"late": True}) as late:
        echo: list[tuple[int, int, Any]] = [(bob.client_id, clock, '{"cursor":1}')]
        late.send(awareness(echo))
        late.show({"late": 2})
        await ada.until("awareness.getStates().get(args.id)?.late === 2", id=late.client_id)
        await sees(ada, late.client_id)
