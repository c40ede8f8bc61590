"""What must hold of every update, given a document's life in one input (see `life`).

Whatever is refused is refused with a `Refusal`. Of what is accepted every fact is exact, and yrs
takes it in a process of its own: without panic, in bounded time and memory, with the same clocks.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from crdt_docs.content_guard import mended
from crdt_docs.errors import Refusal
from crdt_docs.outline import DocumentLimits, Outline
from crdt_docs.ownership import NOBODY, Entry, Ownership
from crdt_docs.state_vector import walk_state_vector
from crdt_docs.touched import touched
from crdt_docs.update_facts import UpdateFacts
from crdt_docs.update_guard import GuardWalk, walk_update
from crdt_docs.update_pieces import Pieces
from crdt_docs.update_surgery import connecting_part, read_delete_set
from tests.fuzz import reference
from tests.fuzz.life import unpack
from tests.fuzz.reference import Reference, united
from tests.fuzz.written import SKIP, Section, Written, read
from tests.helpers.yrs_process import Outcome

ROOTS = ("objects", "annotations")
LIMITS = DocumentLimits()
MOST_CLOCKS = 20_000
"""Documents of more are not looked at clock by clock: the reference keeps an entry for each."""
SECONDS = 1.0
MEMORY = 96 << 20


class Yrs(Protocol):
    """Applies updates where a crash does no harm."""

    def apply(self, updates: list[bytes]) -> Outcome:
        """Apply updates to a new document, one transaction each."""


def check_life(data: bytes, yrs: Yrs | None) -> None:
    """The target: guard, outline, owners, surgery, and yrs behind them."""
    life = _Life()
    for update in unpack(data):
        life.receive(update)
    life.check_storage()
    if yrs is not None and life.accepted:
        check_applied(yrs.apply(life.accepted), life)


def check_pieces(data: bytes, yrs: Yrs | None) -> None:
    """The target: pieces of whatever connects come to the same as the whole (ROM-16)."""
    life = _Life()
    pieces: list[bytes] = []
    for update in unpack(data):
        clocks = dict(life.outline.clocks)
        if not life.receive(update):
            continue
        size = 1 + len(update) % 5
        pieces += _cut(life.accepted[-1], clocks, size)
    if yrs is None or not pieces:
        return
    whole, cut = yrs.apply(life.accepted), yrs.apply(pieces)
    assert whole.fault is None
    assert cut.fault is None
    assert walk_state_vector(cut.clocks) == walk_state_vector(whole.clocks)
    # Not the same contents: where neighbours contradict one another, which no editor writes, the
    # order is that in which yrs comes upon them. Of what editors write they are the same.


def _cut(update: bytes, clocks: dict[int, int], size: int) -> list[bytes]:
    """The pieces of an update that connects to a document with these clocks; moves them on."""
    facts = walk_update(update)
    new = {(c, at) for c, at in united(facts.ranges) if at >= clocks.get(c, 0)}
    pieces = []
    cutting = Pieces(update, facts.deletes, clocks)
    while not cutting.is_done:
        piece = cutting.take(size)
        if piece is None:
            continue
        told = walk_update(piece)
        assert told.struct_count <= size
        assert not _missing(clocks, told)
        brought = {(c, at) for c, at in united(told.ranges) if at >= clocks.get(c, 0)}
        assert brought <= new
        new -= brought
        for client, _, end in told.ranges:
            clocks[client] = max(end, clocks.get(client, 0))
        pieces.append(piece)
    # What a skip at the end leaves out is missing, though nothing builds on it.
    assert cutting.is_whole or _has_skips(update)
    assert not new
    return pieces


def _has_skips(update: bytes) -> bool:
    return any(struct.kind == SKIP for each in read(update).sections for struct in each.structs)


def _missing(clocks: dict[int, int], facts: UpdateFacts) -> dict[int, int]:
    """What an update lacks in a document with these clocks."""
    outline = Outline()
    outline.clocks = dict(clocks)
    return outline.missing(facts)


def check_applied(outcome: Outcome, life: _Life) -> None:
    """That yrs took what was accepted, cheaply, and has the clocks that the outline has."""
    assert outcome.fault is None, outcome.fault
    assert walk_state_vector(outcome.clocks) == life.outline.clocks
    assert walk_state_vector(outcome.copied_clocks) == life.outline.clocks
    assert outcome.seconds < SECONDS
    assert outcome.memory < 10 * sum(map(len, life.accepted)) + MEMORY


class _Life:
    """A document as the server knows it and as the reference does, and what was accepted."""

    def __init__(self) -> None:
        self.outline = Outline()
        self.ownership = Ownership(ROOTS)
        self.reference = Reference(ROOTS)
        self.accepted: list[bytes] = []

    def receive(self, update: bytes) -> bool:
        """Take an update, or the part of it that connects; whether any of it was accepted."""
        facts = checked_walk(update)
        if facts is None:
            return False
        if facts.mends:
            update, facts = _mend(update, facts)
        if self._is_large(facts):
            return False
        if not self.outline.connects(facts):
            part = self._connecting(update, facts)
            if part is None:
                return False
            update, facts = part
        if not self._admit(facts):
            return False
        self._compare(read(update), facts)
        self.accepted.append(update)
        return True

    def check_storage(self) -> None:
        """That what is stored of the structure reads back as it was."""
        stored = self.outline.to_bytes()
        assert Outline.from_bytes(stored).to_bytes() == stored
        owners = self.ownership.to_bytes()
        assert Ownership.from_bytes(owners, ROOTS).to_bytes() == owners

    def _is_large(self, facts: UpdateFacts) -> bool:
        return any(end > MOST_CLOCKS for _, _, end in facts.ranges)

    def _connecting(self, update: bytes, facts: UpdateFacts) -> tuple[bytes, UpdateFacts] | None:
        assert self.outline.missing(facts)
        part = connecting_part(update, self.outline.clocks)
        if part is None:
            return None
        told = walk_update(part)
        assert self.outline.connects(told)
        assert united(told.ranges) <= united(facts.ranges)
        return part, told

    def _admit(self, facts: UpdateFacts) -> bool:
        before = self._structure()
        try:
            self.outline.admit(facts, LIMITS)
        except Refusal:
            assert self._structure() == before, "a refused update has left something behind"
            return False
        return True

    def _structure(self) -> tuple[object, ...]:
        outline = self.outline
        runs = {client: len(runs) for client, runs in outline._runs.items()}
        pairs = {client: len(pairs) for client, pairs in outline._pairs.items()}
        return dict(outline.clocks), runs, pairs, outline.blind_cost

    def _compare(self, written: Written, facts: UpdateFacts) -> None:
        known = self.reference.clocks
        expected = {
            (Entry(*owner), client)
            for client, owners in self.reference.take(written)
            for owner in owners
            if owner is not None
        }
        writers = {entry for entry, _ in expected}
        for owner in self.reference.owners_of(facts.deletes):
            if owner is not None and owner not in writers:
                expected.add((Entry(*owner), -1))
        told = {
            (touch.entry, -1 if touch.client is None else touch.client)
            for touch in touched(self.ownership, _as_emitted(written).encode())
        }
        assert told == expected, (told, expected)
        assert self.outline.clocks == self.reference.clocks
        for client, spots in self.reference.spots.items():
            for clock in range(known.get(client, 0), len(spots)):
                spot = spots[clock]
                assert self.outline.depth_of(client, clock) == spot.depth
                assert self._owner(client, clock) == spot.owner

    def _owner(self, client: int, clock: int) -> Entry | None:
        number = self.ownership.owner_of(client, clock)
        return None if number == NOBODY else self.ownership.entries[number]


def _as_emitted(written: Written) -> Written:
    """Without skips at the end of sections: documents emit none, and owners are read from that."""
    sections = []
    for section in written.sections:
        structs = section.structs[:]
        while structs and structs[-1].kind == SKIP:
            structs.pop()
        if structs:
            sections.append(Section(section.client, section.clock, structs))
    return Written(sections, written.deletes)


def checked_walk(update: bytes) -> UpdateFacts | None:
    """What the guard tells of an update, held against the reference; None if it is refused."""
    in_slices = _in_slices(update, 1 + len(update) % 7)
    facts = _at_once(update)
    assert in_slices == facts
    if not isinstance(facts, UpdateFacts):
        return None
    written = read(update)
    assert written.encode() == update
    told = reference.Facts(
        facts.ranges,
        facts.references,
        facts.deletes,
        {client: list(middles) for client, middles in (facts.pairs or {}).items()},
        facts.struct_count,
        facts.roots,
    )
    assert told == reference.facts(written)
    assert read_delete_set(update) == facts.deletes
    return facts


def _at_once(update: bytes) -> UpdateFacts | tuple[type[Refusal], str]:
    try:
        return walk_update(update)
    except Refusal as refusal:
        return type(refusal), str(refusal)


def _in_slices(update: bytes, size: int) -> UpdateFacts | tuple[type[Refusal], str]:
    """GRD-14: the same walk with pauses."""
    walk = GuardWalk(update)
    try:
        return next(facts for facts in _slices(walk, size) if facts is not None)
    except Refusal as refusal:
        return type(refusal), str(refusal)


def _slices(walk: GuardWalk, size: int) -> Iterator[UpdateFacts | None]:
    while True:
        yield walk.advance(size)


def _mend(update: bytes, facts: UpdateFacts) -> tuple[bytes, UpdateFacts]:
    """GRD-26, GRD-29: what was mended is the same update, and needs no mending."""
    better = mended(update, facts.mends)
    told = walk_update(better)
    assert len(better) <= len(update)
    assert not told.mends
    assert told._replace(mends=facts.mends) == facts
    return better, told
