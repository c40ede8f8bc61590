"""POS-32: who may hold what, by the roles and rules of a room."""

from __future__ import annotations

import pytest
from pycrdt import Map

from crdt_docs.access import Role
from crdt_docs.hold_permits import RoomPermits
from crdt_docs.holds import Holds
from crdt_docs.member import Member
from crdt_docs.pose_messages import Denial
from crdt_docs.rules import SessionRules
from tests.helpers.people import Gathering, Person
from tests.helpers.ruled import Ruled, host


def _room() -> tuple[Ruled, dict[Role, Member], RoomPermits]:
    ada = host(1)
    people = {
        Role.HOST: ada,
        Role.EDITOR: Person(2),
        Role.VIEWER: Person(3, Role.VIEWER),
        Role.SPECTATOR: Person(4, Role.SPECTATOR),
    }
    room = Ruled(*people.values())
    ada.set("chair", Map({"object_type": "furniture"}))
    ada.set("wall", Map({"object_type": "furniture", "is_locked": True}))
    room.settle()
    members = {role: person.member for role, person in people.items()}
    return room, members, RoomPermits(room.room)


@pytest.mark.parametrize("role", [Role.VIEWER, Role.SPECTATOR])
def test_pos_32_who_may_not_edit_holds_nothing(role: Role) -> None:
    _, members, permits = _room()
    assert permits.refusal(members[role], "chair") is Denial.MAY_NOT_EDIT
    assert permits.refusal(members[role], "nothing") is Denial.MAY_NOT_EDIT


@pytest.mark.parametrize("role", [Role.HOST, Role.EDITOR])
def test_pos_32_it_has_to_be_in_the_document(role: Role) -> None:
    room, members, permits = _room()
    assert permits.refusal(members[role], "chair") is None
    for nothing in ("nothing", "", "a\0b", "\U0001f600"):
        assert permits.refusal(members[role], nothing) is Denial.NO_OBJECT
    room.people[0].edit(lambda o: o.pop("chair"))
    room.settle()
    assert permits.refusal(members[role], "chair") is Denial.NO_OBJECT


def test_pos_32_only_a_host_holds_what_is_locked() -> None:
    room, members, permits = _room()
    assert permits.refusal(members[Role.EDITOR], "wall") is Denial.LOCKED
    assert permits.refusal(members[Role.HOST], "wall") is None
    room.people[1].edit(lambda o: o["chair"].update({"is_locked": True}))
    room.settle()
    assert permits.refusal(members[Role.EDITOR], "chair") is Denial.LOCKED


def test_pos_32_while_a_session_is_paused_only_hosts_hold() -> None:
    room, members, permits = _room()
    room.room.is_paused = True
    assert permits.refusal(members[Role.EDITOR], "chair") is Denial.PAUSED
    assert permits.refusal(members[Role.HOST], "chair") is None


def test_pos_32_where_editors_change_only_their_own_they_hold_only_that() -> None:
    room, members, permits = _room()
    room.room.obey(SessionRules(own_objects_only=True), {})
    room.people[1].set("mine", Map({"object_type": "furniture"}))
    room.settle()
    room.take()
    assert permits.refusal(members[Role.EDITOR], "chair") is Denial.MAY_NOT_EDIT
    assert permits.refusal(members[Role.EDITOR], "mine") is None


def test_pos_32_a_room_without_rules_knows_roles_and_pauses() -> None:
    ben = Person(2)
    room = Gathering(ben)
    ben.set("chair", Map({"is_locked": True}))
    room.settle()
    permits = RoomPermits(room.room)
    assert permits.refusal(ben.member, "chair") is None
    room.room.is_paused = True
    assert permits.refusal(ben.member, "chair") is Denial.PAUSED


def test_pos_34_a_host_forces_and_an_editor_does_not() -> None:
    _, members, permits = _room()
    assert [permits.is_host(member) for member in members.values()] == [True, False, False, False]


def test_pos_35_a_new_role_counts_for_what_is_held() -> None:
    room, members, permits = _room()
    holds: Holds[Member] = Holds(permits)
    editor = members[Role.EDITOR]
    (grant,) = holds.claim(editor, "chair", 0, 0.0)
    assert holds.tick(1.0) == ()
    room.room.set_role(editor, Role.VIEWER)
    (end,) = holds.tick(2.0)
    assert (grant.sequence, end.sequence) == (1, 2)  # type: ignore[union-attr]
