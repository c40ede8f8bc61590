"""ROM-20: how much longer than usual the edits of one person may take."""

from __future__ import annotations

from crdt_docs.document import Document
from crdt_docs.edit_intake import TOO_LABORIOUS
from crdt_docs.edited_document import PENDING_AT_ONCE
from crdt_docs.messages import CloseCode
from crdt_docs.patience import LABOUR_SECONDS
from tests.helpers.people import Gathering, Person
from tests.helpers.ruled import Ruled, host, sticky


class Toil:
    """A clock by which everything that is measured takes this long."""

    def __init__(self) -> None:
        self.cost = 0.0
        self._now = 0.0

    def __call__(self) -> float:
        self._now += self.cost
        return self._now


def _laborious_room(*people: Person) -> tuple[Gathering, Toil]:
    toil = Toil()
    return Gathering(*people, document=Document(clock=toil)), toil


def _edit(room: Gathering, person: Person, count: int, name: str = "a") -> None:
    for number in range(count):
        person.set(f"{name}{number}", number)
    room.send(person)
    room.turn()


def test_rom_20_whose_edits_take_too_long_is_let_go() -> None:
    ada, ben = Person(1), Person(2)
    room, toil = _laborious_room(ada, ben)
    toil.cost = 0.1
    _edit(room, ada, 100)
    assert ada.closed == (CloseCode.TRY_LATER, TOO_LABORIOUS)
    assert room.room.document.labour < LABOUR_SECONDS + 2 * toil.cost
    toil.cost = 0.0
    _edit(room, ben, 1, "b")
    room.people.remove(ada)
    room.settle()
    assert ben.closed is None
    assert ben.json() == room.json() == room.reopened()
    assert 0 < len(ben.json()) < 100


def test_rom_20_who_comes_back_too_soon_may_read_and_is_asked_again() -> None:
    ada, ben = Person(1), Person(2)
    room, toil = _laborious_room(ada, ben)
    toil.cost = LABOUR_SECONDS + 1
    _edit(room, ada, 1)
    toil.cost = 0.0
    _edit(room, ada, 1, "late")
    assert ada.closed is not None
    room.people.remove(ada)
    ben.set("b", 1)
    room.return_(ada)
    room.settle()
    assert ada.closed is None
    assert "b" in ada.json()
    assert "late0" not in room.json()
    for _ in range(40):
        room.now += 1
        room.settle()
    assert ada.json() == ben.json() == room.json() == {"a0": 0, "late0": 0, "b": 1}


def test_rom_20_usual_edits_cost_no_patience() -> None:
    ada = Person(1)
    room, toil = _laborious_room(ada)
    toil.cost = 0.000_2
    for number in range(100):
        _edit(room, ada, 10, f"{number}-")
    assert ada.member.patience.labour == 0
    assert ada.closed is None


def test_rom_20_what_is_held_against_rules_counts_too() -> None:
    toil = Toil()
    document = Document(clock=toil, with_owners=True)
    hal, ada = host(1), Person(2)
    room = Ruled(hal, ada, document=document)
    hal.set_many({"locked": sticky(is_locked=True)})
    room.settle()
    toil.cost = 0.1
    ada.set("locked", 1)
    room.settle()
    assert ada.denials
    assert 0 < ada.member.patience.labour < LABOUR_SECONDS


def test_rom_20_a_long_edit_is_cut_by_time_instead() -> None:
    ada = Person(1)
    room, toil = _laborious_room(ada)
    toil.cost = 0.1
    ada.set_many({f"k{number}": number for number in range(5000)})
    room.settle()
    assert room.room.document.labour > LABOUR_SECONDS
    toil.cost = 0.0
    _edit(room, ada, 1)
    assert ada.closed is None


def test_rom_20_a_few_updates_are_applied_before_more_are_taken() -> None:
    """Only then is it known how long they take; who was slow before waits for no other."""
    ada = Person(1)
    room, toil = _laborious_room(ada)
    for number in range(PENDING_AT_ONCE):
        ada.set("a", number)
    room.send(ada)
    assert room.room.document.version == 1
    toil.cost = 0.01
    _edit(room, ada, 1)
    version = room.room.document.version
    ada.set("a", "alone")
    room.send(ada)
    assert room.room.document.version == version + 1


def test_rom_20_it_is_forgotten() -> None:
    ada = Person(1)
    room, toil = _laborious_room(ada)
    toil.cost = LABOUR_SECONDS / 2
    _edit(room, ada, 1)
    toil.cost = 0.0
    assert not ada.member.patience.is_restored(room.now)
    assert ada.member.patience.is_restored(room.now + 16)
