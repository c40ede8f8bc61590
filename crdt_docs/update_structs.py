"""The structs of an accepted update, found again as slices of its bytes."""

from __future__ import annotations

from typing import NamedTuple

from crdt_docs.content_guard import (
    ANY,
    COLLECTED,
    NO_CONTENT_LIMITS,
    SKIPPED,
    STRING,
    SUBDOCUMENT,
    UNENDING,
    ContentWalk,
    utf16_length,
)
from crdt_docs.varint import read_var_bytes, read_var_uint


class Struct(NamedTuple):
    """One struct within an update.

    Attributes:
        clock: its first clock.
        end: one past its last clock.
        stop: where its bytes end; the next struct begins there.
        is_skip: it only says that something is left out.
        references: client and clock of its origins and its parent, as many as it has.
    """

    clock: int
    end: int
    stop: int
    is_skip: bool
    references: tuple[tuple[int, int], ...]


class Section(NamedTuple):
    """One client's structs within an update; their bytes begin at `start`."""

    client: int
    start: int
    structs: list[Struct]


def read_sections(update: bytes) -> tuple[list[Section], int]:
    """Find the structs of a walked update; return them and where its delete set begins."""
    contents = ContentWalk(update, NO_CONTENT_LIMITS)
    clients, position = read_var_uint(update, 0)
    sections = []
    for _ in range(clients):
        count, position = read_var_uint(update, position)
        client, position = read_var_uint(update, position)
        clock, position = read_var_uint(update, position)
        section = Section(client, position, [])
        for _ in range(count):
            struct = read_struct(update, position, clock, contents)
            section.structs.append(struct)
            position, clock = struct.stop, struct.end
        sections.append(section)
    return sections, position


def read_struct(update: bytes, position: int, clock: int, contents: ContentWalk) -> Struct:
    info = update[position]
    kind = info & 0x1F
    position += 1
    if kind in (COLLECTED, SKIPPED):
        length, position = read_var_uint(update, position)
        return Struct(clock, clock + length, position, is_skip=kind == SKIPPED, references=())
    references = []
    for _ in range((info >> 7) + (info >> 6 & 1)):
        reference, position = _read_id(update, position)
        references.append(reference)
    if not references:
        named, position = read_var_uint(update, position)
        if named:
            _, position = read_var_bytes(update, position)
        else:
            reference, position = _read_id(update, position)
            references.append(reference)
        if info & 0x20:
            _, position = read_var_bytes(update, position)
    length, position = _read_content(update, position, kind, contents)
    return Struct(clock, clock + length, position, is_skip=False, references=tuple(references))


def _read_id(update: bytes, position: int) -> tuple[tuple[int, int], int]:
    client, position = read_var_uint(update, position)
    clock, position = read_var_uint(update, position)
    return (client, clock), position


def _read_content(
    update: bytes, position: int, kind: int, contents: ContentWalk
) -> tuple[int, int]:
    """How many clocks the content takes, and where it ends."""
    if kind == STRING:
        text, position = read_var_bytes(update, position)
        return utf16_length(text)[0], position
    if kind == ANY:
        walk = contents.values(position, UNENDING)
    elif kind == SUBDOCUMENT:
        walk = contents.subdocument(position, UNENDING)
    else:
        return contents.single(kind, position)
    try:
        next(walk)
    except StopIteration as done:
        found: tuple[int, int] = done.value
        return found
    raise AssertionError("a walk without a budget does not pause")
