"""ROM-19: edits by the server, in somebody's name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from pycrdt import Doc, Map

from crdt_docs.document import DocumentBroken
from crdt_docs.errors import LimitExceeded, NotNow
from crdt_docs.identifiers import Identity
from crdt_docs.messages import CloseCode
from crdt_docs.room_limits import RoomLimits
from tests.helpers.people import Gathering, Person

CLERK = Identity(UUID(int=77), "Clerk")


def put(key: str, value: object) -> Callable[[Doc[Any]], str]:
    def change(doc: Doc[Any]) -> str:
        doc.get("objects", type=Map)[key] = value
        return key

    return change


def test_rom_19_everybody_sees_it_and_it_is_stored_in_its_authors_name() -> None:
    ada, ben = Person(1), Person(2)
    room = Gathering(ada, ben)
    assert room.room.edit(CLERK, put("a", 1)) == "a"
    turn = room.turn()
    (emitted,) = turn.commits
    client = room.room.document.own_client
    assert (emitted.author, emitted.introduced, emitted.by_server) == (CLERK, (client,), True)
    room.room.edit(CLERK, put("b", 2), is_restore=True)
    (later,) = room.turn().commits
    assert (later.introduced, later.is_restore) == ((), True), "it introduced its id before"
    room.settle()
    assert ada.json() == ben.json() == room.json() == room.reopened() == {"a": 1, "b": 2}
    assert room.room.authors[client] is None


def test_rom_19_it_comes_after_what_was_received_and_before_what_follows() -> None:
    ada = Person(1)
    room = Gathering(ada)
    ada.set("a", "ada's")
    room.settle()
    room.room.edit(CLERK, put("a", "the clerk's"))
    ada.set("b", "before she hears of it")
    room.settle()
    assert ada.json() == room.json() == {"a": "the clerk's", "b": "before she hears of it"}
    ada.set("a", "ada's again")
    room.settle()
    assert room.json()["a"] == "ada's again"


def test_rom_19_one_who_is_behind_gets_it_later() -> None:
    ada, ben = Person(1), Person(2)
    room = Gathering(ada, ben)
    room.room.fell_behind(ben.member)
    room.room.edit(CLERK, put("a", 1))
    room.turn()
    assert ben.json() == {}
    room.room.caught_up(ben.member)
    room.settle()
    assert ben.json() == {"a": 1}


def test_rom_19_what_changes_nothing_is_nothing() -> None:
    room = Gathering(Person(1))
    assert room.room.edit(CLERK, lambda doc: len(doc.get("objects", type=Map))) == 0
    assert room.turn().commits == []


def test_rom_19_it_is_refused_while_the_database_is_behind_and_when_it_is_full() -> None:
    ada = Person(1)
    room = Gathering(ada, limits=RoomLimits(document_bytes=500))
    room.room.accepts_edits = False
    with pytest.raises(NotNow, match="database"):
        room.room.edit(CLERK, put("a", 1))
    room.room.accepts_edits = True
    room.room.edit(CLERK, put("a", "x" * 600))
    with pytest.raises(LimitExceeded, match="size limit"):
        room.room.edit(CLERK, put("b", 1))
    room.settle()
    assert set(room.json()) == {"a"}

    def remove(doc: Doc[Any]) -> None:
        del doc.get("objects", type=Map)["a"]

    room.room.edit(CLERK, remove, may_grow=False)
    room.settle()
    assert room.json() == {}, "what only deletes is taken"


def test_rom_19_an_edit_that_refuses_before_it_changes_anything_harms_nothing() -> None:
    ada = Person(1)
    room = Gathering(ada)

    def refuse(doc: Doc[Any]) -> None:
        raise ValueError("no such object")

    with pytest.raises(ValueError, match="no such object"):
        room.room.edit(CLERK, refuse)
    assert not room.room.is_broken
    ada.set("a", 1)
    room.settle()
    assert room.json() == {"a": 1}


def test_rom_19_an_edit_that_fails_half_way_makes_everybody_load_anew() -> None:
    ada = Person(1)
    room = Gathering(ada)

    def fail(doc: Doc[Any]) -> None:
        put("a", 1)(doc)
        raise ValueError("half way")

    with pytest.raises(DocumentBroken, match="half way"):
        room.room.edit(CLERK, fail)
    turn = room.turn()
    assert turn.is_broken
    assert turn.commits == []
    assert [close.code for close in turn.closes] == [CloseCode.RESTART]
    with pytest.raises(DocumentBroken, match="loaded again"):
        room.room.edit(CLERK, put("b", 1))


@pytest.mark.parametrize("size", [4, 400])
def test_rom_19_it_has_its_turn_to_itself(size: int) -> None:
    """What a long update of somebody else brings in the same turn would count as restored."""
    ada = Person(1)
    room = Gathering(ada)
    room.settle()
    ada.set_many({f"k{number}": "x" * size for number in range(1_000)})
    room.send(ada)  # walked or applied a piece at a time
    room.room.edit(CLERK, put("a", 1), is_restore=True)
    turn = room.turn()
    assert [emitted.is_restore for emitted in turn.commits] == [True]
    assert turn.wake_at == room.now
    room.settle()
    assert len(room.json()) == len(ada.json()) == 1_001
