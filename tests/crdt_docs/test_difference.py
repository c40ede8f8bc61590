"""What is different between two moments."""

from __future__ import annotations

from typing import Any

import pytest

from crdt_docs.difference import Difference, DifferenceKind, comparing
from crdt_docs.identifiers import DocumentKind
from crdt_docs.object_kinds import KINDS, ObjectRoot
from crdt_docs.projection import ObjectState, project_annotation, project_object

ADDED, CHANGED, REMOVED = DifferenceKind
OBJECTS, ANNOTATIONS = ObjectRoot
BOX = {"object_type": "sticky", "position": {"x": 1, "y": 2}, "properties": {"text": "one"}}

Values = dict[Any, Any]  # by root and id


def compare(before: Values, after: Values) -> list[Difference]:
    found: list[Difference] = []
    for _ in comparing(KINDS[DocumentKind.OCW], before, after, found):
        continue
    return found


def changed(**fields: Any) -> list[Difference]:
    return compare({OBJECTS: {"a": BOX}}, {OBJECTS: {"a": {**BOX, **fields}}})


def test_each_object_that_differs_is_named_once() -> None:
    """PST-9"""
    before = {OBJECTS: {"a": BOX, "b": BOX, "c": BOX}, ANNOTATIONS: {"a": {"content": "x"}}}
    moved = {**BOX, "position": {"x": 5, "y": 2}}
    after = {OBJECTS: {"a": BOX, "b": moved, "d": BOX}, ANNOTATIONS: {}}
    assert compare(before, after) == [
        Difference(OBJECTS, "b", project_object(BOX), project_object(moved)),
        Difference(OBJECTS, "c", project_object(BOX), None),
        Difference(OBJECTS, "d", None, project_object(BOX)),
        Difference(ANNOTATIONS, "a", project_annotation({"content": "x"}), None),
    ]
    kinds = [each.kind for each in compare(before, after)]
    assert kinds == [CHANGED, REMOVED, ADDED, REMOVED]


def test_there_and_back_are_opposites() -> None:
    """PST-9"""
    before, after = {OBJECTS: {"a": BOX, "b": BOX}}, {OBJECTS: {"b": {**BOX, "layer": 3}}}
    there, back = compare(before, after), compare(after, before)
    assert back == [Difference(each.root, each.id, each.after, each.before) for each in there]


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({"position": {"x": 1, "y": 3}}, ("position",)),
        ({"properties": {"text": "two"}}, ("properties",)),
        ({"layer": 1, "rotation": 90}, ("rotation", "layer")),
        ({"is_locked": True}, ("is_locked",)),
        ({"object_type": None}, ("object_type", "is_valid")),
        ({"position": "left"}, ("position", "is_valid")),
        ({"properties": {"text": "one", "open": True}}, ("properties",)),
    ],
)
def test_the_fields_that_differ_are_named(changes: dict[str, Any], fields: tuple[str]) -> None:
    """PST-9"""
    (difference,) = changed(**changes)
    assert difference.fields == fields


def test_true_is_not_one() -> None:
    before = {OBJECTS: {"a": {**BOX, "properties": {"open": True}}}}
    after = {OBJECTS: {"a": {**BOX, "properties": {"open": 1}}}}
    assert [each.fields for each in compare(before, after)] == [("properties",)]


@pytest.mark.parametrize("changes", [{}, {"position": {"x": 1.0, "y": 2}}, {"own_field": 5}])
def test_what_has_the_same_row_is_the_same(changes: dict[str, Any]) -> None:
    """PST-9"""
    assert changed(**changes) == []


def test_what_was_added_has_no_fields_that_differ() -> None:
    difference = Difference(OBJECTS, "a", None, ObjectState())
    assert difference.fields == ()


def test_null_and_what_has_no_row_are_not_there() -> None:
    """PST-9"""
    assert compare({OBJECTS: {"a": None}}, {OBJECTS: {"": BOX, "x" * 129: BOX}}) == []
    assert [each.kind for each in compare({OBJECTS: {"a": None}}, {OBJECTS: {"a": BOX}})] == [ADDED]


def test_they_are_ordered_by_the_bytes_of_their_ids() -> None:
    ids = ["\U0001f600", "z", "é", "\uffee", "A"]
    found = compare({}, {OBJECTS: dict.fromkeys(ids, BOX)})
    assert [each.id for each in found] == sorted(ids, key=str.encode)
