"""What objects and annotations must be where a session asks for it (RUL-3)."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any, Final

from crdt_docs.object_fields import FIELDS, TYPE_FIELD, wrong_fields
from crdt_docs.object_kinds import ObjectKind
from crdt_docs.projection import is_projected_id
from crdt_docs.text_edits import text_runs

OBJECT_BYTES: Final = 256 * 1024
"""Of an object, as JSON."""

TEXT_LENGTH: Final = 50_000
"""Characters of one text."""

TYPES: Final[Mapping[ObjectKind, frozenset[str]]] = {
    ObjectKind.OCW_OBJECT: frozenset(
        ("shape", "text", "image", "drawing", "sticky", "connector", "frame")
    ),
    ObjectKind.OCW_ANNOTATION: frozenset(("comment", "highlight", "marker", "voice_note")),
    ObjectKind.XR_OBJECT: frozenset(("model", "screen", "whiteboard", "annotation", "furniture")),
}


def schema_fault(kind: ObjectKind, identifier: str, value: object) -> str | None:
    """What is wrong with what stands under an id, in words; None: nothing is.

    Args:
        value: as JSON, in which numbers that are not finite may be floats.
    """
    if not is_projected_id(identifier):
        return "its id must have 1 to 128 bytes of UTF-8, and no NUL"
    if not isinstance(value, Mapping):
        return "it must be an object"
    return next(_faults(kind, value), None)


def _faults(kind: ObjectKind, value: Mapping[str, Any]) -> Iterator[str]:
    for field, problem in wrong_fields(kind, value):
        yield f"{field} {problem}"
    given = value.get(TYPE_FIELD[kind])
    if given not in TYPES[kind]:
        yield f"{TYPE_FIELD[kind]} must be one of {', '.join(sorted(TYPES[kind]))}"
    unknown = min((str(key) for key in value if key not in FIELDS[kind]), default=None)
    if unknown is not None:
        yield f"{unknown[:64]} is no field of it; put it into properties"
    if not _is_finite(value):
        yield "its numbers must be finite"
    if any(length > TEXT_LENGTH for length in _text_lengths(value)):
        yield f"a text in it may have {TEXT_LENGTH} characters"
    if len(json.dumps(value, default=str)) > OBJECT_BYTES:
        yield f"it may have {OBJECT_BYTES} bytes as JSON"


def _is_finite(value: object) -> bool:
    match value:
        case float():
            return math.isfinite(value)
        case Mapping():
            return all(map(_is_finite, value.values()))
        case list() | tuple():
            return all(map(_is_finite, value))
        case _:
            return True


def _text_lengths(value: object) -> Iterator[int]:
    runs = text_runs(value)
    if runs is not None:
        yield sum(len(run.units) for run in runs)
        return
    inner: Any = ()
    if isinstance(value, Mapping):
        inner = value.values()
    elif isinstance(value, list):
        inner = value
    for item in inner:
        yield from _text_lengths(item)
