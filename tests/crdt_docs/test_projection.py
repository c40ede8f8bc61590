"""Rows made of whatever clients wrote."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crdt_docs.projection import (
    MAX_DEPTH,
    MAX_SEARCH_BYTES,
    AnnotationState,
    ObjectState,
    XrObjectState,
    is_projected_id,
    project_annotation,
    project_object,
    project_xr_object,
    storable,
)

ANY_TEXT = st.text(alphabet=st.characters(exclude_categories=()))  # surrogates and NUL included
FIELDS = (
    *ObjectState._fields,
    *AnnotationState._fields,
    *XrObjectState._fields,
    *("text", "title", "delta", "insert", "x", "y", "z", "w", "width", "height", "transform"),
)
ANY_NUMBER = st.floats() | st.integers() | st.sampled_from([2**53, 2**53 + 1, -(2**64), 10**400])
ANY_VALUE = st.recursive(
    st.none() | st.booleans() | ANY_NUMBER | ANY_TEXT | st.binary(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(FIELDS) | ANY_TEXT, inner, max_size=5)
    ),
    max_leaves=25,
)

WHOLE: dict[str, Any] = {
    "object_type": "sticky",
    "position": {"x": 1.0, "y": -2.5},
    "size": {"width": 10, "height": 20.0},
    "rotation": 90.0,
    "properties": {"text": "hello", "color": "#ffee00"},
    "layer": 3.0,
    "is_locked": True,
    "created_by": "ada",
}


PLACED: dict[str, Any] = {
    "object_type": "whiteboard",
    "transform": {
        "position": {"x": 1.0, "y": 1.5, "z": -2.0},
        "rotation": {"x": 0.0, "y": 0.0, "z": 0.0, "w": 1.0},
        "scale": {"x": 1, "y": 1, "z": 1},
    },
    "parent_id": "wall",
    "asset_url": "https://example.org/board.glb",
    "properties": {"session_id": "a1", "label": "Plan"},
    "is_interactive": True,
    "is_locked": True,
    "lifetime": "session",
    "created_by": "ada",
}


def _texts(value: object) -> Iterator[str]:
    match value:
        case str():
            yield value
        case dict():
            for key, item in value.items():
                yield from _texts(key)
                yield from _texts(item)
        case list() | tuple():
            for item in value:
                yield from _texts(item)


def _nested(levels: int, innermost: object = "x") -> object:
    value = innermost
    for _ in range(levels):
        value = [value]
    return value


def test_an_object_as_a_row() -> None:
    assert project_object(WHOLE) == ObjectState(
        object_type="sticky",
        position={"x": 1, "y": -2.5},
        size={"width": 10, "height": 20},
        rotation=90,
        properties={"text": "hello", "color": "#ffee00"},
        layer=3,
        is_locked=True,
        created_by="ada",
        is_valid=True,
        search_text="hello",
    )


def test_an_annotation_as_a_row() -> None:
    value = {
        "annotation_type": "comment",
        "content": {"delta": [{"insert": "so "}, {"insert": "bold", "attributes": {"b": True}}]},
        "object_id": "a",
        "position": {"x": 1, "y": 2},
        "resolved": True,
        "created_by": "ben",
    }
    assert project_annotation(value) == AnnotationState(
        annotation_type="comment",
        content="so bold",
        object_id="a",
        position={"x": 1, "y": 2},
        resolved=True,
        created_by="ben",
        is_valid=True,
        search_text="so bold",
    )


def test_an_object_of_a_room_as_a_row() -> None:
    """PRJ-8: its transform is three columns."""
    assert project_xr_object(PLACED) == XrObjectState(
        object_type="whiteboard",
        position={"x": 1, "y": 1.5, "z": -2},
        rotation={"x": 0, "y": 0, "z": 0, "w": 1},
        scale={"x": 1, "y": 1, "z": 1},
        parent_id="wall",
        asset_url="https://example.org/board.glb",
        properties={"session_id": "a1", "label": "Plan"},
        is_interactive=True,
        is_locked=True,
        lifetime="session",
        created_by="ada",
        is_valid=True,
        search_text="Plan",
    )


@given(ANY_VALUE)
def test_prj_1_any_value_gives_rows_that_postgres_takes(value: object) -> None:
    for state in (project_object(value), project_annotation(value), project_xr_object(value)):
        # orjson refuses lone surrogates, and integers beyond 64 bits.
        assert json.loads(orjson.dumps([*state])) == [*state]
        assert "\x00" not in "".join(_texts(state))
        assert len(state.search_text.encode()) <= MAX_SEARCH_BYTES
        if isinstance(state, ObjectState):
            for number in (state.rotation, state.layer):
                assert number is None or abs(number) < float("inf")


@given(ANY_VALUE)
def test_prj_1_what_is_storable_stays_as_it_is(value: object) -> None:
    once = storable(value)
    assert storable(once) == once


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        ("a\x00b", "a\ufffdb"),
        ("a\ud800b", "a\ufffdb"),
        ("\ud83d\ude00", "😀"),  # a pair that came as two code points
        ({"a\x00": 1, "a\ufffd": 2}, {"a\ufffd": 2}),
        ({"\ud800": [{"\x00": "\udfff"}]}, {"\ufffd": [{"\ufffd": "\ufffd"}]}),
        (float("nan"), None),
        (float("-inf"), None),
        (-0.0, 0),
        (1.5, 1.5),
        (2.0**53, 2**53),
        (2**53 + 1, 2.0**53),
        (-(2**63), -(2.0**63)),
        (10**400, None),
        (5e-324, 5e-324),
        (True, True),
        (b"bytes", None),
        (_nested(MAX_DEPTH), _nested(MAX_DEPTH)),
        (_nested(MAX_DEPTH + 1), _nested(MAX_DEPTH, None)),
        (_nested(20_000), _nested(MAX_DEPTH, None)),
    ],
)
def test_prj_1_what_becomes_of_a_value(value: object, stored: object) -> None:
    encoded = [orjson.dumps(each) for each in (storable(value), stored)]
    assert encoded[0] == encoded[1]


@pytest.mark.parametrize(
    ("identifier", "projected"),
    [
        ("a", True),
        ("", False),
        ("x" * 128, True),
        ("x" * 129, False),
        ("é" * 64, True),
        ("é" * 65, False),
        ("a\x00", False),
        ("\ud800", False),
        ("\n", True),
    ],
)
def test_prj_2_ids_that_have_a_row(identifier: str, *, projected: bool) -> None:
    assert is_projected_id(identifier) is projected


@pytest.mark.parametrize("value", [None, 1, True, "text", [WHOLE], {}, {"object_type": None}])
def test_prj_3_what_is_no_object_is_flagged(value: object) -> None:
    assert project_object(value) == ObjectState(is_valid=False, properties={})
    assert project_annotation(value) == AnnotationState(is_valid=False)
    assert project_xr_object(value) == XrObjectState(is_valid=False)


@pytest.mark.parametrize("name", ["hologram", "\ud800", " "])
def test_prj_3_only_the_type_is_required_and_may_be_unknown(name: str) -> None:
    kept = name.replace("\ud800", "\ufffd")
    assert project_object({"object_type": name}) == ObjectState(object_type=kept, properties={})
    assert project_annotation({"annotation_type": name}) == AnnotationState(annotation_type=kept)


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("object_type", 5),
        ("object_type", ""),
        ("position", [1, 2]),
        ("position", {"x": 1}),
        ("position", {"x": 1, "y": "2"}),
        ("position", {"x": True, "y": 2}),
        ("position", {"x": float("nan"), "y": 2}),
        ("position", {"x": 10**400, "y": 2}),
        ("size", {"width": 1, "height": None}),
        ("size", 7),
        ("rotation", "90"),
        ("rotation", True),
        ("rotation", float("inf")),
        ("properties", []),
        ("properties", "text"),
        ("layer", {}),
        ("is_locked", 1),
        ("is_locked", "false"),
        ("created_by", 17),
    ],
)
def test_prj_3_a_wrong_field_is_left_out_and_flagged(field: str, wrong: object) -> None:
    without = {key: value for key, value in WHOLE.items() if key != field}
    # Without its type it is not valid to begin with.
    assert project_object(without).is_valid is (field != "object_type")
    assert project_object(WHOLE | {field: wrong}) == project_object(without)._replace(
        is_valid=False
    )


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("annotation_type", None),
        ("content", 5),
        ("content", {"delta": "x"}),
        ("content", {"delta": [], "more": 1}),
        ("object_id", 5),
        ("object_id", ""),
        ("object_id", "x" * 129),
        ("position", {"x": 1}),
        ("resolved", "yes"),
        ("created_by", {}),
    ],
)
def test_prj_3_a_wrong_field_of_an_annotation_is_left_out(field: str, wrong: object) -> None:
    good = {"annotation_type": "marker"}
    expected = project_annotation({} if field in good else good)._replace(is_valid=False)
    assert project_annotation(good | {field: wrong}) == expected


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("object_type", ""),
        ("transform", [1, 2, 3]),
        ("transform", "here"),
        ("parent_id", ""),
        ("parent_id", "x" * 129),
        ("asset_url", {"href": "x"}),
        ("properties", {"text": 5}),
        ("is_interactive", 1),
        ("is_locked", "no"),
        ("lifetime", "forever"),
        ("lifetime", ["room"]),
        ("created_by", 17),
    ],
)
def test_prj_3_a_wrong_field_of_an_object_of_a_room_is_left_out(field: str, wrong: object) -> None:
    good = {"object_type": "model"}
    expected = project_xr_object({} if field in good else good)._replace(is_valid=False)
    if field == "properties":
        expected = expected._replace(properties={"text": 5})
    assert project_xr_object(good | {field: wrong}) == expected


@pytest.mark.parametrize("part", ["position", "rotation", "scale"])
@pytest.mark.parametrize("wrong", [5, [1, 2, 3, 4], {"x": 1, "y": 2}, {"x": 1, "y": 2, "z": "3"}])
def test_prj_8_a_part_of_a_transform_that_is_wrong_is_left_out(part: str, wrong: object) -> None:
    good: dict[str, Any] = PLACED["transform"]
    whole = project_xr_object(PLACED)._asdict()
    state = project_xr_object({**PLACED, "transform": {**good, part: wrong}})
    assert state._asdict() == {**whole, part: None, "is_valid": False}
    rest = {key: value for key, value in good.items() if key != part}
    without = project_xr_object({**PLACED, "transform": rest})
    assert without._asdict() == {**whole, part: None}


def test_prj_8_a_quaternion_has_four_numbers() -> None:
    moved = {"position": {"x": 1, "y": 2, "z": float("nan")}, "rotation": {"x": 0, "y": 0, "z": 1}}
    state = project_xr_object({"object_type": "model", "transform": moved})
    assert (state.position, state.rotation, state.is_valid) == (None, None, False)


@pytest.mark.parametrize("field", [field for field in WHOLE if field != "object_type"])
def test_prj_3_null_counts_as_missing(field: str) -> None:
    without = {key: value for key, value in WHOLE.items() if key != field}
    assert project_object(WHOLE | {field: None}) == project_object(without)
    assert project_object(without).is_valid


@pytest.mark.parametrize("text", [5, ["a"], {"delta": 1}, {"insert": "a"}])
def test_prj_4_a_text_that_is_none_is_flagged_but_kept(text: object) -> None:
    state = project_object({"object_type": "text", "properties": {"text": text}})
    assert not state.is_valid
    assert state.properties == {"text": text}


def test_prj_4_a_formatted_text_keeps_its_formats_and_is_found_by_its_words() -> None:
    delta = [{"insert": "so "}, {"insert": {"image": "x"}}, {"insert": "bold"}, 5]
    state = project_object({"object_type": "text", "properties": {"text": {"delta": delta}}})
    assert state.is_valid
    assert state.properties == {"text": {"delta": delta}}
    assert state.search_text == "so bold"


@pytest.mark.parametrize(
    ("properties", "found"),
    [
        ({}, ""),
        ({"text": ""}, ""),
        ({"title": "b", "text": "a", "label": "c"}, "a\nc\nb"),
        ({"color": "red", "font": "Arial", "d": "M 0 0 L 1 1"}, ""),
        ({"rows": [{"label": "x", "id": "7"}, {"label": "y"}]}, "x\ny"),
        ({"labels": ["x", ["y", 5]]}, "x\ny"),
        ({"labels": [{"x": "a"}, {"y": 1}]}, "a"),
        ({"points": [{"x": 1, "y": 2}, {"x": 3, "mark": "m"}], "label": "a"}, "a"),
        ({"points": [{"x": 1}, {"x": 2, "note": "a"}]}, "a"),
        ({"rows": [{"x": 1}, {"cells": [[0, {"label": "a"}]]}, {"of": {"name": "b"}}]}, "a\nb"),
        ({"rows": [{"x": 1}, 5, "m", {"label": "a"}]}, "a"),
        ({"title": {"fr": "bonjour", "en": "hello"}}, "hello\nbonjour"),
        ({"title": {"delta": [{"insert": "a"}, {"insert": "b"}]}}, "ab"),
        ({"text": "https://example.com/a.png", "alt": "data:image/png;base64,AAAA"}, ""),
        ({"text": "https://example.com is down"}, "https://example.com is down"),
        ({"text": "a\x00b"}, "a\ufffdb"),
    ],
)
def test_prj_5_what_search_finds(properties: dict[str, Any], found: str) -> None:
    state = project_object({"object_type": "x", "properties": properties})
    assert state.search_text == found


def test_prj_5_search_text_does_not_hang_on_the_order_of_members() -> None:
    members = [("title", "1"), ("label", "2"), ("x", {"name": "3"}), ("text", "4")]
    found = {
        project_object({"properties": dict(order)}).search_text
        for order in (members, members[::-1])
    }
    assert found == {"4\n2\n1\n3"}


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("x" * 1_000_000, MAX_SEARCH_BYTES),
        ("é" * 500_000, MAX_SEARCH_BYTES),
        ("a" + "é" * 500_000, MAX_SEARCH_BYTES - 1),
        ("\U0001f600" * 20_000, MAX_SEARCH_BYTES),
        ("abc" + "\U0001f600" * 20_000, MAX_SEARCH_BYTES - 1),
        ("日" * 21_845, MAX_SEARCH_BYTES - 1),
    ],
)
def test_prj_5_long_search_text_is_cut_between_characters(text: str, kept: int) -> None:
    assert len(text.encode()) >= kept
    state = project_object({"properties": {"text": text}})
    assert state.properties == {"text": text}
    assert len(state.search_text.encode()) == kept
    assert text.startswith(state.search_text)
    note = project_annotation({"annotation_type": "comment", "content": text})
    assert (note.content, note.search_text) == (text, state.search_text)
