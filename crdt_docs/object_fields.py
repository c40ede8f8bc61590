"""The known fields of objects and annotations: which of them are wrong, and what they should be.

The projection decides (PRJ-3); here it is put into words.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from crdt_docs.object_changes import State
from crdt_docs.object_kinds import ObjectKind
from crdt_docs.projection import (
    LIFETIMES,
    Json,
    project_annotation,
    project_object,
    project_xr_object,
)

TYPE_FIELD: Final[Mapping[ObjectKind, str]] = {
    ObjectKind.OCW_OBJECT: "object_type",
    ObjectKind.OCW_ANNOTATION: "annotation_type",
    ObjectKind.XR_OBJECT: "object_type",
}
"""The one field that has to be there."""

_PROJECT: Final[Mapping[ObjectKind, Callable[[object], State]]] = {
    ObjectKind.OCW_OBJECT: project_object,
    ObjectKind.OCW_ANNOTATION: project_annotation,
    ObjectKind.XR_OBJECT: project_xr_object,
}

FIELDS: Final[Mapping[ObjectKind, tuple[str, ...]]] = {
    ObjectKind.OCW_OBJECT: (
        "object_type",
        "position",
        "size",
        "rotation",
        "properties",
        "layer",
        "is_locked",
        "created_by",
    ),
    ObjectKind.OCW_ANNOTATION: (
        "annotation_type",
        "content",
        "object_id",
        "position",
        "resolved",
        "created_by",
    ),
    ObjectKind.XR_OBJECT: (
        "object_type",
        "transform",
        "parent_id",
        "asset_url",
        "properties",
        "is_interactive",
        "is_locked",
        "lifetime",
        "created_by",
    ),
}
"""The known fields in the document; all but one are columns of the row as well."""

_TRANSFORM: Final = "transform"
_PARTS: Final = ("position", "rotation", "scale")

_NUMBER: Final = "must be a number"
_TEXT: Final = "must be a text"
_FLAG: Final = "must be true or false"
_TYPE: Final = "must be a text that says what it is"
_POINT: Final = "must be an object with the numbers x and y"
_ID: Final = "must be an id of 1 to 128 bytes of UTF-8"
_EXTENT: Final = "must be an object with the numbers width and height"

_SHOULD_BE: Final[Mapping[str, str]] = {
    "object_type": _TYPE,
    "annotation_type": _TYPE,
    "position": _POINT,
    "size": _EXTENT,
    "rotation": _NUMBER,
    "properties": 'must be an object, and its text a string or {"delta": […]}',
    "layer": _NUMBER,
    "is_locked": _FLAG,
    "created_by": _TEXT,
    "content": 'must be a string or {"delta": […]}',
    "object_id": _ID,
    "resolved": _FLAG,
    "transform": "must be an object, its position and scale with the numbers x, y and z, its "
    "rotation with x, y, z and w",
    "parent_id": _ID,
    "asset_url": _TEXT,
    "is_interactive": _FLAG,
    "lifetime": f"must be one of {', '.join(LIFETIMES)}",
}


def project(kind: ObjectKind, value: object) -> State:
    """The row of whatever a document holds under an id (PRJ)."""
    return _PROJECT[kind](value)


def is_wrong(kind: ObjectKind, key: str, given: object) -> bool:
    """Whether a field makes its object invalid; null is as good as nothing."""
    value = {TYPE_FIELD[kind]: "any", key: given}
    return given is not None and not project(kind, value).is_valid


def wrong_fields(kind: ObjectKind, value: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The fields that make an object invalid, each with what it should be."""
    required = TYPE_FIELD[kind]
    if value.get(required) is None:
        yield required, "is required"
    for key in FIELDS[kind]:
        if is_wrong(kind, key, value.get(key)):
            yield key, _SHOULD_BE[key]


def fields_of(kind: ObjectKind, state: Mapping[str, Json]) -> dict[str, Json]:
    """What the fields of an object have to be so that its row has these columns."""
    parts = {part: state[part] for part in _PARTS if state.get(part) is not None}
    return {key: (parts or None) if key == _TRANSFORM else state[key] for key in FIELDS[kind]}
