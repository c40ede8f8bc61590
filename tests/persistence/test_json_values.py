"""jsonb takes every string."""

from __future__ import annotations

from collections.abc import Iterator

import orjson
import pytest
from asyncpg.pgproto import pgproto
from hypothesis import given
from hypothesis import strategies as st

from crdt_docs.projection import storable_text
from persistence.json_values import decode_jsonb, encode_jsonb
from persistence.pool import DatabasePool

ANY_TEXT = st.text(alphabet=st.characters(exclude_categories=()))  # surrogates and NUL included
ANY_VALUE = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats() | ANY_TEXT,
    lambda inner: st.lists(inner) | st.dictionaries(ANY_TEXT, inner),
    max_leaves=10,
)


def texts(value: object) -> Iterator[str]:
    """All strings within a JSON value, keys included."""
    match value:
        case str():
            yield value
        case dict():
            for key, item in value.items():
                yield from texts(key)
                yield from texts(item)
        case list():
            for item in value:
                yield from texts(item)


@given(ANY_VALUE)
def test_everything_is_encoded_without_nul_and_as_utf8(value: object) -> None:
    encoded = encode_jsonb(value)
    assert encoded[:1] == b"\x01"
    assert all("\x00" not in text for text in texts(decode_jsonb(encoded)))


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        ({"a": [1, 2.5, None, True, "é😀"]}, {"a": [1, 2.5, None, True, "é😀"]}),
        ("a\x00b", "a\ufffdb"),
        ("a\ud800b", "a\ufffdb"),
        ("\ud83d\ude00", "😀"),  # a pair that came as two code points
        ({"\x00": ["\udfff"]}, {"\ufffd": ["\ufffd"]}),
        ("\\u0000", "\\u0000"),  # six characters, no NUL
        ([float("nan"), float("inf")], [None, None]),
        ((1, "\x00"), [1, "\ufffd"]),
    ],
)
def test_what_becomes_of_a_value(value: object, stored: object) -> None:
    assert decode_jsonb(encode_jsonb(value)) == stored


@pytest.mark.parametrize("value", [object(), {"a": b"bytes"}, 2**70])
def test_what_is_not_json_is_refused(value: object) -> None:
    with pytest.raises(TypeError):
        encode_jsonb(value)


@given(ANY_TEXT)
def test_storable_text_is_utf8_without_nul(text: str) -> None:
    assert b"\x00" not in storable_text(text).encode()


async def test_postgres_agrees(pool: DatabasePool) -> None:
    value = {"text\x00": "\ud800", "number": 1.5, "list": [{}, [], None], "big": 2**53}
    async with pool.borrow() as connection:
        answer = await connection.fetchval("SELECT $1::jsonb", value)
        as_text = await connection.fetchval("SELECT ($1::jsonb)::text", value)
    assert answer == {"text\ufffd": "\ufffd", "number": 1.5, "list": [{}, [], None], "big": 2**53}
    assert orjson.loads(as_text) == answer


def test_the_drivers_own_uuids_are_taken_like_all_others() -> None:
    """Authors that were read from the database are written to it again."""
    read_back = pgproto.UUID("0a000000-0000-4000-8000-00000000000a")
    assert decode_jsonb(encode_jsonb({"by": [read_back]})) == {"by": [str(read_back)]}
    with pytest.raises(TypeError, match="not JSON serializable"):
        encode_jsonb(object())
