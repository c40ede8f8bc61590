"""Headsets with the browsers' own client of the pose lane, beside stock providers on their sockets.

What the page for XR rooms uses runs here in Node: `attachPoseLane` of `web/client/` on a provider
of y-websocket. Those who have no poses are plain providers.
"""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from typing import Any

import pytest

from server.pages import PAGE_DIRECTORY
from tests.helpers.live_rooms import LiveRoom, live_room
from tests.helpers.node_clients import NodeClient, NodeClients
from tests.helpers.proving import missing
from tests.helpers.server_process import ServerProcess

WEB = PAGE_DIRECTORY.parent
AHEAD = {"x": 0, "y": 0, "z": 0, "w": 1}

ATTACH = """
    const { attachPoseLane } = await import(args.module)
    const attached = attachPoseLane(provider, 'vr_headset')
    client.lane = attached.lane
    client.detach = attached.detach
    client.events = []
    client.lane.subscribe((event) => {
      client.events.push([event.kind, event.participant?.clientId ?? event.object?.objectId])
      if (event.kind === 'put_down') {
        client.found = doc.getMap('objects').get('chair').get('transform').position.x
      }
    })"""

SHOW = """
    const placed = { position: args.position, rotation: { x: 0, y: 0, z: 0, w: 1 } }
    client.lane.show({ head: placed, left: placed, right: null }, performance.now())"""

SEEN = """(() => {
    const person = client.lane.people.find((each) => each.clientId === args.person)
    return person?.at(performance.now())?.head.position.x === args.x && person.device
  })()"""

PLAY = """client.lane.held.find((each) => each.objectId === args.id)
    ?.at(performance.now())?.position.x"""


@pytest.fixture(scope="session")
def lane_module(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The client as JavaScript: what Node 20 can import."""
    compiler = WEB / "node_modules" / ".bin" / "tsc"
    if shutil.which("node") is None or not compiler.exists():
        pytest.skip(missing("`npm ci` in web/, with Node 20 or newer"))
    made = tmp_path_factory.mktemp("pose-lane")
    (made / "package.json").write_text('{"type": "module"}')
    command = [str(compiler), "-p", "tsconfig.test.json", "--outDir", str(made)]
    subprocess.run(command, cwd=WEB, check=True, timeout=60)
    return str(made / "client" / "provider-lane.js")


@pytest.fixture
async def room(server: ServerProcess) -> LiveRoom:
    return await live_room(server)


class Headset:
    """A stock provider with the pose lane beside it."""

    def __init__(self, client: NodeClient) -> None:
        self.client = client

    async def stand(self, x: float) -> None:
        """Tell where the head is."""
        await self.client.run(SHOW, position={"x": x, "y": 1.7, "z": 0})

    async def sees(self, other: Headset, x: float) -> str:
        """Wait until it draws somebody there; their device."""
        seen: str = await self.client.until(SEEN, person=other.client.client_id, x=x)
        return seen

    async def place(self) -> dict[str, int]:
        """Slot and generation, as soon as it is welcomed."""
        found: dict[str, int] = await self.client.until("client.lane.place")
        return found

    async def claim(self, object_id: str) -> str:
        """Ask for an object; why not, or 'granted'."""
        asked = "client.lane.claim(args.id).then(() => 'granted', (error) => error.reason)"
        answer: str = await self.client.run(f"return await {asked}", id=object_id)
        return answer

    async def carry(self, object_id: str, x: float) -> None:
        """Move what is in the hand."""
        position = {"x": x, "y": 1, "z": 0}
        code = "client.lane.move(args.id, { position: args.position, rotation: args.rotation })"
        await self.client.run(code, id=object_id, position=position, rotation=AHEAD)

    async def put_down(self, object_id: str) -> None:
        """Let go of it, and wait until the server says so."""
        await self.client.run("await client.lane.release(args.id, performance.now())", id=object_id)

    async def happened(self) -> list[list[Any]]:
        """What the lane told, in order."""
        told: list[list[Any]] = await self.client.field("events")
        return told


async def headset(clients: NodeClients, room: LiveRoom, name: str, module: str) -> Headset:
    """Somebody who has a place in the room."""
    client = await clients.join(name, room.invite(name=name))
    await client.run(ATTACH, module=module)
    joined = Headset(client)
    await joined.place()
    return joined


async def two(clients: NodeClients, room: LiveRoom, module: str) -> tuple[Headset, Headset]:
    ada = await headset(clients, room, "ada", module)
    return ada, await headset(clients, room, "bob", module)


async def put_chair(client: NodeClient) -> None:
    """An object in the document, at x = 0."""
    await client.run(
        "const chair = new Y.Map()\n"
        "chair.set('object_type', 'model')\n"
        "chair.set('transform', { position: { x: 0, y: 0, z: 0 }, rotation: args.rotation,"
        " scale: { x: 1, y: 1, z: 1 } })\n"
        "doc.getMap('objects').set('chair', chair)",
        rotation=AHEAD,
    )


CHAIR_AT = "doc.getMap('objects').get('chair')?.get('transform').position.x === args.x"


async def test_two_headsets_see_one_another_move(
    clients: NodeClients, room: LiveRoom, lane_module: str
) -> None:
    ada, bob = await two(clients, room, lane_module)
    await asyncio.gather(ada.stand(1.5), bob.stand(-2.0))
    assert await ada.sees(bob, -2.0) == await bob.sees(ada, 1.5) == "vr_headset"
    await bob.stand(-3.25)
    await ada.sees(bob, -3.25)


async def test_newcomers_see_who_stood_there_already(
    clients: NodeClients, room: LiveRoom, lane_module: str
) -> None:
    ada = await headset(clients, room, "ada", lane_module)
    await ada.stand(4.5)
    bob = await headset(clients, room, "bob", lane_module)
    await bob.sees(ada, 4.5)


async def test_a_plain_client_sees_where_headsets_are_and_is_sent_no_poses(
    clients: NodeClients, room: LiveRoom, lane_module: str
) -> None:
    """AWR-15: as `xr` in presence. A stock client would complain about frames it does not know."""
    plain = await clients.join("plain", room.invite())
    await clients.process.complaints()
    ada = await headset(clients, room, "ada", lane_module)
    await ada.stand(2.5)
    place = await ada.place()
    shown = await plain.until(
        "(() => { const xr = awareness.getStates().get(args.id)?.xr;"
        " return xr?.position?.x === 2.5 && xr })()",
        id=ada.client.client_id,
    )
    assert {key: shown[key] for key in place} == place
    assert shown["device"] == "vr_headset"
    assert await clients.process.complaints() == []
    await ada.client.destroy()
    await plain.until("!awareness.getStates().has(args.id)", id=ada.client.client_id)


async def test_what_is_carried_and_put_down_is_in_everybodys_document(
    clients: NodeClients, room: LiveRoom, lane_module: str
) -> None:
    """POS-30, POS-38: one holder; the others see it move, the document where it was put."""
    ada, bob = await two(clients, room, lane_module)
    plain = await clients.join("plain", room.invite())
    await put_chair(plain)
    await asyncio.gather(*(each.client.until(CHAIR_AT, x=0) for each in (ada, bob)))
    await ada.stand(0)
    assert await ada.claim("chair") == "granted"
    assert await bob.claim("chair") == "held"
    await ada.carry("chair", 1.25)
    await bob.client.until(f"{PLAY} === 1.25", id="chair")
    await ada.carry("chair", 3.5)
    await ada.put_down("chair")
    for client in (ada.client, bob.client, plain):
        await client.until(CHAIR_AT, x=3.5)
    await bob.client.until("client.lane.held.length === 0")
    # The document came before the end of the hold: nobody draws it where it was before.
    assert await ada.client.field("found") == await bob.client.field("found") == 3.5
    assert await bob.claim("chair") == "granted"
    assert await ada.claim("no such chair") == "no_object"


async def test_a_new_connection_is_a_new_seat_and_nobody_is_there_twice(
    clients: NodeClients, room: LiveRoom, lane_module: str
) -> None:
    """POS-10, POS-13: what was held is put down, and the pose that stands is told again."""
    ada, bob = await two(clients, room, lane_module)
    await put_chair(ada.client)
    await bob.client.until(CHAIR_AT, x=0)
    await ada.stand(1)
    await bob.sees(ada, 1)
    assert await ada.claim("chair") == "granted"
    before = await ada.place()
    await ada.client.cut()
    await ada.client.until("client.lane.place === null")
    assert await ada.place() != before
    await bob.sees(ada, 1)
    identity = ada.client.client_id
    await bob.client.until("client.lane.held.length === 0")
    told = [kind for kind, about in await bob.happened() if about == identity]
    assert told == ["joined", "gone", "joined"]
    assert ["put_down", "chair"] in await ada.happened()
    assert await bob.claim("chair") == "granted"


async def test_who_leaves_the_lane_keeps_the_document(
    clients: NodeClients, room: LiveRoom, lane_module: str
) -> None:
    ada, bob = await two(clients, room, lane_module)
    await ada.client.run("client.detach()")
    await bob.client.until("client.lane.people.length === 0")
    await put_chair(ada.client)
    await bob.client.until(CHAIR_AT, x=0)
    assert await clients.process.complaints() == []
