"""Objects that become again what they were."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pycrdt import Array, Map, Text

from crdt_docs.edit_errors import InvalidId
from crdt_docs.edit_values import MAX_PARTS, same
from crdt_docs.identifiers import DocumentKind
from crdt_docs.object_edits import create, delete, merge
from crdt_docs.object_fields import project
from crdt_docs.object_kinds import KINDS, ObjectKind
from crdt_docs.object_restoring import put_all_back, put_back
from crdt_docs.projection import LIFETIMES
from tests.crdt_docs.editing import (
    EXTENTS,
    NUMBERS,
    OBJECT_VALUES,
    PARTS,
    POINTS,
    QUATERNIONS,
    VALUES,
    VECTORS,
    WORDS,
    Board,
    document,
)

OBJECT, ANNOTATION = KINDS[DocumentKind.OCW]
(XR_OBJECT,) = KINDS[DocumentKind.XR]
DELTAS = st.lists(PARTS, max_size=3).map(lambda parts: {"delta": parts})
VALID = {
    OBJECT: st.fixed_dictionaries(
        {"object_type": st.sampled_from(["sticky", "shape"])},
        optional={
            "position": POINTS,
            "size": EXTENTS,
            "rotation": NUMBERS,
            "properties": st.fixed_dictionaries(
                {}, optional={"text": WORDS | DELTAS, "color": WORDS, "more": VALUES}
            ),
            "layer": NUMBERS,
            "is_locked": st.booleans(),
            "created_by": WORDS,
        },
    ),
    ANNOTATION: st.fixed_dictionaries(
        {"annotation_type": st.sampled_from(["comment", "marker"])},
        optional={
            "content": WORDS | DELTAS,
            "object_id": st.sampled_from(["a", "b"]),
            "position": POINTS,
            "resolved": st.booleans(),
            "created_by": WORDS,
        },
    ),
    XR_OBJECT: st.fixed_dictionaries(
        {"object_type": st.sampled_from(["model", "screen"])},
        optional={
            "transform": st.fixed_dictionaries(
                {}, optional={"position": VECTORS, "rotation": QUATERNIONS, "scale": VECTORS}
            ),
            "parent_id": st.sampled_from(["a", "b"]),
            "asset_url": WORDS,
            "properties": st.fixed_dictionaries({}, optional={"text": WORDS | DELTAS}),
            "is_interactive": st.booleans(),
            "is_locked": st.booleans(),
            "lifetime": st.sampled_from(LIFETIMES),
            "created_by": WORDS,
        },
    ),
}


def state_of(board: Board, kind: ObjectKind, identifier: str = "a") -> dict[str, Any]:
    """As the history has it: the columns; empty when there is nothing."""
    value = board.read(kind.root, identifier)
    if value is None:
        return {}
    fields = project(kind, value)._asdict()
    del fields["search_text"]
    return fields


@pytest.mark.parametrize("kind", VALID)
@given(data=st.data(), now=OBJECT_VALUES | st.none())
def test_edt_6_an_object_becomes_what_its_state_says(
    kind: ObjectKind, data: st.DataObject, now: dict[str, Any] | None
) -> None:
    """Whatever it is by now, and nothing is written twice."""
    was = data.draw(VALID[kind] | st.none())
    past, board = Board(), Board()
    if was is not None:
        past.edit(create, kind.root, "a", was)
    if now is not None:
        board.edit(create, kind.root, "a", now)
    state = state_of(past, kind)
    board.edit(put_back, kind, "a", state)
    assert same(state_of(board, kind), state)
    assert same(state_of(board.copy(), kind), state)
    board.emitted.clear()
    board.edit(put_back, kind, "a", state)
    assert board.emitted == []


@pytest.mark.parametrize("kind", VALID)
@given(was=OBJECT_VALUES, now=OBJECT_VALUES)
def test_edt_6_what_was_invalid_comes_back_as_far_as_its_row_goes(
    kind: ObjectKind, was: dict[str, Any], now: dict[str, Any]
) -> None:
    past, board = Board(), Board()
    past.edit(create, kind.root, "a", was)
    state = state_of(past, kind)
    assume(not state["is_valid"])
    board.edit(create, kind.root, "a", now)
    board.edit(put_back, kind, "a", state)
    found = state_of(board, kind)
    assert same({**found, "is_valid": False}, state)


def test_edt_6_fields_that_the_state_does_not_know_are_left_alone() -> None:
    board = Board()
    first = {"object_type": "sticky", "layer": 1, "link": "x"}
    board.edit(create, "objects", "a", first)
    state = state_of(board, OBJECT)
    board.edit(merge, "objects", "a", {"layer": 2, "link": "y", "extra": {"k": 1}})
    board.edit(put_back, OBJECT, "a", state)
    assert board.read("objects", "a") == {**first, "link": "y", "extra": {"k": 1}}


def test_edt_6_a_transform_is_put_back_as_one_value() -> None:
    """PRJ-8"""
    board = Board()
    place = {"position": {"x": 1, "y": 2, "z": 3}, "rotation": {"x": 0, "y": 0, "z": 0, "w": 1}}
    board.edit(create, "objects", "a", {"object_type": "model", "transform": place})
    state = state_of(board, XR_OBJECT)
    moved = {"position": {"x": 9, "y": 9, "z": 9}, "scale": {"x": 2, "y": 2, "z": 2}}
    board.edit(merge, "objects", "a", {"transform": moved, "lifetime": "owner"})
    board.edit(put_back, XR_OBJECT, "a", state)
    assert board.read("objects", "a") == {
        "object_type": "model",
        "transform": place,
        "lifetime": "room",
    }
    half = {**place, "rotation": "upside down"}
    board.edit(merge, "objects", "a", {"transform": half})
    board.edit(put_back, XR_OBJECT, "a", state)
    assert board.read("objects", "a")["transform"] == place
    board.edit(put_back, XR_OBJECT, "a", {**state, "position": None, "rotation": None})
    assert "transform" not in board.read("objects", "a")


def test_edt_6_people_who_type_meanwhile_keep_their_place() -> None:
    board = Board()
    board.edit(create, "objects", "a", {"object_type": "text", "properties": {"text": "one two"}})
    state = state_of(board, OBJECT)
    board.edit(merge, "objects", "a", {"properties": {"text": "one and two"}})
    other = board.copy()
    other.place("objects", "a")["properties"]["text"].insert(11, "!")
    board.edit(put_back, OBJECT, "a", state)
    board.doc.apply_update(other.doc.get_update())
    assert board.read("objects", "a")["properties"] == {"text": "one two!"}


def test_edt_6_formats_come_back() -> None:
    board = Board()
    bold = {"insert": "bold", "attributes": {"bold": True}}
    text = {"delta": [{"insert": "so "}, bold, {"insert": {"image": "x"}}]}
    board.edit(create, "objects", "a", {"object_type": "text", "properties": {"text": text}})
    state = state_of(board, OBJECT)
    board.edit(merge, "objects", "a", {"properties": {"text": "bald"}})
    board.edit(put_back, OBJECT, "a", state)
    assert board.read("objects", "a")["properties"]["text"] == text
    board.edit(delete, "objects", "a")
    board.edit(put_back, OBJECT, "a", state)
    assert board.read("objects", "a")["properties"]["text"] == text


def test_formats_of_an_annotation_stay_where_the_words_do() -> None:
    """Its state has no formats."""
    board = Board()
    bold = {"insert": "bold", "attributes": {"bold": True}}
    remark = {"annotation_type": "comment", "content": {"delta": [bold, {"insert": " word"}]}}
    board.edit(create, "annotations", "a", remark)
    state = state_of(board, ANNOTATION)
    assert state["content"] == "bold word"
    board.place("annotations", "a")["content"].insert_embed(2, {"image": "x"})
    board.emitted.clear()
    board.edit(put_back, ANNOTATION, "a", state)
    assert board.emitted == []
    board.edit(put_back, ANNOTATION, "a", {**state, "content": "bold words"})
    parts = board.read("annotations", "a")["content"]["delta"]
    assert parts == [
        {"insert": "bo", "attributes": {"bold": True}},
        {"insert": {"image": "x"}, "attributes": {"bold": True}},
        {"insert": "ld", "attributes": {"bold": True}},
        {"insert": " words"},
    ]


@pytest.mark.parametrize("state", [None, {}])
def test_edt_6_what_was_not_there_is_deleted(state: dict[str, Any] | None) -> None:
    board = Board()
    board.edit(create, "objects", "a", {"object_type": "shape"})
    board.edit(put_back, OBJECT, "a", state)
    assert board.read("objects", "a") is None
    board.emitted.clear()
    board.edit(put_back, OBJECT, "a", state)
    assert board.emitted == []


@pytest.mark.parametrize("field", ["rotation", "is_locked", "created_by", "size", "properties"])
def test_a_field_of_the_wrong_kind_goes_when_the_object_was_valid(field: str) -> None:
    board = Board()
    board.edit(create, "objects", "a", {"object_type": "shape"})
    state = state_of(board, OBJECT)
    board.edit(merge, "objects", "a", {field: [1]})
    assert not state_of(board, OBJECT)["is_valid"]
    board.edit(put_back, OBJECT, "a", state)
    assert board.read("objects", "a") == {"object_type": "shape"}


@pytest.mark.parametrize("stands", [5, {"object_type": "text", "more": 1}, [1], Text("x"), None])
def test_whatever_stands_there_is_replaced(stands: Any) -> None:
    board = Board()
    board.doc["objects"] = Map({"a": stands})
    state = {"object_type": "sticky", "properties": {"text": "hi"}, "is_valid": True}
    board.edit(put_back, OBJECT, "a", state)
    more = {"more": 1} if isinstance(stands, dict) else {}
    wanted = {"object_type": "sticky", "properties": {"text": "hi"}, **more}
    assert board.read("objects", "a") == wanted


def test_an_id_without_a_row_has_no_state() -> None:
    with pytest.raises(InvalidId):
        Board().edit(put_back, OBJECT, "x" * 129, {"object_type": "shape"})


ANYTHING = st.dictionaries(st.sampled_from("abcd"), OBJECT_VALUES | VALUES, max_size=4)


@given(was=ANYTHING, now=ANYTHING)
def test_edt_7_a_whole_session_becomes_what_it_was(
    was: dict[str, Any], now: dict[str, Any]
) -> None:
    board = Board()
    board.doc["annotations"] = Map({"untouched": 1})
    _fill(board, now)
    past = {identifier: document("objects", value) for identifier, value in was.items()}
    different = [
        key
        for key in past.keys() | now.keys()
        if not same(board.read("objects", key), past.get(key))
    ]
    assert board.edit(put_all_back, {"objects": past}) == len(different)
    for key in "abcd":
        assert same(board.read("objects", key), past.get(key))
        assert same(board.copy().read("objects", key), past.get(key))
    assert board.read("annotations", "untouched") == 1
    board.emitted.clear()
    assert board.edit(put_all_back, {"objects": past}) == 0
    assert board.emitted == []


def _fill(board: Board, objects: dict[str, Any]) -> None:
    for identifier, value in objects.items():
        if isinstance(value, dict):
            board.edit(create, "objects", identifier, value)
        else:
            with board.doc.transaction():
                board.doc.get("objects", type=Map)[identifier] = value


def test_edt_7_what_nobody_changed_is_not_written() -> None:
    board = Board()
    board.doc["objects"] = Map({"a": Map({"list": Array([1]), "nan": float("nan")}), "b": b"x"})
    past = {"objects": {key: board.read("objects", key) for key in "ab"}}
    board.edit(create, "objects", "c", {"object_type": "shape"})
    assert board.edit(put_all_back, past) == 1
    assert isinstance(board.place("objects", "a")["list"], Array)
    assert board.place("objects", "b") == b"x"


@pytest.mark.parametrize("kind", VALID)
def test_a_text_of_very_many_parts_is_made_anew(kind: ObjectKind) -> None:
    """To change it would take yrs seconds: it walks over all of it for every part."""
    parts = [{"insert": "x", "attributes": {"n": i % 2}} for i in range(2 * MAX_PARTS + 1)]
    text = {"delta": parts}
    board = Board()
    board.doc["objects"] = Map({"a": Map({"object_type": "text", "properties": {"text": text}})})
    board.doc["annotations"] = Map({"a": Map({"annotation_type": "comment", "content": text})})
    state = state_of(board, kind)
    board.edit(delete, kind.root, "a")
    board.edit(put_back, kind, "a", state)
    assert same(state_of(board, kind), state)
    field = "content" if kind is ANNOTATION else "properties"
    changed = {**state, field: "words" if kind is ANNOTATION else {"text": "words"}}
    board.edit(put_back, kind, "a", changed)
    assert same(state_of(board, kind), changed)
    board.edit(put_back, kind, "a", state)
    assert same(state_of(board, kind), state)
