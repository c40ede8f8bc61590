"""What the update targets eat: a document's life, updates one after the other in one input."""

from __future__ import annotations

from collections.abc import Iterable

from crdt_docs.errors import Malformed
from crdt_docs.varint import read_var_bytes, var_bytes

LONGEST = 10
"""Updates that are taken from one input."""


def pack(updates: Iterable[bytes]) -> bytes:
    """Updates as one input."""
    return b"".join([var_bytes(update) for update in updates])


def unpack(data: bytes) -> list[bytes]:
    """The updates of an input; what does not fit its length is one more."""
    updates: list[bytes] = []
    position = 0
    while position < len(data) and len(updates) < LONGEST:
        try:
            update, position = read_var_bytes(data, position)
        except Malformed:
            update, position = data[position:], len(data)
        updates.append(update)
    return updates
