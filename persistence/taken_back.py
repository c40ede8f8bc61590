"""Which objects an entry of the log left as they were, as the log says it (RUL-5)."""

from __future__ import annotations

from collections.abc import Set as AbstractSet

import orjson

from crdt_docs.ownership import Entry
from crdt_docs.projection import is_projected_id


def written_taken_back(entries: AbstractSet[Entry]) -> str | None:
    """For storage: JSON; None, which costs nothing, for none. Only what has rows counts."""
    found = sorted((root, key) for root, key in entries if is_projected_id(key))
    return orjson.dumps(found).decode() if found else None


def read_taken_back(stored: str | None) -> frozenset[Entry]:
    """What `written_taken_back` wrote."""
    if stored is None:
        return frozenset()
    return frozenset(Entry(root, key) for root, key in orjson.loads(stored))
