"""Cursors: exact, opaque, and nobody else's."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from persistence.cursors import decode_cursor, encode_cursor
from persistence.ports import InvalidCursor

MOMENTS = st.datetimes(timezones=st.just(UTC))


@given(MOMENTS, st.uuids())
def test_a_cursor_names_exactly_one_row(at: datetime, identifier: UUID) -> None:
    assert decode_cursor(encode_cursor(at, identifier)) == (at, identifier)


def test_a_cursor_fits_in_an_address() -> None:
    cursor = encode_cursor(datetime(2026, 1, 1, tzinfo=UTC), uuid4())
    assert len(cursor) == 40
    assert all(character.isalnum() or character in "-_" for character in cursor)


def test_time_zones_do_not_matter() -> None:
    at = datetime.fromisoformat("2026-05-01T14:00:00+02:00")
    assert encode_cursor(at, UUID(int=1)) == encode_cursor(at.astimezone(UTC), UUID(int=1))


@given(st.text(max_size=80))
def test_other_text_is_refused(text: str) -> None:
    with pytest.raises(InvalidCursor):
        decode_cursor(text)


@given(st.binary(max_size=60))
def test_other_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(InvalidCursor):
        decode_cursor(base64.urlsafe_b64encode(data).decode())


def test_a_changed_cursor_is_refused() -> None:
    cursor = encode_cursor(datetime(2026, 1, 1, tzinfo=UTC) + timedelta(microseconds=1), uuid4())
    for index, character in enumerate(cursor):
        other = "A" if character != "A" else "B"
        with pytest.raises(InvalidCursor):
            decode_cursor(cursor[:index] + other + cursor[index + 1 :])


def test_a_moment_no_calendar_has_is_refused() -> None:
    """The check is right, the number of microseconds is not: made by a faulty encoder."""
    from persistence import cursors

    position = cursors._POSITION.pack(2**62, bytes(16))
    forged = base64.urlsafe_b64encode(position + cursors._check(position)).decode()
    with pytest.raises(InvalidCursor):
        decode_cursor(forged)
