"""Values that the server writes into a document: what is refused of them, when two are the same."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any, Final, TypeAlias

from crdt_docs.edit_errors import InvalidValue
from crdt_docs.projection import EXACT

MAX_DEPTH: Final = 64
"""Levels of arrays and objects, the outermost included; the guard takes as many (GRD-9)."""

MAX_VALUES: Final = 20_000
"""Members of all arrays and objects together."""

FORMAT_VALUES: Final = 4
"""What a format counts for: it is two marks in the text, and every change walks over them."""

_IN_FORMATS: Final = re.compile(r"\bdelta\[\d+\]\.attributes$", re.ASCII)

MAX_PARTS: Final = 1_000
"""Of a formatted text. For each, yrs walks over the text: twice as many take four times as long."""

MAX_BYTES: Final = 1 << 20
"""Of all keys and strings together, in UTF-8."""

_FIELD_LENGTH: Final = 200

_Item: TypeAlias = tuple[object, str, int]
"""A value, where it is, and how deep."""


def check_value(value: object) -> None:
    """EDT-5: see that every side can read a JSON value. Walks without recursion.

    Raises:
        InvalidValue: it has a number beyond 2^53, NUL, half a surrogate pair, or is over a limit.
    """
    pending: list[_Item] = [(value, "", 1)]
    values = size = 0
    while pending:
        item, field, depth = pending.pop()
        if isinstance(item, dict | list):
            values += len(item) * (FORMAT_VALUES if _IN_FORMATS.search(field) else 1)
        if values >= MAX_VALUES:
            raise InvalidValue("", f"may have {MAX_VALUES} values; split it into several objects")
        match item:
            case str():
                size += _check_text(item, field)
            case bool() | None:
                continue
            case int() | float():
                _check_number(item, field)
            case dict():
                size += sum(_check_key(key, field) for key in item)
                pending += _inside(item, field, depth)
            case list():
                pending += _inside(item, field, depth)
            case _:
                raise InvalidValue(field, f"is a {type(item).__name__}; send JSON")
        if size > MAX_BYTES:
            raise InvalidValue(
                "", f"may have {MAX_BYTES} bytes of text; store more elsewhere, as a URL"
            )


def _inside(item: dict[str, Any] | list[Any], field: str, depth: int) -> Iterator[_Item]:
    """What is in an array or an object."""
    if depth > MAX_DEPTH:
        raise InvalidValue(field, f"may be nested {MAX_DEPTH} levels deep; flatten it")
    if isinstance(item, dict):
        for key, inner in item.items():
            yield inner, _below(field, key), depth + 1
        return
    if len(item) > MAX_PARTS and field.rpartition(".")[2] == "delta":
        raise InvalidValue(field, f"may have {MAX_PARTS} parts; use fewer formats")
    for i, inner in enumerate(item):
        yield inner, f"{field}[{i}]", depth + 1


def _check_key(key: object, field: str) -> int:
    if not isinstance(key, str):
        raise InvalidValue(field, "keys must be strings")
    return _check_text(key, field)


def _below(field: str, key: str) -> str:
    return (f"{field}.{key}" if field else key)[:_FIELD_LENGTH]


def _check_text(text: str, field: str) -> int:
    """Its length in UTF-8."""
    if "\x00" in text:
        raise InvalidValue(field, "must not contain the character U+0000; leave it out")
    try:
        return len(text.encode())
    except UnicodeEncodeError:
        raise InvalidValue(field, "holds half of a surrogate pair; send whole characters") from None


def _check_number(value: float, field: str) -> None:
    if not -EXACT <= value <= EXACT:  # also what is no number at all
        raise InvalidValue(field, "is beyond 2^53, where clients lose digits; send it as a string")


def same(one: Any, other: Any) -> bool:
    """Whether two values are equal: 3 and 3.0 are, and NaN and NaN, 1 and true are not."""
    if one is other:
        return True
    match one:
        case bool() | None:
            return False  # there is one of each
        case dict():
            return (
                isinstance(other, dict)
                and len(one) == len(other)
                and all(key in other and same(item, other[key]) for key, item in one.items())
            )
        case list():
            return (
                isinstance(other, list)
                and len(one) == len(other)
                and all(same(*pair) for pair in zip(one, other, strict=True))
            )
        case int() | float():
            is_number = isinstance(other, int | float) and not isinstance(other, bool)
            return is_number and (one == other or (_is_nan(one) and _is_nan(other)))
        case _:
            return type(one) is type(other) and bool(one == other)


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)


def writable(value: Any) -> Any:
    """The same value as it is handed to yrs: integers of 2^53 and more would become BigInts there,
    of which browsers make no JSON. Of bytes it gives a bytearray, but takes only bytes."""
    match value:
        case bytearray():
            return bytes(value)
        case int() if abs(value) >= EXACT:
            try:
                return float(value)
            except OverflowError:
                return None
        case dict():
            return {key: writable(item) for key, item in value.items()}
        case list():
            return [writable(item) for item in value]
        case _:
            return value
