"""Pages: put together they are the list, whatever their length."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from persistence.pages import AFTER_NONE, BEFORE_ALL, Key, page_of_items, start_of
from persistence.ports import InvalidCursor

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
KEYS = st.tuples(
    st.integers(0, 3).map(lambda minutes: NOON + timedelta(minutes=minutes)), st.uuids()
)


@given(st.lists(KEYS, unique=True, max_size=12), st.integers(1, 5), st.booleans())
def test_pages_are_the_list(keys: list[Key], limit: int, newest_first: bool) -> None:  # noqa: FBT001 - drawn
    seen: list[Key] = []
    cursor = None
    while True:
        page = page_of_items(
            keys, lambda key: key, limit=limit, cursor=cursor, newest_first=newest_first
        )
        seen += page.items
        cursor = page.next_cursor
        if cursor is None:
            break
        assert len(page.items) == limit
    assert seen == sorted(keys, reverse=newest_first)


def test_the_last_page_has_no_cursor() -> None:
    keys = [(NOON, UUID(int=number)) for number in (1, 2)]
    assert page_of_items(keys, lambda key: key, limit=2, cursor=None).next_cursor is None
    assert page_of_items([], lambda key: key, limit=2, cursor=None).items == ()


def test_a_list_starts_at_its_end_of_time() -> None:
    assert start_of(None, BEFORE_ALL) == BEFORE_ALL > (NOON, UUID(int=0)) > AFTER_NONE
    with pytest.raises(InvalidCursor):
        start_of("made up", AFTER_NONE)
