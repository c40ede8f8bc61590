"""Which objects of a document are in somebody's hand, and that nobody else moves them (RUL-9)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, TypeVar
from uuid import UUID

from pycrdt import Doc, Map

from crdt_docs.edit_values import same
from crdt_docs.object_edits import objects_of
from crdt_docs.object_kinds import ObjectRoot
from crdt_docs.object_reader import ObjectReader
from crdt_docs.object_transforms import mend_transform, transform_at
from crdt_docs.object_trees import Allowance, NotKept, Tree, json_of, tree_at
from crdt_docs.ownership import Entry
from crdt_docs.rules import Fault, Rule

T = TypeVar("T")

_COMPARED_BYTES: Final = 4 * 1024 * 1024
"""Of an object that was moved and put back; twice of what is kept of it."""

_KEPT_BYTES: Final = 64 * 1024
"""Of a transform that an edit by the server may have to put back."""


class HeldObjects:
    """The held objects of one document.

    Attributes:
        holders: by id, who has it in their hand.
        gone: what was deleted in somebody's hand, also if it is made again.
    """

    __slots__ = ("_reader", "gone", "holders")

    def __init__(self, reader: ObjectReader) -> None:
        self._reader = reader
        self.holders: dict[str, UUID] = {}
        self.gone: set[str] = set()

    def fault_of(self, key: str, user_id: UUID) -> Fault | None:
        """Which rule anybody, a host too, would break by moving an object; None: none."""
        if self.holders.get(key, user_id) == user_id:
            return None
        return Fault(Rule.HELD, f"{key[:128]} is in somebody's hand; wait until they let go")

    def look_again(self, key: str) -> None:
        """This object may have been deleted."""
        if key in self.holders and not self._reader.has(ObjectRoot.OBJECTS, key):
            self.gone.add(key)

    def faults(self, entries: Iterable[Entry], user_id: UUID) -> dict[Entry, Fault]:
        """Of these objects those that somebody else holds."""
        if not self.holders:
            return {}
        return {
            entry: fault
            for entry in entries
            if entry.root == ObjectRoot.OBJECTS
            and (fault := self.fault_of(entry.key, user_id)) is not None
            and self._reader.has(*entry)
        }

    def leaving(self, change: Callable[[Doc[Any]], T], user_id: UUID) -> Callable[[Doc[Any]], T]:
        """The same change by the server, which leaves where it is what others than this person
        hold."""
        others = [key for key in self.holders if self.fault_of(key, user_id) is not None]
        if not others:
            return change

        def careful(doc: Doc[Any]) -> T:
            place = objects_of(doc, ObjectRoot.OBJECTS)
            stood = {key: _standing(place, key) for key in others}
            result = change(doc)
            for key, before in stood.items():
                if before is not None:  # else it was no object, and may be made again
                    mend_transform(place, key, before)
            return result

        return careful

    def put_back(
        self, trees: Mapping[Entry, Tree], place: Map[Any]
    ) -> Iterator[tuple[Entry, bool]]:
        """Put objects where they were, within a transaction; those that were moved, and whether
        they are now what they were in all else, too.

        Args:
            trees: what they were.
            place: the root map in which they stand.
        """
        for entry, before in trees.items():
            if mend_transform(place, entry.key, before):
                yield entry, _is(place, entry.key, before)


def _standing(place: Map[Any], key: str) -> Tree:
    try:
        return transform_at(place, key, Allowance(_KEPT_BYTES))
    except NotKept:
        return None  # no place in space has so much to say; nobody is held up by it


def _is(place: Map[Any], key: str, tree: Tree) -> bool:
    """Whether something reads like this."""
    try:
        return same(json_of(tree_at(place, key, Allowance(_COMPARED_BYTES))), json_of(tree))
    except NotKept:
        return False
