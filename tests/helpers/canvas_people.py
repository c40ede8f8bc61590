"""People at a canvas, or in a room, over real sockets, each with a document and undos of their own.

Whoever edits something leaves a mark in it, so that the states of an object tell by themselves who
made them: `properties.marks` holds, by person, the number of their last edit there.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Self
from uuid import UUID

from pycrdt import Map, Text, UndoManager

from crdt_docs.identifiers import DocumentKind
from crdt_docs.object_fields import TYPE_FIELD
from crdt_docs.object_kinds import KINDS, ObjectKind
from crdt_docs.projection import LIFETIMES
from tests.helpers.live_documents import LiveDocument
from tests.helpers.yjs_peer import YjsPeer

IDS = {
    ObjectKind.OCW_OBJECT: tuple(f"o{n}" for n in range(5)),
    ObjectKind.OCW_ANNOTATION: ("n0", "n1"),
    ObjectKind.XR_OBJECT: tuple(f"x{n}" for n in range(5)),
}
WORDS = ("word ", "é", "\U0001f600", "two\n")

Key = tuple[ObjectKind, str]
"""What it is, and its id."""


class CanvasPerson:
    """Somebody who edits, goes offline and comes back.

    Attributes:
        touched: what they ever edited.
        relayed: by object, whose edits of it they uploaded.
        undone: what they undid or redid anything of.
    """

    def __init__(
        self, name: str, peer: YjsPeer, url: str, user_id: UUID, kind: DocumentKind
    ) -> None:
        self.name = name
        self.peer = peer
        self.user_id = user_id
        self.touched: set[Key] = set()
        self.undone: set[Key] = set()
        self.relayed: dict[Key, set[UUID]] = defaultdict(set)
        self._url = url
        self._edits = 0
        self._roots: dict[ObjectKind, Map[Any]] = {
            each: peer.doc.get(each.root, type=Map) for each in KINDS[kind]
        }
        self._undo = UndoManager(scopes=list(self._roots.values()), capture_timeout_millis=0)

    @classmethod
    async def join(cls, place: LiveDocument, name: str, client_id: int) -> Self:
        """Somebody new, connected and synced, and known by their client id from now on."""
        way_in = place.invite(name=name)
        url = way_in.url_with(ack="1")
        peer = await YjsPeer.join(url, client_id=client_id, keeps_deleted=True)
        person = cls(name, peer, url, way_in.user_id, place.kind)
        person.peer.doc.get("meta", type=Map)[name] = "was here"
        await person.peer.until_stored()
        return person

    @property
    def is_online(self) -> bool:
        """Whether edits are sent now."""
        return self.peer.is_connected

    async def go_offline(self) -> None:
        """What was edited until now is stored before."""
        await self.peer.until_stored()
        await self.peer.cut()

    async def come_back(self) -> None:
        """On a new socket, with the same document."""
        await self.peer.connect(self._url)
        await self.peer.until(lambda: self.peer.is_synced)

    def relay(self, other: CanvasPerson) -> None:
        """Take what somebody else has, by another way, and upload it."""
        update = other.peer.doc.get_update(self.peer.doc.get_state())
        with self.peer.doc.transaction(origin="by hand"):
            self.peer.doc.apply_update(update)
        for key in other.touched:  # more than it brings: an edit that lost shows nowhere
            self.relayed[key].add(other.user_id)

    def states(self) -> dict[Key, Any]:
        """All objects as this person sees them."""
        return {
            (kind, identifier): value
            for kind, held in self._roots.items()
            for identifier, value in held.to_py().items()  # type: ignore[union-attr] # never None
        }

    # Editing

    def edit(self, dice: random.Random) -> None:
        """One thing that a person at a canvas does."""
        if dice.random() < 0.15:
            before = self.states()
            (self._undo.undo if dice.random() < 0.7 else self._undo.redo)()
            after = self.states()
            keys = before.keys() | after.keys()
            self.undone |= {key for key in keys if before.get(key) != after.get(key)}
            self.touched |= self.undone
            return
        kinds = list(self._roots)
        kind = kinds[0 if dice.random() < 0.8 else -1]
        identifier = dice.choice(IDS[kind])
        self._edits += 1
        self.touched.add((kind, identifier))
        with self.peer.doc.transaction():
            self._edit(self._roots[kind], kind, identifier, dice)

    def _edit(self, held: Map[Any], kind: ObjectKind, identifier: str, dice: random.Random) -> None:
        if identifier not in held or dice.random() < 0.05:
            held[identifier] = self._new(kind, dice)
        elif dice.random() < 0.12:
            del held[identifier]
        else:
            self._change(held[identifier], kind, dice)

    def _new(self, kind: ObjectKind, dice: random.Random) -> Map[Any]:
        marks = Map({self.name: self._edits})
        properties = Map({"text": Text(dice.choice(WORDS)), "marks": marks})
        made = {TYPE_FIELD[kind]: "sticky", "properties": properties, **_place(kind, dice)}
        if kind is ObjectKind.OCW_ANNOTATION:
            made["content"] = Text(dice.choice(WORDS))
        return Map(made)

    def _change(self, held: Map[Any], kind: ObjectKind, dice: random.Random) -> None:
        properties = held["properties"]
        properties["marks"][self.name] = self._edits
        match dice.randrange(4):
            case 0:
                held.update(_place(kind, dice))
            case 1:
                held[TYPE_FIELD[kind]] = dice.choice(("sticky", "shape", "frame"))
            case 2:
                is_note = kind is ObjectKind.OCW_ANNOTATION
                _type(held["content"] if is_note else properties["text"], dice)
            case _ if kind is ObjectKind.XR_OBJECT:
                held["lifetime"] = dice.choice(LIFETIMES)
            case _:
                held["layer"] = dice.randrange(5)


def _place(kind: ObjectKind, dice: random.Random) -> dict[str, Any]:
    position = {"x": dice.random(), "y": dice.randrange(100)}
    if kind is not ObjectKind.XR_OBJECT:
        return {"position": position}
    turned = {"x": 0, "y": 0, "z": dice.random(), "w": 1}
    return {"transform": {"position": {**position, "z": -1}, "rotation": turned}}


def _type(text: Text, dice: random.Random) -> None:
    typed = str(text)
    start = dice.randrange(len(typed) + 1)
    at = len(typed[:start].encode())  # pycrdt counts in UTF-8 bytes
    if typed[start:] and dice.random() < 0.4:
        del text[at : at + len(typed[start].encode())]
    else:
        text.insert(at, dice.choice(WORDS))


async def all_agree(people: Sequence[CanvasPerson]) -> None:
    """Wait until everything is stored, and everybody sees the same."""
    for person in people:
        await person.peer.until_stored()
    first = people[0]
    for person in people[1:]:
        await person.peer.until(lambda p=person: p.states() == first.states())  # type: ignore[misc] # mypy does not infer lambdas with defaults
