"""What stock Yjs sent, recorded (tests/crdt_docs/corpus)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from crdt_docs.varint import read_var_bytes, read_var_uint

_FILE = Path(__file__).parent.parent / "crdt_docs" / "corpus" / "yjs_updates.bin"


@dataclass(frozen=True, slots=True)
class Recording:
    """Updates in the order in which a server receives them, and what they come to.

    Attributes:
        state: the state vector of the document at the end.
    """

    name: str
    updates: tuple[bytes, ...]
    state: bytes


@cache
def recordings() -> tuple[Recording, ...]:
    """All of them."""
    data = _FILE.read_bytes()
    count, position = read_var_uint(data, 0)
    found = []
    for _ in range(count):
        name, position = read_var_bytes(data, position)
        length, position = read_var_uint(data, position)
        updates = []
        for _ in range(length):
            update, position = read_var_bytes(data, position)
            updates.append(update)
        state, position = read_var_bytes(data, position)
        found.append(Recording(name.decode(), tuple(updates), state))
    assert position == len(data)
    return tuple(found)
