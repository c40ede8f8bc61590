"""What is wrong with an object, in words."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given

from crdt_docs.identifiers import DocumentKind
from crdt_docs.object_edits import create, delete, merge
from crdt_docs.object_fields import as_fields, fields_of, is_wrong, project, wrong_fields
from crdt_docs.object_kinds import KINDS, ObjectKind
from tests.crdt_docs.editing import OBJECT_VALUES, Board

OBJECT, ANNOTATION = KINDS[DocumentKind.OCW]
(XR_OBJECT,) = KINDS[DocumentKind.XR]


@pytest.mark.parametrize("kind", ObjectKind)
@given(value=OBJECT_VALUES)
def test_prj_3_an_object_is_invalid_where_a_field_is_wrong(
    kind: ObjectKind, value: dict[str, Any]
) -> None:
    assert project(kind, value).is_valid is not any(wrong_fields(kind, value))


@pytest.mark.parametrize(
    ("kind", "value", "wrong"),
    [
        (OBJECT, {}, ["object_type"]),
        (OBJECT, {"object_type": ""}, ["object_type"]),
        (OBJECT, {"object_type": "x", "position": {"x": 1}}, ["position"]),
        (OBJECT, {"object_type": "x", "size": 3, "layer": "1"}, ["size", "layer"]),
        (OBJECT, {"object_type": "x", "properties": {"text": 5}}, ["properties"]),
        (OBJECT, {"object_type": "x", "content": 5, "rotation": None}, []),
        (ANNOTATION, {"annotation_type": "x", "object_id": "x" * 129}, ["object_id"]),
        (
            ANNOTATION,
            {"content": 5, "resolved": "no"},
            ["annotation_type", "content", "resolved"],
        ),
        (XR_OBJECT, {"position": 5}, ["object_type"]),
        (XR_OBJECT, {"object_type": "x", "transform": {"scale": {"x": 1}}}, ["transform.scale"]),
        (XR_OBJECT, {"object_type": "x", "transform": [1]}, ["transform"]),
        (
            XR_OBJECT,
            {"object_type": "x", "parent_id": "", "is_interactive": 1, "lifetime": "ever"},
            ["parent_id", "is_interactive", "lifetime"],
        ),
    ],
)
def test_wrong_fields_are_named(kind: ObjectKind, value: dict[str, Any], wrong: list[str]) -> None:
    found = list(wrong_fields(kind, value))
    assert [key for key, _ in found] == wrong
    assert all(should_be.startswith(("must be ", "is required")) for _, should_be in found)


@pytest.mark.parametrize("kind", ObjectKind)
@given(value=OBJECT_VALUES)
def test_fields_give_the_columns_that_they_were_made_of(
    kind: ObjectKind, value: dict[str, Any]
) -> None:
    state = project(kind, value)
    again = project(kind, fields_of(kind, state._asdict()))
    assert again._replace(is_valid=True) == state._replace(is_valid=True) or not state.is_valid


def test_prj_8_columns_of_a_transform_are_one_field() -> None:
    given: dict[str, Any] = {"position": None, "scale": {"x": 2}, "own": [1]}
    assert as_fields(XR_OBJECT, given) == {
        "own": [1],
        "transform": {"position": None, "scale": {"x": 2}},
    }
    assert as_fields(XR_OBJECT, {"own": 1}) == {"own": 1}
    assert as_fields(OBJECT, given) == given


def test_null_is_not_wrong() -> None:
    assert not is_wrong(OBJECT, "rotation", None)


def test_edt_1_a_check_comes_before_anything_is_written() -> None:
    board = Board()
    asked: list[tuple[Any, Any]] = []

    def refuse(is_: Any, shall_be: Any) -> None:
        asked.append((is_, shall_be))
        raise PermissionError

    def edit(act: Any, *args: Any) -> None:
        board.edit(lambda doc: act(doc, "objects", *args, check=refuse))

    with pytest.raises(PermissionError):
        edit(create, "a", {"layer": 1})
    assert board.emitted == []
    board.edit(create, "objects", "a", {"layer": 1})
    for act, *args in [(merge, "a", {"layer": 2}), (delete, "a")]:
        with pytest.raises(PermissionError):
            edit(act, *args)
    assert len(board.emitted) == 1
    assert asked == [(None, {"layer": 1}), ({"layer": 1}, {"layer": 2}), ({"layer": 1}, None)]
