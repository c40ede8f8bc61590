"""State vectors: how much of each client's writing somebody has."""

from __future__ import annotations

from collections.abc import Mapping

from crdt_docs.varint import var_uint


def encode_state_vector(clocks: Mapping[int, int]) -> bytes:
    """Encode client id -> next clock as Yjs does: higher clients first, no zero clocks."""
    known = sorted(((client, clock) for client, clock in clocks.items() if clock), reverse=True)
    return b"".join(
        [var_uint(len(known)), *(var_uint(client) + var_uint(clock) for client, clock in known)]
    )
