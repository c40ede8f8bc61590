"""The shared types that one client id wrote, as far as it has to know them to go on writing.

Of a map: which item each key holds. Of a text or an array: where it ends. Of both: what has not
been deleted yet, because whoever deletes a shared type deletes what is in it (yjs `ContentType`).
Nobody else's edits are known; what is written is what somebody writes who has not seen them yet.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

from loadtest.structs import (
    ARRAY,
    MAP,
    TEXT,
    Id,
    Parent,
    Transaction,
    Value,
    characters,
    joined,
    units,
    values,
)

Range: TypeAlias = tuple[int, int]
"""Clock and length."""


class WrittenText:
    """A shared text, written at its end."""

    __slots__ = ("_last", "_parent", "_runs")

    def __init__(self, identity: Id) -> None:
        self._parent = identity
        self._last: Id | None = None
        self._runs: list[Range] = []

    def append(self, transaction: Transaction, text: str) -> None:
        """Insert characters at the end."""
        self._add(transaction, characters(text), units(text))

    def erase(self, transaction: Transaction, length: int) -> None:
        """Delete so many UTF-16 units at the end, or as many as there are."""
        while length > 0 and self._runs:
            clock, there = self._runs.pop()
            gone = min(length, there)
            transaction.delete(clock + there - gone, gone)
            if gone < there:
                self._runs.append((clock, there - gone))
            length -= gone

    def ranges(self) -> Iterator[Range]:
        """What has not been deleted."""
        yield from self._runs

    def _add(self, transaction: Transaction, content: bytes, length: int) -> None:
        client, clock = transaction.add(content, self._parent, origin=self._last, length=length)
        self._last = client, clock + length - 1
        self._runs = joined((*self._runs, (clock, length)))


class WrittenArray(WrittenText):
    """A shared array, written at its end: it differs from a text by what stands in it."""

    __slots__ = ()

    def push(self, transaction: Transaction, *members: Value) -> None:
        """Insert plain values at the end."""
        self._add(transaction, values(members), len(members))


class WrittenMap:
    """A shared map, or with the name of one as its identity a root map."""

    __slots__ = ("_entries", "_parent")

    def __init__(self, identity: Parent) -> None:
        self._parent = identity
        self._entries: dict[str, _Entry] = {}

    def set(self, transaction: Transaction, key: str, value: Value) -> None:
        """Put a plain value there."""
        self._put(transaction, key, values((value,)))

    def set_map(self, transaction: Transaction, key: str) -> WrittenMap:
        """Put an empty map there."""
        made = WrittenMap(self._put(transaction, key, MAP))
        self._entries[key].shared = made
        return made

    def set_text(self, transaction: Transaction, key: str, text: str = "") -> WrittenText:
        """Put a text there."""
        made = WrittenText(self._put(transaction, key, TEXT))
        self._entries[key].shared = made
        if text:
            made.append(transaction, text)
        return made

    def set_array(self, transaction: Transaction, key: str) -> WrittenArray:
        """Put an empty array there."""
        made = WrittenArray(self._put(transaction, key, ARRAY))
        self._entries[key].shared = made
        return made

    def delete(self, transaction: Transaction, key: str) -> None:
        """Delete what stands there, for good: a key is not used again.

        Raises:
            KeyError: nothing was written there, or it was deleted.
        """
        for clock, length in self._entries.pop(key).ranges():
            transaction.delete(clock, length)

    def ranges(self) -> Iterator[Range]:
        """What has not been deleted."""
        for entry in self._entries.values():
            yield from entry.ranges()

    def _put(self, transaction: Transaction, key: str, content: bytes) -> Id:
        before = self._entries.get(key)
        origin = None if before is None else before.item
        made = transaction.add(content, self._parent, key=key, origin=origin)
        if before is not None:
            for clock, length in before.ranges():
                transaction.delete(clock, length)
        self._entries[key] = _Entry(made)
        return made


Written: TypeAlias = WrittenMap | WrittenText


@dataclass(slots=True)
class _Entry:
    """What stands under a key."""

    item: Id
    shared: Written | None = None

    def ranges(self) -> Iterator[Range]:
        yield self.item[1], 1
        if self.shared is not None:
            yield from self.shared.ranges()
