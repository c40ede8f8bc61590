"""Seeded random editing: whatever people do and however the wire delays it, all end up equal, in
sessions and in rooms of headsets, where people have objects in their hands meanwhile.

The room is pure and the wire is pumped by hand, so a seed says exactly what happens. A seed that
ever failed is kept as a named case.
"""

from __future__ import annotations

import random
from typing import Any

import pytest
from pycrdt import Array, Map, Text

from crdt_docs.access import Role
from crdt_docs.hold_permits import RoomPermits
from crdt_docs.identifiers import DocumentKind
from crdt_docs.messages import MessageType, SyncType
from crdt_docs.pacing import Pacing
from crdt_docs.state_vector import walk_state_vector
from tests.helpers.paced import paced
from tests.helpers.people import Person
from tests.helpers.proving import few_or_many
from tests.helpers.ruled import Ruled

UPDATE = bytes((MessageType.SYNC, SyncType.UPDATE))
SEEDS = range(few_or_many(8, 300))

in_each_place = pytest.mark.parametrize(
    "kind", [DocumentKind.OCW, DocumentKind.XR], ids=["session", "room"]
)


def random_edit(person: Person, chance: random.Random) -> None:
    """One thing that a person at a canvas does."""
    objects = person.objects
    keys = sorted(objects.keys())
    key = chance.choice(keys) if keys and chance.random() < 0.7 else f"o{chance.randrange(12)}"
    with person.doc.transaction():
        match chance.randrange(7):
            case 0:
                objects[key] = Map(
                    {
                        "position": {"x": chance.random(), "y": 1},
                        "transform": {"position": {"x": chance.random(), "y": 1, "z": 0}},
                        "text": Text("new"),
                        "list": Array(),
                    }
                )
            case 1 if keys:
                del objects[chance.choice(keys)]
            case 2:
                objects[f"plain{chance.randrange(4)}"] = chance.choice(
                    [None, 1.5, "ü😀", [1, {}], b"b"]
                )
            case _ if isinstance(held := objects.get(key), Map):
                edit_inside(held, chance)


def edit_inside(held: Map[Any], chance: random.Random) -> None:
    """Type, draw or move within one object."""
    text, items = held.get("text"), held.get("list")
    if isinstance(text, Text) and chance.random() < 0.5:
        typed = str(text)
        start = chance.randrange(len(typed) + 1)
        at = len(typed[:start].encode())  # pycrdt counts in UTF-8 bytes
        if typed[start:] and chance.random() < 0.3:
            end = at + len(typed[start : start + chance.randrange(1, 4)].encode())
            del text[at:end]
        else:
            text.insert(at, chance.choice(["a", "é", "word ", "😀"]))
    elif isinstance(items, Array) and chance.random() < 0.5:
        if len(items) and chance.random() < 0.3:
            del items[chance.randrange(len(items))]
        else:
            items.insert(chance.randrange(len(items) + 1), chance.random())
    else:
        place = {"x": chance.random(), "y": chance.random()}
        if chance.random() < 0.5:
            held["position"] = place
        else:
            held["transform"] = {"position": {**place, "z": 0}}


class Party:
    """People who edit, lag, fall behind, leave, come back and try what they may not."""

    def __init__(
        self, seed: int, kind: DocumentKind, *, editors: int, readers: int, pacing: Pacing
    ) -> None:
        self.chance = random.Random(seed)
        self.editors = [Person(number + 1) for number in range(editors)]
        self.readers = [Person(100 + number, Role.VIEWER) for number in range(readers)]
        self.room = Ruled(*self.editors, *self.readers, kind=kind, pacing=pacing)
        self.away: list[Person] = []
        self.in_hands: set[str] = set()
        self._has_hands = kind is DocumentKind.XR

    def step(self) -> None:
        chance = self.chance
        person = chance.choice([*self.editors, *self.readers])
        for _ in range(chance.randrange(1, 4)):
            random_edit(person, chance)
        if person not in self.away:
            self.exchange(person)
        if self._has_hands and chance.random() < 0.2:
            self.take_or_let_go(f"o{chance.randrange(12)}")
        if chance.random() < 0.08:
            self.come_or_go(chance.choice(self.editors + self.readers))
        if chance.random() < 0.5:
            self.room.turn(after=chance.choice([0.0, 0.001, 0.02]))

    def take_or_let_go(self, key: str) -> None:
        """Somebody has an object in their hand, or no longer (RUL-9)."""
        room, holder = self.room.room, self.chance.choice(self.editors)
        if key in self.in_hands:
            room.let_go(key)
            self.in_hands.remove(key)
        elif RoomPermits(room).refusal(holder.member, key) is None:
            room.hold(key, holder.identity.user_id)
            self.in_hands.add(key)

    def exchange(self, person: Person) -> None:
        """Some of what a person has to say, some of what it has to hear."""
        chance = self.chance
        while person.outbox and chance.random() < 0.7:
            self.room.room.receive(person.member, person.outbox.popleft())
        if person.outbox and person.outbox[0][:2] == UPDATE and chance.random() < 0.02:
            person.outbox.popleft()  # an edit lost by a client that is not quite sound
        while person.inbox and chance.random() < 0.7:
            person.hear(person.inbox.popleft())
        member = person.member
        if member.is_behind:
            self.room.room.caught_up(member)
        elif chance.random() < 0.1:
            self.room.room.fell_behind(member)

    def come_or_go(self, person: Person) -> None:
        if person in self.away:
            self.away.remove(person)
            self.room.return_(person)
        else:
            self.away.append(person)
            person.is_offline = True
            self.room.leave(person)

    def finish(self) -> None:
        # A lost deletion leaves no gap that would show: the next connection brings it.
        for person in self.editors + self.readers:
            if person not in self.away:
                self.come_or_go(person)
        for person in list(self.away):
            self.come_or_go(person)
        for person in self.editors + self.readers:
            self.room.room.caught_up(person.member)
        for _ in range(3):
            self.room.settle()
            self.room.now += 10  # debts are called in again


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("is_paced", [False, True], ids=["at once", "paced"])
@in_each_place
def test_everybody_ends_up_with_the_same(kind: DocumentKind, seed: int, *, is_paced: bool) -> None:
    pacing = paced(threshold=0) if is_paced else Pacing()
    party = Party(seed, kind, editors=4, readers=0, pacing=pacing)
    for _ in range(150):
        party.step()
    party.finish()
    expected = party.room.json()
    assert party.room.log
    for person in party.editors:
        assert person.closed is None
        assert person.json() == expected
        assert person.member.debt is None
    assert party.room.reopened() == expected, "and so does the log"
    document = party.room.room.document
    assert document.outline.clocks == walk_state_vector(document._doc.get_state())


@pytest.mark.parametrize("seed", SEEDS)
@in_each_place
def test_readers_who_try_everything_change_nothing(kind: DocumentKind, seed: int) -> None:
    party = Party(seed, kind, editors=3, readers=2, pacing=Pacing())
    readers = {reader.client_id for reader in party.readers}
    for _ in range(150):
        party.step()
    party.finish()
    expected = party.room.json()
    for person in party.editors:
        assert person.json() == expected
    assert party.room.reopened() == expected
    assert any(reader.denials for reader in party.readers)
    emitted_by_readers = [
        commit
        for turn in party.room.turns
        for commit in turn.commits
        if commit.author.user_id.int >= 100
    ]
    for commit in emitted_by_readers:
        assert len(commit.update) < 40, "placeholders only"
    assert readers
