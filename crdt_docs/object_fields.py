"""The known fields of objects and annotations: which of them are wrong, and what they should be.

The projection decides (PRJ-3); here it is put into words.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, Protocol

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


class _Projection(Protocol):
    def __call__(self, value: object, *, is_storable: bool) -> State: ...


_PROJECT: Final[Mapping[ObjectKind, _Projection]] = {
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
TRANSFORM_PARTS: Final = ("position", "rotation", "scale")
"""Of the `transform` of an XR object: columns of its row."""

_NUMBER: Final = "must be a number"
_TEXT: Final = "must be a text"
_FLAG: Final = "must be true or false"
_TYPE: Final = "must be a text that says what it is"
_POINT: Final = "must be an object with the numbers x and y"
_ID: Final = "must be an id of 1 to 128 bytes of UTF-8"
_EXTENT: Final = "must be an object with the numbers width and height"
_VECTOR: Final = "must be an object with the numbers x, y and z"
_QUATERNION: Final = "must be an object with the numbers x, y, z and w"

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
    "transform": "must be an object with position, rotation and scale",
    "transform.position": _VECTOR,
    "transform.rotation": _QUATERNION,
    "transform.scale": _VECTOR,
    "parent_id": _ID,
    "asset_url": _TEXT,
    "is_interactive": _FLAG,
    "lifetime": f"must be one of {', '.join(LIFETIMES)}",
}


def project(kind: ObjectKind, value: object, *, is_storable: bool = False) -> State:
    """The row of whatever a document holds under an id (PRJ).

    Args:
        is_storable: `projection.storable` would change nothing of it; it is not copied then.
    """
    return _PROJECT[kind](value, is_storable=is_storable)


def is_wrong(kind: ObjectKind, key: str, given: object) -> bool:
    """Whether a field makes its object invalid; null is as good as nothing."""
    value = {TYPE_FIELD[kind]: "any", key: given}
    return given is not None and not project(kind, value).is_valid


def wrong_fields(kind: ObjectKind, value: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The fields that make an object invalid, each with what it should be; of a `transform`, which
    of its parts, such as `transform.scale`."""
    required = TYPE_FIELD[kind]
    if value.get(required) is None:
        yield required, "is required"
    for key in FIELDS[kind]:
        given = value.get(key)
        if is_wrong(kind, key, given):
            for field in _wrong_parts(kind, given) if key == _TRANSFORM else (key,):
                yield field, _SHOULD_BE[field]


def _wrong_parts(kind: ObjectKind, transform: object) -> Iterator[str]:
    if not isinstance(transform, Mapping):
        yield _TRANSFORM
        return
    for part in TRANSFORM_PARTS:
        if is_wrong(kind, _TRANSFORM, {part: transform.get(part)}):
            yield f"{_TRANSFORM}.{part}"


def fields_of(kind: ObjectKind, state: Mapping[str, Json]) -> dict[str, Json]:
    """What the fields of an object have to be so that its row has these columns."""
    parts = {part: state[part] for part in TRANSFORM_PARTS if state.get(part) is not None}
    return {key: (parts or None) if key == _TRANSFORM else state[key] for key in FIELDS[kind]}


def as_fields(kind: ObjectKind, given: Mapping[str, Json]) -> dict[str, Json]:
    """Some columns of a row, and whatever else, as a document has them: the parts of a transform
    are one value there."""
    if kind is not ObjectKind.XR_OBJECT:
        return dict(given)
    fields = {key: value for key, value in given.items() if key not in TRANSFORM_PARTS}
    parts = {part: given[part] for part in TRANSFORM_PARTS if part in given}
    return {**fields, _TRANSFORM: parts} if parts else fields
