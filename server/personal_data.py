"""What is held about a person, as JSON that is written while it is read: never all in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from uuid import UUID

import orjson

from persistence.privacy_ports import HeldRow, PrivacyStore

LONGEST_SECONDS = 600.0
"""For one export: it keeps a connection to the database, and a moment of it."""

CHUNK_BYTES = 64 * 1024


class PersonalDataBusy(Exception):  # noqa: N818 - says what is the case
    """Somebody's data is being read already: one at a time."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What is about to be read of a person.

    Attributes:
        is_empty: nothing is held.
        chunks: items of a JSON array, without its brackets. May raise StorageUnavailable.
    """

    is_empty: bool
    chunks: AsyncIterator[bytes]


class PersonalData:
    """Reads what is held about persons, one person at a time."""

    def __init__(self, store: PrivacyStore, *, longest_seconds: float = LONGEST_SECONDS) -> None:
        self._store = store
        self._longest = longest_seconds
        self._is_reading = False

    async def begin(self, user_id: UUID) -> Reading:
        """The rows of a person; they must be read to the end, or let go of.

        Raises:
            PersonalDataBusy: somebody else's are being read.
            StorageUnavailable: they cannot be read now.
        """
        if self._is_reading:
            raise PersonalDataBusy
        self._is_reading = True
        rows = self._store.held(user_id)
        try:
            first = await anext(rows, None)
        except BaseException:
            self._is_reading = False
            raise
        return Reading(first is None, self._chunks(first, rows))

    async def _chunks(
        self, first: HeldRow | None, rows: AsyncGenerator[HeldRow]
    ) -> AsyncGenerator[bytes]:
        try:
            async with asyncio.timeout(self._longest), aclosing(rows):
                if first is None:
                    return
                chunk = bytearray(encoded(first))
                async for row in rows:
                    if len(chunk) >= CHUNK_BYTES:
                        yield bytes(chunk)
                        chunk.clear()
                    chunk += b"," + encoded(row)
                yield bytes(chunk)
        finally:
            self._is_reading = False


def encoded(held: HeldRow) -> bytes:
    """One row as a JSON object."""
    item = {"table": held.table, "row": held.row}
    return orjson.dumps(item, default=_plain, option=orjson.OPT_UTC_Z)


def _plain(value: object) -> str:
    """What the database driver has types of its own for."""
    if isinstance(value, UUID):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no place in an answer")
