"""Objects made equal to what they were, by ordinary edits (EDT-6, EDT-7).

A state of the history knows the columns of a row, and only those are put back; what else the object
holds by now stays. For a whole session everything is known, also which parts are shared, and
everything is put back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple, TypeAlias

from pycrdt import Doc, Map, Text

from crdt_docs.edit_values import same
from crdt_docs.object_edits import (
    SHAPES,
    Shape,
    check_id,
    equalise,
    objects_of,
    put,
    read,
    shape_of,
)
from crdt_docs.object_fields import fields_of, is_wrong, project
from crdt_docs.object_kinds import ObjectKind
from crdt_docs.object_reader import ObjectReader, is_null
from crdt_docs.object_trees import Allowance, NotKept, Tree, can_mend, mend, tree_at
from crdt_docs.projection import Json
from crdt_docs.text_edits import is_short, write_words

RESTORED_BYTES: Final = 16 * 1024 * 1024
"""Of an object that is read with the kinds of its parts, about."""

_CONTENT: Final = "content"


class OnlyShown(NamedTuple):
    """An object too large to be read with the kinds of its parts, as `ObjectReader` reads it."""

    value: Any


class Fragile(NamedTuple):
    """An object with something in it that cannot be made again (`can_mend`)."""

    tree: Tree


PastObject: TypeAlias = Tree | Fragile | OnlyShown

Past: TypeAlias = Mapping[str, Mapping[str, PastObject]]
"""What stood in root maps, by their names and by id, as `read_past` reads it."""


class PutBack(NamedTuple):
    """What became of objects that were to be what they had been.

    Attributes:
        changed: how many were not.
        left: root and id of those that stay as they are, because something in them cannot be made
            again.
    """

    changed: int
    left: list[tuple[str, str]]


def put_back(
    doc: Doc[Any], kind: ObjectKind, identifier: str, state: Mapping[str, Json] | None
) -> None:
    """Make an object what an earlier state says: created, changed or deleted as need be (EDT-6).

    Args:
        doc: within a transaction.
        kind: what it is.
        identifier: in its root map.
        state: the columns as the history has them; None or empty: it was not there.

    Raises:
        InvalidId: the history has nothing under such an id.
    """
    check_id(identifier)
    place = objects_of(doc, kind.root)
    shown = read(doc, kind.root, identifier)
    if not state:
        if shown is not None:
            del place[identifier]
        return
    stands = place.get(identifier)
    if isinstance(stands, Map):
        _put_members_back(stands, shown, state, kind)
        return
    whole = shown if isinstance(stands, dict) else {}
    changes = _changes(whole, state, kind)
    kept = {key: item for key, item in whole.items() if key not in changes}
    new = {key: item for key, item in changes.items() if item is not None}
    equalise(place, identifier, shown, {**kept, **new}, shape_of(kind))


def read_past(reader: ObjectReader, root: str, identifier: str) -> PastObject:
    """What stands under a key of a root map, as `put_all_back` takes it."""
    allowance = Allowance(RESTORED_BYTES, takes_all=True)
    try:
        with reader.together():
            tree = tree_at(reader.place(root), identifier, allowance)
    except NotKept:
        return OnlyShown(reader.read(root, identifier))
    return Fragile(tree) if allowance.has_unmade else tree


def put_all_back(
    doc: Doc[Any], past: Past, some: Sequence[tuple[str, str]] | None = None
) -> PutBack:
    """Make all objects of these root maps what they were; others are left alone (EDT-7).

    Args:
        doc: within a transaction.
        past: what was not there then, or null, is deleted.
        some: only these, of what `to_put_back` names: many take their time.
    """
    reader = ObjectReader(doc, past)
    places = {root: objects_of(doc, root) for root in past}
    changed, left = 0, []
    for root, identifier in to_put_back(doc, past) if some is None else some:
        place = places[root]
        match past[root].get(identifier):
            case None:
                is_changed = _remove(place, identifier)
            case OnlyShown(wanted):
                shown = reader.read(root, identifier)
                is_changed = _put_json_back(place, identifier, shown, wanted, SHAPES.get(root))
            case Fragile(tree) if not can_mend(place, identifier, tree):
                left.append((root, identifier))
                continue
            case Fragile(tree) | tree:
                is_changed = mend(place, identifier, tree)
        changed += is_changed
    return PutBack(changed, left)


def to_put_back(doc: Doc[Any], past: Past) -> list[tuple[str, str]]:
    """Root and id of everything that is there, or was."""
    return [
        (root, identifier)
        for root, objects in past.items()
        for identifier in sorted({*objects_of(doc, root).keys(), *objects})
    ]


def _remove(place: Map[Any], identifier: str) -> bool:
    """Null is as good as nothing (EDT-2)."""
    if is_null(place.get(identifier)):
        return False
    del place[identifier]
    return True


def _put_json_back(place: Map[Any], identifier: str, shown: Any, wanted: Any, shape: Shape) -> bool:
    if same(shown, wanted):
        return False
    if shown is None:
        put(place, identifier, wanted, shape)
    else:
        equalise(place, identifier, shown, wanted, shape)
    return True


def _put_members_back(
    stands: Map[Any], shown: dict[str, Any], state: Mapping[str, Json], kind: ObjectKind
) -> None:
    shapes = shape_of(kind)
    for key, value in _changes(shown, state, kind).items():
        shape = shapes.get(key) if isinstance(shapes, Mapping) else None
        text = stands.get(key)
        if value is None:
            del stands[key]
        elif key not in shown:
            put(stands, key, value, shape)
        elif (
            key == _CONTENT
            and isinstance(text, Text)
            and isinstance(value, str)
            and is_short(shown[key])
        ):
            write_words(text, shown[key], value)  # of its formats the state knows nothing
        else:
            equalise(stands, key, shown[key], value, shape)


def _changes(shown: dict[str, Any], state: Mapping[str, Json], kind: ObjectKind) -> dict[str, Json]:
    """The fields that have to be written so that the object's row is the state; None: removed."""
    blank = project(kind, {})._asdict()
    empty, now = fields_of(kind, blank), fields_of(kind, project(kind, shown)._asdict())
    changes: dict[str, Json] = {}
    for key, wanted in fields_of(kind, {**blank, **state}).items():
        is_empty = same(wanted, empty[key])
        if not same(now[key], wanted):
            changes[key] = wanted
        elif state.get("is_valid") and is_wrong(kind, key, shown.get(key)):
            changes[key] = None if is_empty else wanted
    return {key: item for key, item in changes.items() if item is not None or key in shown}
