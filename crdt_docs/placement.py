"""Where the structs of one update sit: what a depth can be worked out from.

A Yjs update names the place of a struct by its neighbours or its parent, and only a document knows
how deep those are. The guard writes down, for each struct that does not simply continue the one
before it, what the bytes say (`Placement`); the outline turns that into depths.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from typing import NamedTuple

from crdt_docs.errors import Malformed

TYPE = 1
"""The struct creates a type: others may name it as their parent."""
GONE = 2
"""Deleted content or a collected struct: whatever it was cannot be told any more."""
FORMAT = 4
"""A formatting mark, which only makes sense in a sequence."""
KEYED = 8
"""The struct is a value under a key of a map, or an attribute."""
ROOT = 16
"""Its parent is a root type: depth 1."""
CHILD = 32
"""`left` is its parent: one deeper than that."""

ABSENT = -1
"""The client id of an origin that the struct does not have."""


class Placement(NamedTuple):
    """What an update says about the place of one struct.

    Attributes:
        client: whose struct it is.
        start: its first clock.
        end: one past its last clock.
        shape: TYPE, GONE, FORMAT, KEYED, ROOT, CHILD, added up. Without ROOT or CHILD the place
            is that of its neighbours; with neither neighbours nor parent it is a collected struct.
        left: client and clock of the left origin, or of the parent; ABSENT without one.
        right: client and clock of the right origin; ABSENT without one.
    """

    client: int
    start: int
    end: int
    shape: int
    left_client: int
    left_clock: int
    right_client: int
    right_clock: int


def causally_ordered(
    placements: Iterable[Placement], first_clocks: dict[int, int]
) -> Generator[None, None, list[Placement]]:
    """Order placements so that each comes after the structs of this update that it refers to.

    A generator, so that the caller can pause: it yields after each placement it has put in place.

    Args:
        placements: of one update, each client's own in order of their clocks.
        first_clocks: the first clock that the update brings, for each of its clients.

    Raises:
        Malformed: structs wait for one another in a circle, so none of them could ever be
            integrated.
    """
    queues: dict[int, list[Placement]] = {}
    for placement in placements:
        queues.setdefault(placement.client, []).append(placement)
    heads = dict.fromkeys(queues, 0)
    ordered: list[Placement] = []

    def waits_for(placement: Placement) -> int | None:
        for client, clock in (placement[4:6], placement[6:8]):
            queue = queues.get(client)
            if queue is None or client == placement.client or clock < first_clocks[client]:
                continue
            head = heads[client]
            if head < len(queue) and queue[head].start <= clock:
                return client
        return None

    for first in queues:
        stack = [first]
        waiting = {first}
        while stack:
            client = stack[-1]
            queue = queues[client]
            if heads[client] == len(queue):
                waiting.discard(stack.pop())
                continue
            needed = waits_for(queue[heads[client]])
            if needed is None:
                ordered.append(queue[heads[client]])
                heads[client] += 1
                yield
                # What waited for this may go on; this client's own queue is taken up again later.
                if len(stack) > 1:
                    waiting.discard(stack.pop())
            elif needed in waiting:
                raise Malformed("structs of this update refer to one another in a circle")
            else:
                stack.append(needed)
                waiting.add(needed)
    return ordered
