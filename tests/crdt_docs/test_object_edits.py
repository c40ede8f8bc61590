"""Objects that the server creates, merges and deletes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycrdt import Array, Doc, Map, Text

from crdt_docs.edit_errors import (
    EditRefused,
    InvalidId,
    InvalidValue,
    ObjectExists,
    ObjectMissing,
)
from crdt_docs.edit_values import same
from crdt_docs.object_edits import MAX_INSERTED, create, delete, merge, merged, shape_of
from crdt_docs.object_kinds import ObjectKind
from crdt_docs.object_reader import ObjectReader
from crdt_docs.projection import project_annotation, project_object
from crdt_docs.text_edits import as_text, text_runs
from crdt_docs.update_guard import walk_update
from tests.crdt_docs.editing import FIELDS, OBJECT_VALUES, Board, document

ROOTS = ("objects", "annotations")

# Creating


@pytest.mark.parametrize("root", ROOTS)
@given(value=OBJECT_VALUES)
def test_edt_2_what_is_created_reads_back(root: str, value: dict[str, Any]) -> None:
    """As it was given, with texts said in the shortest way; and its row is that of what was
    given."""
    board = Board()
    board.edit(create, root, "a", value)
    wanted = document(root, value)
    assert same(board.read(root, "a"), wanted)
    assert same(board.copy().read(root, "a"), wanted)
    project = project_object if root == "objects" else project_annotation
    assert project(board.read(root, "a")) == project(wanted)


def test_edt_2_people_can_edit_what_was_created_together() -> None:
    board = Board()
    board.edit(create, "objects", "a", {"object_type": "sticky", "properties": {"text": "hello"}})
    board.edit(create, "annotations", "b", {"annotation_type": "comment", "content": "why?"})
    note, remark = board.place("objects", "a"), board.place("annotations", "b")
    assert isinstance(note, Map)
    assert isinstance(note["properties"], Map)
    assert isinstance(note["properties"]["text"], Text)
    assert isinstance(remark["content"], Text)


def test_edt_2_position_and_size_are_one_value_each() -> None:
    board = Board()
    value = {
        "object_type": "shape",
        "position": {"x": 1, "y": 2},
        "size": {"width": 3, "height": 4},
        "properties": {"points": [[1, 2], [3, 4]], "style": {"fill": "red"}},
    }
    board.edit(create, "objects", "a", value)
    place = board.place("objects", "a")
    assert place["position"] == {"x": 1, "y": 2}
    assert place["size"] == {"width": 3, "height": 4}
    assert place["properties"]["style"] == {"fill": "red"}
    assert place["properties"]["points"] == [[1, 2], [3, 4]]


@pytest.mark.parametrize("identifier", ["", "a\x00b", "x" * 129, "\u4e2d" * 43, "\ud800"])
def test_edt_2_an_id_must_have_a_row(identifier: str) -> None:
    board = Board()
    with pytest.raises(InvalidId):
        board.edit(create, "objects", identifier, {"object_type": "shape"})
    assert board.emitted == []


def test_edt_2_an_id_is_used_once() -> None:
    board = Board()
    board.edit(create, "objects", "a", {"object_type": "shape"})
    board.edit(create, "annotations", "a", {"annotation_type": "comment"})
    with pytest.raises(ObjectExists, match="the id a is taken"):
        board.edit(create, "objects", "a", {"object_type": "shape"})
    board.edit(delete, "objects", "a")
    board.edit(create, "objects", "a", {"object_type": "text"})
    assert board.read("objects", "a") == {"object_type": "text"}


def test_what_is_null_is_not_there() -> None:
    board = Board()
    board.doc["objects"] = Map({"a": None})
    board.edit(create, "objects", "a", {"object_type": "text"})
    assert board.read("objects", "a") == {"object_type": "text"}


# Merging


@pytest.mark.parametrize("root", ROOTS)
@given(value=OBJECT_VALUES, patch=OBJECT_VALUES)
def test_edt_3_a_merge_is_what_rfc_7396_says(
    root: str, value: dict[str, Any], patch: dict[str, Any]
) -> None:
    board = Board()
    board.edit(create, root, "a", value)
    wanted = document(root, merged(board.read(root, "a"), patch))
    board.edit(merge, root, "a", patch)
    assert same(board.read(root, "a"), wanted)
    assert same(board.copy().read(root, "a"), wanted)


@pytest.mark.parametrize(
    ("target", "patch", "result"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"a": "b"}, ["c"], ["c"]),
        ({"a": "foo"}, None, None),
        ({"a": "foo"}, "bar", "bar"),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_edt_3_the_examples_of_rfc_7396(target: Any, patch: Any, result: Any) -> None:
    """Appendix A."""
    assert merged(target, patch) == result


@pytest.mark.parametrize("root", ROOTS)
@given(value=OBJECT_VALUES)
def test_edt_3_what_is_the_same_is_not_written(root: str, value: dict[str, Any]) -> None:
    board = Board()
    board.edit(create, root, "a", value)
    board.emitted.clear()
    board.edit(merge, root, "a", without_nulls(board.read(root, "a")))
    assert board.emitted == []


def without_nulls(value: Any) -> Any:
    """A patch can not say null."""
    if not isinstance(value, dict):
        return value
    return {key: without_nulls(item) for key, item in value.items() if item is not None}


def test_edt_3_what_others_change_meanwhile_stays() -> None:
    board = Board()
    value = {"object_type": "sticky", "properties": {"text": "hello", "color": "red", "w": 1}}
    board.edit(create, "objects", "a", {**value, "layer": 1})
    other = board.copy()
    properties = other.place("objects", "a")["properties"]
    properties["text"].insert(0, "Oh, ")
    properties["w"] = 2
    board.edit(merge, "objects", "a", {"properties": {"text": "hello!", "color": "blue"}})
    board.doc.apply_update(other.doc.get_update())
    assert board.read("objects", "a") == {
        "object_type": "sticky",
        "layer": 1,
        "properties": {"text": "Oh, hello!", "color": "blue", "w": 2},
    }


@pytest.mark.parametrize(
    "made",
    [
        lambda value: value,
        lambda value: Map({**value, "properties": value["properties"]}),
        lambda value: Map({**value, "properties": Map(value["properties"])}),
    ],
)
def test_edt_3_plain_values_are_replaced(made: Callable[[dict[str, Any]], Any]) -> None:
    """Whoever wrote an object, its properties or its text plain finds them plain."""
    board = Board()
    board.doc["objects"] = Map(
        {"a": made({"object_type": "sticky", "properties": {"text": "hello", "n": 1}})}
    )
    kinds = [type(each) for each in _places(board)]
    board.edit(merge, "objects", "a", {"layer": 2, "properties": {"text": "you", "n": None}})
    assert [type(each) for each in _places(board)] == kinds
    wanted = {"object_type": "sticky", "layer": 2, "properties": {"text": "you"}}
    assert board.read("objects", "a") == wanted


def _places(board: Board) -> list[Any]:
    whole: Any = board.place("objects", "a")
    return [whole, whole["properties"], whole["properties"]["text"]]


@pytest.mark.parametrize("stands", [5, "text", [1, {"a": 2}], b"x", Text("shared"), Array([1])])
def test_edt_3_what_was_no_object_becomes_one(stands: Any) -> None:
    board = Board()
    board.doc["objects"] = Map({"a": stands})
    board.edit(merge, "objects", "a", {"object_type": "text", "properties": {"text": "x"}})
    assert board.read("objects", "a") == {"object_type": "text", "properties": {"text": "x"}}
    assert isinstance(board.place("objects", "a")["properties"]["text"], Text)


def test_shared_lists_stay_shared() -> None:
    board = Board()
    board.doc["objects"] = Map({"a": Map({"points": Array([1, 2, {"x": 3}, 4])})})
    other = board.copy()
    other.place("objects", "a")["points"].append(5)
    board.edit(merge, "objects", "a", {"points": [1, 7, 8, 4]})
    board.doc.apply_update(other.doc.get_update())
    assert board.read("objects", "a") == {"points": [1, 7, 8, 4, 5]}
    board.edit(merge, "objects", "a", {"points": []})
    assert board.read("objects", "a") == {"points": []}


def test_a_long_list_becomes_plain() -> None:
    """To put so many into a shared one takes yrs too long."""
    board = Board()
    board.doc["objects"] = Map({"a": Map({"points": Array([1])})})
    points = list(range(MAX_INSERTED))
    board.edit(merge, "objects", "a", {"points": points})
    assert isinstance(board.place("objects", "a")["points"], Array)
    board.edit(merge, "objects", "a", {"points": [*points, 1]})
    assert board.place("objects", "a")["points"] == [*points, 1]


def test_fields_deep_in_shared_maps_are_merged() -> None:
    board = Board()
    inner = Map({"text": Text("deep"), "plain": {"a": 1, "b": 2}})
    board.doc["objects"] = Map({"a": Map({"more": Map({"inner": inner})})})
    board.edit(merge, "objects", "a", {"more": {"inner": {"text": "deeper", "plain": {"a": None}}}})
    assert isinstance(board.place("objects", "a")["more"]["inner"]["text"], Text)
    wanted = {"more": {"inner": {"text": "deeper", "plain": {"b": 2}}}}
    assert board.read("objects", "a") == wanted


# Deleting


def test_what_is_deleted_is_gone() -> None:
    board = Board()
    board.edit(create, "objects", "a", {"object_type": "shape"})
    board.edit(delete, "objects", "a")
    assert board.read("objects", "a") is None
    assert "a" not in board.doc.get("objects", type=Map)


# Refusals


@pytest.mark.parametrize("identifier", ["b", "", "n", "x" * 1000])
def test_what_is_not_there_is_missing(identifier: str) -> None:
    board = Board()
    board.doc["objects"] = Map({"a": Map({}), "n": None})
    board.emitted.clear()
    for act in (lambda d, r, i: merge(d, r, i, {"layer": 1}), delete):
        with pytest.raises(ObjectMissing) as caught:
            board.edit(act, "objects", identifier)
        assert len(str(caught.value)) < 200
    assert board.emitted == []


@pytest.mark.parametrize("is_shared", [False, True])
def test_edt_3_a_transform_is_written_as_one_value(*, is_shared: bool) -> None:
    """A hundred moves leave no more than one does."""
    board, standing = Board(), {"position": {"x": 1, "y": 1, "z": 1}, "scale": {"x": 1}}

    def put(doc: Doc[Any]) -> None:
        transform: Any = Map(standing) if is_shared else standing
        doc.get("objects", type=Map)["a"] = Map({"transform": transform})

    board.edit(put)
    shape = shape_of(ObjectKind.XR_OBJECT)
    sizes = []
    for x in range(100):
        patch: dict[str, Any] = {"transform": {"position": {"x": x + 100}}}
        with board.doc.transaction():
            merge(board.doc, "objects", "a", patch, shape=shape)
        sizes.append(len(board.doc.get_update()))
    moved = {**standing, "position": {"x": 199, "y": 1, "z": 1}}
    assert board.place("objects", "a")["transform"] == moved
    assert sizes[-1] <= sizes[1] + 20


@pytest.mark.parametrize("act", [create, merge])
@given(bad=st.sampled_from([2**53 + 1, 1e300, "\x00", "\ud800", {"k\x00": 1}]))
def test_edt_1_what_is_refused_changes_nothing(act: Callable[..., None], bad: Any) -> None:
    board = Board()
    board.edit(create, "objects", "a", {"object_type": "shape"})
    board.emitted.clear()
    identifier = "a" if act is merge else "b"
    with pytest.raises(InvalidValue):
        board.edit(act, "objects", identifier, {"layer": 1, "properties": {"text": bad}})
    assert board.emitted == []
    assert issubclass(InvalidValue, EditRefused)


def test_the_fields_that_clients_know_are_tried() -> None:
    """The examples above draw from them."""
    known = {*project_object({})._fields, *project_annotation({})._fields}
    assert known - {"is_valid", "search_text"} <= set(FIELDS)


def test_a_document_is_read_as_objects_show_it() -> None:
    """What the tests expect of a text is what a reader makes of one."""
    board = Board()
    parts = [{"insert": "a"}, {"insert": "b", "attributes": {"bold": True}}, {"insert": {"i": 1}}]
    board.edit(create, "objects", "a", {"properties": {"text": {"delta": parts}}})
    runs = text_runs({"delta": parts})
    assert runs is not None
    found = ObjectReader(board.doc).read("objects", "a")
    assert same(found, {"properties": {"text": as_text(runs)}})
    walk_update(board.doc.get_update())
