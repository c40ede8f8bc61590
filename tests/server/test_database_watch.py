"""Readiness follows the database, also when nobody edits."""

from __future__ import annotations

import asyncio

from persistence.ports import StorageUnavailable
from server.database_watch import DatabaseWatch


async def _until(watch: DatabaseWatch, *, is_up: bool) -> None:
    async with asyncio.timeout(5):
        while watch.is_up is not is_up:  # noqa: ASYNC110 - the watch is asked, it tells nobody
            await asyncio.sleep(0.002)


class Database:
    """Answers, fails or is silent."""

    mood = "well"

    async def ping(self, within: float) -> None:
        if self.mood == "gone":
            raise StorageUnavailable("gone")
        if self.mood == "silent":
            await asyncio.sleep(within)
            raise StorageUnavailable("no answer in time")


async def test_an_outage_a_silence_and_the_return_are_noticed() -> None:
    database = Database()
    watch = DatabaseWatch(database.ping, every=0.002, answer=0.01)
    running = asyncio.create_task(watch.run())
    for mood, is_up in [("gone", False), ("well", True), ("silent", False), ("well", True)]:
        database.mood = mood
        await _until(watch, is_up=is_up)
    running.cancel()
