"""Rules hold whatever people do, in whatever order (RUL): seeded random editing.

A host, two who keep to the rules, one who breaks them, and one who only watches. All of what is
legal survives, nothing else is ever seen by anybody but its author, and all end up the same. In a
room of headsets somebody besides has an object in their hand. (Undo is tried with Yjs itself, in
`tests/interop`: what yrs undoes it may show without encoding it.)
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from pycrdt import Array, Map, Text

from crdt_docs.access import Role
from crdt_docs.identifiers import DocumentKind
from crdt_docs.object_reader import ObjectReader
from crdt_docs.rules import SessionRules
from tests.helpers.people import Person
from tests.helpers.proving import few_or_many
from tests.helpers.ruled import Ruled, Witness, as_value, host, sticky

LOCKED = ("l1", "l2", "l3")
OPEN = ("o1", "o2", "o3")
*FREE, IN_HAND = OPEN
SOMEBODY = UUID(int=5)
HERE = {"position": {"x": 1, "y": 2, "z": 3}}
ROUNDS = 40

Act = Callable[[random.Random, Map[Any], str], object]


def _type(rng: random.Random, objects: Map[Any], key: str) -> None:
    text = objects[key]["properties"]["text"]
    text.insert(rng.randint(0, len(str(text))), rng.choice("xyz") * rng.randint(1, 3))


def _erase(rng: random.Random, objects: Map[Any], key: str) -> None:
    text = objects[key]["properties"]["text"]
    if str(text):
        start = rng.randrange(len(str(text)))
        del text[start : min(start + 2, len(str(text)))]


def _move(rng: random.Random, objects: Map[Any], key: str) -> None:
    place = {"x": rng.randint(0, 99), "y": 1}
    if "transform" in objects[key]:
        objects[key]["transform"] = {"position": {**place, "z": 0}}
    else:
        objects[key]["position"] = place


def _grow(rng: random.Random, objects: Map[Any], key: str) -> None:
    points = objects[key]["properties"]["points"]
    if len(points) and rng.random() < 0.4:
        del points[rng.randrange(len(points))]
    else:
        points.insert(rng.randint(0, len(points)), rng.randint(0, 9))


def _part(rng: random.Random, objects: Map[Any], key: str) -> None:
    parts = objects[key]["properties"]["parts"]
    if len(parts):
        parts[0]["a"] = rng.randint(0, 99)


def _swap(rng: random.Random, objects: Map[Any], key: str) -> None:
    objects[key]["properties"] = Map(
        {"text": Text("new"), "points": Array([rng.randint(0, 9)]), "parts": Array([Map()])}
    )


def _replace(rng: random.Random, objects: Map[Any], key: str) -> None:
    objects[key] = sticky(f"other {rng.randint(0, 9)}")


def _remove(rng: random.Random, objects: Map[Any], key: str) -> None:
    del objects[key]


def _unlock(rng: random.Random, objects: Map[Any], key: str) -> None:
    objects[key]["is_locked"] = rng.choice([False, None, "yes"])


ACTS: tuple[Act, ...] = (_type, _erase, _move, _grow, _part)
BREAKS: tuple[Act, ...] = (*ACTS, _swap, _replace, _remove, _unlock)


class _Evening:
    """One seed."""

    def __init__(self, seed: int, kind: DocumentKind) -> None:
        self.rng = random.Random(seed)
        self.ada, self.ben = host(1), Person(2)
        self.eve, self.sam = Person(3), Person(4, Role.SPECTATOR)
        people = (self.ada, self.ben, self.eve, self.sam)
        self.room = Ruled(*people, rules=SessionRules(), kind=kind)
        placed = {"transform": HERE} if kind is DocumentKind.XR else {}
        self.ada.set_many({key: sticky(key, is_locked=True, **placed) for key in LOCKED})
        self.ada.set_many({key: sticky(key, **placed) for key in OPEN})
        self.room.settle()
        if placed:
            self.room.room.hold(IN_HAND, SOMEBODY)
        self.protected = _protected(self.ada.doc)
        self.witnesses = [Witness(person, _protected) for person in (self.ada, self.sam)]
        self.expected: dict[str, int] = {}

    def break_rules(self) -> None:
        """Eve does what she may not, and in the same transaction what she may."""
        number = self.rng.randint(1, 10**6)

        def change(objects: Map[Any]) -> None:
            for _ in range(self.rng.randint(1, 3)):
                key = self.rng.choice(LOCKED)
                if isinstance(objects.get(key), Map) and "properties" in objects[key]:
                    self.rng.choice(BREAKS)(self.rng, objects, key)
            if self.rng.random() < 0.5:
                name = f"eve's {self.rng.randint(0, 5)}"
                objects[name] = Map({"object_type": "shape", "number": number})
                self.expected[name] = number

        self.eve.edit(change)

    def keep_rules(self, person: Person) -> None:
        """Somebody does what they may. What is in a hand others move, but no witness."""
        key = self.rng.choice(OPEN if person is not self.ada else FREE)
        person.edit(lambda objects: self.rng.choice(ACTS)(self.rng, objects, key))

    def play(self) -> None:
        """A random round."""
        match self.rng.randint(0, 9):
            case 0 | 1 | 2 | 3:
                self.break_rules()
            case 4 | 5:
                self.keep_rules(self.eve)
            case 6 if not self.eve.is_offline:
                self.eve.is_offline = True
                self.room.leave(self.eve)
            case 7 if self.eve.is_offline:
                self.room.return_(self.eve)
            case _:
                self.keep_rules(self.rng.choice([self.ada, self.ben]))
        if self.rng.random() < 0.4:
            self.room.settle()
            assert _protected(self.room.room.document._doc) == self.protected

    def end(self) -> None:
        """Everybody is there, and all is quiet."""
        if self.eve.is_offline:
            self.room.return_(self.eve)
        self.room.settle()


def _protected(doc: Any) -> Any:
    """What is locked, and where it is what somebody holds."""
    objects = doc.get("objects", type=Map)
    held = as_value(objects.get(IN_HAND)) or {}
    return {IN_HAND: held.get("transform"), **{key: as_value(objects.get(key)) for key in LOCKED}}


@pytest.mark.parametrize("seed", range(few_or_many(25, 1000)))
@pytest.mark.parametrize("kind", [DocumentKind.OCW, DocumentKind.XR], ids=["session", "room"])
def test_rul_5_what_is_locked_stays_and_what_is_legal_survives(
    kind: DocumentKind, seed: int
) -> None:
    evening = _Evening(seed, kind)
    for _ in range(ROUNDS):
        evening.play()
    evening.end()
    room = evening.room
    assert [witness.seen for witness in evening.witnesses] == [[evening.protected]] * 2
    for name, number in evening.expected.items():
        assert room.json()[name]["number"] == number, name
    everything = room.json()
    for person in room.people:
        assert person.json() == everything, person.identity.name
        assert person.closed is None
    assert room.reopened() == everything
    reader = ObjectReader(room.room.document._doc)
    assert room.authority.locked == {key for key in LOCKED if reader.is_locked("objects", key)}
