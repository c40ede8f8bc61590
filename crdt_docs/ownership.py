"""Which object every struct of a document belongs to.

It belongs to the object in whose entry of a root map it stands, however deep. What that is follows
from the struct beside it or from the type it stands in; only the first one in an entry names it.
So it is kept for all of them, as runs of clocks: a long text is one number.
"""

from __future__ import annotations

import sys
import zlib
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Generator, Iterable, Mapping
from collections.abc import Set as AbstractSet
from typing import Final, NamedTuple, TypeAlias, TypeVar

import orjson

from crdt_docs.clocks import ClockRanges
from crdt_docs.content_guard import COLLECTED, SKIPPED, UNENDING
from crdt_docs.content_length import content_length
from crdt_docs.errors import Malformed
from crdt_docs.placement import ABSENT, ROOT
from crdt_docs.update_facts import UpdateFacts
from crdt_docs.varint import read_var_bytes, read_var_uint, var_bytes, var_uint

T = TypeVar("T")

NOBODY: Final = 0
"""The number of what belongs to no object."""

STRUCTS_AT_ONCE = 1000
"""Structs or deleted ranges that are read without a pause: some milliseconds."""

FEW_RANGES: Final = 16
"""Deleted ranges of a client that are worth being looked up one by one."""

_WITHOUT_PLACE: Final = frozenset((COLLECTED, SKIPPED))
_AHEAD: Final = 1 << 31
"""A number with this bit stands for the owner of a struct that comes later in the same update."""
_BITS: Final = 32
_NUMBER: Final = (1 << _BITS) - 1
_NO_RUNS: Final = array("Q")
_VERSION: Final = 1
_UNKNOWN: Final = -1
_NO_SPAN: Final[Span] = (0, 0, _UNKNOWN)


Absorbed: TypeAlias = list[tuple[int | None, set[int]]]
"""Owners by the client id that wrote; None: of what was there before and is deleted, which does not
say by whom."""


_Begun: TypeAlias = dict[int, tuple[int, int]]
"""By client: the runs it had before an update, and its clock."""


Span: TypeAlias = tuple[int, int, int]
"""Clocks of one client that belong to one owner: the first, one past the last, the owner."""


class Entry(NamedTuple):
    """A place for an object: a root map and a key in it."""

    root: str
    key: str


class Foreseen(NamedTuple):
    """What an update would touch.

    Attributes:
        written: objects in which it brings something that was not known.
        deleted: objects of which it deletes something that it does not bring itself, known to be
            deleted or not.
        writes_beyond: it brings something, not known before, that belongs to no object.
        deletes_beyond: the same of what it deletes.
    """

    written: set[Entry]
    deleted: set[Entry]
    writes_beyond: bool
    deletes_beyond: bool


class Ownership:
    """The owners of all structs of a document, given all its updates in an order in which each
    connects.

    Attributes:
        entries: by owner, the first of which is nobody. To be read only.
        heavy: objects that take too long to be read (PRJ-7); whoever reads them keeps it.
    """

    __slots__ = ("_clocks", "_numbers", "_roots", "_runs", "entries", "heavy")

    def __init__(self, roots: Iterable[str]) -> None:
        """
        Args:
            roots: names of the root maps that hold objects.
        """
        self._roots = {root.encode(): root for root in roots}
        self._numbers: dict[Entry, int] = {}
        self._clocks: dict[int, int] = {}
        # For each client, ascending: the clock from which an owner's structs begin, and its number.
        self._runs: dict[int, array[int]] = {}
        self.entries = [Entry("", "")]
        self.heavy: set[Entry] = set()

    def owner_of(self, client: int, clock: int) -> int:
        """The owner of a struct; nobody for one that is not known."""
        runs = self._runs.get(client)
        if not runs or clock >= self._clocks[client]:
            return NOBODY
        return _at(runs, clock)

    def to_bytes(self) -> bytes:
        """For storage beside a snapshot, so that it need not be read again."""
        entries = [(entry.root, entry.key) for entry in self.entries[1:]]
        heavy = [(entry.root, entry.key) for entry in sorted(self.heavy)]
        parts = [var_bytes(orjson.dumps((entries, heavy)))]
        parts.append(var_uint(len(self._clocks)))
        for client, clock in self._clocks.items():
            runs = _little_endian(self._runs[client]).tobytes()
            parts += (var_uint(client), var_uint(clock), var_bytes(runs))
        return bytes((_VERSION,)) + zlib.compress(b"".join(parts), 1)

    @classmethod
    def from_bytes(cls, data: bytes, roots: Iterable[str]) -> Ownership:
        """Read what `to_bytes` wrote.

        Raises:
            Malformed: it is not that, or of another version, or for other roots.
        """
        ownership = cls(roots)
        if data[:1] != bytes((_VERSION,)):
            raise Malformed("the owners of structs, of an unknown version")
        try:
            ownership._restore(zlib.decompress(data[1:]))
        except (zlib.error, ValueError, KeyError, TypeError) as error:
            raise Malformed("the owners of structs cannot be read") from error
        return ownership

    def _restore(self, data: bytes) -> None:
        known, position = read_var_bytes(data, 0)
        names = {root: name for name, root in self._roots.items()}
        entries, heavy = orjson.loads(known)
        for root, key in entries:
            self._number(names[root], key.encode())
        self.heavy = {Entry(self._roots[names[root]], key) for root, key in heavy}
        count, position = read_var_uint(data, position)
        for _ in range(count):
            client, position = read_var_uint(data, position)
            self._clocks[client], position = read_var_uint(data, position)
            stored, position = read_var_bytes(data, position)
            self._runs[client] = _little_endian(array("Q", stored))

    def absorb(self, update: bytes, *, deletions: bool = True) -> Generator[None, None, Absorbed]:
        """Read an update that the guard has walked or yrs has written, with pauses.

        Returns the owners of what it brings that was not known, by client, and then, with
        `deletions`, of what it deletes and does not bring itself, known to be deleted or not.
        """
        return (yield from self._absorb(update, {}, deletions=deletions))

    def foresee(self, update: bytes) -> Foreseen:
        """What an update would touch, that the guard has walked; it is not absorbed."""
        return self._with(update, lambda absorbed, _: self._named(absorbed), deletions=True)

    def brought(self, update: bytes, entries: AbstractSet[Entry]) -> ClockRanges:
        """Clocks of what an update would bring that was not known, in some objects; likewise."""
        return self._with(update, lambda _, begun: self._brought(begun, entries), deletions=False)

    def _with(self, update: bytes, look: Callable[[Absorbed, _Begun], T], *, deletions: bool) -> T:
        """What is seen while an update is absorbed."""
        begun: _Begun = {}
        known = len(self.entries)
        reading = self._absorb(update, begun, deletions=deletions)
        try:
            while True:
                next(reading)
        except StopIteration as done:
            return look(done.value, begun)
        finally:
            self._take_back(begun, known)

    def _brought(self, begun: _Begun, entries: AbstractSet[Entry]) -> ClockRanges:
        found: ClockRanges = {}
        for client, (length, known) in begun.items():
            end = self._clocks.get(client, 0)
            # The run before them may go on, as far as nothing else is said.
            runs = self._runs[client][max(length - 1, 0) :]
            starts = [max(run >> _BITS, known) for run in runs]
            for run, start, until in zip(runs, starts, [*starts[1:], end], strict=True):
                if start < until and self.entries[run & _NUMBER] in entries:
                    found.setdefault(client, []).append((start, until))
        return found

    def owners_in(self, facts: UpdateFacts, beyond: Mapping[int, Span]) -> set[int] | None:
        """Owners of what an update would touch, from what the guard has learnt of it: for most of
        them that tells, at a fraction of the cost of reading them. None: it does not.

        Args:
            beyond: by client the newest clocks that this was not told of, and whose they are.
        """
        owners: set[int] = set()
        if facts.continues and not facts.placements:
            client, start, _ = facts.ranges[0]
            owners.add(self._owner_at(client, start - 1, beyond))
        for placement in facts.placements:
            if placement.shape & ROOT:
                return None
            client = placement.left_client
            if client != ABSENT:
                owners.add(self._owner_at(client, placement.left_clock, beyond))
            elif placement.right_client != ABSENT:
                clock = placement.right_clock
                owners.add(self._owner_at(placement.right_client, clock, beyond))
        for client, ranges in facts.deletes.items():
            if len(ranges) > FEW_RANGES:
                return None
            for start, end in ranges:
                if end == start + 1:
                    owners.add(self._owner_at(client, start, beyond))
                elif end <= self._clocks.get(client, 0):
                    _add_owners(self._runs[client], start, end, owners)
                else:
                    first, until, owner = beyond.get(client, _NO_SPAN)
                    owners.add(owner if first <= start and end <= until else _UNKNOWN)
        return None if _UNKNOWN in owners else owners

    def _owner_at(self, client: int, clock: int, beyond: Mapping[int, Span]) -> int:
        if clock < self._clocks.get(client, 0):
            return _at(self._runs[client], clock)
        start, end, owner = beyond.get(client, _NO_SPAN)
        return owner if start <= clock < end else _UNKNOWN

    def named_in(self, spans: Mapping[int, Iterable[tuple[int, int]]]) -> set[Entry | None]:
        """The objects to which clocks belong; None: some belong to none."""
        owners: set[int] = set()
        for client, ranges in spans.items():
            runs = self._runs.get(client, _NO_RUNS)
            for start, end in ranges:
                _add_owners(runs, start, end, owners)
        return {self.entries[owner] if owner != NOBODY else None for owner in owners}

    def _named(self, absorbed: Absorbed) -> Foreseen:
        written: set[int] = set()
        deleted: set[int] = set()
        for client, owners in absorbed:
            if client is None:
                deleted |= owners
            else:
                written |= owners
        entries = self.entries
        return Foreseen(
            {entries[owner] for owner in written if owner != NOBODY},
            {entries[owner] for owner in deleted if owner != NOBODY},
            NOBODY in written,
            NOBODY in deleted,
        )

    def _take_back(self, begun: _Begun, known: int) -> None:
        """Forget an update that was just absorbed."""
        for client, (length, clock) in begun.items():
            if clock:
                del self._runs[client][length:]
                self._clocks[client] = clock
            else:
                self._runs.pop(client, None)
                self._clocks.pop(client, None)
        for entry in self.entries[known:]:
            del self._numbers[entry]
        del self.entries[known:]

    def _absorb(
        self, update: bytes, begun: _Begun, *, deletions: bool
    ) -> Generator[None, None, Absorbed]:
        """As `absorb`; notes in `begun` what was known before."""
        ahead: list[tuple[int, int]] = []
        absorbed, position = yield from self._add(update, ahead, begun)
        if ahead:
            absorbed = yield from self._settle(absorbed, ahead, begun)
        if deletions and update[position]:
            deleted: set[int] = set()
            yield from self._add_deleted(update, position, begun, deleted)
            absorbed.append((None, deleted))
        return absorbed

    def _add(
        self, update: bytes, ahead: list[tuple[int, int]], begun: _Begun
    ) -> Generator[None, None, tuple[Absorbed, int]]:
        """Read the structs; return their owners and where the delete set begins.

        Appends to `ahead` what is still to come, and notes in `begun` what a client had.
        """
        absorbed: Absorbed = []
        passed = 0
        clients, position = read_var_uint(update, 0)
        for _ in range(clients):
            count, position = read_var_uint(update, position)
            start = position
            client, position = read_var_uint(update, position)
            own = update[start:position]
            clock, position = read_var_uint(update, position)
            known = self._clocks.get(client, 0)
            runs = self._runs.setdefault(client, array("Q"))
            begun[client] = (len(runs), known)
            if clock > known:  # what was refused, or is still to come, belongs to nobody
                runs.append(known << _BITS | NOBODY)
                known = clock
            owners: set[int] = set()
            absorbed.append((client, owners))
            for _ in range(count):
                passed += 1
                if passed == STRUCTS_AT_ONCE:
                    passed = 0
                    yield
                info = update[position]
                owner = NOBODY
                position += 1
                if info not in _WITHOUT_PLACE:
                    if info & 0x80 and update.startswith(own, position):
                        # By far the most frequent: beside a struct of the same client.
                        position += len(own)
                        beside, position = read_var_uint(update, position)
                        owner = _at(runs, beside)
                        if info & 0x40:
                            position = _skip_id(update, position)
                    else:
                        owner, position = self._place(update, position, info, ahead)
                length, position = content_length(update, position, info & 0x1F)
                end = clock + length
                if end > known:
                    if clock < known and info not in _WITHOUT_PLACE:
                        # The rest of it goes on after what is known, whatever it says (GRD-28);
                        # after what was collected it stands where it says. Nobody knows which of
                        # these it is where that belongs to nobody: then it is both.
                        before = _at(runs, known - 1)
                        owners.add(before)
                        owner = before or owner
                    owners.add(owner)
                    if not runs or runs[-1] & _NUMBER != owner:
                        runs.append(max(clock, known) << _BITS | owner)
                    known = self._clocks[client] = end
                clock = end
        return absorbed, position

    def _place(
        self, update: bytes, position: int, info: int, ahead: list[tuple[int, int]]
    ) -> tuple[int, int]:
        """Read what a struct says of its place; return the owner, and where its content begins."""
        if not info & 0xC0:
            if update[position]:
                return self._root_place(update, position + 1, info)
            position += 1
        client, position = read_var_uint(update, position)
        clock, position = read_var_uint(update, position)
        if info & 0xC0 == 0xC0:  # the right neighbour has the same owner as the left one
            position = _skip_id(update, position)
        elif info & 0xE0 == 0x20:
            length, position = read_var_uint(update, position)
            position += length
        if clock < self._clocks.get(client, 0):
            return _at(self._runs[client], clock), position
        ahead.append((client, clock))
        return _AHEAD | len(ahead) - 1, position

    def _root_place(self, update: bytes, position: int, info: int) -> tuple[int, int]:
        name, position = read_var_bytes(update, position)
        if not info & 0x20:
            return NOBODY, position  # it stands in the root as in a list or a text
        key, position = read_var_bytes(update, position)
        return (self._number(name, key) if name in self._roots else NOBODY), position

    def _number(self, name: bytes, key: bytes) -> int:
        entry = Entry(self._roots[name], key.decode())
        number = self._numbers.get(entry)
        if number is None:
            # An entry is kept for good, whatever becomes of the object: once, not as bytes besides.
            number = self._numbers[entry] = len(self.entries)
            self.entries.append(entry)
        return number

    def _settle(
        self, absorbed: Absorbed, ahead: list[tuple[int, int]], begun: _Begun
    ) -> Generator[None, None, Absorbed]:
        """Put owners in the place of what was still to come, now that all of it is here."""
        settled: list[int | None] = [None] * len(ahead)
        for first in range(len(ahead)):
            waiting = [first]
            while waiting:
                index = waiting[-1]
                owner = self.owner_of(*ahead[index])
                if owner & _AHEAD:
                    further = settled[owner ^ _AHEAD]
                    if further is None:
                        settled[index] = NOBODY  # should they wait for one another in a circle
                        waiting.append(owner ^ _AHEAD)
                        continue
                    owner = further
                settled[index] = owner
                waiting.pop()
            if first % STRUCTS_AT_ONCE == STRUCTS_AT_ONCE - 1:
                yield
        for client, (length, _) in begun.items():
            runs = self._runs[client]
            brought = runs[length:]
            del runs[length:]
            for run in brought:
                owner = run & _NUMBER
                if owner & _AHEAD:
                    owner = settled[owner ^ _AHEAD] or NOBODY
                if not runs or runs[-1] & _NUMBER != owner:
                    runs.append(run >> _BITS << _BITS | owner)
            yield
        return [
            (client, {_settled(owner, settled) for owner in owners}) for client, owners in absorbed
        ]

    def _add_deleted(
        self, update: bytes, position: int, begun: _Begun, owners: set[int]
    ) -> Generator[None, None, None]:
        clients, position = read_var_uint(update, position)
        for _ in range(clients):
            client, position = read_var_uint(update, position)
            ranges, position = read_var_uint(update, position)
            runs = self._runs.get(client, _NO_RUNS)
            brought = begun[client][1] if client in begun else UNENDING
            for passed in range(1, ranges + 1):
                start, position = read_var_uint(update, position)
                length, position = read_var_uint(update, position)
                if start < brought:
                    _add_owners(runs, start, min(start + length, brought), owners)
                if passed % STRUCTS_AT_ONCE == 0:
                    yield


def _add_owners(runs: array[int], start: int, end: int, owners: set[int]) -> None:
    """Whose the clocks from `start` to `end` are."""
    first = bisect_right(runs, start << _BITS | _NUMBER) - 1
    following = first + 1
    if following < len(runs) and runs[following] >> _BITS < end:
        last = bisect_left(runs, end << _BITS, following)
        owners.update([run & _NUMBER for run in runs[following:last]])
    if first >= 0:
        owners.add(runs[first] & _NUMBER)


def _little_endian(runs: array[int]) -> array[int]:
    """As it is stored; the other way round it is the same."""
    if sys.byteorder == "little":
        return runs
    swapped = runs[:]
    swapped.byteswap()
    return swapped


def _settled(owner: int, settled: list[int | None]) -> int:
    return settled[owner ^ _AHEAD] or NOBODY if owner & _AHEAD else owner


def _skip_id(update: bytes, position: int) -> int:
    return read_var_uint(update, read_var_uint(update, position)[1])[1]


def _at(runs: array[int], clock: int) -> int:
    return runs[bisect_right(runs, clock << _BITS | _NUMBER) - 1] & _NUMBER
