"""What goes from a room of headsets when people do.

LIF-1  When the session of a room ends, objects that live for a `session` go, and those that live
       as long as their `owner` is there; of a room that is not persistent, all objects.
LIF-2  An object that lives as long as its `owner` is there goes ten seconds after that person's
       last connection. Its owner is whom its `created_by` names. One that is locked stays. It is
       found by its row: what has none, or one without content (PRJ-2, PRJ-7), goes with the
       session.
LIF-3  What says nothing of its lifetime, or nothing that is known, lives as long as the room.
LIF-4  A room is emptied after its session before another one begins, also if the server stops
       between the two.
LIF-5  All who left a room within a second are looked at together, and a room that is put away is
       not opened for people who own nothing in it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any
from uuid import UUID

from pycrdt import Doc, Map

from crdt_docs.object_edits import objects_of
from crdt_docs.object_kinds import ObjectRoot
from crdt_docs.projection import LIFETIMES

_, SESSION, OWNER = LIFETIMES

AT_ONCE = 1_000
"""Objects that one edit deletes: more would hold up everybody."""


def delete_after_session(doc: Doc[Any], *, is_persistent: bool) -> bool:
    """LIF-1; whether there is more to delete.

    Args:
        doc: within a transaction.
    """
    objects = objects_of(doc, ObjectRoot.OBJECTS)
    return _delete(
        objects,
        objects.keys(),
        lambda found: not is_persistent or _field(found, "lifetime") in {SESSION, OWNER},
    )


def delete_owned(doc: Doc[Any], owner: UUID, ids: Iterable[str]) -> bool:
    """LIF-2; whether there is more to delete.

    Args:
        doc: within a transaction.
        ids: of objects that may be this person's.
    """
    objects = objects_of(doc, ObjectRoot.OBJECTS)
    return _delete(
        objects,
        (key for key in ids if key in objects),
        lambda found: (
            _field(found, "lifetime") == OWNER
            and _field(found, "created_by") == str(owner)
            and _field(found, "is_locked") is not True
        ),
    )


def _delete(objects: Map[Any], keys: Iterable[str], goes: Callable[[Any], bool]) -> bool:
    gone = [key for key in keys if goes(objects[key])]
    for key in gone[:AT_ONCE]:
        del objects[key]
    return len(gone) > AT_ONCE


def _field(found: Any, name: str) -> Any:
    """A field of what stands in the root map; None: it is no object, or has no such field."""
    return found.get(name) if isinstance(found, Map | dict) else None
