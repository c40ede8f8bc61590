"""Yjs updates, version 1, written by hand: what one client id adds, and what it deletes.

The bytes are those that Yjs itself would write (yjs `UpdateEncoder`, lib0 `writeAny`): a load
tester has no document in memory for each of a thousand people, only the clocks of what they wrote.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, TypeAlias

from crdt_docs.varint import var_string, var_uint

Id: TypeAlias = tuple[int, int]
"""Client id and clock."""

Value: TypeAlias = "Mapping[str, Value] | Sequence[Value] | str | int | float | bool | None"
"""A plain value, as a browser has it."""

Parent: TypeAlias = Id | str
"""A shared type that an item made, or the name of a root type."""

ARRAY: Final = b"\x07\x00"
MAP: Final = b"\x07\x01"
TEXT: Final = b"\x07\x02"
"""Contents: a new shared type. The first byte of a content is its kind."""

_HAS_ORIGIN: Final = 0x80
_HAS_KEY: Final = 0x20
_BITS_31: Final = 2**31 - 1
_MOST_FLOAT_32: Final = 3.4e38
_FLOAT_32: Final = struct.Struct(">f")
_FLOAT_64: Final = struct.Struct(">d")


def values(members: Sequence[Value]) -> bytes:
    """Content: plain values, of which each takes a clock."""
    return b"\x08" + var_uint(len(members)) + b"".join(map(any_value, members))


def characters(text: str) -> bytes:
    """Content: a piece of a shared text, of which each UTF-16 unit takes a clock."""
    return b"\x04" + var_string(text)


def units(text: str) -> int:
    """How many clocks a piece of a text takes."""
    return len(text.encode("utf-16-le")) // 2


class Transaction:
    """Some structs of one client, and what is deleted with them: one update.

    Args:
        client: whose structs.
        clock: of the first.
    """

    __slots__ = ("_client", "_count", "_deleted", "_first", "_structs", "clock")

    def __init__(self, client: int, clock: int) -> None:
        self.clock = clock
        self._client = client
        self._first = clock
        self._count = 0
        self._structs: list[bytes] = []
        self._deleted: list[tuple[int, int]] = []

    def add(
        self,
        content: bytes,
        parent: Parent,
        *,
        key: str | None = None,
        origin: Id | None = None,
        length: int = 1,
    ) -> Id:
        """Add an item.

        Args:
            content: what is put there, kind first.
            parent: in which shared type; not written where there is an origin, which tells it.
            key: of a map.
            origin: the neighbour on the left; of a map the value that stood there.
            length: clocks that it takes.

        Returns:
            Its id.
        """
        info = content[0] | (_HAS_ORIGIN if origin else 0) | (0 if key is None else _HAS_KEY)
        place = _id(origin) if origin else _parent(parent) + _key(key)
        self._structs.append(bytes((info,)) + place + content[1:])
        made = self._client, self.clock
        self.clock += length
        return made

    def delete(self, clock: int, length: int = 1) -> None:
        """Delete what the same client wrote before."""
        self._deleted.append((clock, length))

    def update(self) -> bytes:
        """All of it, as Yjs emits it at the end of a transaction."""
        return b"".join((*self._section(), *self._delete_set()))

    def _section(self) -> Iterable[bytes]:
        if not self._structs:
            return (b"\x00",)
        head = var_uint(len(self._structs)) + var_uint(self._client) + var_uint(self._first)
        return (b"\x01", head, *self._structs)

    def _delete_set(self) -> Iterable[bytes]:
        if not self._deleted:
            return (b"\x00",)
        ranges = joined(self._deleted)
        spans = (var_uint(clock) + var_uint(length) for clock, length in ranges)
        return (b"\x01", var_uint(self._client), var_uint(len(ranges)), *spans)


def joined(ranges: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Ranges (clock, length) that do not overlap, ascending; those that touch are one."""
    result: list[tuple[int, int]] = []
    for clock, length in sorted(ranges):
        if result and sum(result[-1]) == clock:
            result[-1] = result[-1][0], result[-1][1] + length
        else:
            result.append((clock, length))
    return result


def any_value(value: Value) -> bytes:
    """A plain value, as lib0's `writeAny` has it."""
    match value:
        case None:
            return b"\x7e"
        case bool():
            return b"\x78" if value else b"\x79"
        case int() | float():
            return _number(value)
        case str():
            return b"\x77" + var_string(value)
        case Mapping():
            members = (var_string(key) + any_value(member) for key, member in value.items())
            return b"\x76" + var_uint(len(value)) + b"".join(members)
        case _:
            return b"\x75" + var_uint(len(value)) + b"".join(map(any_value, value))


def _number(value: float) -> bytes:
    """In JavaScript 1 and 1.0 are one number; 32 bits are enough for some others."""
    if value == int(value) and abs(value) <= _BITS_31:
        return b"\x7d" + _var_int(int(value))
    if abs(value) <= _MOST_FLOAT_32:
        short = _FLOAT_32.pack(value)
        if _FLOAT_32.unpack(short)[0] == value:
            return b"\x7c" + short
    return b"\x7b" + _FLOAT_64.pack(value)


def _var_int(value: int) -> bytes:
    """The first byte has the sign and six bits, each further one seven."""
    rest = abs(value)
    first = rest & 0x3F | (0x40 if value < 0 else 0)
    rest >>= 6
    return bytes((first | 0x80,)) + var_uint(rest) if rest else bytes((first,))


def _id(identifier: Id) -> bytes:
    return var_uint(identifier[0]) + var_uint(identifier[1])


def _parent(parent: Parent) -> bytes:
    return b"\x01" + var_string(parent) if isinstance(parent, str) else b"\x00" + _id(parent)


def _key(key: str | None) -> bytes:
    return b"" if key is None else var_string(key)
