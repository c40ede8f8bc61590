"""Cursors of searches: exact, for their own words, and nobody else's."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from persistence import search_cursors
from persistence.ports import InvalidCursor
from persistence.search_cursors import Place, decode_place, encode_place

AT = datetime(2026, 1, 1, 12, 0, 0, 123, tzinfo=UTC)
PLACE = Place(0.5, AT, UUID(int=7), 1, "note/é")


def forged(microseconds: int, identifier: bytes) -> str:
    """A cursor whose check is right, and which no list has given."""
    position = search_cursors._POSITION.pack(0.5, microseconds, bytes(16), 0) + identifier
    check = search_cursors._check(position, "words")
    return base64.urlsafe_b64encode(check + position).decode()


def test_a_cursor_names_one_place() -> None:
    assert decode_place(encode_place(PLACE, "words"), "words") == PLACE


def test_a_cursor_is_for_its_words() -> None:
    with pytest.raises(InvalidCursor):
        decode_place(encode_place(PLACE, "words"), "other words")


def test_a_forged_cursor_is_one_if_it_could_be() -> None:
    assert decode_place(forged(0, b"a"), "words").id == "a"


@pytest.mark.parametrize("identifier", [b"", b"\xff\xff", b"a\x00b", b"x" * 129])
def test_an_id_that_nothing_has_is_refused(identifier: bytes) -> None:
    """Storage would fail on some of them."""
    with pytest.raises(InvalidCursor):
        decode_place(forged(0, identifier), "words")


@pytest.mark.parametrize("microseconds", [2**62, -(2**62)])
def test_a_moment_that_no_calendar_has_is_refused(microseconds: int) -> None:
    with pytest.raises(InvalidCursor):
        decode_place(forged(microseconds, b"a"), "words")


@given(st.text(max_size=80))
def test_other_text_is_refused(text: str) -> None:
    with pytest.raises(InvalidCursor):
        decode_place(text, "words")


@given(st.binary(max_size=80))
def test_other_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(InvalidCursor):
        decode_place(base64.urlsafe_b64encode(data).decode(), "words")
