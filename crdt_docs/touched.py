"""Which objects were touched, from the bytes that transactions emitted (PRJ-6).

Not from yrs' deep observers, which cost next to nothing until somebody means harm: they sort what
they tell by the length of its path, and a path leads along every list on the way. An update of 256
structs (5 kB) far back in an array of half a million took them 12 s, and 0.3 ms without.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from crdt_docs.ownership import NOBODY, Ownership

OBJECT_ROOTS: Final = ("objects", "annotations")
"""The root maps of a session whose entries are objects."""


class Touched:
    """The objects touched since somebody last asked, in a document of which it is told all updates.

    An object counts as touched when anything of it was written or deleted, also where it is the
    same afterwards: a value that lost against another, or equals the one before.
    """

    __slots__ = ("_emitted", "_ownership")

    def __init__(self, roots: Iterable[str] = OBJECT_ROOTS) -> None:
        """
        Args:
            roots: names of the root maps of whose entries it tells.
        """
        self._ownership = Ownership(roots)
        self._emitted: list[bytes] = []

    def loading(self, update: bytes) -> Iterator[None]:
        """Read what the document was loaded from, in that order, a few milliseconds at a time."""
        yield from self._ownership.absorb(update, deletions=False)

    def note(self, emitted: bytes) -> None:
        """Keep what a transaction emitted; it is read when somebody asks."""
        self._emitted.append(emitted)

    def take(self) -> dict[str, set[str]]:
        """By root, the ids of what was touched since the last call; no root without any.

        Ids are what clients wrote: some have no row (PRJ-2).
        """
        emitted, self._emitted = self._emitted, []
        owners = {NOBODY}
        for update in emitted:
            owners |= self._read(update)
        owners.discard(NOBODY)
        touched: dict[str, set[str]] = {}
        for owner in owners:
            root, key = self._ownership.entries[owner]
            touched.setdefault(root, set()).add(key)
        return touched

    def _read(self, update: bytes) -> set[int]:
        reading = self._ownership.absorb(update)
        while True:
            try:
                next(reading)
            except StopIteration as done:
                owners: set[int] = done.value
                return owners
