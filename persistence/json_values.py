"""jsonb, as bytes on the wire: total for strings, so that no content can fail a statement.

PostgreSQL's jsonb has no NUL, and UTF-8 no lone surrogates; both become U+FFFD.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

import orjson

from crdt_docs.projection import storable_text

_VERSION = b"\x01"  # of jsonb's binary format (PostgreSQL, utils/adt/jsonb.c, jsonb_send)


def encode_json(value: object) -> bytes:
    """JSON that can be cast to jsonb. Non-finite numbers become null.

    Raises:
        TypeError: not a JSON value, or an integer beyond 64 bits.
    """
    try:
        encoded = orjson.dumps(value, _other)
    except TypeError:  # also for a lone surrogate; raised again for everything else
        encoded = orjson.dumps(_storable(value), _other)
    if b"\\u0000" in encoded:  # also in a string that says `\\u0000` itself: that one is rare
        encoded = orjson.dumps(_storable(value), _other)
    return encoded


def encode_jsonb(value: object) -> bytes:
    """The same in jsonb's binary format.

    Raises:
        TypeError: not a JSON value, or an integer beyond 64 bits.
    """
    return _VERSION + encode_json(value)


def decode_jsonb(data: bytes) -> Any:
    """The value of jsonb's binary format."""
    return orjson.loads(data[1:])


def _other(value: object) -> str:
    """The database driver has a UUID of its own."""
    if isinstance(value, UUID):
        return str(value)
    raise TypeError(f"{type(value).__name__} is no JSON")


def _storable(value: object) -> object:
    match value:
        case str():
            return storable_text(value)
        case dict():
            return {_storable(key): _storable(item) for key, item in value.items()}
        case list() | tuple():
            return [_storable(item) for item in value]
        case _:
            return value
