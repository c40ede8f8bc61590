"""Where objects came to rest, on the way into the document (POS-41)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Generic, TypeAlias

from pycrdt import Doc

from crdt_docs.errors import NotNow
from crdt_docs.hold_effects import HolderT, Landed
from crdt_docs.object_transforms import put_transform

Edit: TypeAlias = Callable[[HolderT, Callable[[Doc[Any]], int]], object]
"""Changes the document in somebody's name, as `Room.edit` does."""


class Landings(Generic[HolderT]):
    """What is to be written: of each object the last place.

    While the database is behind, nothing is written, and nothing is lost: everybody has seen where
    the object was put.
    """

    __slots__ = ("_waiting",)

    def __init__(self) -> None:
        self._waiting: dict[str, Landed[HolderT]] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, landed: Landed[HolderT]) -> None:
        """Something came to rest."""
        self._waiting.pop(landed.object_id, None)
        self._waiting[landed.object_id] = landed

    def write(self, edit: Edit[HolderT]) -> bool:
        """Write what waits, in one edit for each holder; whether nothing waits any more.

        Args:
            edit: these edits need hardly any room, so they may be made in a document that is full.

        Raises:
            Exception: what `edit` raises, but for `NotNow`; what was not written still waits.
        """
        while self._waiting:
            landed = self._of_the_first()
            try:
                edit(landed[0].holder, partial(_put_all, landed))
            except NotNow:
                return False
            for each in landed:
                # While it was written, others may have come.
                if self._waiting.get(each.object_id) is each:
                    del self._waiting[each.object_id]
        return True

    def _of_the_first(self) -> list[Landed[HolderT]]:
        """What waits longest, and whatever else the same holder has put down."""
        holder = next(iter(self._waiting.values())).holder
        return [each for each in self._waiting.values() if each.holder == holder]


def _put_all(landed: Iterable[Landed[HolderT]], doc: Doc[Any]) -> int:
    """How many were not where they are written to be."""
    return sum(put_transform(doc, each.object_id, each.transform) for each in landed)
