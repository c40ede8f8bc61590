"""Which objects an update touched, from its bytes (PRJ-6).

Not from yrs' deep observers, which cost next to nothing until somebody means harm: they sort what
they tell by the length of its path, and a path leads along every list on the way. A small update
far back in a very long array keeps them busy for many seconds.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from crdt_docs.ownership import NOBODY, Absorbed, Entry, Ownership
from crdt_docs.update_structs import read_sections


class Touch(NamedTuple):
    """An object that an update touched.

    Attributes:
        entry: its root map and its id, as a client wrote it: some have no row (PRJ-2).
        client: who wrote in it; None: something of it was deleted, and nothing written.
        deletes: something of it was deleted that was there before.
    """

    entry: Entry
    client: int | None
    deletes: bool


def touched(ownership: Ownership, emitted: bytes) -> Iterator[Touch]:
    """What an update that a transaction emitted touched, once for each client that wrote in it.

    An object counts as touched when anything of it was written or deleted, also where it is the
    same afterwards: a value that lost against another, or equals the one before. Of several clients
    who wrote in it comes first who began something, and then who only went on from that.

    Args:
        ownership: of the document, up to this update; it is told of it.
    """
    absorbed = _absorbed(ownership, emitted)
    deleted = {owner for client, owners in absorbed if client is None for owner in owners}
    shared = _shared(absorbed)
    began = _began(ownership, emitted, shared) if shared else set()
    written: set[int] = {NOBODY}
    later: list[Touch] = []
    for client, owners in absorbed:
        for owner in owners - (written if client is None else {NOBODY}):
            touch = Touch(ownership.entries[owner], client, owner in deleted)
            if client is None or owner not in shared or (client, owner) in began:
                yield touch
            else:
                later.append(touch)
        written |= owners
    yield from later


def _absorbed(ownership: Ownership, update: bytes) -> Absorbed:
    reading = ownership.absorb(update)
    while True:
        try:
            next(reading)
        except StopIteration as done:
            absorbed: Absorbed = done.value
            return absorbed


def _shared(absorbed: Absorbed) -> set[int]:
    """The owners in whose structs several clients wrote."""
    writers = [owners for client, owners in absorbed if client is not None]
    if len(writers) < 2:
        return set()
    seen: set[int] = {NOBODY}
    shared: set[int] = set()
    for owners in writers:
        shared |= owners & seen
        seen |= owners
    return shared - {NOBODY}


def _began(ownership: Ownership, update: bytes, shared: set[int]) -> set[tuple[int, int]]:
    """By client and owner, of these, who wrote what stands on nothing that came with it."""
    sections, _ = read_sections(update)
    came_from = {each.client: each.structs[0].clock for each in sections if each.structs}
    return {
        (section.client, owner)
        for section in sections
        for struct in section.structs
        if (owner := ownership.owner_of(section.client, struct.clock)) in shared
        and all(clock < came_from.get(client, clock + 1) for client, clock in struct.references)
    }
