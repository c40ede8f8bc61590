"""GRD-4: numbers, each with one spelling."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crdt_docs.errors import Malformed
from crdt_docs.varint import (
    MAX_SAFE_INTEGER,
    SMALL,
    _small,
    read_var_bytes,
    read_var_uint,
    var_bytes,
    var_string,
    var_uint,
)


@given(st.integers(0, MAX_SAFE_INTEGER), st.binary(max_size=12))
def test_what_is_written_reads_back(value: int, rest: bytes) -> None:
    encoded = var_uint(value)
    assert read_var_uint(b"?" + encoded + rest, 1) == (value, 1 + len(encoded))


@given(st.integers(0, MAX_SAFE_INTEGER))
def test_a_number_that_is_cut_off_is_malformed(value: int) -> None:
    encoded = var_uint(value)
    for length in range(len(encoded)):
        with pytest.raises(Malformed):
            read_var_uint(encoded[:length], 0)


@given(st.integers(0, MAX_SAFE_INTEGER), st.integers(1, 3))
def test_a_longer_spelling_is_malformed(value: int, more: int) -> None:
    encoded = bytearray(var_uint(value))
    encoded[-1] |= 0x80
    encoded += b"\x80" * (more - 1) + b"\x00"
    with pytest.raises(Malformed):
        read_var_uint(bytes(encoded), 0)


@pytest.mark.parametrize("value", [MAX_SAFE_INTEGER + 1, 2**54, 2**63, 2**64 - 1])
def test_numbers_beyond_53_bits_are_malformed(value: int) -> None:
    with pytest.raises(Malformed):
        read_var_uint(var_uint(value) + b"rest", 0)


@given(st.binary(max_size=300), st.text(max_size=50))
def test_bytes_and_strings_carry_their_length(data: bytes, text: str) -> None:
    encoded = var_bytes(data) + var_string(text)
    read, position = read_var_bytes(encoded, 0)
    assert read == data
    read, position = read_var_bytes(encoded, position)
    assert read.decode() == text
    assert position == len(encoded)


def test_client_ids_are_not_kept() -> None:
    """A server would have those of everybody who was ever there."""
    var_uint(SMALL - 1)
    kept = _small.cache_info().currsize
    for client_id in range(SMALL, SMALL + 50):
        var_uint(client_id)
    assert 0 < _small.cache_info().currsize == kept


def test_a_length_beyond_the_end_is_malformed() -> None:
    with pytest.raises(Malformed):
        read_var_bytes(b"\x05abcd", 0)
