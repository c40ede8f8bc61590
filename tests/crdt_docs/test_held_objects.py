"""RUL-9: while somebody has an object in their hand, nobody else moves it."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
from pycrdt import Array, Doc, Map, Text

from crdt_docs.access import Role
from crdt_docs.ownership import Entry
from crdt_docs.rules import Rule, RuleBroken, SessionRules
from tests.helpers.people import Person
from tests.helpers.ruled import Ruled, Witness, host, shown

Change = Callable[[Map[Any]], object]

HERE = {"position": {"x": 1.0, "y": 2.0, "z": 3.0}, "scale": {"x": 1.0, "y": 1.0, "z": 1.0}}
THERE = {"position": {"x": 9.0, "y": 9.0, "z": 9.0}, "scale": {"x": 2.0, "y": 2.0, "z": 2.0}}
FIELDS = {"object_type": "model"}

MOVES: dict[str, Change] = {
    "moves it": lambda o: o["a"].update({"transform": THERE}),
    "makes it a shared map": lambda o: o["a"].update({"transform": Map(THERE)}),
    "takes it out of space": lambda o: o["a"].pop("transform"),
    "replaces it by itself elsewhere": lambda o: o.update({"a": model(THERE)}),
    "replaces it by itself nowhere": lambda o: o.update({"a": Map({**FIELDS})}),
}

BESIDE: dict[str, Change] = {
    "a field": lambda o: o["a"].update({"asset_url": "https://example.org/b.glb"}),
    "a text": lambda o: o["a"]["properties"]["text"].insert(0, "more "),
    "a part": lambda o: o["a"]["properties"].pop("parts"),
    "a lock": lambda o: o["a"].update({"is_locked": True}),
    "another object": lambda o: o["b"].update({"transform": THERE}),
    "a new object": lambda o: o.update({"c": model(THERE)}),
    "all of it": lambda o: o.pop("a"),
}


def model(transform: object, **fields: object) -> Map[Any]:
    """An object of an XR room as a client makes it."""
    properties = Map({"text": Text("chair"), "parts": Array([1, 2])})
    return Map({**FIELDS, "transform": transform, "properties": properties, **fields})


def _room(**options: Any) -> tuple[Ruled, Person, Person, Person]:
    """Ben has `a` in his hand."""
    ada, ben, eve = host(1), Person(2), Person(3)
    room = Ruled(ada, ben, eve, **options)
    ada.set_many({"a": model(HERE), "b": model(HERE)})
    room.settle()
    room.take()
    room.room.hold("a", ben.identity.user_id)
    return room, ada, ben, eve


@pytest.mark.parametrize("is_host", [False, True])
@pytest.mark.parametrize("moves", MOVES.values(), ids=MOVES)
def test_rul_9_nobody_else_moves_it(moves: Change, *, is_host: bool) -> None:
    room, ada, ben, eve = _room()
    mover, other = (ada, eve) if is_host else (eve, ada)
    witness = Witness(other, lambda doc: shown(doc, "objects", "a")["a"].get("transform"))
    mover.edit(moves)
    room.settle()
    assert room.json()["a"]["transform"] == HERE
    assert witness.seen == [HERE]
    assert ada.json() == ben.json() == eve.json() == room.json() == room.reopened()
    assert mover.denials == ["a is in somebody's hand; wait until they let go"]
    assert not mover.closed
    room.room.let_go("a")
    mover.edit(moves)
    room.settle()
    assert room.json()["a"].get("transform") != HERE
    assert ada.json() == ben.json() == eve.json() == room.json() == room.reopened()
    assert len(mover.denials) == 1


@pytest.mark.parametrize("change", BESIDE.values(), ids=BESIDE)
def test_rul_9_everything_else_may_be_done_to_it(change: Change) -> None:
    room, ada, ben, eve = _room()
    eve.edit(change)
    wanted = eve.json()
    room.settle()
    assert ada.json() == ben.json() == eve.json() == room.json() == wanted
    assert not eve.denials


@pytest.mark.parametrize("moves", MOVES.values(), ids=MOVES)
def test_rul_9_its_holder_moves_it_in_the_document_too(moves: Change) -> None:
    room, ada, ben, _ = _room()
    ben.edit(moves)
    wanted = ben.json()
    room.settle()
    assert ada.json() == room.json() == wanted
    assert not ben.denials


def test_rul_9_the_refusal_is_told_apart() -> None:
    room, _, _, eve = _room()
    eve.edit(MOVES["moves it"])
    room.send(eve)
    (refused,) = room.turn().refused
    assert refused.rule is Rule.HELD


def test_rul_9_an_object_that_is_one_value_is_put_back_too() -> None:
    room, ada, _, eve = _room()
    ada.set("v", {**FIELDS, "transform": HERE})
    ada.set("n", dict(FIELDS))
    room.settle()
    room.room.hold("v", ada.identity.user_id)
    room.room.hold("n", ada.identity.user_id)
    eve.set("v", {**FIELDS, "transform": THERE, "asset_url": "x"})
    eve.set("n", {**FIELDS, "transform": THERE})
    room.settle()
    assert room.json()["v"] == {**FIELDS, "transform": HERE, "asset_url": "x"}
    assert room.json()["n"] == FIELDS
    eve.set("v", "no object any more")
    room.settle()
    assert room.json()["v"] == "no object any more"
    assert ada.json() == eve.json() == room.json() == room.reopened()
    assert len(eve.denials) == 1, "one a turn"


def test_rul_9_a_shared_transform_becomes_one_again() -> None:
    room, ada, ben, eve = _room()
    ada.set("s", model(Map(HERE)))
    room.settle()
    room.room.hold("s", ben.identity.user_id)
    eve.edit(lambda o: o["s"]["transform"].update(THERE))
    room.settle()
    assert room.json()["s"]["transform"] == HERE
    assert isinstance(eve.objects["s"]["transform"], Map)
    eve.edit(lambda o: o["s"].update({"transform": THERE}))
    room.settle()
    assert isinstance(eve.objects["s"]["transform"], Map)
    assert ada.json() == eve.json() == room.json() == room.reopened()


def test_rul_9_what_was_deleted_in_somebodys_hand_may_be_made_again() -> None:
    room, ada, _, eve = _room()
    eve.edit(lambda o: o.pop("a"))
    room.settle()
    eve.set("a", model(THERE))
    room.settle()
    assert ada.json()["a"]["transform"] == THERE
    assert not eve.denials


@pytest.mark.parametrize("moves", MOVES.values(), ids=MOVES)
def test_rul_9_what_the_server_restores_leaves_it_where_it_is(moves: Change) -> None:
    room, ada, ben, eve = _room()

    def whole(doc: Doc[Any]) -> None:
        moves(_of(doc))
        BESIDE["another object"](_of(doc))

    room.room.edit(ada.identity, whole, is_restore=True)
    room.settle()
    assert room.json()["a"]["transform"] == HERE
    assert room.json()["b"]["transform"] == THERE
    assert ada.json() == ben.json() == eve.json() == room.json() == room.reopened()
    room.room.edit(ben.identity, whole, is_restore=True)
    assert room.json()["a"].get("transform") != HERE


def test_rul_9_what_the_server_deletes_in_somebodys_hand_is_gone() -> None:
    room, ada, ben, _ = _room()
    room.room.edit(ada.identity, lambda doc: _of(doc).pop("a"), is_restore=True)
    room.settle()
    assert "a" not in ben.json()
    room.room.edit(ada.identity, lambda doc: _of(doc).update({"a": model(THERE)}), is_restore=True)
    room.settle()
    assert ben.json()["a"]["transform"] == THERE


def test_rul_9_nothing_is_held_up_by_what_is_no_place_in_space() -> None:
    room, ada, ben, _ = _room()
    ben.set("a", model({**HERE, "more": "x" * 70_000}))
    room.settle()
    room.room.edit(ada.identity, lambda doc: BESIDE["another object"](_of(doc)), is_restore=True)
    room.settle()
    assert ben.json()["b"]["transform"] == THERE


def test_edt_8_who_is_to_move_what_is_held_is_told_before() -> None:
    room, ada, ben, _ = _room()
    check, entries = room.room.check_edit, [Entry("objects", "a")]
    check(ada.identity.user_id, Role.HOST, entries)
    check(ben.identity.user_id, Role.EDITOR, entries, is_moving=True)
    check(ada.identity.user_id, Role.HOST, [Entry("objects", "b")], is_moving=True)
    with pytest.raises(RuleBroken) as refused:
        check(ada.identity.user_id, Role.HOST, entries, is_moving=True)
    assert refused.value.rule is Rule.HELD


def _of(doc: Doc[Any]) -> Map[Any]:
    objects: Map[Any] = doc.get("objects", type=Map)
    return objects


def test_rul_9_an_annotation_of_the_same_name_is_something_else() -> None:
    room, ada, _, eve = _room()
    notes: Map[Any] = eve.doc.get("annotations", type=Map)
    notes["a"] = model(THERE)
    room.settle()
    notes["a"]["transform"] = HERE
    room.settle()
    assert shown(ada.doc, "annotations", "a")["a"]["transform"] == HERE
    assert room.json()["a"]["transform"] == HERE
    assert not eve.denials


def test_rul_9_of_work_done_offline_what_is_legal_stays() -> None:
    room, ada, ben, eve = _room()
    eve.is_offline = True

    def work(objects: Map[Any]) -> None:
        objects["a"]["transform"] = THERE
        objects["a"]["properties"]["text"].insert(0, "high ")
        objects["b"]["transform"] = THERE
        objects["c"] = model(HERE)

    eve.edit(work)
    room.leave(eve)
    room.return_(eve)
    room.settle()
    assert room.json()["a"]["transform"] == HERE
    assert room.json()["a"]["properties"]["text"] == "high chair"
    assert room.json()["b"]["transform"] == THERE
    assert "c" in room.json()
    assert ada.json() == ben.json() == eve.json() == room.json() == room.reopened()
    assert len(eve.denials) == 1


def test_rul_9_a_long_edit_is_judged_piece_by_piece() -> None:
    """ROM-16: it moves the held object early and late, and goes on in between."""
    room, ada, ben, eve = _room()

    def work(objects: Map[Any]) -> None:
        objects["a"]["transform"] = {**THERE, "n": 1}
        for number in range(400):
            objects[f"n{number}"] = model(THERE)
            objects["a"]["properties"]["text"].insert(0, "x")
            objects["b"]["transform"] = {**THERE, "n": number}
        objects["a"]["transform"] = {**THERE, "n": 2}

    eve.edit(work)
    room.settle()
    assert room.json()["a"]["transform"] == HERE
    assert room.json()["a"]["properties"]["text"] == 400 * "x" + "chair"
    assert len(room.json()) == 402
    assert ada.json() == ben.json() == eve.json() == room.json() == room.reopened()
    assert not eve.closed


def test_rul_10_what_was_only_moved_is_no_history_and_what_was_changed_besides_is() -> None:
    room, _, _, eve = _room()
    eve.edit(MOVES["moves it"])
    room.settle()
    assert room.take() == []

    def both(objects: Map[Any]) -> None:
        objects["a"]["transform"] = THERE
        objects["a"]["asset_url"] = "https://example.org/b.glb"

    eve.edit(both)
    room.settle()
    (change,) = room.take()
    assert (change.id, change.author.user_id) == ("a", eve.identity.user_id)
    assert [commit.taken_back for turn in room.turns for commit in turn.commits][-1] == frozenset()


def test_rul_9_first_synchronisations_tell_of_old_deletions_and_harm_nobody() -> None:
    """They are told of each transform that ever was overwritten, also of that of a held object."""
    room, ada, _, eve = _room()
    room.room.let_go("a")
    for _ in range(3):
        ada.edit(lambda o: o["a"].update({"transform": THERE}))
        ada.edit(lambda o: o["a"].update({"transform": HERE}))
    room.settle()
    room.room.hold("a", ada.identity.user_id)
    eve.is_offline = True
    eve.edit(lambda o: o["b"].update({"transform": THERE}))
    room.leave(eve)
    room.return_(eve)
    room.settle()
    assert room.json()["b"]["transform"] == THERE
    assert not eve.denials


def test_rul_9_a_locked_object_in_a_hosts_hand_is_left_alone_by_everybody() -> None:
    room, ada, ben, eve = _room()
    ada.edit(lambda o: o["b"].update({"is_locked": True}))
    room.settle()
    room.room.hold("b", ada.identity.user_id)

    def change(objects: Map[Any]) -> None:
        objects["b"]["transform"] = THERE
        objects["b"]["asset_url"] = "SECRET"

    eve.edit(change)
    room.settle()
    assert room.json()["b"] == ben.json()["b"] == eve.json()["b"]
    assert "asset_url" not in room.json()["b"]
    assert eve.denials == ["b is locked; ask a host to unlock it"]


def test_rul_9_other_rules_hold_as_ever() -> None:
    room, ada, ben, eve = _room()
    room.room.obey(SessionRules(own_objects_only=True), {})

    def change(objects: Map[Any]) -> None:
        objects["b"]["layer"] = 1
        objects["c"] = model(THERE)

    eve.edit(change)
    ada.edit(MOVES["moves it"])
    room.settle()
    assert "somebody else's" in eve.denials[0]
    assert len(ada.denials) == 1
    assert room.json()["a"]["transform"] == HERE
    assert "layer" not in room.json()["b"]
    assert "c" in room.json()
    assert ada.json() == ben.json() == eve.json() == room.json()


def test_rul_6_whose_patience_is_used_up_changes_nothing_of_a_held_object() -> None:
    room, ada, _, eve = _room()
    eve.member.patience.used = 10**9
    eve.edit(lambda o: o["a"].update({"asset_url": "x"}))
    room.settle()
    assert "asset_url" not in ada.json()["a"]
    eve.edit(lambda o: o["b"].update({"asset_url": "x"}))
    room.settle()
    assert ada.json()["b"]["asset_url"] == "x"


def test_rul_7_where_nobody_knows_what_belongs_to_what_nothing_is_applied_beside_held_objects() -> (
    None
):
    room, _, _, eve = _room()
    room.room.document.ownership = None
    eve.edit(lambda o: o["b"].update({"layer": 1}))
    room.settle()
    assert "layer" not in room.json()["b"]
    assert "cannot be checked" in eve.denials[0]


def test_rul_9_what_is_done_beside_held_objects_is_not_examined() -> None:
    room, _, _, eve = _room()
    examined = []
    examine = room.authority.examine

    def note(update: bytes, *others: Any, **named: Any) -> Any:
        examined.append(update)
        return examine(update, *others, **named)

    room.authority.examine = note
    for number in range(5):
        eve.edit(lambda o, n=number: o["b"].update({"transform": {**THERE, "n": n}}))  # type: ignore[misc]
    room.settle()
    assert not examined
    eve.edit(MOVES["moves it"])
    room.settle()
    assert len(examined) == 1


def _work(rng: random.Random, objects: Map[Any]) -> None:
    key = rng.choice("abc")
    stands = objects.get(key)
    match rng.randrange(7):
        case 0 if isinstance(stands, Map):
            stands["transform"] = {**HERE, "n": rng.randrange(1000)}
        case 1 | 2 if isinstance(stands, Map):
            stands["transform"] = {**THERE, "n": rng.randrange(1000)}
            stands["layer"] = rng.randrange(9)
        case 3 if isinstance(stands, Map):
            stands["properties"]["text"].insert(0, "x")
        case 4:
            objects[key] = model({**THERE, "n": rng.randrange(1000)})
        case 5 if rng.random() < 0.3 and stands is not None:
            del objects[key]
        case _ if isinstance(stands, Map):
            stands["asset_url"] = str(rng.randrange(9))


@pytest.mark.parametrize("seed", range(15))
def test_rul_9_whatever_others_do_it_stays_in_its_holders_hand(seed: int) -> None:
    """Everybody edits, at times offline, and `a` is held by one after the other."""
    rng = random.Random(seed)
    people = [host(1), Person(2), Person(3)]
    room = Ruled(*people)
    people[0].set_many({key: model(HERE) for key in "abc"})
    room.settle()
    for _ in range(40):
        holder = rng.choice(people)
        room.room.hold("a", holder.identity.user_id)
        before = room.json().get("a", {}).get("transform")
        others = [person for person in people if person is not holder]
        for _ in range(rng.randrange(4)):
            rng.choice(others).edit(lambda objects: _work(rng, objects))
        room.settle()
        after = room.json().get("a")
        assert after is None or before is None or after.get("transform") == before
        room.room.let_go("a")
        if after is None:
            holder.set("a", model(HERE))
        room.settle()
    assert people[0].json() == people[1].json() == people[2].json() == room.json()
    assert room.json() == room.reopened()
    assert all(person.member.role is not Role.VIEWER and not person.closed for person in people)
