"""Contents of structs, of every kind: mostly ordinary ones, and some at an edge."""

from __future__ import annotations

import random
from collections.abc import Callable

from crdt_docs.varint import var_string, var_uint
from tests.fuzz.written import (
    COLLECTED,
    DELETED,
    EMBED,
    FORMAT,
    SKIP,
    SUBDOCUMENT,
    TEXT,
    TYPE,
    VALUES,
)
from tests.helpers.raw_updates import NULL, TRUE, array, string

Content = tuple[int, bytes, int]
"""Kind, bytes, and how many clocks it takes."""

TEXTS = ("a", "ab", "é日", "\U0001f600", "x\U0001f600y", "a" * 40, "\U0001f600" * 9)
JSON = (
    "1", "null", '{"a":[1]}', '"\\ud83d"', '"\\ud83d\\ude00"', '"\\\\ud83d"', '["\\udc00x"]',
    "1e999", "9" * 320, "[" * 63 + "]" * 63, "[" * 65 + "]" * 65, "NaN", '"\ud7ff"', "{",
)  # fmt: skip


def _length(dice: random.Random) -> int:
    return dice.choice((1, 1, 2, 3, 7))


def _without_content(dice: random.Random) -> Content:
    length = _length(dice)
    return dice.choice((COLLECTED, DELETED, SKIP)), var_uint(length), length


def _characters(dice: random.Random) -> Content:
    text = dice.choice(TEXTS)
    return TEXT, var_string(text), len(text.encode("utf-16-le")) // 2


def _values(dice: random.Random) -> Content:
    length = _length(dice)
    kinds = (NULL, TRUE, string("é"), array(NULL, array()), b"\x7d\x05", b"\x76\x00")
    encoded = bytearray(dice.choice(kinds) * length)
    if dice.random() < 0.1:
        encoded[dice.randrange(len(encoded))] = dice.randrange(256)
    return VALUES, var_uint(length) + encoded, length


def _type(dice: random.Random) -> Content:
    reference = dice.choice((0, 1, 1, 2, 2, 3, 4, 6, 5, 7))
    return TYPE, var_uint(reference) + (var_string("p") if reference == 3 else b""), 1


def _embedded(dice: random.Random) -> Content:
    return EMBED, _text(dice.choice(JSON)), 1


def _mark(dice: random.Random) -> Content:
    return FORMAT, var_string(dice.choice("bi")) + _text(dice.choice(JSON)), 1


def _document(_: random.Random) -> Content:
    return SUBDOCUMENT, var_string("guid") + b"\x76\x00", 1


CONTENTS: tuple[Callable[[random.Random], Content], ...] = (
    _without_content,
    _without_content,
    _without_content,
    _characters,
    _characters,
    _characters,
    _values,
    _values,
    _type,
    _type,
    _type,
    _embedded,
    _mark,
    _document,
)


def _text(text: str) -> bytes:
    raw = text.encode("utf-8", "surrogatepass")
    return var_uint(len(raw)) + raw
