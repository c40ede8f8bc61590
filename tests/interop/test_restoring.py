"""Restoring reaches stock clients as an ordinary edit, and can be undone (HST-3, ROM-19)."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.helpers.node_clients import NodeClient, NodeClients
from tests.helpers.server_process import LiveSession, mint

PUT = """
const objects = doc.getMap('objects')
objects.set(args.id, new Y.Map([
  ['object_type', 'sticky'],
  ['position', {x: args.x, y: 0}],
  ['properties', new Y.Map([['text', new Y.Text(args.text)]])],
]))
"""
MOVE = "doc.getMap('objects').get(args.id).set('position', {x: args.x, y: 0})"
TYPE = "doc.getMap('objects').get(args.id).get('properties').get('text').insert(args.at, args.text)"
X_IS = "doc.getMap('objects').get(args.id)?.get('position')?.x === args.x"
TEXT_IS = (
    "doc.getMap('objects').get(args.id)?.get('properties').get('text').toString() === args.text"
)


class Ana:
    """The person who restores, with her own token."""

    def __init__(self, session: LiveSession) -> None:
        self.session = session
        self.user_id = uuid4()
        token = mint(self.user_id, grants={f"ocw/{session.id}": "host"})
        self.headers = {"Authorization": f"Bearer {token}"}

    async def call(self, method: str, path: str, **options: Any) -> Any:
        """A request below the session; its data."""
        url = f"{self.session.server.api}/ocw/sessions/{self.session.id}{path}"
        async with httpx.AsyncClient(timeout=30.0, headers=self.headers) as client:
            response = await client.request(method, url, **options)
        assert response.status_code in (200, 201), response.text
        return response.json()["data"]

    async def history(self, identifier: str) -> list[dict[str, Any]]:
        """Of one object, oldest first."""
        data = await self.call("GET", f"/objects/{identifier}/history")
        items: list[dict[str, Any]] = data["items"]
        return items[::-1]


@pytest.fixture
async def people(clients: NodeClients, session: LiveSession) -> tuple[Ana, list[NodeClient]]:
    """Somebody who restores, and two stock clients of either version of y-websocket."""
    stock = [
        await clients.join(name, session.invite(), version=version, params={"ack": "1"})
        for name, version in (("ben", "3.1"), ("cem", "3.0"))
    ]
    return Ana(session), stock


async def everybody(stock: list[NodeClient], expression: str, **args: Any) -> None:
    for client in stock:
        await client.until(expression, **args)


async def test_an_object_is_restored_alone_and_that_is_undone(
    people: tuple[Ana, list[NodeClient]],
) -> None:
    ana, stock = people
    ben, cem = stock
    await ben.run(PUT, id="a", x=1, text="one")
    await cem.until(X_IS, id="a", x=1)
    await cem.run(PUT, id="b", x=1, text="stays")
    await everybody(stock, X_IS, id="b", x=1)
    await ana.call("DELETE", "/objects/a")
    await everybody(stock, "!doc.getMap('objects').has('a')")
    await ana.call("POST", "/objects/a/restore", json={"version": 1})
    await everybody(stock, X_IS, id="a", x=1)
    await everybody(stock, TEXT_IS, id="a", text="one")
    rows = await ana.history("a")
    kinds = [row["change_type"] for row in rows]
    assert kinds[0] == "create"
    assert kinds[-2:] == ["delete", "restore"]
    assert [row["version"] for row in rows] == list(range(1, len(rows) + 1))
    assert rows[-1]["changed_by"] == str(ana.user_id)
    # It is an ordinary edit: others go on from it, and it is taken back as it was made.
    await cem.run(TYPE, id="a", at=3, text=" more")
    await ben.until(TEXT_IS, id="a", text="one more")
    await ana.call("POST", "/objects/a/restore", json={"version": rows[-2]["version"]})
    await everybody(stock, "!doc.getMap('objects').has('a')")
    await everybody(stock, X_IS, id="b", x=1)
    assert [row["version"] for row in await ana.history("b")] == [1], "nobody touched it"


async def test_a_session_is_restored_and_that_is_undone(
    people: tuple[Ana, list[NodeClient]],
) -> None:
    ana, stock = people
    ben, cem = stock
    await ben.run(PUT, id="a", x=1, text="one")
    await ben.run(PUT, id="b", x=1, text="two")
    await everybody(stock, X_IS, id="b", x=1)
    snapshot = await ana.call("POST", "/snapshots", json={"label": "before the workshop"})
    await cem.run(MOVE, id="a", x=5)
    await cem.run(TYPE, id="a", at=0, text="not ")
    await cem.run("doc.getMap('objects').delete('b')")
    await cem.run(PUT, id="c", x=1, text="new")
    await everybody(stock, X_IS, id="c", x=1)
    restored = await ana.call("POST", "/restore", json={"snapshot_id": snapshot["id"]})
    assert restored["changed"] == 3
    await everybody(stock, X_IS, id="a", x=1)
    await everybody(stock, TEXT_IS, id="a", text="one")
    await everybody(stock, TEXT_IS, id="b", text="two")
    await everybody(stock, "!doc.getMap('objects').has('c')")
    for identifier in "abc":
        last = (await ana.history(identifier))[-1]
        assert (last["change_type"], last["changed_by"]) == ("restore", str(ana.user_id))
    await ana.call("POST", "/restore", json={"seq": restored["seq"] - 1})
    await everybody(stock, TEXT_IS, id="a", text="not one")
    await everybody(stock, "!doc.getMap('objects').has('b')")
    await everybody(stock, X_IS, id="c", x=1)


async def test_a_persons_own_undo_goes_on_working(people: tuple[Ana, list[NodeClient]]) -> None:
    """The restored object is somebody else's edit: undoing one's own does not take it back."""
    ana, stock = people
    ben, _ = stock
    await ben.run(PUT, id="a", x=1, text="one")
    await everybody(stock, X_IS, id="a", x=1)
    await ben.run(PUT, id="mine", x=1, text="to be undone")
    await everybody(stock, X_IS, id="mine", x=1)
    await ana.call("DELETE", "/objects/a")
    await everybody(stock, "!doc.getMap('objects').has('a')")
    await ana.call("POST", "/objects/a/restore", json={"version": 1})
    await everybody(stock, TEXT_IS, id="a", text="one")
    await ben.run("undo.undo()")
    await everybody(stock, "!doc.getMap('objects').has('mine')")
    await everybody(stock, TEXT_IS, id="a", text="one")
