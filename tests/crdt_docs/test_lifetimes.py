"""LIF: what goes from a room when people do."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from pycrdt import Doc, Map

from crdt_docs import lifetimes
from crdt_docs.lifetimes import delete_after_session, delete_owned

ADA, BEN = UUID(int=1), UUID(int=2)


def room(**objects: Any) -> Doc[Any]:
    """A document with these objects."""
    doc: Doc[Any] = Doc()
    place = doc.get("objects", type=Map)
    for key, value in objects.items():
        place[key] = Map(value) if isinstance(value, dict) else value
    return doc


def left(doc: Doc[Any]) -> set[str]:
    """What is still there."""
    return set(doc.get("objects", type=Map).keys())


def furnished() -> Doc[Any]:
    """One of each."""
    return room(
        wall={"object_type": "model", "lifetime": "room"},
        chair={"object_type": "furniture"},
        note={"object_type": "annotation", "lifetime": "session"},
        cup={"object_type": "model", "lifetime": "owner", "created_by": str(ADA)},
        odd={"object_type": "model", "lifetime": 7},
        text="no object",
    )


def test_lif_1_what_lives_for_a_session_goes_with_it() -> None:
    doc = furnished()
    with doc.transaction():
        assert not delete_after_session(doc, is_persistent=True)
    assert left(doc) == {"wall", "chair", "odd", "text"}


def test_lif_1_a_room_that_is_not_persistent_is_emptied() -> None:
    doc = furnished()
    with doc.transaction():
        assert not delete_after_session(doc, is_persistent=False)
    assert left(doc) == set()


def test_lif_1_a_large_room_is_emptied_in_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lifetimes, "AT_ONCE", 2)
    doc = furnished()
    rounds = 1
    while delete_after_session(doc, is_persistent=False):
        rounds += 1
    assert rounds == 3
    assert left(doc) == set()


def test_lif_2_what_lives_with_its_owner_goes_with_that_person() -> None:
    doc = furnished()
    with doc.transaction():
        delete_owned(doc, BEN, left(doc))
    assert "cup" in left(doc)
    with doc.transaction():
        delete_owned(doc, ADA, left(doc))
    assert left(doc) == {"wall", "chair", "note", "odd", "text"}


def test_lif_2_what_is_locked_stays() -> None:
    doc = room(cup={"lifetime": "owner", "created_by": str(ADA), "is_locked": True})
    with doc.transaction():
        delete_owned(doc, ADA, left(doc))
    assert left(doc) == {"cup"}


def test_lif_3_what_does_not_say_stays() -> None:
    doc = room(chair={"created_by": str(ADA)}, plain={"lifetime": None, "created_by": str(ADA)})
    with doc.transaction():
        delete_owned(doc, ADA, left(doc))
        delete_after_session(doc, is_persistent=True)
    assert left(doc) == {"chair", "plain"}


def test_lif_2_only_what_may_be_somebody_s_is_looked_at() -> None:
    doc = furnished()
    with doc.transaction():
        delete_owned(doc, ADA, ["chair", "gone"])
    assert "cup" in left(doc)
