"""Objects as JSON values, with the formats of their texts."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import pytest
from pycrdt import Array, Doc, Map, Text

from crdt_docs.object_reader import MEMBER_OVERHEAD, ObjectReader
from crdt_docs.projection import project_object


@pytest.mark.parametrize(
    ("value", "read"),
    [
        (5, 5),
        (2.5, 2.5),
        (float("nan"), None),
        (float("-inf"), None),
        ("a\x00b", "a\x00b"),
        (True, True),
        (b"\x00\xff", [0, 255]),
        ([1, {"a": float("inf")}], [1, {"a": None}]),
        (-(2**60), -(2**60)),
    ],
)
def test_what_is_no_map_is_read_too(value: object, read: object) -> None:
    doc: Doc[Any] = Doc()
    reader = ObjectReader(doc)
    doc["objects"]["a"] = value
    assert reader.read("objects", "a") == read
    doc["objects"]["b"] = Map({"nested": value})
    assert reader.read("objects", "b") == {"nested": read}


def test_shared_types_are_read() -> None:
    doc: Doc[Any] = Doc()
    reader = ObjectReader(doc)
    doc["objects"].update({"list": Array([1, Text("x")]), "text": Text("y"), "doc": Doc(guid="g")})
    assert reader.read("objects", "list") == [1, "x"]
    assert reader.read("objects", "text") == "y"
    assert reader.read("objects", "doc") == {"guid": "g"}


def test_prj_3_nothing_and_null_are_the_same() -> None:
    doc: Doc[Any] = Doc()
    reader = ObjectReader(doc)
    assert reader.read("objects", "a") is None
    doc["objects"]["a"] = None
    assert reader.read("objects", "a") is None
    doc["objects"]["a"] = Map({})
    assert reader.read("objects", "a") == {}
    del doc["objects"]["a"]
    assert reader.read("objects", "a") is None


def test_prj_3_keys_are_of_what_is_there() -> None:
    doc: Doc[Any] = Doc()
    reader = ObjectReader(doc)
    assert reader.keys("objects") == []
    doc["objects"].update({"map": Map(), "zero": 0, "null": None, "nan": float("nan")})
    assert sorted(reader.keys("objects")) == ["map", "zero"]
    assert reader.keys("annotations") == []


def test_prj_4_formats_and_embedded_values_are_kept() -> None:
    doc: Doc[Any] = Doc()
    reader = ObjectReader(doc)
    text = Text("so bold")
    doc["objects"]["a"] = Map({"properties": Map({"text": text, "title": Text("plain")})})
    assert reader.read("objects", "a") == {"properties": {"text": "so bold", "title": "plain"}}
    text.format(3, 7, {"bold": True, "link": {"href": "x"}})
    text.insert_embed(0, {"image": "y"})
    text.insert_embed(1, Map({"k": Text("z")}))
    assert reader.read("objects", "a") == {
        "properties": {
            "text": {
                "delta": [
                    {"insert": {"image": "y"}},
                    {"insert": {"k": "z"}},
                    {"insert": "so "},
                    {"insert": "bold", "attributes": {"bold": True, "link": {"href": "x"}}},
                ]
            },
            "title": "plain",
        }
    }
    # Formats that are gone leave a plain text.
    del text[0:2]
    text.format(0, 7, {"bold": None, "link": None})
    assert reader.read("objects", "a") == {"properties": {"text": "so bold", "title": "plain"}}


def test_prj_4_an_object_that_is_a_formatted_text() -> None:
    doc: Doc[Any] = Doc()
    reader = ObjectReader(doc)
    doc["objects"]["a"] = Text("x")
    doc["objects"]["a"].format(0, 1, {"b": True})
    assert reader.read("objects", "a") == {"delta": [{"insert": "x", "attributes": {"b": True}}]}


def test_a_root_that_clients_use_as_something_else_is_read_as_a_map() -> None:
    doc: Doc[Any] = Doc()
    reader = ObjectReader(doc)
    other: Doc[Any] = Doc()
    other["objects"] = Array(["a", Map({"k": 1})])
    other["annotations"] = Text("\U0001f600")
    doc.apply_update(other.get_update())
    assert reader.read("objects", "0") is None
    assert reader.read("annotations", "a") is None
    doc["objects"]["0"] = Map({"k": 2})
    assert reader.read("objects", "0") == {"k": 2}


ANY_VALUES: list[Any] = [
    *(None, 5, float("nan"), "a", True, b"abc", [1, 2], {"object_type": "sticky", "layer": 3}),
    *({"delta": []}, Text("a"), Array([1]), Map({"object_type": "sticky"})),
]


@pytest.mark.parametrize("value", ANY_VALUES)
def test_rows_are_the_same_without_reading_what_is_no_map(value: object) -> None:
    """Thirty megabytes of bytes, set as an object, would be read for five seconds."""
    doc: Doc[Any] = Doc()
    reader = ObjectReader(doc)
    doc["objects"]["a"] = value
    if isinstance(value, Text):
        doc["objects"]["a"].format(0, 1, {"b": True})
    exact, reading = reader.read("objects", "a"), reader.read_for_row("objects", "a")
    assert (reading.value is None) == (exact is None)
    assert project_object(reading.value) == project_object(exact)
    assert (reading.size > 0) == isinstance(exact, dict) or isinstance(value, Text)


def test_members_count_as_what_they_take() -> None:
    doc: Doc[Any] = Doc()
    reader = ObjectReader(doc)
    doc["objects"]["a"] = Map({str(number): number for number in range(1_000)})
    assert reader.read_for_row("objects", "a").size > 1_000 * MEMBER_OVERHEAD


def test_types_nested_a_hundred_levels_deep() -> None:
    doc: Doc[Any] = Doc()
    reader = ObjectReader(doc)
    text = Text("x")
    place: Map[Any] = Map({"text": text})
    for _ in range(100):
        place = Map({"m": place})
    doc["objects"]["a"] = place
    text.format(0, 1, {"b": 1})
    found: Any = reader.read("objects", "a")
    for _ in range(100):
        found = found["m"]
    assert found == {"text": {"delta": [{"insert": "x", "attributes": {"b": 1}}]}}


def test_a_reader_keeps_no_document_alive() -> None:
    doc: Doc[Any] = Doc()
    reader = ObjectReader(doc)
    doc["objects"]["a"] = Map({"text": Text("x")})
    reader.read("objects", "a")
    freed = weakref.ref(doc)
    del doc, reader
    gc.collect()
    assert freed() is None
