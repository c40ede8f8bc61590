"""Objects and annotations as the server writes them: created, merged, deleted (EDT-1 to EDT-5).

Everything here works on a document within a transaction that somebody else opened. An edit is
checked whole before anything of it is written. What is the same afterwards is not written: what
people do meanwhile to the rest of an object stays.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from pycrdt import Array, Doc, Map, Text

from crdt_docs.edit_errors import InvalidId, ObjectExists, ObjectMissing
from crdt_docs.edit_values import check_value, same, writable
from crdt_docs.object_kinds import ObjectKind
from crdt_docs.object_reader import ObjectReader
from crdt_docs.projection import MAX_ID_BYTES, Json, is_projected_id
from crdt_docs.text_edits import is_quick, text_runs, write_text

TEXT: Final = "text"
"""The shape of what becomes a shared text, if it is one at all."""

WHOLE: Final = "whole"
"""The shape of what is one plain value, also where a client made a shared map of it."""

Shape: TypeAlias = Mapping[str, "Shape"] | str | None
"""What a new value becomes: a map becomes a shared map whose members have these shapes, all else is
one plain value."""

SHAPES: Final[Mapping[str, Shape]] = {
    "objects": {"properties": {"text": TEXT}},
    "annotations": {"content": TEXT},
}
"""By root: which parts of a new object people can edit together (EDT-2)."""

_XR_SHAPE: Final[Shape] = {"properties": {"text": TEXT}, "transform": WHOLE}

MAX_INSERTED: Final = 500
"""Members of a list that stays shared. yrs walks to each place anew: the time grows with the
square of the length. A longer one becomes one plain value."""

Check: TypeAlias = Callable[[Any, Any], None]
"""Asked before anything is written: what is, and what shall be; None: nothing. It may raise."""


def create(
    doc: Doc[Any],
    root: str,
    identifier: str,
    value: Mapping[str, Json],
    *,
    check: Check | None = None,
) -> None:
    """Put a new object into a root map.

    Args:
        doc: within a transaction.
        root: `objects` or `annotations`.
        identifier: in the root map.
        value: the object as JSON.
        check: told of nothing, and the value.

    Raises:
        EditRefused: the id is no id or is taken, or the value cannot be written.
        Exception: what `check` raises.
    """
    check_id(identifier)
    whole = _checked(value)
    if read(doc, root, identifier) is not None:
        raise ObjectExists(f"the id {identifier} is taken; change what has it, or use another")
    if check is not None:
        check(None, whole)
    put(objects_of(doc, root), identifier, whole, SHAPES.get(root))


def merge(
    doc: Doc[Any],
    root: str,
    identifier: str,
    patch: Mapping[str, Json],
    *,
    check: Check | None = None,
    shape: Shape = None,
) -> None:
    """Change an object by a JSON Merge Patch (RFC 7396): members replace, null removes.

    Args:
        doc: within a transaction.
        root: `objects` or `annotations`.
        identifier: in the root map.
        patch: as JSON.
        check: told what the object is, and what it is to be.
        shape: of the object, where it is another than the root's.

    Raises:
        EditRefused: there is no such object, or the patch cannot be written.
        Exception: what `check` raises.
    """
    changes = _checked(patch)
    shown = read(doc, root, identifier)
    if shown is None:
        raise _missing(identifier)
    place = objects_of(doc, root)
    if not isinstance(place[identifier], Map | dict):
        shown = {}  # a text or a list: the patch makes it an object
    wanted = merged(shown, changes)
    if check is not None:
        check(shown, wanted)
    equalise(place, identifier, shown, wanted, shape or SHAPES.get(root))


def shape_of(kind: ObjectKind) -> Shape:
    """The shape of a kind of object."""
    return _XR_SHAPE if kind is ObjectKind.XR_OBJECT else SHAPES[kind.root]


def delete(doc: Doc[Any], root: str, identifier: str, *, check: Check | None = None) -> None:
    """Remove an object.

    Args:
        doc: within a transaction.
        root: `objects` or `annotations`.
        identifier: in the root map.
        check: told what the object is, and of nothing.

    Raises:
        EditRefused: there is no such object.
        Exception: what `check` raises.
    """
    shown = read(doc, root, identifier)
    if shown is None:
        raise _missing(identifier)
    if check is not None:
        check(shown, None)
    del objects_of(doc, root)[identifier]


def merged(target: Any, patch: Any) -> Any:
    """What RFC 7396 makes of two JSON values; what the patch does not name is shared with the
    target."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value)
    return result


def check_id(identifier: str) -> None:
    """See that something can be projected under this id (PRJ-2).

    Raises:
        InvalidId: it cannot.
    """
    if not is_projected_id(identifier):
        raise InvalidId(f"an id has 1 to {MAX_ID_BYTES} bytes of UTF-8 and no NUL")


def objects_of(doc: Doc[Any], root: str) -> Map[Any]:
    """A root as the map that it is."""
    found: Map[Any] = doc.get(root, type=Map)
    return found


def read(doc: Doc[Any], root: str, identifier: str) -> Any:
    """An object as JSON; None: nothing, or null."""
    return ObjectReader(doc, (root,)).read(root, identifier)


def equalise(place: Map[Any], key: str, shown: Any, wanted: Any, shape: Shape) -> None:
    """Make what stands under a key equal to a value, and write nothing that is equal (EDT-3).

    Args:
        place: a map of the document.
        key: in it.
        shown: what stands there, as `object_reader` shows it.
        wanted: what shall stand there, as JSON.
        shape: of what has to be made anew.
    """
    if same(shown, wanted):
        return
    stands = place.get(key)
    match stands, wanted:
        case Map(), dict() if shape != WHOLE:
            _equalise_members(stands, shown, wanted, shape)
        case Text(), _ if (runs := text_runs(wanted)) is not None and is_quick(shown, runs):
            write_text(stands, shown, runs)
        case Array(), list() if len(wanted) <= MAX_INSERTED:
            equalise_list(stands, shown, wanted)
        case _:
            # Whoever wrote it plain reads it plain.
            put(place, key, wanted, None if type(stands) is type(wanted) else shape)


def put(place: Map[Any], key: str, value: Any, shape: Shape) -> None:
    """Put something new under a key of a map, in its shape."""
    if isinstance(shape, Mapping) and isinstance(value, dict):
        place[key] = Map()
        inner = place[key]  # once: looking it up takes as long as writing a member
        for member, item in value.items():
            put(inner, member, item, shape.get(member))
    elif shape == TEXT and (runs := text_runs(value)) is not None:
        place[key] = Text()
        write_text(place[key], "", runs)
    else:
        place[key] = writable(value)


def _equalise_members(
    stands: Map[Any], shown: dict[str, Any], wanted: dict[str, Any], shape: Shape
) -> None:
    for key in shown.keys() - wanted.keys():
        del stands[key]
    shapes = shape if isinstance(shape, Mapping) else {}
    for key, value in wanted.items():
        if key in shown:
            equalise(stands, key, shown[key], value, shapes.get(key))
        else:
            put(stands, key, value, shapes.get(key))


def equalise_list(stands: Array[Any], shown: list[Any], wanted: list[Any]) -> None:
    """Replace what lies between the common beginning and the common end."""
    start, end = common_ends(shown, wanted)
    if start < len(shown) - end:
        del stands[start : len(shown) - end]
    for i, value in enumerate(wanted[start : len(wanted) - end]):
        stands.insert(start + i, writable(value))


def common_ends(one: list[Any], other: list[Any]) -> tuple[int, int]:
    """How many members two lists have in common at the beginning, and at the end."""
    shorter = min(len(one), len(other))
    start = 0
    while start < shorter and same(one[start], other[start]):
        start += 1
    end = 0
    while end < shorter - start and same(one[-1 - end], other[-1 - end]):
        end += 1
    return start, end


def _checked(value: Mapping[str, Json]) -> dict[str, Any]:
    whole = dict(value)
    check_value(whole)
    return whole


def _missing(identifier: str) -> ObjectMissing:
    return ObjectMissing(f"there is nothing with the id {identifier[:MAX_ID_BYTES]}")
