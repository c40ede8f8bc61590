"""Where the structs of one update sit: what a depth can be worked out from.

A Yjs update names the place of a struct by its neighbours or by its parent, and only a document
knows how deep those are. The guard writes down, for each struct that does not simply continue the
one before it, what the bytes say (`Placement`); the outline makes depths of it.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from typing import Final, NamedTuple

from crdt_docs.errors import Malformed

ABSENT: Final = -1
"""The client id of an origin that the struct does not have."""

# What a struct is, and what the bytes say of its place: bits of `Placement.shape`. The first five
# are also bits of the levels that an outline keeps.
KEYED: Final = 1
"""It is a value under a key of a map, or an attribute."""
GONE: Final = 2
"""Deleted content or a collected struct: what it was cannot be told any more."""
TYPE: Final = 4
"""It creates a shared type: others may name it as their parent."""
ARRAY: Final = 8
"""That type is an array."""
XML: Final = 16
"""That type is an XML element or fragment."""
ROOT: Final = 32
"""Its parent is a root type."""
CHILD: Final = 64
"""`left` is its parent, not its left origin."""
# Its content, where that decides in what it may stand; no bit for deleted content and for types.
TEXT: Final = 128
"""Characters."""
INLINE: Final = 256
"""An embedded value or a formatting mark, which stand in a text too."""
SEVERAL: Final = 512
"""Several values."""
SINGLE: Final = 1024
"""One value, a byte array or a subdocument."""
CONTENT: Final = TEXT | INLINE | SEVERAL | SINGLE


class Placement(NamedTuple):
    """What an update says about the place of one struct.

    Attributes:
        client: whose struct it is.
        start: its first clock.
        end: one past its last clock.
        shape: the bits above. Without ROOT or CHILD its place is that of its neighbours; without
            those too it is a collected struct.
        left_client: of the left origin, or of the parent; ABSENT without one.
        left_clock: of the same.
        right_client: of the right origin; ABSENT without one.
        right_clock: of the same.
        place: with ROOT or CHILD a number made of the parent and, under one, of the key.
    """

    client: int
    start: int
    end: int
    shape: int
    left_client: int
    left_clock: int
    right_client: int
    right_clock: int
    place: int = 0


def causally_ordered(
    placements: Iterable[Placement], first_clocks: dict[int, int]
) -> Generator[None, None, list[Placement]]:
    """Order placements so that each follows the structs of this update that it refers to.

    A generator, so that the caller can pause: it yields twice for each placement.

    Args:
        placements: of one update, each client's own in order of their clocks.
        first_clocks: the first clock that the update brings, for each of its clients.

    Raises:
        Malformed: structs wait for one another in a circle (GRD-5), so that none of them could
            ever be integrated.
    """
    queues: dict[int, list[Placement]] = {}
    for placement in placements:
        queues.setdefault(placement.client, []).append(placement)
        yield
    heads = dict.fromkeys(queues, 0)
    ordered: list[Placement] = []

    def waits_for(placement: Placement) -> int | None:
        """A client whose next placement must come first."""
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
            if heads[client] == len(queues[client]):
                waiting.discard(stack.pop())
                continue
            placement = queues[client][heads[client]]
            needed = waits_for(placement)
            if needed is None:
                ordered.append(placement)
                heads[client] += 1
                yield
                # Whoever waited may go on; what is left of this queue has its turn later.
                if len(stack) > 1:
                    waiting.discard(stack.pop())
            elif needed in waiting:
                raise Malformed("structs of this update refer to one another in a circle")
            else:
                stack.append(needed)
                waiting.add(needed)
    return ordered


def in_causal_order(
    placements: list[Placement], first_clocks: dict[int, int], budget: int
) -> Generator[None, None, list[Placement]]:
    """`causally_ordered`, pausing after every `budget` of its steps."""
    walk = causally_ordered(placements, first_clocks)
    pause = min(budget, 2 * len(placements) + 1)
    while True:
        try:
            for _ in range(pause):
                next(walk)
        except StopIteration as done:
            ordered: list[Placement] = done.value
            return ordered
        yield
