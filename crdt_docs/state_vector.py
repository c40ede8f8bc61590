"""State vectors: how much of each client's writing somebody has."""

from __future__ import annotations

from collections.abc import Mapping

from crdt_docs.clocks import MAX_CLOCK
from crdt_docs.errors import LimitExceeded, Malformed
from crdt_docs.varint import read_var_uint, var_uint

MOST_IN_VECTOR = 1 << 17
"""Clients that a state vector may name: more than write to a document, and read in 0.1 s."""


def encode_state_vector(clocks: Mapping[int, int]) -> bytes:
    """Encode client id -> next clock as Yjs does: higher clients first, no zero clocks."""
    known = sorted(((client, clock) for client, clock in clocks.items() if clock), reverse=True)
    return b"".join(
        [var_uint(len(known)), *(var_uint(client) + var_uint(clock) for client, clock in known)]
    )


def walk_state_vector(data: bytes) -> dict[int, int]:
    """Read an untrusted state vector: per client the next clock wanted.

    Raises:
        Malformed: counts, clients or clocks that no Yjs encoder produces.
        LimitExceeded: it names more clients than a document has.
    """
    clients, position = read_var_uint(data, 0)
    if clients * 2 > len(data) - position:
        raise Malformed(f"{clients} clients do not fit in a state vector of {len(data)} bytes")
    if clients > MOST_IN_VECTOR:
        raise LimitExceeded(f"a state vector of {clients} clients; {MOST_IN_VECTOR} are read")
    vector: dict[int, int] = {}
    for _ in range(clients):
        client, position = read_var_uint(data, position)
        clock, position = read_var_uint(data, position)
        if client in vector:
            raise Malformed(f"client {client} is listed twice in a state vector")
        if clock > MAX_CLOCK:
            raise Malformed(f"a clock is above {MAX_CLOCK}")
        vector[client] = clock
    if position != len(data):
        raise Malformed(f"{len(data) - position} bytes follow the state vector")
    return vector
