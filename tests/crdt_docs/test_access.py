"""ACC-1, ACC-2: what a role may do."""

from __future__ import annotations

import pytest

from crdt_docs.access import Role, is_seen, may_edit
from tests.helpers.people import Gathering, Person


def test_acc_1_hosts_and_editors_edit() -> None:
    assert {role for role in Role if may_edit(role)} == {Role.HOST, Role.EDITOR}


def test_acc_2_everybody_but_a_spectator_is_seen() -> None:
    assert set(Role) - {role for role in Role if is_seen(role)} == {Role.SPECTATOR}


@pytest.mark.parametrize("role", Role)
def test_acc_1_acc_2_a_room_holds_everybody_to_their_role(role: Role) -> None:
    ada, ben = Person(1), Person(2, role)
    room = Gathering(ada, ben)
    ben.set("mine", 1)
    room.settle()
    assert room.json() == ada.json() == ({"mine": 1} if may_edit(role) else {})
    assert bool(ben.denials) is not may_edit(role)
    assert (ben.client_id in ada.present) is is_seen(role)


def test_acc_5_rights_are_those_of_who_brings_an_edit() -> None:
    # A reader brings what an editor wrote, an editor what a reader wrote.
    ada, eve = Person(1), Person(2, Role.VIEWER)
    of_ada, of_eve = ada.set("by ada", 1), eve.set("by eve", 2)
    editor, reader = Person(3), Person(4, Role.VIEWER)
    room = Gathering(editor, reader)
    room.send(reader, of_ada)
    room.settle()
    assert room.json() == {}
    assert len(reader.denials) == 1
    room.send(editor, of_eve)
    room.settle()
    assert room.json() == reader.json() == {"by eve": 2}
