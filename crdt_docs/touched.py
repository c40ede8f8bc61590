"""Which objects an update touched, from its bytes (PRJ-6).

Not from yrs' deep observers, which cost next to nothing until somebody means harm: they sort what
they tell by the length of its path, and a path leads along every list on the way. A small update
far back in a very long array keeps them busy for many seconds.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from crdt_docs.ownership import NOBODY, Entry, Ownership


class Touch(NamedTuple):
    """An object that an update touched.

    Attributes:
        entry: its root map and its id, as a client wrote it: some have no row (PRJ-2).
        client: who wrote in it; None: something of it was deleted, and nothing written.
    """

    entry: Entry
    client: int | None


def touched(ownership: Ownership, emitted: bytes) -> Iterator[Touch]:
    """What an update that a transaction emitted touched, once for each client that wrote in it.

    An object counts as touched when anything of it was written or deleted, also where it is the
    same afterwards: a value that lost against another, or equals the one before.

    Args:
        ownership: of the document, up to this update; it is told of it.
    """
    written: set[int] = {NOBODY}
    for client, owners in _absorbed(ownership, emitted):
        for owner in owners - (written if client is None else {NOBODY}):
            yield Touch(ownership.entries[owner], client)
        written |= owners


def _absorbed(ownership: Ownership, update: bytes) -> list[tuple[int | None, set[int]]]:
    reading = ownership.absorb(update)
    while True:
        try:
            next(reading)
        except StopIteration as done:
            absorbed: list[tuple[int | None, set[int]]] = done.value
            return absorbed
