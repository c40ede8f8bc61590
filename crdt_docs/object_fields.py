"""The known fields of objects and annotations: which of them are wrong, and what they should be.

The projection decides (PRJ-3); here it is put into words.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from crdt_docs.projection import (
    AnnotationState,
    ObjectState,
    project_annotation,
    project_object,
)

_REQUIRED: Final = {"objects": "object_type", "annotations": "annotation_type"}

_NUMBER: Final = "must be a number"
_TEXT: Final = "must be a text"
_FLAG: Final = "must be true or false"
_TYPE: Final = "must be a text that says what it is"
_POINT: Final = "must be an object with the numbers x and y"
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
    "object_id": "must be an id of 1 to 128 bytes of UTF-8",
    "resolved": _FLAG,
}


def project(root: str, value: object) -> ObjectState | AnnotationState:
    """The row of an object of `objects` or `annotations`."""
    return project_annotation(value) if root == "annotations" else project_object(value)


def is_wrong(root: str, key: str, given: object) -> bool:
    """Whether a field makes its object invalid; null is as good as nothing."""
    value = {_REQUIRED[root]: "any", key: given}
    return given is not None and not project(root, value).is_valid


def wrong_fields(root: str, value: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The fields that make an object invalid, each with what it should be."""
    required = _REQUIRED[root]
    if value.get(required) is None:
        yield required, "is required"
    for key in project(root, {})._fields:
        if key in _SHOULD_BE and is_wrong(root, key, value.get(key)):
            yield key, _SHOULD_BE[key]
