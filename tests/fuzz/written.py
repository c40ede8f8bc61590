"""Updates as plain values: read from bytes and written again, by a second and simpler reader.

It shares no code with the guard but for numbers, so that the two can be held against each other.
It reads whatever has the shape of an update; whether that may stand is for the guard to say.
"""

from __future__ import annotations

import struct as packing
from dataclasses import dataclass, field

from crdt_docs.errors import Refusal
from crdt_docs.varint import read_var_bytes, read_var_uint, var_bytes, var_uint
from tests.helpers.raw_updates import delete_set

Id = tuple[int, int]
"""Client and clock."""

COLLECTED, DELETED, BINARY, TEXT, EMBED, FORMAT, TYPE, VALUES, SUBDOCUMENT, SKIP = (
    0, 1, 3, 4, 5, 6, 7, 8, 9, 10,
)  # fmt: skip


class Unreadable(Exception):  # noqa: N818 - says what is the case
    """The bytes do not have the shape of an update."""


@dataclass(slots=True)
class Struct:
    """One struct.

    Attributes:
        content: with everything but its kind; of collected structs and skips their length.
        key: of a map; the bytes are not told where an origin stands for it, then it is empty.
    """

    kind: int
    content: bytes
    length: int
    origin: Id | None = None
    right: Id | None = None
    parent: bytes | Id | None = None
    key: bytes | None = None

    @property
    def has_place(self) -> bool:
        """Whether it is neither collected nor a skip."""
        return self.kind not in (COLLECTED, SKIP)

    def encode(self) -> bytes:
        """Its bytes."""
        if not self.has_place:
            return bytes((self.kind,)) + self.content
        info = self.kind & 0x1F
        place = b""
        if self.key is not None:
            info |= 0x20
        if self.origin is not None:
            info |= 0x80
            place += _id(self.origin)
        if self.right is not None:
            info |= 0x40
            place += _id(self.right)
        if self.origin is None and self.right is None:
            parent = b"" if self.parent is None else self.parent
            place = (
                b"\x01" + var_bytes(parent) if isinstance(parent, bytes) else b"\x00" + _id(parent)
            )
            if self.key is not None:
                place += var_bytes(self.key)
        return bytes((info,)) + place + self.content


@dataclass(slots=True)
class Section:
    """One client's structs, from a clock on."""

    client: int
    clock: int
    structs: list[Struct]

    def encode(self) -> bytes:
        """Its bytes."""
        head = var_uint(len(self.structs)) + var_uint(self.client) + var_uint(self.clock)
        return head + b"".join([struct.encode() for struct in self.structs])


@dataclass(slots=True)
class Written:
    """One update; `deletes` holds (clock, length) per client, in the order of the bytes."""

    sections: list[Section] = field(default_factory=list)
    deletes: dict[int, list[tuple[int, int]]] = field(default_factory=dict)

    def encode(self) -> bytes:
        """Its bytes."""
        structs = b"".join([section.encode() for section in self.sections])
        return var_uint(len(self.sections)) + structs + delete_set(self.deletes)


def read(update: bytes) -> Written:
    """Read an update.

    Raises:
        Unreadable: the bytes do not have its shape.
    """
    try:
        written, position = _read(update)
    except (Refusal, ValueError, IndexError, RecursionError, packing.error) as error:
        raise Unreadable(str(error)) from error
    if position != len(update):
        raise Unreadable("bytes follow")
    return written


def _id(identifier: Id) -> bytes:
    return var_uint(identifier[0]) + var_uint(identifier[1])


def _read(data: bytes) -> tuple[Written, int]:
    clients, position = read_var_uint(data, 0)
    written = Written()
    for _ in range(_fitting(clients, data, position)):
        count, position = read_var_uint(data, position)
        client, position = read_var_uint(data, position)
        clock, position = read_var_uint(data, position)
        section = Section(client, clock, [])
        written.sections.append(section)
        for _ in range(_fitting(count, data, position)):
            struct, position = _read_struct(data, position)
            section.structs.append(struct)
    clients, position = read_var_uint(data, position)
    for _ in range(_fitting(clients, data, position)):
        client, position = read_var_uint(data, position)
        count, position = read_var_uint(data, position)
        spans = written.deletes.setdefault(client, [])
        for _ in range(_fitting(count, data, position)):
            span, position = _read_id(data, position)
            spans.append(span)
    return written, position


def _fitting(count: int, data: bytes, position: int) -> int:
    if count > len(data) - position:
        raise ValueError("a count that does not fit")
    return count


def _read_id(data: bytes, position: int) -> tuple[Id, int]:
    first, position = read_var_uint(data, position)
    second, position = read_var_uint(data, position)
    return (first, second), position


def _read_struct(data: bytes, position: int) -> tuple[Struct, int]:
    info = data[position]
    position += 1
    struct = Struct(info & 0x1F, b"", 0)
    if not struct.has_place:
        start = position
        struct.length, position = read_var_uint(data, position)
        struct.content = data[start:position]
        return struct, position
    if info & 0x80:
        struct.origin, position = _read_id(data, position)
    if info & 0x40:
        struct.right, position = _read_id(data, position)
    if info & 0x20:
        struct.key = b""
    if not info & 0xC0:
        named = data[position]
        if named:
            struct.parent, position = read_var_bytes(data, position + 1)
        else:
            struct.parent, position = _read_id(data, position + 1)
        if info & 0x20:
            struct.key, position = read_var_bytes(data, position)
    start = position
    struct.length, position = _content(data, position, struct.kind)
    struct.content = data[start:position]
    return struct, position


def _content(data: bytes, position: int, kind: int) -> tuple[int, int]:
    """How many clocks content takes, and where it ends."""
    if kind == DELETED:
        return read_var_uint(data, position)
    if kind == TEXT:
        raw, position = read_var_bytes(data, position)
        return len(raw.decode().encode("utf-16-le")) // 2, position
    if kind == VALUES:
        count, position = read_var_uint(data, position)
        for _ in range(_fitting(count, data, position)):
            position = _value(data, position)
        return count, position
    return 1, _single(data, position, kind)


def _single(data: bytes, position: int, kind: int) -> int:
    """Where content of one clock ends."""
    if kind == TYPE:
        reference, position = read_var_uint(data, position)
        return read_var_bytes(data, position)[1] if reference in (3, 5) else position
    if kind not in (BINARY, EMBED, FORMAT, SUBDOCUMENT):
        raise ValueError(f"kind {kind}")
    position = read_var_bytes(data, position)[1]
    if kind == FORMAT:
        position = read_var_bytes(data, position)[1]
    return _value(data, position) if kind == SUBDOCUMENT else position


def _value(data: bytes, position: int) -> int:
    """Where one value in lib0's encoding ends."""
    tag = data[position]
    position += 1
    match tag:
        case 116 | 119:
            return read_var_bytes(data, position)[1]
        case 117 | 118:
            members, position = read_var_uint(data, position)
            for _ in range(_fitting(members, data, position)):
                if tag == 118:
                    position = read_var_bytes(data, position)[1]
                position = _value(data, position)
            return position
        case 125:
            while data[position] & 0x80:
                position += 1
            return position + 1
        case 122 | 123 | 124:
            width = 4 if tag == 124 else 8
            packing.unpack_from(f"{width}s", data, position)
            return position + width
        case 120 | 121 | 126 | 127:
            return position
        case _:
            raise ValueError(f"tag {tag}")
