"""Which JSON is stored as it is, and that the short way to a row leads where the long one does."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycrdt import Array, Doc, Map, Text

from crdt_docs.object_changes import State
from crdt_docs.object_fields import project
from crdt_docs.object_kinds import ObjectKind
from crdt_docs.object_reader import ObjectReader
from crdt_docs.projection import MAX_DEPTH, storable
from crdt_docs.storable_json import is_storable_json

NUMBERS = (
    st.integers(-(2**63), 2**63 - 1)
    | st.floats()
    | st.sampled_from([-0.0, 1.0, 2.0**53, 2**53, -(2**53) - 1, 1e16, 1e300, 5e-324, 0.1, 123.05])
)
TEXTS = st.text() | st.sampled_from(
    ["", "\x00", "\\u0000", ".0,", ':1e5"', "},{", "],[", "[" * MAX_DEPTH, "9d1e307a", "é\x1f", '"']
)
KEYS = TEXTS | st.sampled_from(
    ["object_type", "position", "size", "x", "y", "width", "height", "properties", "text", "title"]
)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=10,
)


def shared(value: Any) -> Any:
    """The same as shared types, as far as there is one for it."""
    match value:
        case dict():
            return Map({key: shared(item) for key, item in value.items()})
        case str():
            return Text(value)
        case _:
            return value


def written(value: object) -> str:
    """As yrs writes it."""
    doc: Doc[Any] = Doc()
    doc["root"] = root = Map({"value": value})
    with doc.transaction() as transaction:
        return str(root.integrated.to_json(transaction._txn))


def in_order(row: State) -> bytes:
    """With types, and members in an order of their own: yrs keeps them in none."""
    return orjson.dumps([*row], option=orjson.OPT_SORT_KEYS)


def nested(levels: int) -> object:
    value: object = "x"
    for _ in range(levels):
        value = [value]
    return value


@given(VALUES)
def test_prj_1_what_may_be_stored_as_it_is_would_not_be_changed(value: object) -> None:
    text = written(value)
    if is_storable_json(text):
        read = json.loads(text)
        assert repr(storable(read)) == repr(read)
        assert repr(orjson.loads(text)) == repr(read)


@pytest.mark.parametrize("made", [Map, shared])
@given(value=st.dictionaries(KEYS, VALUES, max_size=6))
def test_prj_1_a_row_is_the_same_whichever_way_it_is_made(
    made: Callable[[Any], Any], value: dict[str, Any]
) -> None:
    doc: Doc[Any] = Doc()
    reader = ObjectReader(doc)
    doc["objects"]["a"] = made(value)
    reading = reader.read_for_row("objects", "a")
    plain = reader.read("objects", "a")
    for kind in ObjectKind:
        row = project(kind, reading.value, is_storable=reading.is_storable)
        assert in_order(row) == in_order(project(kind, plain))


@pytest.mark.parametrize(
    ("value", "storable_as_it_is"),
    [
        ({"text": "so", "color": "#93c5fd", "é": ["日", "\n", '"']}, True),
        ({"mark": "m9d1e307a02", "id": "6e5e1e2e-0000-4000-8000-00000000000e"}, True),
        ([0, -1, 1.5, -0.25, 123.05, 10**15 - 1, True, None], True),
        ([{"x": number + 0.5, "y": -number} for number in range(1000)], True),
        ([[number + 0.5, -number] for number in range(1000)], True),
        ([1.0, -0.0, -(2.0**40)], True),
        ([0.1234567890123456, -345.6789012345678], True),
        (2**53 + 1, False),
        (-(2**53) - 1, False),
        (1e300, False),
        (5e-324, False),
        (-1.5e-7, False),
        ([1, -5e-324], False),
        ([1, 2**53 + 1], False),
        ({"a": 1, "b": 2.0**60}, False),
        ("a\x00b", False),
        ({"a\x00": 1}, False),
        (nested(MAX_DEPTH - 1), True),
        (nested(MAX_DEPTH + 1), False),
        ({"},{" * 10 + "],[" * 500: nested(MAX_DEPTH + 1)}, False),
    ],
)
def test_prj_1_what_is_stored_as_it_is(value: object, *, storable_as_it_is: bool) -> None:
    assert is_storable_json(written(value)) is storable_as_it_is


def test_prj_4_a_text_with_formats_is_looked_at_value_by_value() -> None:
    doc: Doc[Any] = Doc()
    reader = ObjectReader(doc)
    text = Text("so bold")
    doc["objects"]["a"] = Map({"object_type": "text", "properties": Map({"text": text})})
    assert reader.read_for_row("objects", "a").is_storable
    text.format(3, 7, {"size": 2.0, "font": "a\x00"})
    assert not reader.read_for_row("objects", "a").is_storable


def test_prj_4_a_text_within_an_array_has_no_formats() -> None:
    doc: Doc[Any] = Doc()
    reader = ObjectReader(doc)
    doc["objects"]["a"] = Map({"properties": Map({"rows": Array([Text("x")])})})
    reading = reader.read_for_row("objects", "a")
    assert reading.value == {"properties": {"rows": ["x"]}}
    assert reading.is_storable
