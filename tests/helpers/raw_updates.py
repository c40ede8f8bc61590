"""Yjs updates written by hand, byte by byte: what no editor would send.

update(section(7, 0, item(text("hi"), parent="t")), deletes={7: [(0, 1)]})
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from crdt_docs.varint import var_bytes, var_string, var_uint

Id = tuple[int, int]
"""Client and clock."""


def update(
    *sections: bytes, deletes: Mapping[int, Sequence[tuple[int, int]]] | None = None
) -> bytes:
    """A whole update; `deletes` gives (clock, length) per client."""
    return var_uint(len(sections)) + b"".join(sections) + delete_set(deletes or {})


def section(client: int, clock: int, *structs: bytes) -> bytes:
    """One client's structs."""
    return var_uint(len(structs)) + var_uint(client) + var_uint(clock) + b"".join(structs)


def delete_set(deletes: Mapping[int, Sequence[tuple[int, int]]]) -> bytes:
    """The end of an update: (clock, length) per client."""
    parts = [var_uint(len(deletes))]
    for client, spans in deletes.items():
        parts.append(var_uint(client) + var_uint(len(spans)))
        parts += [var_uint(clock) + var_uint(length) for clock, length in spans]
    return b"".join(parts)


def item(
    content: bytes,
    *,
    origin: Id | None = None,
    right: Id | None = None,
    parent: str | Id | None = None,
    key: str | None = None,
) -> bytes:
    """One struct with content; `content` begins with its kind."""
    info = content[0]
    place = b""
    if origin is not None:
        info |= 0x80
        place += _id(origin)
    if right is not None:
        info |= 0x40
        place += _id(right)
    if key is not None:
        info |= 0x20
    if origin is None and right is None:
        if isinstance(parent, str):
            place += b"\x01" + var_string(parent)
        elif parent is not None:
            place += b"\x00" + _id(parent)
        if key is not None:
            place += var_string(key)
    return bytes((info,)) + place + content[1:]


def collected(length: int) -> bytes:
    """A struct whose content was collected."""
    return b"\x00" + var_uint(length)


def skip(length: int) -> bytes:
    """A gap."""
    return b"\x0a" + var_uint(length)


def deleted(length: int) -> bytes:
    """Content that is deleted."""
    return b"\x01" + var_uint(length)


def json_texts(*texts: str) -> bytes:
    """The old kind of list, of JSON texts."""
    return b"\x02" + var_uint(len(texts)) + b"".join(var_string(text) for text in texts)


def binary(data: bytes) -> bytes:
    """A byte array."""
    return b"\x03" + var_bytes(data)


def text(value: str) -> bytes:
    """Characters of a text."""
    return b"\x04" + var_string(value)


def embed(json: str) -> bytes:
    """A JSON value within a text."""
    return b"\x05" + var_string(json)


def formatting(key: str, json: str) -> bytes:
    """A mark at which a format begins or ends."""
    return b"\x06" + var_string(key) + var_string(json)


def shared_type(reference: int, name: str | None = None) -> bytes:
    """A nested type: 0 array, 1 map, 2 text, 3 XML element (named), 4 fragment, 6 XML text."""
    return b"\x07" + var_uint(reference) + (b"" if name is None else var_string(name))


def values(*encoded: bytes) -> bytes:
    """A list of values, each encoded already."""
    return b"\x08" + var_uint(len(encoded)) + b"".join(encoded)


def subdocument(guid: str, options: bytes = b"\x76\x00") -> bytes:
    """A document within the document."""
    return b"\x09" + var_string(guid) + options


NULL = b"\x7e"
TRUE = b"\x78"


def string(value: str) -> bytes:
    """A string value."""
    return b"\x77" + var_string(value)


def array(*members: bytes) -> bytes:
    """An array value."""
    return b"\x75" + var_uint(len(members)) + b"".join(members)


def _id(identifier: Id) -> bytes:
    return var_uint(identifier[0]) + var_uint(identifier[1])
