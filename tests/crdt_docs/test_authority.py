"""Which updates are held against the rules, and what it takes to know that of the others (RUL)."""

from __future__ import annotations

import random
from typing import Any

import pytest
from pycrdt import Array, Map, Text

from crdt_docs.outline import DocumentLimits
from crdt_docs.room_limits import RoomLimits
from crdt_docs.update_facts import UpdateFacts
from tests.helpers.people import Person
from tests.helpers.ruled import Ruled, host, sticky

LOCKED = ("l1", "l2")
OPEN = ("o1", "o2")


def _room(**options: Any) -> tuple[Ruled, Person, Person]:
    ada, eve = host(1), Person(2)
    room = Ruled(ada, eve, **options)
    ada.set_many({key: sticky(key, is_locked=True) for key in LOCKED})
    ada.set_many({key: sticky(key) for key in OPEN})
    room.settle()
    return room, ada, eve


class _Asked:
    """What the authority of a room answered, whether an update concerns it."""

    def __init__(self, room: Ruled) -> None:
        self.answers: list[bool] = []
        self._authority = room.authority
        self._concerns = room.authority.concerns
        room.authority.concerns = self

    def __call__(self, update: bytes, facts: UpdateFacts) -> bool:
        concerned: bool = self._concerns(update, facts)
        self.answers.append(concerned)
        return concerned


def test_rul_1_what_is_done_beside_locked_objects_is_not_examined() -> None:
    """Not even where all of it comes in one turn, and nothing of it has been read before."""
    room, ada, eve = _room()
    asked = _Asked(room)
    for number in range(5):
        with eve.doc.transaction():
            eve.objects["o1"]["position"] = {"x": number, "y": 1}
    for number in range(5):
        with eve.doc.transaction():
            eve.objects["o2"]["properties"]["text"].insert(number, "x")
    eve.edit(lambda o: o["o2"]["properties"]["text"].__delitem__(slice(1, 4)))
    eve.edit(lambda o: o["o1"]["properties"]["points"].append(4))
    room.settle()
    assert asked.answers == [False] * 12
    assert room.json()["o1"]["position"] == {"x": 4, "y": 1}
    assert ada.json() == eve.json() == room.json()


@pytest.mark.parametrize("value", [True, False, 1, None, "x"])
def test_rul_1_the_value_true_is_looked_at(value: object) -> None:
    """The name of a field that was there before is not said again."""
    room, ada, _ = _room()
    ada.edit(lambda o: o["l1"].update({"is_locked": False}))
    room.settle()
    asked = _Asked(room)
    ada.edit(lambda o: o["l1"].update({"is_locked": value}))
    room.settle()
    assert asked.answers == [value is True]
    assert room.authority.locked == ({"l1", "l2"} if value is True else {"l2"})


def test_rul_1_nothing_is_looked_at_where_nothing_is_locked() -> None:
    room, ada, eve = _room()
    ada.edit(lambda o: [o.pop(key) for key in LOCKED])
    room.settle()
    asked = _Asked(room)
    eve.edit(lambda o: o["o1"].update({"position": {"x": 1, "y": 1}}))
    eve.set("new", Map({"object_type": "shape", "properties": Map({"x": "y"})}))
    room.settle()
    assert asked.answers == [False, False]


def test_rul_1_of_an_update_that_was_not_taken_nothing_is_believed() -> None:
    limits = RoomLimits(document=DocumentLimits(max_clients=1))
    room, _, eve = _room(limits=limits)
    eve.edit(lambda o: o["o1"].update({"layer": 1}))
    room.send(eve)
    room.turn()
    assert eve.client_id not in room.room.document.outline.clocks
    assert eve.client_id not in room.authority._beyond


def _act(rng: random.Random, objects: Map[Any]) -> None:
    key = rng.choice(LOCKED + OPEN)
    properties = objects[key]["properties"]
    match rng.randrange(8):
        case 0:
            objects[key]["position"] = {"x": rng.randrange(9), "y": 1}
        case 1 | 2:
            properties["text"].insert(rng.randrange(len(str(properties["text"])) + 1), "x")
        case 3 if str(properties["text"]):
            del properties["text"][0:1]
        case 4:
            properties["points"].append(rng.randrange(9))
        case 5:
            properties["inner"] = Map({"list": Array([1]), "words": Text("a")})
        case 6 if "inner" in properties:
            properties["inner"]["words"] += "b"
        case _:
            properties.pop("inner", None)


@pytest.mark.parametrize("seed", range(20))
def test_rul_1_whose_a_short_update_is_agrees_with_reading_it(seed: int) -> None:
    room, ada, eve = _room()
    rng = random.Random(seed)
    authority, projector = room.authority, room.projector
    ownership = room.room.document.ownership
    assert ownership is not None
    told = authority.concerns
    passed = 0

    def concerns(update: bytes, facts: UpdateFacts) -> bool:
        nonlocal passed
        answer: bool = told(update, facts)
        if not answer:
            passed += 1
            if rng.random() < 0.3:  # the others go on what was believed of those before
                room.room._edited.apply_pending()
                projector.catch_up()
                foreseen = ownership.foresee(update)
                assert not {entry.key for entry in foreseen.written | foreseen.deleted} & {*LOCKED}
        return answer

    authority.concerns = concerns
    for _ in range(60):
        person = rng.choice([ada, eve])
        person.edit(lambda objects: _act(rng, objects))
        if rng.random() < 0.5:
            room.send(person)
        if rng.random() < 0.3:
            room.settle()
    room.settle()
    assert passed > 5
    assert ada.json() == eve.json() == room.json() == room.reopened()
