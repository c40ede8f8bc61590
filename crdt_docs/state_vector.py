"""State vectors: how much of each client's writing somebody has."""

from __future__ import annotations

from collections.abc import Container, Generator, Mapping
from typing import Final

from crdt_docs.clocks import MAX_CLOCK
from crdt_docs.errors import LimitExceeded, Malformed
from crdt_docs.varint import read_var_uint, var_uint

NAMED_AT_ONCE: Final = 2_000
"""Clients of a state vector that are read without a pause: about two milliseconds."""

SPARE_CLIENTS: Final = 10_000
"""Clients that a state vector may name beyond those that a document may have: what somebody wrote
without a connection, and what was here before a database was put back."""

_UNENDING = 1 << 62
_MOST_BYTES = 13
"""Of a client and its clock: 8 and 5."""


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
    """
    vector: dict[int, int] = {}
    _advance(_walk(data, vector, (), _UNENDING, _UNENDING))
    return vector


class VectorWalk:
    """The walk over an untrusted state vector, in slices (GRD-15)."""

    __slots__ = ("_walk",)

    def __init__(self, data: bytes, known: Container[int], most: int) -> None:
        """
        Args:
            known: the clients that the document has.
            most: clients that may be named.
        """
        self._walk = _walk(data, {}, known, most, NAMED_AT_ONCE)

    def advance(self) -> bytes | None:
        """Read about `NAMED_AT_ONCE` further clients. None while there is more to do; then the
        same state vector without the clients that the document does not have.

        yrs keeps clients in a table in which whoever chooses them can make all of them meet.

        Raises:
            Malformed: as `walk_state_vector`.
            LimitExceeded: it names more clients than somebody can know of.
        """
        return _advance(self._walk)


def _advance(walk: Generator[None, None, bytes]) -> bytes | None:
    try:
        next(walk)
    except StopIteration as done:
        part: bytes = done.value
        return part
    except IndexError:
        # Reading past the end is the check.
        raise Malformed("the state vector ends before it is complete") from None
    return None


def _walk(  # noqa: C901 - a call for each client would double its cost
    data: bytes, vector: dict[int, int], known: Container[int], most: int, budget: int
) -> Generator[None, None, bytes]:
    """Fill `vector`, pausing after every `budget` clients; return what names known ones only."""
    clients, position = read_var_uint(data, 0)
    remaining = len(data) - position
    if clients * 2 > remaining:
        raise Malformed(f"{clients} clients do not fit in a state vector of {len(data)} bytes")
    if clients > most:
        raise LimitExceeded(
            f"a state vector of {clients} client ids; this document has {most} at most"
        )
    if clients * _MOST_BYTES < remaining:
        raise Malformed("bytes follow the state vector")
    kept: list[bytes] = []
    unknown = 0
    row = position  # where what is kept begins that does not end yet
    for pause in range(0, clients, budget):
        if pause:
            yield
        for _ in range(min(budget, clients - pause)):
            start = position
            client, position = read_var_uint(data, position)
            clock = data[position]
            position += 1
            if clock >= 0x80:
                clock, position = read_var_uint(data, position - 1)
                if clock > MAX_CLOCK:
                    raise Malformed(f"a clock is above {MAX_CLOCK}")
            if client in vector:
                raise Malformed(f"client {client} is listed twice in a state vector")
            vector[client] = clock
            if client not in known:
                unknown += 1
                kept.append(data[row:start])
                row = position
    if position != len(data):
        raise Malformed(f"{len(data) - position} bytes follow the state vector")
    if not unknown:
        return data
    return b"".join((var_uint(clients - unknown), *kept, data[row:]))
