"""Random updates at the edge of what the guard accepts: no editor would write them.

Every struct is legal by itself and refers to what exists; how they are combined is arbitrary.
Built struct by struct, so that what comes out is accepted by the guard and by an outline.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field

from crdt_docs.content_guard import mended
from crdt_docs.errors import Refusal
from crdt_docs.outline import DocumentLimits, Outline
from crdt_docs.update_guard import walk_update
from tests.helpers.raw_updates import (
    NULL,
    TRUE,
    Id,
    array,
    binary,
    collected,
    deleted,
    embed,
    formatting,
    item,
    section,
    shared_type,
    string,
    subdocument,
    text,
    update,
    values,
)

LIMITS = DocumentLimits()
ROOTS = ("objects", "page")


@dataclass
class HostileWriter:
    """Writes a sequence of updates by several clients, each accepted after those before it."""

    random: random.Random
    clients: tuple[int, ...] = (1, 2, 3)
    outline: Outline = field(default_factory=Outline)
    refused: int = 0
    _types: list[Id] = field(default_factory=list)

    def updates(self, count: int, structs: int) -> list[bytes]:
        """`count` updates of up to `structs` structs a client."""
        return [one for _ in range(count) if (one := self._update(structs)) is not None]

    def _update(self, structs: int) -> bytes | None:
        written: dict[int, list[bytes]] = {}
        starts: dict[int, int] = {}
        clocks = dict(self.outline.clocks)
        types: list[Id] = []
        accepted: bytes | None = None
        writers = self.random.sample(self.clients, self.random.randint(1, len(self.clients)))
        for _ in range(self.random.randint(1, structs) * len(writers)):
            client = self.random.choice(writers)
            clock = clocks.get(client, 0)
            struct, length, is_type = self._struct(client, clocks, types)
            trial = {**written, client: [*written.get(client, []), struct]}
            candidate = _assemble(trial, {**starts, client: starts.get(client, clock)}, {})
            if not self._takes(candidate):
                self.refused += 1
                continue
            written, accepted = trial, candidate
            starts.setdefault(client, clock)
            clocks[client] = clock + length
            if is_type:
                types.append((client, clock))
        deletes = self._deletes(clocks)
        candidate = _assemble(written, starts, deletes)
        if deletes and self._takes(candidate):
            accepted = candidate
        if accepted is None:
            return None
        facts = walk_update(accepted)
        self.outline.admit(facts, LIMITS)
        self._types += types
        return mended(accepted, facts.mends)  # as the room hands it on

    def _takes(self, candidate: bytes) -> bool:
        try:
            facts = walk_update(candidate)
            trial = Outline.from_bytes(self.outline.to_bytes())
            if not trial.connects(facts):
                return False
            trial.admit(facts, LIMITS)
        except Refusal:
            return False
        return True

    def _struct(
        self, client: int, clocks: dict[int, int], types: list[Id]
    ) -> tuple[bytes, int, bool]:
        """A struct, how many clocks it takes, and whether it is a type."""
        if self.random.random() < 0.03:
            length = self.random.randint(1, 3)
            return collected(length), length, False
        origin = self._known(clocks) if self.random.random() < 0.55 else None
        right = self._known(clocks) if self.random.random() < 0.5 else None
        key = self.random.choice("kl") if self.random.random() < 0.25 else None
        parent: str | Id = self.random.choice(ROOTS)
        known_types = self._types + types
        if known_types and self.random.random() < 0.6:
            parent = self.random.choice(known_types)
        content, length = self._content()
        struct = item(content, origin=origin, right=right, parent=parent, key=key)
        return struct, length, content[0] == 7

    def _known(self, clocks: dict[int, int]) -> Id | None:
        known = [client for client, clock in clocks.items() if clock]
        if not known:
            return None
        client = self.random.choice(known)
        newest = clocks[client]
        return client, self.random.randrange(max(0, newest - 12), newest)

    def _content(self) -> tuple[bytes, int]:
        """Content and how many clocks it takes."""
        length = self.random.randint(1, 3)
        match self.random.randrange(16):
            case 0 | 1 | 2 | 3 | 4:
                characters = self.random.choice(("a", "ab", "abcd", "é日", "x\U0001f600"))
                content, length = text(characters), len(characters.encode("utf-16-le")) // 2
            case 5 | 6 | 7:
                kinds = (NULL, TRUE, string("s"), array(NULL, array()))
                content = values(*(self.random.choice(kinds) for _ in range(length)))
            case 8 | 9 | 10:
                reference = self.random.choice((0, 1, 1, 2, 2, 3, 4, 6))
                content = shared_type(reference, "p" if reference == 3 else None)
                length = 1
            case 11:
                content, length = embed(self.random.choice(("1", '{"a":[1]}', "null"))), 1
            case 12:
                mark = self.random.choice(("true", "null", '"x"'))
                content, length = formatting(self.random.choice("bi"), mark), 1
            case 13:
                content = deleted(length)
            case 14:
                content, length = subdocument("guid"), 1
            case _:
                content, length = binary(b"xyz"), 1
        return content, length

    def _deletes(self, clocks: dict[int, int]) -> dict[int, list[Id]]:
        deletes: dict[int, list[Id]] = {}
        for client, clock in clocks.items():
            if clock and self.random.random() < 0.4:
                deletes[client] = list(self._spans(clock))
        return deletes

    def _spans(self, clock: int) -> Iterator[Id]:
        start = self.random.randrange(clock)
        for _ in range(self.random.randint(1, 3)):
            if start >= clock:
                return
            length = self.random.randint(1, min(4, clock - start))
            yield start, length
            start += length + self.random.randint(0, 3)


def _assemble(
    structs: dict[int, list[bytes]], starts: dict[int, int], deletes: dict[int, list[Id]]
) -> bytes:
    sections = [section(client, starts[client], *written) for client, written in structs.items()]
    return update(*sections, deletes={client: spans for client, spans in deletes.items() if spans})
