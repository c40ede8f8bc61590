"""Going through the structs of a walked update in an order in which each connects.

Structs are read where they stand, one for each client at a time: a list of them would take many
times the memory of the update. They are sliced, not encoded again, so that a cut update says
exactly what its sender said.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from heapq import heappop, heappush
from itertools import count

from crdt_docs.clocks import ClockRanges
from crdt_docs.content_guard import NO_CONTENT_LIMITS, ContentWalk
from crdt_docs.update_structs import Struct, read_struct
from crdt_docs.varint import read_var_uint, var_uint


class Cursor:
    """A place among one client's structs.

    Attributes:
        client: whose they are.
        clock: of the struct here.
        begin: where its bytes begin.
        left: how many structs there are from here on.
    """

    __slots__ = ("_contents", "_struct", "_update", "begin", "client", "clock", "left")

    def __init__(
        self,
        update: bytes,
        contents: ContentWalk,
        client: int,
        *,
        clock: int,
        begin: int,
        left: int,
    ) -> None:
        self._update = update
        self._contents = contents
        self._struct: Struct | None = None
        self.client = client
        self.clock = clock
        self.begin = begin
        self.left = left

    @property
    def struct(self) -> Struct:
        """The struct here; only while `left` is not 0."""
        if self._struct is None:
            self._struct = read_struct(self._update, self.begin, self.clock, self._contents)
        return self._struct

    def advance(self) -> None:
        """Go on to the next."""
        struct = self.struct
        self.begin, self.clock = struct.stop, struct.end
        self.left -= 1
        self._struct = None


def find_cursors(
    update: bytes, at_once: int, *, to_end: bool = True
) -> Generator[None, None, tuple[list[Cursor], int]]:
    """A cursor for each client, at its first struct; and where the delete set begins.

    Pauses after every `at_once` structs. Not `to_end`, it does not go through the last client's,
    which are often all, and the second number means nothing.
    """
    contents = ContentWalk(update, NO_CONTENT_LIMITS)
    clients, position = read_var_uint(update, 0)
    cursors = []
    passed = 0
    for following in reversed(range(clients)):
        count, position = read_var_uint(update, position)
        client, position = read_var_uint(update, position)
        clock, position = read_var_uint(update, position)
        cursors.append(Cursor(update, contents, client, clock=clock, begin=position, left=count))
        if following == 0 and not to_end:
            break
        for _ in range(count):
            passed += 1
            if passed >= at_once:
                passed = 0
                yield
            struct = read_struct(update, position, clock, contents)
            position, clock = struct.stop, struct.end
    return cursors, position


def in_order(
    cursors: Sequence[Cursor], reached: dict[int, int], clocks: Mapping[int, int]
) -> Iterator[tuple[Cursor, bool]]:
    """Stop at structs in an order in which each connects, as long as there are any.

    Yields the cursor, and whether its struct is not wholly known; moves `reached` on with those.
    `clocks` is for the clients that the update has no structs of.
    """
    # By client, with the clock waited for: to look at all who wait with every struct would take
    # the square of their number.
    waiting: dict[int, list[tuple[int, int, Cursor]]] = {}
    ready = list(cursors)
    arrivals = count()  # what cannot be compared must not decide
    while ready:
        cursor = ready.pop()
        client = cursor.client
        while cursor.left:
            struct = cursor.struct
            is_new = struct.end > reached[client]
            if is_new:
                if struct.is_skip or struct.clock > reached[client]:
                    break
                needed = _first_unknown(struct, reached, clocks)
                if needed is not None:
                    of_client = waiting.setdefault(needed[0], [])
                    heappush(of_client, (needed[1], next(arrivals), cursor))
                    break
                reached[client] = struct.end
                of_client = waiting.get(client, [])
                while of_client and of_client[0][0] < struct.end:
                    ready.append(heappop(of_client)[2])
            yield cursor, is_new
            cursor.advance()


def _first_unknown(
    struct: Struct, reached: Mapping[int, int], clocks: Mapping[int, int]
) -> tuple[int, int] | None:
    """A client and its clock that the struct needs and that is not there."""
    for client, clock in struct.references:
        known = reached.get(client)
        if clock >= (clocks.get(client, 0) if known is None else known):
            return client, clock
    return None


class Runs:
    """Consecutive structs of some clients.

    Attributes:
        structs: how many there are of all clients.
        size: their bytes.
    """

    __slots__ = ("_by_client", "size", "structs")

    def __init__(self) -> None:
        self._by_client: dict[int, list[int]] = {}  # first clock, count, begin, stop
        self.structs = 0
        self.size = 0

    def add(self, cursor: Cursor) -> None:
        """Add the struct here, which follows the last one of its client that was added."""
        stop = cursor.struct.stop
        run = self._by_client.get(cursor.client)
        if run is None:
            self._by_client[cursor.client] = [cursor.clock, 1, cursor.begin, stop]
        else:
            run[1] += 1
            run[3] = stop
        self.structs += 1
        self.size += stop - cursor.begin

    def encode(self, update: bytes) -> bytes:
        """The part of an update before its delete set."""
        parts = [var_uint(len(self._by_client))]
        in_place = sorted(self._by_client.items(), key=lambda run: run[1][2])
        for client, (clock, structs, begin, stop) in in_place:
            parts.append(var_uint(structs) + var_uint(client) + var_uint(clock))
            parts.append(update[begin:stop])
        return b"".join(parts)


def assemble(update: bytes, runs: Runs, deletes: ClockRanges) -> bytes:
    """An update of some runs of another, and deletes."""
    parts = [runs.encode(update), var_uint(len(deletes))]
    for client, spans in deletes.items():
        parts.append(var_uint(client) + var_uint(len(spans)))
        parts += [var_uint(start) + var_uint(end - start) for start, end in spans]
    return b"".join(parts)
