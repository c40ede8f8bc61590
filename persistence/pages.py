"""Pages of lists that are ordered by time and id: where one starts, and where the next one does."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Final, TypeVar
from uuid import UUID

import asyncpg

from persistence.cursors import decode_cursor, encode_cursor
from persistence.ports import Page

T = TypeVar("T")

Key = tuple[datetime, UUID]
"""What a row is ordered by."""

BEFORE_ALL: Final[Key] = (datetime(9999, 12, 31, tzinfo=UTC), UUID(int=2**128 - 1))
"""Where the first page of a list starts that is newest first…"""

AFTER_NONE: Final[Key] = (datetime(1, 1, 1, tzinfo=UTC), UUID(int=0))
"""… and of one that is oldest first."""


def start_of(cursor: str | None, first: Key) -> Key:
    """The row after which a page starts.

    Raises:
        InvalidCursor: no list handed it out.
    """
    return first if cursor is None else decode_cursor(cursor)


def page_of_rows(
    rows: Sequence[asyncpg.Record],
    limit: int,
    made: Callable[[asyncpg.Record], T],
    at: str,
    identifier: str = "id",
) -> Page[T]:
    """A page of rows that were read in their order.

    Args:
        rows: `limit` and one more, if there are so many: it tells that there is another page.
        made: what a row is.
        at: the column with the time that they are ordered by.
        identifier: and the one with the id.
    """
    items = tuple(made(row) for row in rows[:limit])
    if len(rows) <= limit or not items:
        return Page(items)
    last = rows[limit - 1]
    return Page(items, encode_cursor(last[at], last[identifier]))


def page_of_items(
    items: Iterable[T],
    key: Callable[[T], Key],
    *,
    limit: int,
    cursor: str | None,
    newest_first: bool = False,
) -> Page[T]:
    """A page of things in memory, in any order.

    Raises:
        InvalidCursor: no list handed it out.
    """
    start = start_of(cursor, BEFORE_ALL if newest_first else AFTER_NONE)
    rest = sorted(
        (item for item in items if (key(item) < start if newest_first else key(item) > start)),
        key=key,
        reverse=newest_first,
    )
    page = tuple(rest[:limit])
    if len(rest) <= limit or not page:
        return Page(page)
    return Page(page, encode_cursor(*key(page[-1])))
