"""What the server writes into a document, stock Yjs reads alike, and both go on from it (EDT)."""

from __future__ import annotations

import random
from typing import Any
from uuid import UUID

import pytest

from crdt_docs.edit_values import same
from crdt_docs.object_edits import create, delete, merge
from crdt_docs.object_fields import project
from crdt_docs.object_kinds import ObjectKind
from crdt_docs.object_restoring import OnlyShown, put_all_back, put_back
from tests.crdt_docs.editing import Board, document
from tests.helpers.node_clients import NodeClient, NodeClients
from tests.helpers.proving import few_or_many
from tests.helpers.server_process import Invitation

NOWHERE = Invitation("ws://127.0.0.1:9", "nowhere", "", UUID(int=1))
LETTERS = ["a", "b", " ", "é", "e\u0301", "中", "\U0001f600", "👩\u200d🚀", "🇫🇷", "\n"]

# Texts with their formats, as `toDelta` has them; everything else as `toJSON`.
SHOW = """
const show = (value) => {
  if (value instanceof Y.Text) return { delta: value.toDelta() }
  if (value instanceof Y.Map) {
    return Object.fromEntries(Array.from(value.entries(), ([key, item]) => [key, show(item)]))
  }
  return value instanceof Y.Array ? value.toJSON() : value
}
return { objects: show(doc.getMap('objects')), annotations: show(doc.getMap('annotations')) }
"""

# At places between characters, which the test knows as code points.
EDIT = """
const object = doc.getMap('objects').get(args.id)
const text = object?.get?.('properties')?.get?.('text')
if (!(text instanceof Y.Text)) return false
const places = [0]
for (const op of text.toDelta()) {
  const units = typeof op.insert === 'string' ? Array.from(op.insert, (c) => c.length) : [1]
  for (const width of units) places.push(places.at(-1) + width)
}
const at = places[Math.floor(args.where * places.length)]
const next = places.find((place) => place > at)
doc.transact(() => {
  if (args.act === 'insert') text.insert(at, args.text)
  if (args.act === 'delete' && next !== undefined) text.delete(at, next - at)
  if (args.act === 'format' && next !== undefined) text.format(at, next - at, args.formats)
  if (args.act === 'move') object.set('position', { x: args.where, y: 1 })
})
return true
"""
TAKE = "for (const update of args.updates) Y.applyUpdate(doc, new Uint8Array(update))"
GIVE = "return Array.from(Y.encodeStateAsUpdate(doc, new Uint8Array(args.vector)))"


class Table:
    """A document that the server edits, and a stock client's copy of it, apart until they meet."""

    def __init__(self, client: NodeClient, seed: int) -> None:
        self.client = client
        self.board = Board()
        self.draw = random.Random(seed)
        self.past: list[dict[str, Any]] = []

    async def meet(self) -> None:
        """Each gets what the other wrote; they must show the same then.

        The client's part goes last: Yjs removes marks of formats that have nothing left between
        them when it hears of that.
        """
        updates = [list(update) for update in self.board.emitted]
        await self.client.run(TAKE, updates=updates)
        vector = list(self.board.doc.get_state())
        self.board.doc.apply_update(bytes(await self.client.run(GIVE, vector=vector)))
        self.board.emitted.clear()
        shown = await self.client.run(SHOW)
        for root in ("objects", "annotations"):
            found = shown[root]
            assert set(found) == set(self.keys(root))
            for key, value in found.items():
                assert same(document(root, value), self.board.read(root, key))

    def keys(self, root: str) -> list[str]:
        return sorted(key for key in "abc" if self.board.read(root, key) is not None)

    def text(self) -> Any:
        words = "".join(self.draw.choices(LETTERS, k=self.draw.randrange(12)))
        if self.draw.random() < 0.6:
            return words
        formats = self.draw.choice([{"bold": True}, {"link": {"href": "x"}}, {"n": 2**53}])
        parts = [{"insert": words + "."}, {"insert": "bold", "attributes": formats}]
        return {"delta": [*parts, {"insert": {"image": "x", "width": 3}}]}

    def value(self) -> dict[str, Any]:
        number = self.draw.choice([1, -2.5, 2**53, -(2**53), 0.1, 2**31, 1e-7, -0.0])
        value: dict[str, Any] = {
            "object_type": "sticky",
            "position": {"x": number, "y": 0},
            "properties": {"text": self.text(), "list": [1, {"k": None}, "😀"], "flag": True},
        }
        return {key: item for key, item in value.items() if self.draw.random() < 0.9}

    def edit(self) -> None:
        """The server does something."""
        key = self.draw.choice("abc")
        if self.board.read("objects", key) is None:
            self.board.edit(create, "objects", key, {"object_type": "text", **self.value()})
            return
        self.past.append(self.states())
        match self.draw.randrange(5):
            case 0:
                self.board.edit(delete, "objects", key)
            case 1:
                state = project(
                    ObjectKind.OCW_OBJECT, self.draw.choice(self.past).get(key) or {}
                )._asdict()
                self.board.edit(put_back, ObjectKind.OCW_OBJECT, key, state)
            case 2:
                past = {key: OnlyShown(item) for key, item in self.draw.choice(self.past).items()}
                self.board.edit(put_all_back, {"objects": past})
            case _:
                self.board.edit(merge, "objects", key, self.value())

    def states(self) -> dict[str, Any]:
        return {key: self.board.read("objects", key) for key in self.keys("objects")}

    async def person_edits(self) -> None:
        """The stock client does something."""
        await self.client.run(
            EDIT,
            id=self.draw.choice("abc"),
            act=self.draw.choice(["insert", "insert", "delete", "format", "move"]),
            where=self.draw.random(),
            text=self.draw.choice(LETTERS) + "+",
            formats=self.draw.choice([{"bold": True}, {"bold": None}, {"n": 1}]),
        )


@pytest.mark.parametrize("seed", range(few_or_many(6, 300)))
async def test_edt_4_the_server_and_a_stock_client_edit_together(
    clients: NodeClients, seed: int
) -> None:
    client = await clients.create("ada", NOWHERE, connect=False)
    table = Table(client, seed)
    for _ in range(12):
        for _ in range(table.draw.randrange(4)):
            table.edit()
        for _ in range(table.draw.randrange(4)):
            await table.person_edits()
        await table.meet()
    assert await clients.process.complaints() == []


async def test_edt_2_a_stock_client_finds_the_types_it_expects(clients: NodeClients) -> None:
    client = await clients.create("ada", NOWHERE, connect=False)
    table = Table(client, 0)
    value = {"object_type": "sticky", "position": {"x": 1, "y": 2}, "properties": {"text": "x"}}
    table.board.edit(create, "objects", "a", value)
    table.board.edit(create, "annotations", "a", {"annotation_type": "comment", "content": "y"})
    await table.meet()
    kinds = await client.run(
        """
        const object = doc.getMap('objects').get('a')
        const remark = doc.getMap('annotations').get('a')
        return [object, object.get('properties'), object.get('properties').get('text'),
          remark, remark.get('content')].map((type) => type.constructor.name)
          .concat(typeof object.get('position').x, object.get('position').constructor.name)
        """
    )
    assert [kind.lstrip("_") for kind in kinds] == [
        *("YMap", "YMap", "YText", "YMap", "YText", "number", "Object")
    ]
