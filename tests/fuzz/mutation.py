"""Changes a document's life the way an attacker would: struct by struct, not byte by byte.

A byte that is changed at random is nearly always malformed, and then nothing behind the first few
lines of the guard is ever reached. These changes keep the shape and break what it says: who is
whose neighbour, what stands where, which clocks are taken, what is deleted.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from crdt_docs.varint import var_uint
from tests.fuzz.contents import CONTENTS
from tests.fuzz.life import LONGEST, pack, unpack
from tests.fuzz.written import (
    COLLECTED,
    TEXT,
    TYPE,
    Id,
    Section,
    Struct,
    Unreadable,
    Written,
    read,
)

Mutation = Callable[["_Workshop"], None]

ROOTS = (b"objects", b"annotations", b"page", b"text", b"\xc3\xa9", b"")
KEYS = (b"k", b"l", b"text", b"\xf0\x9f\x98\x80", b"")
CLIENTS = (1, 2, 3, 127, 128, 2**32, 2**53 - 1)
NUMBERS = (0, 1, 2, 126, 127, 128, 255, 16383, 16384, 2**31 - 2, 2**31 - 1, 2**31, 2**32, 2**53 - 1)
MOST_STRUCTS = 400


def mutated(life: bytes, max_size: int, seed: int) -> bytes:
    """A life changed in one to four places."""
    dice = random.Random(seed)
    updates = unpack(life)
    for _ in range(dice.choice((1, 1, 2, 2, 3, 4))):
        _mutate_life(updates, dice)
    return pack(updates)[:max_size]


def crossed(first: bytes, second: bytes, max_size: int, seed: int) -> bytes:
    """Updates of two lives, in turns or one after the other."""
    dice = random.Random(seed)
    left, right = unpack(first), unpack(second)
    if dice.random() < 0.5:
        cut = dice.randint(0, len(left))
        return pack([*left[:cut], *right])[:max_size]
    together = [each for pair in zip(left, right, strict=False) for each in pair]
    return pack(together[:LONGEST])[:max_size]


def _mutate_life(updates: list[bytes], dice: random.Random) -> None:
    at = dice.randrange(len(updates) + 1)
    chance = dice.random()
    if at == len(updates) or chance < 0.05:
        if len(updates) < LONGEST:
            updates.insert(at, _change(Written(), updates, dice))
        return
    if chance < 0.08:
        del updates[at]
    elif chance < 0.11:
        updates.insert(dice.randrange(len(updates)), updates[at])
    elif chance < 0.14:
        updates[at], updates[-1] = updates[-1], updates[at]
    else:
        try:
            written = read(updates[at])
        except Unreadable:
            del updates[at]
        else:
            updates[at] = _change(written, updates[:at], dice)


def _change(written: Written, before: list[bytes], dice: random.Random) -> bytes:
    workshop = _Workshop(written, before, dice)
    dice.choice(_MUTATIONS)(workshop)
    return workshop.encode()


class _Workshop:
    """One update to change, and what it can refer to."""

    def __init__(self, written: Written, before: list[bytes], dice: random.Random) -> None:
        self.written = written
        self.dice = dice
        self.is_settled = dice.random() < 0.8
        self.known: dict[int, int] = {}
        self.types: list[Id] = []
        for update in before:
            self._learn(update)
        self._learn_from(written)

    def _learn(self, update: bytes) -> None:
        try:
            self._learn_from(read(update))
        except Unreadable:
            return

    def _learn_from(self, written: Written) -> None:
        for section in written.sections:
            clock = section.clock
            for struct in section.structs:
                if struct.kind == TYPE:
                    self.types.append((section.client, clock))
                clock += struct.length
            self.known[section.client] = max(clock, self.known.get(section.client, 0))

    def encode(self) -> bytes:
        """The update; mostly with its structs where they have to be for it to connect."""
        if self.is_settled:
            self.written.sections = [each for each in self.written.sections if each.structs]
            self.written.deletes = {c: spans for c, spans in self.written.deletes.items() if spans}
        return self.written.encode()

    # Choosing

    def section(self) -> Section:
        """One of its sections that has structs; a new one where there is none."""
        filled = [section for section in self.written.sections if section.structs]
        return self.dice.choice(filled) if filled else self.add_section()

    def add_section(self) -> Section:
        """A section with one struct, of a client that has none yet."""
        taken = {section.client for section in self.written.sections}
        free = [each for each in (*CLIENTS, *self.known) if each not in taken]
        client = self.dice.choice(free) if free else self.dice.randrange(2**20)
        section = Section(client, self.known.get(client, 0), [self.struct()])
        self.written.sections.append(section)
        return section

    def placed(self) -> Struct:
        """One of its structs that has a place, or a new one."""
        structs = [
            each for section in self.written.sections for each in section.structs if each.has_place
        ]
        return self.dice.choice(structs) if structs else self.add_section().structs[0]

    def identifier(self) -> Id:
        """Something to refer to: nearly always known."""
        if not self.known or self.dice.random() < 0.02:
            return self.dice.choice(CLIENTS), self.dice.choice(NUMBERS)
        client = self.dice.choice(list(self.known))
        newest = max(self.known[client], 1)
        if self.dice.random() < 0.5:
            return client, max(0, newest - self.dice.randint(1, 3))
        return client, self.dice.randrange(newest)

    def parent(self) -> bytes | Id:
        """A root or a type."""
        if self.types and self.dice.random() < 0.6:
            return self.dice.choice(self.types)
        return self.identifier() if self.dice.random() < 0.05 else self.dice.choice(ROOTS)

    def struct(self) -> Struct:
        """A new struct of any kind in any place."""
        kind, content, length = self.content()
        struct = Struct(kind, content, length)
        if struct.has_place:
            self.place(struct)
        return struct

    def place(self, struct: Struct) -> None:
        """Put a struct somewhere else."""
        dice = self.dice
        struct.origin = self.identifier() if dice.random() < 0.5 else None
        struct.right = self.identifier() if dice.random() < 0.4 else None
        struct.parent = self.parent()
        struct.key = dice.choice(KEYS) if dice.random() < 0.3 else None

    def content(self) -> tuple[int, bytes, int]:
        """A kind, its content, and how many clocks it takes."""
        return self.dice.choice(CONTENTS)(self.dice)

    def number(self) -> int:
        """A number at some edge."""
        return self.dice.choice(NUMBERS)


# Each changes one thing.


def _new_struct(work: _Workshop) -> None:
    section = work.section()
    if len(section.structs) < MOST_STRUCTS:
        section.structs.insert(work.dice.randint(0, len(section.structs)), work.struct())


def _continuing_struct(work: _Workshop) -> None:
    """Behind the last struct of a client, as editors write."""
    section = work.section()
    clock = section.clock + sum(each.length for each in section.structs)
    struct = work.struct()
    if struct.has_place and clock:
        struct.origin = (section.client, clock - 1)
    section.structs.append(struct)


def _new_section(work: _Workshop) -> None:
    work.add_section()


def _drop_struct(work: _Workshop) -> None:
    section = work.section()
    del section.structs[work.dice.randrange(len(section.structs))]


def _repeat_struct(work: _Workshop) -> None:
    section = work.section()
    struct = work.dice.choice(section.structs)
    times = work.dice.choice((1, 2, 10, 65))
    section.structs += [struct] * min(times, MOST_STRUCTS - len(section.structs))


def _swap_structs(work: _Workshop) -> None:
    structs = work.section().structs
    first, second = work.dice.randrange(len(structs)), work.dice.randrange(len(structs))
    structs[first], structs[second] = structs[second], structs[first]


def _move(work: _Workshop) -> None:
    work.place(work.placed())


def _change_origin(work: _Workshop) -> None:
    struct = work.placed()
    struct.origin = work.identifier() if work.dice.random() < 0.8 else None


def _change_right(work: _Workshop) -> None:
    struct = work.placed()
    struct.right = work.identifier() if work.dice.random() < 0.8 else None


def _change_parent(work: _Workshop) -> None:
    struct = work.placed()
    struct.origin = struct.right = None
    struct.parent = work.parent()


def _change_key(work: _Workshop) -> None:
    struct = work.placed()
    struct.key = work.dice.choice(KEYS) if work.dice.random() < 0.7 else None


def _change_content(work: _Workshop) -> None:
    structs = work.section().structs
    at = work.dice.randrange(len(structs))
    before = structs[at]
    kind, content, length = work.content()
    structs[at] = Struct(
        kind,
        content,
        length,
        before.origin,
        before.right,
        before.parent or work.parent(),
        before.key,
    )


def _split_text(work: _Workshop) -> None:
    """One text as two that continue one another."""
    section = work.section()
    for at, struct in enumerate(section.structs):
        text = struct.content[1:]
        if struct.kind == TEXT and len(text) == struct.length and 1 < len(text) < 0x80:
            cut = work.dice.randrange(1, len(text))
            clock = section.clock + sum(each.length for each in section.structs[:at])
            origin = (section.client, clock + cut - 1)
            second = Struct(TEXT, _raw(text[cut:]), len(text) - cut, origin, struct.right)
            section.structs[at] = Struct(
                TEXT, _raw(text[:cut]), cut, struct.origin, struct.right, struct.parent, struct.key
            )
            section.structs.insert(at + 1, second)
            return


def _raw(text: bytes) -> bytes:
    return var_uint(len(text)) + text


def _move_clock(work: _Workshop) -> None:
    section = work.section()
    if work.dice.random() < 0.8:
        section.clock = max(0, section.clock + work.dice.choice((-3, -2, -1, 1, 2)))
    else:
        section.clock = work.number()


def _change_client(work: _Workshop) -> None:
    section = work.section()
    section.client = work.dice.choice((*CLIENTS, *work.known))
    section.clock = work.known.get(section.client, 0)


def _shuffle_sections(work: _Workshop) -> None:
    work.dice.shuffle(work.written.sections)


def _delete(work: _Workshop) -> None:
    client, clock = work.identifier()
    spans = work.written.deletes.setdefault(client, [])
    spans.append((clock, work.dice.choice((1, 1, 2, 5))))
    if work.is_settled:
        spans.sort()


def _delete_everything(work: _Workshop) -> None:
    for client, clock in work.known.items():
        if clock:
            work.written.deletes[client] = [(0, clock)]


def _change_deletes(work: _Workshop) -> None:
    for client, spans in list(work.written.deletes.items()):
        if not spans:
            continue
        at = work.dice.randrange(len(spans))
        clock, length = spans[at]
        match work.dice.randrange(4):
            case 0:
                del spans[at]
            case 1:
                spans[at] = (max(0, clock + work.dice.choice((-1, 1))), length)
            case 2:
                spans[at] = (clock, max(0, length + work.dice.choice((-1, 1, 2))))
            case _:
                work.written.deletes[client] = [(clock, work.number())]


def _collect(work: _Workshop) -> None:
    """Structs as if their content was collected."""
    structs = work.section().structs
    at = work.dice.randrange(len(structs))
    length = structs[at].length
    structs[at] = Struct(COLLECTED, var_uint(length), length)


def _nest(work: _Workshop) -> None:
    """A row of maps, each in the one before it."""
    section = work.section()
    clock = section.clock + sum(each.length for each in section.structs)
    for level in range(work.dice.choice((3, 20, 110))):
        parent = (section.client, clock + level - 1) if level else work.parent()
        section.structs.append(Struct(TYPE, b"\x01", 1, parent=parent, key=b"k"))


_MUTATIONS: tuple[Mutation, ...] = (
    _new_struct, _new_struct, _continuing_struct, _continuing_struct, _new_section, _drop_struct,
    _repeat_struct, _swap_structs, _move, _move, _change_origin, _change_origin, _change_right,
    _change_right, _change_parent, _change_key, _change_content, _change_content, _split_text,
    _move_clock, _change_client, _shuffle_sections, _delete, _delete, _delete_everything,
    _change_deletes, _collect, _nest,
)  # fmt: skip
