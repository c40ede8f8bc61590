"""RUL: edits that break a rule are taken back for everybody."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pycrdt import Array, Doc, Map, Text, UndoManager, XmlElement, XmlFragment

from crdt_docs import messages
from crdt_docs.access import Role
from crdt_docs.identifiers import DocumentKind
from crdt_docs.object_kinds import ObjectKind
from crdt_docs.object_reader import ObjectReader
from crdt_docs.object_trees import Allowance
from crdt_docs.projection import project_xr_object
from crdt_docs.room_limits import RoomLimits
from crdt_docs.rules import Rule, SessionRules, session_rules
from crdt_docs.update_structs import read_sections
from tests.helpers.people import Person
from tests.helpers.raw_updates import Id, item, section, skip, string, text, update, values
from tests.helpers.ruled import Ruled, Witness, host, shown, sticky

Break = Callable[[Map[Any]], object]

BREAKS: dict[str, Break] = {
    "moves it": lambda o: o["a"].update({"position": {"x": 9, "y": 9}}),
    "types in its text": lambda o: o["a"]["properties"]["text"].insert(2, "SECRET"),
    "deletes of its text": lambda o: o["a"]["properties"]["text"].__delitem__(slice(1, 3)),
    "formats its text": lambda o: o["a"]["properties"]["text"].format(0, 3, {"bold": True}),
    "replaces its text": lambda o: o["a"]["properties"].update({"text": Text("SECRET")}),
    "adds to its list": lambda o: o["a"]["properties"]["points"].append("SECRET"),
    "empties its list": lambda o: o["a"]["properties"]["points"].clear(),
    "changes a part of it": lambda o: o["a"]["properties"]["parts"][0].update({"a": "SECRET"}),
    "adds a field": lambda o: o["a"].update({"more": "SECRET"}),
    "removes a field": lambda o: o["a"].pop("position"),
    "removes its properties": lambda o: o["a"].pop("properties"),
    "unlocks it": lambda o: o["a"].update({"is_locked": False}),
    "removes the lock": lambda o: o["a"].pop("is_locked"),
    "deletes it": lambda o: o.pop("a"),
    "replaces it": lambda o: o.update({"a": Map({"object_type": "SECRET"})}),
    "replaces it by a value": lambda o: o.update({"a": "SECRET"}),
    "writes the same": lambda o: o["a"].update({"position": {"x": 1, "y": 2}}),
    "puts XML in": lambda o: o["a"].update({"x": XmlFragment([XmlElement("p")])}),
}


def _room(**options: Any) -> tuple[Ruled, Person, Person, Person]:
    ada, ben, eve = host(1), Person(2), Person(3)
    room = Ruled(ada, ben, eve, **options)
    ada.set_many({"a": sticky(is_locked=True), "b": sticky("other")})
    room.settle()
    room.take()
    return room, ada, ben, eve


@pytest.mark.parametrize("breaks", BREAKS.values(), ids=BREAKS)
def test_rul_1_a_locked_object_stays_what_it_is(breaks: Break) -> None:
    room, ada, ben, eve = _room()
    before = shown(ada.doc, "objects", "a")
    witness = Witness(ben, lambda doc: shown(doc, "objects", "a"))
    eve.edit(breaks)
    room.settle()
    assert room.json()["a"] == before["a"]
    assert witness.seen == [before]
    assert shown(eve.doc, "objects", "a") == before
    assert ada.json() == ben.json() == eve.json() == room.json() == room.reopened()
    assert eve.denials == ["a is locked; ask a host to unlock it"]
    assert b"SECRET" not in b"".join(room.log)
    assert room.take() == [], "a refusal is no history"
    assert not eve.closed
    eve.edit(lambda o: o["b"].update({"position": {"x": 5, "y": 5}}))
    room.settle()
    assert ada.json()["b"]["position"] == {"x": 5, "y": 5}
    assert len(eve.denials) == 1


def _typing(at: int) -> Break:
    return lambda objects: objects["a"]["properties"]["text"].insert(at, "x")


def _writing(at: int, letter: str) -> Break:
    return lambda objects: objects["b"]["properties"]["text"].insert(at, letter)


def _deleted(room: Ruled) -> bytes:
    """The delete set of the whole document."""
    doc = room.room.document._doc
    update = doc.get_update(doc.get_state())
    assert update[:1] == b"\x00"
    return update[1:]


def _everything(person: Person) -> Any:
    return ObjectReader(person.doc).read("objects", "a")


@pytest.mark.parametrize("breaks", BREAKS.values(), ids=BREAKS)
def test_rul_1_by_a_host_it_is_changed(breaks: Break) -> None:
    room, ada, ben, _ = _room()
    ada.edit(breaks)
    room.settle()
    assert not ada.denials
    assert _everything(ada) == _everything(ben) == room.room.document.objects().read("objects", "a")


def test_rul_1_whoever_may_edit_may_lock_and_only_a_host_unlocks() -> None:
    room, ada, ben, eve = _room()
    eve.edit(lambda o: o["b"].update({"is_locked": True}))
    room.settle()
    assert room.authority.locked == {"a", "b"}
    ben.edit(lambda o: o["b"].update({"layer": 3}))
    room.settle()
    assert len(ben.denials) == 1
    assert "layer" not in room.json()["b"]
    ada.edit(lambda o: o["b"].update({"is_locked": False}))
    ben.edit(lambda o: o["b"].update({"layer": 4}))
    room.send(ada)
    room.send(ben)
    room.settle()
    assert room.json()["b"]["layer"] == 4
    assert room.authority.locked == {"a"}


def test_rul_1_a_lock_counts_from_the_message_that_sets_it() -> None:
    """Nobody slips through because both arrive in one turn."""
    room, _, ben, eve = _room()
    ben.edit(lambda o: o["b"].update({"is_locked": True}))
    eve.edit(lambda o: o["b"].update({"layer": 1}))
    room.send(ben)
    room.send(eve)
    room.settle()
    assert "layer" not in room.json()["b"]
    assert len(eve.denials) == 1


def test_rul_1_a_lock_is_known_when_the_document_is_opened_again() -> None:
    room, *_ = _room()
    from crdt_docs.authority import Authority
    from crdt_docs.projector import Projector

    document = room.room.document
    assert Authority(document, Projector(document, {}), 10).locked == {"a"}


def test_rul_5_of_one_update_only_what_breaks_a_rule_is_taken_back() -> None:
    """Complaint *lost data*: an hour of work offline is not lost for one locked note."""
    room, ada, _, eve = _room()
    eve.is_offline = True

    def work(objects: Map[Any]) -> None:
        objects["a"]["properties"]["text"].insert(0, "SECRET")
        objects["b"]["properties"]["text"].insert(0, "kept ")
        objects["c"] = sticky("new")
        del objects["a"]

    with eve.doc.transaction():
        work(eve.objects)
    room.leave(eve)
    room.return_(eve)
    room.settle()
    assert room.json()["b"]["properties"]["text"] == "kept other"
    assert room.json()["c"]["properties"]["text"] == "new"
    assert room.json()["a"]["properties"]["text"] == "hello"
    assert ada.json() == eve.json() == room.json() == room.reopened()
    assert {change.id for change in room.take()} == {"b", "c"}


def test_rul_5_neither_undo_nor_redo_brings_it_back() -> None:
    room, ada, _, eve = _room()
    before = room.json()["a"]
    undo = UndoManager(scopes=[eve.objects], capture_timeout_millis=0)
    eve.edit(lambda o: o["a"].update({"position": {"x": 9, "y": 9}}))
    room.settle()
    for again in (undo.undo, undo.redo, undo.undo):
        again()
        room.settle()
        assert room.json()["a"] == before
        assert ada.json() == eve.json() == room.json()


def test_rul_5_what_follows_on_a_refused_edit_is_refused_or_taken_and_nobody_is_stuck() -> None:
    """Two characters typed before the first refusal arrives."""
    room, ada, _, eve = _room()
    for number in range(5):
        eve.edit(_typing(2 + number))
    eve.edit(lambda o: o["a"]["properties"].update({"inner": Map({"deep": Map()})}))
    eve.edit(lambda o: o["a"]["properties"]["inner"]["deep"].update({"x": 1}))
    eve.edit(lambda o: o["b"].update({"layer": 8}))
    room.settle()
    assert room.json()["a"] == shown(ada.doc, "objects", "a")["a"]
    assert room.json()["a"]["properties"]["text"] == "hello"
    assert room.json()["b"]["layer"] == 8
    assert ada.json() == eve.json() == room.json() == room.reopened()
    assert not eve.closed


def test_rul_2_editors_change_only_what_they_created() -> None:
    room, ada, ben, eve = _room(rules=SessionRules(own_objects_only=True))
    ben.set("mine", sticky("ben's"))
    room.settle()
    eve.edit(lambda o: o["mine"].update({"layer": 1}))
    room.settle()
    eve.edit(lambda o: o.pop("b"))
    room.settle()
    assert len(eve.denials) == 2
    assert "somebody else's" in eve.denials[0]
    ben.edit(lambda o: o["mine"].update({"layer": 2}))
    room.take()
    ben.edit(lambda o: o["mine"].update({"layer": 3}))
    ada.edit(lambda o: o["mine"].update({"rotation": 4}))
    room.settle()
    assert room.json()["mine"]["layer"] == 3
    assert room.json()["mine"]["rotation"] == 4
    assert ada.json() == ben.json() == eve.json() == room.json()
    assert not ben.denials


def test_rul_2_what_a_host_touches_at_once_stays_its_creators() -> None:
    room, ada, ben, _ = _room(rules=SessionRules(own_objects_only=True))
    ben.set("mine", sticky("ben's"))
    room.settle()
    ada.edit(lambda o: o["mine"].update({"rotation": 4}))
    room.settle()
    room.take()
    ben.edit(lambda o: o["mine"].update({"layer": 3}))
    room.settle()
    assert room.json()["mine"]["layer"] == 3
    assert not ben.denials


FAULTS: dict[str, tuple[Break, str]] = {
    "an unknown type": (lambda o: o["b"].update({"object_type": "bomb"}), "object_type must be"),
    "no type": (lambda o: o["b"].pop("object_type"), "object_type is required"),
    "a wrong field": (lambda o: o["b"].update({"position": {"x": "1"}}), "position must be"),
    "an unknown field": (lambda o: o["b"].update({"more": 1}), "more is no field of it"),
    "no number": (lambda o: o["b"]["properties"].update({"n": float("nan")}), "finite"),
    "a long text": (lambda o: o["b"]["properties"]["text"].insert(0, "x" * 60_000), "characters"),
    "a large object": (lambda o: o["b"]["properties"].update({"n": ["x"] * 60_000}), "bytes"),
    "no map": (lambda o: o.update({"b": "text"}), "must be an object"),
    "a new wrong one": (lambda o: o.update({"c": Map({"x": 1})}), "c: object_type"),
    "what cannot be put back": (
        lambda o: o["b"]["properties"].update({"x": XmlFragment([XmlElement("p")])}),
        "could not be put back",
    ),
}


@pytest.mark.parametrize(("breaks", "reason"), FAULTS.values(), ids=FAULTS)
def test_rul_3_a_strict_session_refuses_what_is_not_as_it_should_be(
    breaks: Break, reason: str
) -> None:
    room, ada, ben, eve = _room(rules=SessionRules(strict_schema=True))
    ada.edit(lambda o: o["a"].update({"is_locked": False}))
    room.settle()
    room.take()
    before = room.json()
    witness = Witness(ben, lambda doc: shown(doc, "objects", "a", "b", "c"))
    eve.edit(breaks)
    room.settle()
    assert room.json() == before
    assert len(witness.seen) == 1
    assert reason in eve.denials[0]
    assert ada.json() == ben.json() == eve.json() == room.reopened()
    assert room.take() == []


PLACE = {"position": {"x": 1, "y": 2, "z": 3}, "rotation": {"x": 0, "y": 0, "z": 0, "w": 1}}
ROOM_FAULTS: dict[str, tuple[Break, str]] = {
    "an object of boards": (lambda o: o["a"].update({"object_type": "sticky"}), "object_type must"),
    "a field of boards": (lambda o: o["a"].update({"layer": 1}), "layer is no field of it"),
    "half a place": (
        lambda o: o["a"].update({"transform": {**PLACE, "scale": {"x": 1}}}),
        "transform",
    ),
    "no number": (
        lambda o: o["a"].update({"transform": {"position": {"x": 1, "y": 2, "z": float("inf")}}}),
        "transform",
    ),
    "another lifetime": (lambda o: o["a"].update({"lifetime": "ever"}), "room, session, owner"),
    "no parent": (lambda o: o["a"].update({"parent_id": ""}), "parent_id must be an id"),
}


@pytest.mark.parametrize(("breaks", "reason"), ROOM_FAULTS.values(), ids=ROOM_FAULTS)
def test_rul_3_a_strict_room_knows_its_own_objects(breaks: Break, reason: str) -> None:
    ada, ben = Person(1), Person(2)
    rules = SessionRules(strict_schema=True)
    room = Ruled(ada, ben, rules=rules, kind=DocumentKind.XR)
    ada.edit(lambda o: o.update({"a": Map({"object_type": "model", "transform": PLACE})}))
    room.settle()
    (placed,) = room.take()
    assert placed.kind is ObjectKind.XR_OBJECT
    assert placed.state == project_xr_object({"object_type": "model", "transform": PLACE})
    before = room.json()
    ben.edit(breaks)
    room.settle()
    assert room.json() == ada.json() == ben.json() == before
    assert reason in ben.denials[0]
    assert room.take() == []
    ben.edit(lambda o: o["a"].update({"transform": {**PLACE, "scale": {"x": 1, "y": 1, "z": 1}}}))
    room.settle()
    assert [change.kind for change in room.take()] == [ObjectKind.XR_OBJECT]


def test_rul_3_an_object_is_not_cut_in_two_when_a_long_update_is_applied_in_pieces() -> None:
    """Half of an object would be refused."""
    room, ada, _, eve = _room(rules=SessionRules(strict_schema=True))
    eve.set_many({f"n{number}": sticky(f"text {number}") for number in range(300)})
    eve.edit(lambda o: o["b"].update({"layer": 1}))
    room.settle()
    assert len(room.json()) == 302
    assert not eve.denials
    assert ada.json() == eve.json() == room.reopened()


def test_rul_6_what_follows_on_an_edit_that_was_not_applied_closes_nobody() -> None:
    """GRD-24: a character between one that is there and one that never came."""
    room, _, _, eve = _room()
    eve.member.patience.used = 10**9
    for number in range(4):
        eve.edit(_typing(2 + number))
    eve.edit(lambda o: o["b"].update({"layer": 8}))
    room.settle()
    room.authority.locked.clear()
    eve.edit(lambda o: o["a"]["properties"]["text"].insert(6, "y"))
    room.settle()
    assert not eve.closed
    assert room.json()["a"]["properties"]["text"] == "hello"
    assert room.json()["b"]["layer"] == 8
    assert "reload" in eve.denials[-1]


def test_rul_1_what_locks_an_object_and_fills_it_is_one_edit() -> None:
    """A locked drawing is pasted; it comes in pieces."""
    room, ada, _, eve = _room()

    def paste(objects: Map[Any]) -> None:
        objects["p"] = Map({"object_type": "drawing", "is_locked": True})
        for number in range(1000):
            objects["p"][f"k{number}"] = number

    eve.edit(paste)
    room.settle()
    assert len(ada.json()["p"]) == 1002
    assert not eve.denials
    eve.edit(lambda o: o["p"].update({"k1": "SECRET"}))
    room.settle()
    assert ada.json()["p"]["k1"] == 1
    assert len(eve.denials) == 1


def test_rul_3_an_object_with_many_fields_is_judged_as_a_whole() -> None:
    room, ada, _, eve = _room(rules=SessionRules(strict_schema=True))

    def paste(objects: Map[Any]) -> None:
        objects["p"] = Map({"properties": Map({f"k{number}": number for number in range(1500)})})
        objects["p"]["object_type"] = "drawing"

    eve.edit(paste)
    room.settle()
    assert not eve.denials
    assert len(ada.json()["p"]["properties"]) == 1500


def test_acc_3_what_builds_on_a_refused_edit_is_refused_and_not_lost_silently() -> None:
    """Somebody types one character too early, is made editor, and types on behind it."""
    room, _, ben, _ = _room()
    vera = Person(4, Role.VIEWER)
    room.join(vera)
    room.settle()
    vera.edit(lambda o: o["b"]["properties"]["text"].insert(0, "x"))
    room.settle()
    room.room.set_role(vera.member, Role.EDITOR)
    for number, letter in enumerate("hey", 1):
        vera.edit(_writing(number, letter))
    room.settle()
    assert ben.json()["b"]["properties"]["text"] == "other"
    assert "reload" in vera.denials[-1]
    vera.edit(lambda o: o.update({"new": sticky("fine")}))
    room.settle()
    assert "new" in ben.json()
    assert not vera.closed


def test_acc_6_a_gap_of_a_viewer_does_nothing_to_others() -> None:
    """FRM-4: its second character comes behind a refused first one."""
    room, ada, ben, _ = _room()
    vera = Person(4, Role.VIEWER)
    room.join(vera)
    room.settle()
    for number in range(3):
        vera.edit(_writing(number, "v"))
        ben.set(f"k{number}", number)
        room.send(vera)
        room.send(ben)
        room.turn()
    room.settle()
    assert all(f"k{number}" in ada.json() for number in range(3))
    assert not vera.closed
    assert ada.json()["b"]["properties"]["text"] == "other"


def test_rul_6_an_editor_without_presence_goes_on_after_a_refusal() -> None:
    room, ada, _, _ = _room()
    quiet = Person(5)
    room.people.append(quiet)
    room.room.join(quiet.member)
    quiet.outbox.append(messages.sync_step1(quiet.doc.get_state()))
    room.settle()
    quiet.member.patience.used = 10**9
    quiet.edit(lambda o: o["a"].update({"layer": 1}))
    room.settle()
    quiet.member.patience.used = 0
    quiet.edit(lambda o: o["b"].update({"layer": 2}))
    room.settle()
    assert ada.json()["b"]["layer"] == 2
    assert "layer" not in ada.json()["a"]


def test_rul_6_what_is_read_of_a_new_object_that_is_wrong_counts() -> None:
    """The complaint *125 KB stall every room for 67 ms, as often as one likes*."""
    room, ada, _, eve = _room(rules=SessionRules(strict_schema=True))
    eve.set("wrong", {"object_type": "sticky", "junk": [None] * 50_000})
    room.settle()
    assert "junk" in eve.denials[-1]
    assert eve.member.patience.used > 500_000
    eve.member.patience.used = 0
    ada.set("right", sticky("x" * 10_000))
    room.settle()
    assert ada.member.patience.used == 0, "what is right costs nothing"


@pytest.mark.parametrize("value", [[None] * 50_000, "x" * 50_000, Text("x"), Array([1]), 1])
def test_rul_3_what_is_no_object_is_not_read(
    value: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    room, _, _, eve = _room(rules=SessionRules(strict_schema=True))

    def only_what_is_not_there(place: Map[Any], key: str, _: Allowance) -> None:
        assert key not in place

    monkeypatch.setattr("crdt_docs.authority.tree_at", only_what_is_not_there)
    eve.set("wrong", value)
    room.settle()
    assert "must be an object" in eve.denials[-1]
    assert "wrong" not in room.json()


def test_rul_6_patience_is_a_persons_and_not_a_sockets() -> None:
    room, _, _, eve = _room()
    eve.member.patience.used = 10**9
    room.leave(eve)
    room.return_(eve)
    room.settle()
    assert eve.member.patience.used > 10**8
    room.room.tick(10**6)
    other = Person(3)
    room.join(other)
    assert other.member.patience.used == 0


def test_rul_6_what_is_deleted_already_costs_nothing() -> None:
    room, ada, _, eve = _room()
    ada.set("big", sticky("x" * 100_000, is_locked=True))
    ada.edit(lambda o: o["big"]["properties"]["text"].__delitem__(slice(0, 5)))
    room.settle()
    again = messages.sync_update(b"\x00" + _deleted(room))
    for _ in range(5):
        room.send(eve, again)
    room.turn()
    assert eve.member.patience.used == 0
    assert not eve.denials


def test_rul_6_long_edits_that_are_not_applied_do_not_leave_gaps() -> None:
    room, ada, _, eve = _room()
    eve.member.patience.used = 10**9

    def change(objects: Map[Any]) -> None:
        for number in range(200):
            objects["a"]["properties"]["parts"].append(Map({"n": number}))
        for number in range(200):
            objects[f"n{number}"] = Map({"object_type": "shape"})

    eve.edit(change)
    room.settle()
    assert room.json()["a"] == ada.json()["a"]
    assert len(ada.json()["a"]["properties"]["parts"]) == 1
    eve.edit(lambda o: o["b"].update({"layer": 8}))
    room.settle()
    assert ada.json()["b"]["layer"] == 8
    assert not eve.closed
    assert room.reopened() == room.json() == ada.json()


def test_rul_3_what_was_wrong_before_may_be_mended_step_by_step() -> None:
    room, _, _, eve = _room()
    eve.set("w", Map({"object_type": "bomb", "layer": "x"}))
    room.settle()
    room.authority.obey(SessionRules(strict_schema=True))
    eve.edit(lambda o: o["w"].update({"layer": 1}))
    eve.edit(lambda o: o["w"].update({"object_type": "shape"}))
    room.settle()
    assert not eve.denials
    eve.edit(lambda o: o["w"].update({"layer": "x"}))
    room.settle()
    assert len(eve.denials) == 1


def test_rul_4_a_document_has_so_many_objects() -> None:
    room, ada, _, eve = _room(limits=RoomLimits(objects=4))
    ada.edit(lambda o: o["a"].update({"is_locked": False}))
    eve.set_many({key: Map({"object_type": "shape"}) for key in "cdefg"})
    room.settle()
    assert len(room.json()) == 4
    assert eve.denials == ["a document may have 4 objects; delete some first (and 2 more)"]
    assert eve.json() == ada.json() == room.json()
    eve.edit(lambda o: o.pop("a"))
    eve.set("z", Map({"object_type": "shape"}))
    room.settle()
    assert len(room.json()) == 4
    assert "z" in room.json()


def test_rul_6_a_flood_of_refusals_is_not_undone_any_more() -> None:
    room, ada, _, eve = _room()
    ada.set("big", sticky("x" * 900_000, is_locked=True))
    room.settle()
    sizes = []
    for _ in range(14):
        eve.edit(lambda o: o["big"]["properties"].update({"text": "SECRET"}))
        room.settle()
        sizes.append(len(b"".join(room.log)))
    assert room.json()["big"]["properties"]["text"] == "x" * 900_000
    assert sizes[0] < sizes[5], "the text was written again for the one who replaced it"
    assert sizes[-1] - sizes[-2] < 100, "at some point nothing is written any more"
    assert len(eve.denials) > 10
    eve.edit(lambda o: o["b"].update({"layer": 1}))
    room.settle()
    assert ada.json()["b"]["layer"] == 1
    assert not eve.closed


def test_rul_6_parts_that_are_put_back_count_what_they_cost() -> None:
    room, ada, _, eve = _room()
    ada.set("wide", Map({"is_locked": True, **{str(number): number for number in range(4000)}}))
    room.settle()
    for _ in range(3):
        eve.set("wide", "SECRET")
        room.settle()
    assert [denial for denial in eve.denials if "wide" in denial]
    assert not eve.member.patience.is_left(room.now), "4,000 parts, three times"
    assert len(room.json()["wide"]) == 4001


def test_rul_6_what_could_not_be_put_back_is_not_applied() -> None:
    room, ada, ben, eve = _room()
    ada.set("x", Map({"object_type": "shape", "doc": XmlFragment([XmlElement("p")])}))
    ada.edit(lambda o: o["x"].update({"is_locked": True}))
    room.settle()
    eve.edit(lambda o: o["x"].__delitem__("doc"))
    eve.edit(lambda o: o["b"].update({"layer": 1}))
    room.settle()
    assert "doc" in ben.objects["x"].keys()  # noqa: SIM118 - no dict
    assert ben.objects["b"]["layer"] == 1
    assert len(eve.denials) == 1


def test_rul_5_bytes_are_put_back() -> None:
    """Of which the binding gives what it does not take."""
    room, ada, ben, eve = _room()
    ada.set("x", sticky(is_locked=True, raw=b"one", inner=[b"two", {"three": b"three"}]))
    room.settle()
    before = shown(ada.doc, "objects", "x")
    for breaks in (
        lambda o: o["x"].update({"raw": 1, "inner": 1}),
        lambda o: o["x"].update({"raw": b"SECRET"}),
        lambda o: o["x"].update({"layer": 1}),
        lambda o: o.pop("x"),
    ):
        eve.edit(breaks)
        room.settle()
        for person in (ada, ben, eve):
            assert shown(person.doc, "objects", "x") == before
    assert before["x"]["inner"] == [b"two", {"three": b"three"}]
    assert len(eve.denials) == 4


def test_rul_7_where_nobody_knows_what_belongs_to_what_nothing_is_applied() -> None:
    room, ada, _, eve = _room()
    room.room.document.ownership = None
    eve.edit(lambda o: o["b"].update({"layer": 1}))
    room.send(eve)
    room.turn()
    assert "layer" not in room.json()["b"]
    room.deliver()
    assert "cannot be checked" in eve.denials[0]
    assert "layer" not in ada.json()["b"]


def test_rul_8_while_a_session_is_paused_only_hosts_edit() -> None:
    room, ada, ben, eve = _room()
    room.room.is_paused = True
    before = room.json()
    eve.edit(lambda o: o["b"].update({"layer": 1}))
    eve.edit(lambda o: o.update({"c": sticky()}))
    room.settle()
    assert room.json() == before
    assert eve.json() == ben.json() == before
    assert "paused" in eve.denials[0]
    ada.edit(lambda o: o["b"].update({"layer": 2}))
    room.settle()
    room.room.is_paused = False
    eve.edit(lambda o: o["b"].update({"layer": 3}))
    room.settle()
    assert ada.json()["b"]["layer"] == 3


# ACC-6: viewers


def test_acc_6_a_viewer_annotates_and_changes_nothing_else() -> None:
    room, ada, ben, _ = _room()
    notes: Map[Any] = ada.doc.get("annotations", type=Map)
    notes["theirs"] = Map({"annotation_type": "comment", "content": Text("mine")})
    room.settle()
    room.take()
    before = room.json()
    vera = Person(4, Role.VIEWER)
    room.join(vera)
    room.settle()
    witness = Witness(ben, lambda doc: shown(doc, "annotations", "theirs"))
    mine: Map[Any] = vera.doc.get("annotations", type=Map)
    with vera.doc.transaction():
        vera.objects.clear()
    vera.set("z", sticky())
    mine["theirs"]["content"].insert(0, "SECRET")
    del mine["theirs"]
    mine["hers"] = Map({"annotation_type": "comment", "content": Text("hi")})
    mine["hers"]["content"].insert(2, " all")
    room.settle()
    assert room.json() == before
    assert len(witness.seen) == 1
    assert shown(ben.doc, "annotations", "hers")["hers"]["content"] == "hi all"
    assert len(vera.denials) >= 1
    assert b"SECRET" not in b"".join(room.log)
    assert [(change.id, change.author.user_id) for change in room.take()] == [
        ("hers", vera.identity.user_id)
    ]
    mine["hers"]["resolved"] = True
    room.settle()
    assert shown(ben.doc, "annotations", "hers")["hers"]["resolved"] is True
    del mine["hers"]
    room.settle()
    assert shown(ben.doc, "annotations", "hers")["hers"] is None


@pytest.mark.parametrize("has_written", [True, False])
def test_acc_6_a_viewer_does_not_write_as_somebody_else(*, has_written: bool) -> None:
    """The clocks of an editor are for the editor's edits, also of one who has not edited yet."""
    room, _, ben, _ = _room()
    if has_written:
        ben.set("n", 1)
        room.settle()
    vera = Person(4, Role.VIEWER)
    room.join(vera)
    room.settle()
    forger: Doc[Any] = Doc(client_id=ben.client_id)
    forger.apply_update(room.room.document.full_state())
    state = forger.get_state()
    forger.get("annotations", type=Map)["n"] = Map({"annotation_type": "comment"})
    room.send(vera, messages.sync_update(forger.get_update(state)))
    room.settle()
    assert shown(ben.doc, "annotations", "n")["n"] is None
    ben.set("m", 2)
    room.settle()
    assert room.json()["m"] == 2


def test_acc_6_a_viewer_comes_back_with_all_that_it_has() -> None:
    room, ada, _, _ = _room()
    vera = Person(4, Role.VIEWER)
    room.join(vera)
    room.settle()
    vera.is_offline = True
    vera.doc.get("annotations", type=Map)["n"] = Map({"annotation_type": "comment"})
    ada.edit(lambda o: o.pop("b"))
    room.settle()
    room.leave(vera)
    room.return_(vera)
    room.settle()
    assert shown(ada.doc, "annotations", "n")["n"] == {"annotation_type": "comment"}
    assert not vera.denials


def test_acc_6_what_an_editor_touches_at_once_stays_the_viewer_s() -> None:
    room, ada, _, _ = _room()
    vera = Person(4, Role.VIEWER)
    room.join(vera)
    room.settle()
    mine: Map[Any] = vera.doc.get("annotations", type=Map)
    mine["hers"] = Map({"annotation_type": "comment", "content": "hi"})
    room.settle()
    ada.doc.get("annotations", type=Map)["hers"]["resolved"] = True
    room.settle()
    room.take()
    mine["hers"]["content"] = "hi!"
    room.settle()
    assert shown(ada.doc, "annotations", "hers")["hers"]["content"] == "hi!"
    assert not vera.denials


def test_acc_6_unless_the_session_says_no() -> None:
    room, ada, _, _ = _room(rules=SessionRules(viewers_annotate=False))
    vera = Person(4, Role.VIEWER)
    room.join(vera)
    room.settle()
    vera.doc.get("annotations", type=Map)["n"] = Map({"annotation_type": "comment"})
    room.settle()
    assert shown(ada.doc, "annotations", "n")["n"] is None
    assert vera.denials


def test_acc_6_spectators_do_not_annotate() -> None:
    room, ada, _, _ = _room()
    sam = Person(4, Role.SPECTATOR)
    room.join(sam)
    room.settle()
    sam.doc.get("annotations", type=Map)["n"] = Map({"annotation_type": "comment"})
    room.settle()
    assert shown(ada.doc, "annotations", "n")["n"] is None


def test_what_a_session_says_is_read_strictly() -> None:
    """RUL-1"""
    assert session_rules({}) == SessionRules()
    said = {"own_objects_only": True, "strict_schema": 1, "viewers_annotate": "no"}
    assert session_rules(said) == SessionRules(own_objects_only=True)
    assert session_rules({"viewers_annotate": False}).viewers_annotate is False


def test_refusals_say_which_rule_it_was() -> None:
    """RUL-1"""
    room, _, _, eve = _room()
    eve.edit(lambda o: o.pop("a"))
    room.send(eve)
    (refused,) = room.turn().refused
    assert refused.rule is Rule.LOCKED


def test_shared_parts_stay_shared() -> None:
    """RUL-5: what was deleted comes back as what it was, and people go on in it together."""
    room, ada, ben, eve = _room()
    eve.edit(lambda o: o.pop("a"))
    room.settle()
    ada.edit(lambda o: o["a"]["properties"]["points"].append(4))
    ada.edit(lambda o: o["a"]["properties"]["text"].insert(5, "!"))
    room.settle()
    assert isinstance(ben.objects["a"]["properties"]["points"], Array)
    assert ben.json()["a"]["properties"]["text"] == "hello!"
    assert ben.json()["a"]["properties"]["points"] == [1, 2, 3, 4]


# What no editor sends


def _clocks_of(room: Ruled, key: str) -> list[Id]:
    """Structs of an object."""
    room.take()
    document = room.room.document
    owned = document.ownership
    assert owned is not None
    return [
        (client, clock)
        for client, end in document.outline.clocks.items()
        for clock in range(end)
        if owned.entries[owned.owner_of(client, clock)].key == key
    ]


def _type_of_text(room: Ruled, key: str) -> Id:
    """The struct that is the text of a sticky."""
    state = room.room.document.full_state()
    mine = set(_clocks_of(room, key))
    for each in read_sections(state)[0]:
        begin = each.start
        for struct in each.structs:
            at = (each.client, struct.clock)
            if state[begin] & 0x1F == 7 and state[struct.stop - 1] == 2 and at in mine:
                return at
            begin = struct.stop
    raise AssertionError("it has no text")


def _send(room: Ruled, person: Person, sent: bytes) -> None:
    room.send(person, messages.sync_update(sent))
    room.settle()


def test_rul_5_what_cannot_be_seen_in_an_object_is_taken_back_as_well() -> None:
    """An attribute of a shared text: no reader shows it, and others would have it."""
    room, ada, ben, eve = _room()
    parent = _type_of_text(room, "a")
    _send(
        room, eve, update(section(500, 0, item(values(string("SECRET")), parent=parent, key="k")))
    )
    assert eve.denials == ["a is locked; ask a host to unlock it"]
    assert b"SECRET" not in b"".join(room.log) + room.room.document.full_state()
    assert ada.json() == ben.json() == eve.json() == room.json() == room.reopened()
    assert room.take() == []


@pytest.mark.parametrize("is_quick", [False, True], ids=["", "in one turn"])
def test_grd_28_what_goes_on_after_known_clocks_belongs_to_what_these_belong_to(
    *, is_quick: bool
) -> None:
    """It may say that it stands somewhere else, where it would be allowed."""
    room, ada, ben, eve = _room()
    own, other = _type_of_text(room, "b"), _type_of_text(room, "a")
    ada.edit(lambda o: o["a"].update({"is_locked": False}))
    room.settle()
    both = item(text("A"), parent=own), item(text("B"), parent=other)
    if is_quick:
        room.send(eve, messages.sync_update(update(section(600, 0, *both))))
        room.turn()
        ada.edit(lambda o: o["a"].update({"is_locked": True}))
        room.send(ada)
    else:
        _send(room, eve, update(section(600, 0, *both)))
        ada.edit(lambda o: o["a"].update({"is_locked": True}))
        room.settle()
    before = "Bhello"
    _send(room, eve, update(section(600, 1, item(text("XSECRET"), origin=(600, 0)))))
    assert shown(ben.doc, "objects", "a")["a"]["properties"]["text"] == before
    assert eve.denials == ["a is locked; ask a host to unlock it"]
    assert b"SECRET" not in b"".join(room.log)
    assert ada.json() == ben.json() == room.json() == room.reopened()


def test_rul_2_nobody_goes_on_in_the_name_of_somebody_else() -> None:
    room, ada, ben, eve = _room(rules=SessionRules(own_objects_only=True))
    ben.set("bens", sticky("private"))
    ben.edit(lambda o: o["bens"]["properties"]["text"].insert(0, "hi "))
    eve.set("eves", sticky())
    room.settle()
    last = room.room.document.outline.clocks[ben.client_id] - 1
    _send(room, eve, update(section(700, 0, item(text("A"), parent=_type_of_text(room, "eves")))))
    assert not eve.denials
    _send(room, eve, update(section(ben.client_id, last, item(text("?SECRET"), origin=(700, 0)))))
    assert shown(ada.doc, "objects", "bens")["bens"]["properties"]["text"] == "hi private"
    assert len(eve.denials) == 1
    assert b"SECRET" not in b"".join(room.log)


def test_acc_6_a_viewer_goes_on_in_nothing_but_its_own_annotations() -> None:
    room, ada, _, eve = _room()
    with eve.doc.transaction():
        eve.doc.get("meta", type=Map)["m"] = Map({"t": Text("hello")})
    room.settle()
    last = room.room.document.outline.clocks[eve.client_id] - 1
    viewer = Person(3, Role.VIEWER, doc=Doc(client_id=3333))
    room.room.set_role(eve.member, Role.VIEWER)
    room.join(viewer)
    room.settle()
    with viewer.doc.transaction():
        note = Map({"annotation_type": "comment", "t": Text("x")})
        viewer.doc.get("annotations", type=Map)["n"] = note
    room.settle()
    room.take()  # whose the annotation is
    end = room.room.document.outline.clocks[3333]
    for clock in range(end - 1, -1, -1):
        brought = item(text("?SECRET"), origin=(3333, clock))
        _send(room, eve, update(section(eve.client_id, last, brought)))
        assert b"SECRET" not in b"".join(room.log)
        if eve.closed:
            break
    assert ada.doc.get("meta", type=Map).to_py() == {"m": {"t": "hello"}}
    assert eve.denials


def test_rul_1_an_update_that_brings_a_gap_and_deletes_stops_nobody() -> None:
    room, ada, _, eve = _room()
    client, clock = _clocks_of(room, "b")[-1]
    _send(room, eve, update(section(77, 0, skip(1)), deletes={client: [(clock, 1)]}))
    ada.set("after", 1)
    room.settle()
    assert room.json()["after"] == 1
