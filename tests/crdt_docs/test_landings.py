"""POS-41: where objects came to rest reaches the document, whatever happens meanwhile."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
from pycrdt import Doc, Map

from crdt_docs.document import DocumentBroken
from crdt_docs.errors import LimitExceeded, NotNow
from crdt_docs.hold_effects import Effect, Ended, Granted, Landed
from crdt_docs.hold_permits import RoomPermits
from crdt_docs.holds import Holds
from crdt_docs.landings import Landings
from crdt_docs.member import Member
from crdt_docs.pose_messages import TransformUp
from crdt_docs.poses import Transform, encode_transform
from crdt_docs.room_limits import RoomLimits
from tests.helpers.holding import UPRIGHT
from tests.helpers.people import Person
from tests.helpers.proving import few_or_many
from tests.helpers.ruled import Ruled, host

KEYS = ("chair", "table", "lamp")


def _at(x: float) -> Transform:
    return Transform(0, 0, (x, 0.0, 0.0), UPRIGHT)


class _Hall:
    """A room with holds, joined as a server joins them."""

    def __init__(self, limits: RoomLimits | None = None) -> None:
        self.people = [host(1), Person(2), Person(3)]
        self.room = Ruled(*self.people, limits=limits)
        self.people[0].set_many({key: Map({"object_type": "furniture"}) for key in KEYS})
        self.room.settle()
        self.room.take()
        self.holds: Holds[Member] = Holds(RoomPermits(self.room.room))
        self.landings: Landings[Member] = Landings()
        self.edits = 0

    def carry_out(self, effects: tuple[Effect[Member], ...]) -> None:
        """What a server does with effects."""
        for effect in effects:
            match effect:
                case Granted(object_id=key, holder=holder):
                    self.room.room.hold(key, holder.identity.user_id)
                case Ended(object_id=key):
                    self.room.room.let_go(key)
                case Landed():
                    self.landings.add(effect)
        self.landings.write(self.edit)

    def edit(self, holder: Member, change: Callable[[Doc[Any]], int]) -> int:
        """As a room edits for a holder."""
        self.edits += 1
        return self.room.room.edit(holder.identity, change, may_grow=False)

    def grab(self, person: Person, key: str, now: float = 0.0) -> Granted[Member] | None:
        """Somebody claims something; None: they do not get it."""
        effects = self.holds.claim(person.member, key, 0, now)
        self.carry_out(effects)
        return next((each for each in effects if isinstance(each, Granted)), None)

    def has_something(self, person: Person) -> bool:
        """In their hand: what they do to it in the document is their own business."""
        return any(each.holder is person.member for each in self.holds.standing())

    def move(self, grant: Granted[Member], x: float, now: float = 0.0) -> None:
        """It follows the hand."""
        sequence = grant.sequence & 0xFFFF
        record = encode_transform(Transform(grant.object_slot, sequence, (x, 0.0, 0.0), UPRIGHT))
        up = TransformUp(grant.object_slot, sequence, record)
        assert self.holds.take_transforms(grant.holder, [up], 1, now) == 0
        self.holds.renew(grant.holder, now)

    def place(self, key: str) -> float | None:
        """Where everybody reads that it is."""
        x = self.room.json()[key].get("transform", {}).get("position", {}).get("x")
        return None if x is None else float(x)


def test_pos_41_one_edit_for_all_that_somebody_drops_at_once() -> None:
    hall = _Hall()
    _, ben, _ = hall.people
    for number, key in enumerate(KEYS, 1):
        grant = hall.grab(ben, key)
        assert grant is not None
        hall.move(grant, number)
    hall.carry_out(hall.holds.leave(ben.member, 0.0))
    assert hall.edits == 1
    hall.room.settle()
    assert [hall.place(key) for key in KEYS] == [1.0, 2.0, 3.0]
    assert {change.author.user_id for change in hall.room.take()} == {ben.identity.user_id}
    hall.people[2].edit(lambda o: o["chair"].update({"transform": {"position": {"x": 9}}}))
    hall.room.settle()
    assert hall.place("chair") == 9.0, "nobody holds it any more"


def test_pos_41_while_the_database_is_behind_the_last_place_waits() -> None:
    hall = _Hall()
    hall.room.room.accepts_edits = False
    for x, person in enumerate(hall.people, 1):
        grant = hall.grab(person, "chair")
        assert grant is not None
        hall.move(grant, x)
        hall.carry_out(hall.holds.leave(person.member, 0.0))
    assert len(hall.landings) == 1
    assert not hall.landings.write(hall.edit)
    hall.room.room.accepts_edits = True
    assert hall.landings.write(hall.edit)
    assert (len(hall.landings), hall.place("chair")) == (0, 3.0)


def test_pos_41_a_full_document_has_room_for_it() -> None:
    hall = _Hall(RoomLimits(document_bytes=2000))
    room, ben = hall.room.room, hall.people[1]
    room.edit(ben.identity, lambda doc: doc.get("objects", type=Map).update({"big": "x" * 2000}))
    with pytest.raises(LimitExceeded):
        room.edit(ben.identity, lambda _: None)
    hall.landings.add(Landed("chair", _at(1.0), ben.member))
    assert hall.landings.write(hall.edit)
    assert hall.place("chair") == 1.0


def test_pos_41_what_comes_while_it_is_written_waits_for_the_next() -> None:
    """An edit ends a turn, and that may end holds."""
    landings: Landings[str] = Landings()
    landings.add(Landed("chair", _at(1.0), "ada"))
    written: list[tuple[str, int]] = []

    def edit(holder: str, _change: object) -> None:
        if not written:
            landings.add(Landed("chair", _at(2.0), "ben"))
        written.append((holder, len(landings)))

    assert landings.write(edit)
    assert written == [("ada", 1), ("ben", 1)]
    assert len(landings) == 0


@pytest.mark.parametrize("error", [NotNow, DocumentBroken])
def test_pos_41_what_could_not_be_written_still_waits(error: type[Exception]) -> None:
    landings: Landings[str] = Landings()
    landings.add(Landed("chair", _at(1.0), "ada"))

    def edit(_holder: str, _change: object) -> None:
        raise error("no")

    if error is NotNow:
        assert not landings.write(edit)
    else:
        with pytest.raises(error):
            landings.write(edit)
    assert len(landings) == 1


def _interfere(rng: random.Random, objects: Map[Any]) -> None:
    """What somebody does to the document beside all hands."""
    key = rng.choice(KEYS)
    stands = objects.get(key)
    if not isinstance(stands, Map):
        objects[key] = Map({"object_type": "furniture"})
    elif rng.random() < 0.1:
        del objects[key]
    elif rng.random() < 0.5:
        stands["transform"] = {"position": {"x": -rng.random()}}
    else:
        stands["layer"] = rng.randrange(9)


@pytest.mark.parametrize("seed", range(few_or_many(6, 100)))
def test_pos_41_what_was_last_seen_of_a_held_object_is_in_the_document(seed: int) -> None:
    """RUL-9, POS-38: people grab, move, edit, die and lose the database, at random."""
    rng = random.Random(seed)
    hall = _Hall()
    now = 0.0
    grants: dict[str, Granted[Member]] = {}
    seen: dict[str, float] = {}
    for step in range(1, 120):
        person, key = rng.choice(hall.people), rng.choice(KEYS)
        match rng.randrange(8):
            case 0 | 1:
                grant = hall.grab(person, key, now)
                if grant is not None:
                    grants[key] = grant
                    seen.pop(key, None)
            case 2 | 3 | 4 if key in grants:
                hall.move(grants[key], step, now)
                seen[key] = step
            case 5:
                hall.carry_out(hall.holds.leave(person.member, now))
            case 6:
                now += rng.choice([0.3, 1.5, 6.0])
                hall.room.room.accepts_edits = rng.random() < 0.8
                hall.carry_out(hall.holds.tick(now))
            case 7 if hall.room.room.accepts_edits and not hall.has_something(person):
                person.edit(lambda objects: _interfere(rng, objects))
        held = {each.object_id: each for each in hall.holds.standing()}
        ended = grants.keys() - held.keys()
        if hall.room.room.accepts_edits:
            assert len(hall.landings) == 0 or hall.landings.write(hall.edit)
            for each in ended & seen.keys() & hall.room.json().keys():
                assert hall.place(each) == seen.pop(each)
        for each in ended:
            del grants[each]
        hall.room.settle()
    hall.room.room.accepts_edits = True
    hall.landings.write(hall.edit)
    hall.room.settle()
    ada, ben, eve = hall.people
    assert ada.json() == ben.json() == eve.json() == hall.room.json() == hall.room.reopened()
