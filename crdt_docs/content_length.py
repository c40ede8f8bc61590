"""How many clocks the content of a struct takes, in bytes that are trusted.

What the guard finds out with every check, found again at a third of the cost.
"""

from __future__ import annotations

from typing import Final

from crdt_docs.content_guard import (
    ANY,
    ANY_STRING,
    BINARY,
    COLLECTED,
    DELETED,
    EMBED,
    FORMATTING,
    SHARED_TYPE,
    SKIPPED,
    STRING,
    SUBDOCUMENT,
    XML_ELEMENT_TYPE,
    utf16_length,
)
from crdt_docs.errors import Malformed
from crdt_docs.varint import read_var_uint

_BARE: Final = frozenset((COLLECTED, SKIPPED, DELETED))
_ANY_OBJECT, _ANY_ARRAY, _ANY_BYTES, _ANY_INTEGER = 118, 117, 116, 125
_ANY_SIZES: Final = {127: 0, 126: 0, 121: 0, 120: 0, 124: 4, 123: 8, 122: 8}


def content_length(update: bytes, position: int, kind: int) -> tuple[int, int]:
    """Of the content of this kind at this place; return that and where the content ends.

    Raises:
        Malformed: a kind or a value that the guard does not let in.
    """
    if kind == ANY:
        count = update[position]
        position += 1
        if count >= 0x80:
            count, position = read_var_uint(update, position - 1)
        for _ in range(count):
            position = _skip_value(update, position)
        return count, position
    if kind == SHARED_TYPE:
        reference, position = read_var_uint(update, position)
        return 1, _skip_bytes(update, position) if reference == XML_ELEMENT_TYPE else position
    length = update[position]
    position += 1
    if length >= 0x80:
        length, position = read_var_uint(update, position - 1)
    if kind in _BARE:
        return length, position
    end = position + length
    if kind == STRING:
        text = update[position:end]
        return length if text.isascii() else utf16_length(text)[0], end
    if kind == FORMATTING:
        end = _skip_bytes(update, end)
    elif kind == SUBDOCUMENT:
        end = _skip_value(update, end)
    elif kind not in (BINARY, EMBED):
        raise Malformed(f"content kind {kind} does not exist")
    return 1, end


def _skip_bytes(update: bytes, position: int) -> int:
    length = update[position]
    if length < 0x80:
        return position + 1 + length
    length, position = read_var_uint(update, position)
    return position + length


def _skip_value(update: bytes, position: int) -> int:
    """Where a value ends; the guard sees to it that none is nested deeply."""
    tag = update[position]
    position += 1
    size = _ANY_SIZES.get(tag)
    if size is not None:
        return position + size
    if tag == _ANY_INTEGER:  # its first byte holds a sign besides
        while update[position] >= 0x80:
            position += 1
        return position + 1
    length, position = read_var_uint(update, position)
    if tag in (ANY_STRING, _ANY_BYTES):
        return position + length
    if tag not in (_ANY_OBJECT, _ANY_ARRAY):
        raise Malformed(f"value tag {tag} does not exist")
    for _ in range(length):
        if tag == _ANY_OBJECT:
            position = _skip_bytes(update, position)
        position = _skip_value(update, position)
    return position
