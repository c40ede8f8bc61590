"""POS-39: where a held object came to rest is written into the document."""

from __future__ import annotations

from typing import Any

import pytest
from pycrdt import Doc, Map

from crdt_docs.document import Document
from crdt_docs.errors import NotNow
from crdt_docs.object_transforms import put_transform
from crdt_docs.poses import Transform, decode_transform, encode_transform
from tests.helpers.people import Person
from tests.helpers.ruled import Ruled, host

OLD = {
    "position": {"x": 0.0, "y": 0.0, "z": 0.0},
    "rotation": {"x": 0.0, "y": 0.0, "z": 0.0, "w": 1.0},
    "scale": {"x": 2.0, "y": 2.0, "z": 2.0},
}
MOVED = Transform(3, 1, (1.5, -2.25, 3.0), (0.5, 0.5, 0.5, 0.5))
NEW = {
    "position": {"x": 1.5, "y": -2.25, "z": 3.0},
    "rotation": {"x": 0.5, "y": 0.5, "z": 0.5, "w": 0.5},
    "scale": OLD["scale"],
}
UNSCALED = {"x": 1.0, "y": 1.0, "z": 1.0}


def _put(value: object, transform: Transform = MOVED) -> tuple[bool, Any]:
    """Whether anything was written into an object, and what it is then."""
    doc: Doc[Any] = Doc()
    objects = doc.get("objects", type=Map)
    objects["chair"] = value
    before = doc.get_state()
    with doc.transaction():
        has_written = put_transform(doc, "chair", transform)
    assert has_written == (doc.get_state() != before)
    return has_written, objects.to_py()["chair"]


def test_pos_39_it_is_one_value_and_the_scale_stays() -> None:
    assert _put(Map({"transform": OLD, "layer": 1})) == (True, {"transform": NEW, "layer": 1})
    doc: Doc[Any] = Doc()
    objects = doc.get("objects", type=Map)
    objects["chair"] = Map({"transform": Map({"position": Map(OLD["position"]), "own": 7})})
    with doc.transaction():
        put_transform(doc, "chair", MOVED)
    wanted = {**NEW, "scale": UNSCALED, "own": 7}
    assert objects["chair"]["transform"] == wanted, "not a shared map any more"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"transform": {**OLD, "own": [1]}}, {"transform": {**NEW, "own": [1]}}),
        ({"transform": {"scale": "large"}}, {"transform": {**NEW, "scale": "large"}}),
        ({"transform": "somewhere"}, {"transform": {**NEW, "scale": UNSCALED}}),
        ({"transform": None}, {"transform": {**NEW, "scale": UNSCALED}}),
        ({}, {"transform": {**NEW, "scale": UNSCALED}}),
    ],
)
def test_pos_39_what_else_stands_there_stays(before: Any, after: Any) -> None:
    assert _put(Map(before)) == (True, after)
    assert _put({**before, "raw": b"x"}) == (True, {**after, "raw": b"x"})


def test_pos_39_a_scale_is_as_short_as_it_was_sent() -> None:
    record = encode_transform(MOVED._replace(scale=(1.1, 0.001, 123456.7)))
    _, chair = _put(Map({"transform": OLD}), decode_transform(record))
    assert chair["transform"]["scale"] == {"x": 1.1, "y": 0.001, "z": 123456.7}


@pytest.mark.parametrize("stands", [None, "words", 3, [1], True])
def test_pos_39_into_what_is_no_object_nothing_is_written(stands: object) -> None:
    assert _put(stands) == (False, stands)


def test_pos_39_what_stands_there_already_is_not_written() -> None:
    assert _put(Map({"transform": NEW})) == (False, {"transform": NEW})
    whole = {axis: int(value) for axis, value in NEW["scale"].items()}
    assert not _put(Map({"transform": {**NEW, "scale": whole}}))[0]


def test_pos_39_of_a_deleted_object_nothing_is_made() -> None:
    doc: Doc[Any] = Doc()
    with doc.transaction():
        assert not put_transform(doc, "gone", MOVED)
    assert len(doc.get("objects", type=Map)) == 0


def test_pos_39_it_is_an_edit_of_the_holder_that_its_own_hold_does_not_forbid() -> None:
    ada, ben = host(1), Person(2)
    room = Ruled(ada, ben)
    ada.set("chair", Map({"object_type": "furniture", "transform": OLD}))
    room.settle()
    room.take()
    room.room.hold("chair", ben.identity.user_id)
    assert room.room.edit(ben.identity, lambda doc: put_transform(doc, "chair", MOVED))
    room.settle()
    assert ada.json() == ben.json() == room.json() == room.reopened()
    assert room.json()["chair"]["transform"] == NEW
    (change,) = room.take()
    assert (change.id, change.author.user_id) == ("chair", ben.identity.user_id)
    ada.edit(lambda o: o["chair"].update({"transform": OLD}))
    room.settle()
    assert ada.json()["chair"]["transform"] == NEW
    room.room.accepts_edits = False
    with pytest.raises(NotNow):
        room.room.edit(ben.identity, lambda doc: put_transform(doc, "chair", MOVED))


def test_pos_39_a_thousand_moves_leave_less_than_a_kilobyte_behind() -> None:
    """Whatever somebody else writes in between."""
    ada, ben = host(1), Person(2)
    room = Ruled(ada, ben)
    ada.set("chair", Map({"object_type": "furniture", "transform": OLD}))
    room.settle()
    document: Document = room.room.document
    before = document.measure()
    for number in range(1000):
        moved = MOVED._replace(position=(number / 7, number / 3, -number / 11))
        record = decode_transform(encode_transform(moved))
        assert room.room.edit(ben.identity, lambda doc, to=record: put_transform(doc, "chair", to))  # type: ignore[misc]
        if number % 100 == 0:
            ben.edit(lambda objects: objects.pop("note", None))
            ben.set("note", "x")
        room.settle()
    grown = document.measure() - before
    assert grown < 1000, "102 when this was written"
    assert ada.json() == ben.json() == room.json() == room.reopened()
