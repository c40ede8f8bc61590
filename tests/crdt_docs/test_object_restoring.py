"""Objects that become again what they were."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pycrdt import Array, Doc, Map, Text, XmlElement, XmlFragment, XmlText

from crdt_docs import object_restoring
from crdt_docs.edit_errors import InvalidId
from crdt_docs.edit_values import MAX_PARTS, same
from crdt_docs.identifiers import DocumentKind
from crdt_docs.object_edits import create, delete, merge
from crdt_docs.object_fields import project
from crdt_docs.object_kinds import KINDS, ObjectKind
from crdt_docs.object_reader import ObjectReader
from crdt_docs.object_restoring import PutBack, put_all_back, put_back, read_past
from crdt_docs.object_trees import LIST_ITEMS
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
    lived = Board()
    _fill(lived, was)
    past = kinds_of(lived)
    reads = [(board.read("objects", key), lived.read("objects", key)) for key in "abcd"]
    different = sum(not same(*each) for each in reads)
    assert board.edit(put_all_back, past).changed >= different
    assert are_alike(kinds_of(board), past)
    assert are_alike(kinds_of(board.copy()), past)
    assert board.read("annotations", "untouched") == 1
    board.emitted.clear()
    assert board.edit(put_all_back, past) == PutBack(0, [])
    assert board.emitted == []


def kinds_of(board: Board) -> Any:
    """Its objects, as a moment of the past is read."""
    reader = ObjectReader(board.doc, ("objects",))
    keys = reader.keys("objects")
    return {"objects": {key: read_past(reader, "objects", key) for key in keys}}


def are_alike(one: Any, other: Any) -> bool:
    """Whether two moments are the same, kind by kind."""
    return same(_told(one), _told(other))


def _told(item: Any) -> Any:
    """Tuples of different kinds may be equal; lists with their names are not."""
    match item:
        case tuple():
            return [type(item).__name__, *map(_told, item)]
        case dict():
            return {key: _told(inner) for key, inner in item.items()}
        case list():
            return [_told(inner) for inner in item]
        case type():
            return item.__name__
        case _:
            return item


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
    past = kinds_of(board)
    board.edit(create, "objects", "c", {"object_type": "shape"})
    assert board.edit(put_all_back, past) == PutBack(1, [])
    assert isinstance(board.place("objects", "a")["list"], Array)
    assert board.place("objects", "b") == b"x"


STYLED = {"insert": "hello", "attributes": {"bold": True}}
SHARED: dict[str, Callable[[], Any]] = {
    "a text": lambda: Text("hello"),
    "a list": lambda: Array([1, 2, 3]),
    "what is plain": lambda: {"object_type": "text", "list": [1]},
    "a list of maps and texts": lambda: Map({"l": Array([Map({"x": 1}), Text("hello"), 3])}),
    "a plain text like a delta": lambda: Map({"properties": {"text": {"delta": [STYLED]}}}),
    "a text of old": lambda: Map({"properties": Map({"text": Text("hello")})}),
    "numbers": lambda: Map({"nan": float("nan"), "in it": {"nan": float("nan")}, "big": 2**60}),
    "bytes and nothing": lambda: Map({"bytes": b"x", "null": None}),
    "a long list": lambda: Map({"l": Array(list(range(900)))}),
}


def _format(text: Any) -> None:
    text.format(0, 5, {"bold": True})


CHANGES: dict[str, Callable[[Map[Any]], Any]] = {
    "deleted": lambda objects: objects.pop("a"),
    "replaced": lambda objects: objects.update({"a": "words"}),
    "made a map": lambda objects: objects.update({"a": Map({"l": 1, "properties": Map()})}),
    "made a text": lambda objects: objects.update({"a": Text("hello")}),
    "made a list": lambda objects: objects.update({"a": Array([Text("hello")])}),
    "made plain": lambda objects: objects.update({"a": objects["a"].to_py()}),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("was", SHARED)
def test_edt_7_what_was_shared_is_shared_again(was: str, change: str) -> None:
    """And what was plain is plain."""
    board = Board()
    objects = board.doc.get("objects", type=Map)
    objects["a"] = SHARED[was]()
    past = kinds_of(board)
    if change != "made plain" or isinstance(objects["a"], Map | Array | Text):
        CHANGES[change](objects)
    board.edit(put_all_back, past)
    assert are_alike(kinds_of(board), past)
    assert board.edit(put_all_back, past) == PutBack(0, [])


def test_edt_7_formats_in_a_list_come_back() -> None:
    board = Board()
    objects = board.doc.get("objects", type=Map)
    objects["a"] = Map({"l": Array([Text("hello"), 1])})
    _format(objects["a"]["l"][0])
    past = kinds_of(board)
    objects["a"]["l"][0].format(0, 5, {"bold": None})
    assert board.edit(put_all_back, past).changed == 1
    assert objects["a"]["l"][0].diff() == [("hello", {"bold": True})]


def _xml(words: str) -> XmlFragment:
    return XmlFragment([XmlElement("p", {}, [XmlText(words)])])


def _page(objects: Map[Any]) -> Any:
    return objects["a"]["page"]


UNMADE: dict[str, Callable[[Map[Any]], Any]] = {
    "changed": lambda objects: _page(objects).children[0].children[0].insert(2, " you"),
    "deleted": lambda objects: objects.__delitem__("a"),
    "taken out": lambda objects: objects["a"].__delitem__("page"),
    "replaced": lambda objects: objects["a"].update({"page": "<p>hi</p>"}),
}


@pytest.mark.parametrize("change", UNMADE)
@pytest.mark.parametrize("place", ["in a map", "in a list"])
def test_edt_7_what_cannot_be_made_again_stays_as_it_is(place: str, change: str) -> None:
    """It is named, and does not become a plain string; all else is put back."""
    board = Board()
    objects = board.doc.get("objects", type=Map)
    page = _xml("hi") if place == "in a map" else Map({"l": Array([_xml("hi"), 1])})
    objects["a"] = Map({"layer": 1, "page": page, "own": Doc()})
    objects["b"] = Map({"layer": 1})
    past = kinds_of(board)
    objects["a"]["layer"] = 2
    assert board.edit(put_all_back, past) == PutBack(1, [])
    assert are_alike(kinds_of(board), past)
    if place == "in a list" and change == "changed":
        objects["a"]["page"]["l"].append(2)
    else:
        UNMADE[change](objects)
    objects["b"]["layer"] = 2
    now = kinds_of(board)["objects"].get("a")
    assert board.edit(put_all_back, past) == PutBack(1, [("objects", "a")])
    assert are_alike(kinds_of(board)["objects"].get("a"), now)
    assert objects["b"]["layer"] == 1


def test_edt_7_xml_that_came_later_goes() -> None:
    board = Board()
    objects = board.doc.get("objects", type=Map)
    objects["a"] = Map({"layer": 1, "l": Array([1])})
    past = kinds_of(board)
    objects["a"]["page"] = _xml("hi")
    objects["a"]["l"].append(_xml("hi"))
    objects["b"] = _xml("hi")
    assert board.edit(put_all_back, past) == PutBack(2, [])
    assert are_alike(kinds_of(board), past)


def test_edt_7_a_very_long_list_stays_shared_where_it_stands() -> None:
    """Made anew it is one plain value: yrs walks to each place anew, and would need seconds."""
    board = Board()
    objects = board.doc.get("objects", type=Map)
    long = [float(number) for number in range(LIST_ITEMS + 1)]
    board.doc.apply_update(_with_lists(long))
    past = kinds_of(board)
    objects["a"]["long"].extend([1.0, 2.0])
    assert board.edit(put_all_back, past) == PutBack(1, [])
    del objects["a"]["long"][7:11]
    assert board.edit(put_all_back, past) == PutBack(1, [])
    assert isinstance(objects["a"]["long"], Array)
    assert are_alike(kinds_of(board), past)
    board.edit(merge, "objects", "a", {"long": None, "short": None})
    assert board.edit(put_all_back, past) == PutBack(1, [])
    assert objects["a"].to_py() == {"short": [1.0], "long": long}
    assert isinstance(objects["a"]["short"], Array)
    assert not isinstance(objects["a"]["long"], Array)
    assert board.edit(put_all_back, past) == PutBack(0, [])
    objects["a"]["long"] = Array([1, 2])
    assert board.edit(put_all_back, past) == PutBack(1, [])
    assert objects["a"].to_py() == {"short": [1.0], "long": long}


def test_edt_7_of_what_is_too_large_the_values_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(object_restoring, "RESTORED_BYTES", 500)
    board = Board()
    words = {"object_type": "text", "properties": {"text": "words" * 100}, "list": [1, 2]}
    board.edit(create, "objects", "a", words)
    past = kinds_of(board)
    for change in (merge, delete):
        board.edit(change, "objects", "a", *([{"list": None}] if change is merge else []))
        assert board.edit(put_all_back, past) == PutBack(1, [])
        assert board.read("objects", "a") == words
        assert isinstance(board.place("objects", "a")["properties"]["text"], Text)
        assert board.edit(put_all_back, past) == PutBack(0, [])


def _with_lists(items: list[float]) -> bytes:
    doc: Doc[Any] = Doc()
    doc.get("objects", type=Map)["a"] = Map({"short": Array([1]), "long": Array(items)})
    return doc.get_update()


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
