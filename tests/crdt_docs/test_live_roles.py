"""ACC-10, AWR-13, AWR-14: a role that changes while its owner is connected."""

from __future__ import annotations

from crdt_docs import messages
from crdt_docs.access import Role
from crdt_docs.identifiers import Identity
from crdt_docs.room_limits import RoomLimits
from crdt_docs.varint import var_string
from tests.helpers.people import Gathering, Person


def role_shown(to: Person, of: Person) -> str:
    """The role that somebody sees of somebody else."""
    role: str = to.present[of.client_id]["user"]["role"]
    return role


def test_acc_10_the_edit_before_is_kept_and_the_edit_after_is_refused() -> None:
    ada, ben = Person(1), Person(2)
    room = Gathering(ada, ben)
    room.send(ben, ben.set("before", 1))
    ben.outbox.clear()
    room.room.set_role(ben.member, Role.VIEWER)
    ben.set("after", 2)
    room.settle()
    assert ada.json() == room.json() == room.reopened() == {"before": 1}
    assert len(ben.denials) == 1


def test_acc_10_who_may_edit_again_has_no_gap() -> None:
    ada, ben = Person(1), Person(2)
    room = Gathering(ada, ben)
    ben.set("a", 1)
    room.settle()
    room.room.set_role(ben.member, Role.VIEWER)
    ben.set("b", 2)
    room.settle()
    room.room.set_role(ben.member, Role.EDITOR)
    ben.set("c", 3)
    room.settle()
    assert ada.json() == room.json() == room.reopened() == {"a": 1, "c": 3}


def test_acc_10_a_large_update_on_its_way_is_judged_as_it_came() -> None:
    """It is walked over several turns; the role changes in between, and what follows is refused."""
    ada, ben = Person(1), Person(2)
    room = Gathering(ada, ben, limits=RoomLimits(walk_at_once=100))
    room.send(ben, ben.set_many({f"k{number}": "x" * 20 for number in range(40)}))
    ben.outbox.clear()
    assert ben.member.is_busy
    room.send(ben, ben.set("behind", 1))
    ben.outbox.clear()
    room.room.set_role(ben.member, Role.VIEWER)
    room.send(ben, ben.set("after", 1))
    ben.outbox.clear()
    room.settle()
    assert ben.member.role is Role.VIEWER
    seen = ada.json()
    assert len(seen) == 41
    assert "behind" in seen
    assert "after" not in seen
    assert room.json() == room.reopened() == seen


def test_acc_10_the_rest_of_one_that_has_left_is_judged_in_order() -> None:
    ada, ben = Person(1), Person(2)
    room = Gathering(ada, ben, limits=RoomLimits(apply_at_once=4))
    room.room.accepts_edits = True
    room.send(ben, ben.set_many({f"k{number}": number for number in range(20)}))
    ben.outbox.clear()
    assert ben.member.is_busy
    room.send(ben, ben.set("behind", 1))
    ben.outbox.clear()
    room.room.set_role(ben.member, Role.VIEWER)
    room.send(ben, ben.set("after", 1))
    room.leave(ben)
    room.settle()
    assert len(ada.json()) == 21
    assert "after" not in ada.json()


def test_awr_13_others_see_the_new_role() -> None:
    ada, ben = Person(1), Person(2)
    room = Gathering(ada, ben)
    assert role_shown(ada, ben) == "editor"
    room.room.set_role(ben.member, Role.VIEWER)
    room.settle()
    assert role_shown(ada, ben) == role_shown(ben, ben) == "viewer"
    ben.outbox.append(ben.presence({"x": 1}))
    room.settle()
    assert role_shown(ada, ben) == "viewer"


def test_awr_13_a_new_spectator_is_gone_for_others() -> None:
    ada, ben = Person(1), Person(2)
    room = Gathering(ada, ben)
    room.room.set_role(ben.member, Role.SPECTATOR)
    room.settle()
    assert ben.client_id not in ada.present
    ben.outbox.append(ben.presence({}))
    room.settle()
    assert ben.client_id not in ada.present


def test_awr_14_who_is_no_spectator_any_more_is_asked_to_show_itself() -> None:
    ada, ben = Person(1), Person(2, Role.SPECTATOR)
    room = Gathering(ada, ben)
    assert ben.client_id not in ada.present
    room.room.set_role(ben.member, Role.EDITOR)
    turn = room.turn()
    assert turn.replies == [(ben.member, messages.QUERY_AWARENESS)]
    room.settle()
    assert role_shown(ada, ben) == "editor"


def test_awr_14_also_where_it_was_seen_before() -> None:
    ada, ben = Person(1), Person(2)
    room = Gathering(ada, ben)
    for role in (Role.SPECTATOR, Role.VIEWER):
        room.room.set_role(ben.member, role)
        room.settle()
    assert role_shown(ada, ben) == "viewer"


def test_awr_14_one_that_does_not_read_is_not_asked() -> None:
    ben = Person(2, Role.SPECTATOR)
    room = Gathering(Person(1), ben)
    room.room.fell_behind(ben.member)
    room.room.set_role(ben.member, Role.EDITOR)
    assert room.turn().replies == []


def test_the_same_role_again_is_no_news() -> None:
    ada, ben = Person(1), Person(2)
    room = Gathering(ada, ben)
    room.room.set_role(ben.member, Role.EDITOR)
    room.room.set_identity(ben.member, ben.identity)
    assert room.turn().broadcasts == []
    room.leave(ben)
    room.settle()
    room.room.set_role(ben.member, Role.VIEWER)
    room.room.set_identity(ben.member, Identity(ben.identity.user_id, "Benjamin"))
    assert room.turn().broadcasts == []


def test_a_new_name_is_shown() -> None:
    ada, ben = Person(1), Person(2)
    room = Gathering(ada, ben)
    room.room.set_identity(ben.member, Identity(ben.identity.user_id, "Benjamin"))
    room.settle()
    assert ada.present[ben.client_id]["user"]["name"] == "Benjamin"


def test_acc_14_a_token_is_handed_on_and_nothing_else_happens() -> None:
    ada, ben = Person(1), Person(2)
    room = Gathering(ada, ben)
    for token in ("old", "new"):
        room.send(ben, b"\x02\x00" + var_string(token))
    turn = room.turn()
    assert turn.renewals == {ben.member: "new"}
    assert not turn.replies
    assert not turn.broadcasts
    assert room.turn().renewals == {}
    room.send(ben, b"\x02\x00" + var_string("late"))
    room.leave(ben)
    assert room.turn().renewals == {}
