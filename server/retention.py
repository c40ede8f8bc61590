"""Old logs become checkpoints: a day at a time, in the background (PST-7, PST-8)."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import structlog

from crdt_docs.document import DocumentBroken
from crdt_docs.identifiers import DocumentName
from persistence.archive_ports import Archive, PastTooLarge, UnknownMoment
from persistence.checkpoints import day_of
from persistence.ports import StorageUnavailable
from server.clock import Clock, utc_now
from server.time_travel import PastBusy, PastLaborious, TimeTravel

log = structlog.get_logger(__name__)

EVERY_SECONDS = 3600.0
DOCUMENTS_AT_ONCE = 100

PAUSE_SECONDS = 0.1
"""Between two steps: whoever edits has the database for most of the time."""


class Retention:
    """Keeps logs fine-grained for a time, and no longer."""

    def __init__(
        self,
        archive: Archive,
        time_travel: TimeTravel,
        kept_for: timedelta,
        *,
        clock: Clock = utc_now,
        pause_seconds: float = PAUSE_SECONDS,
    ) -> None:
        """
        Args:
            kept_for: how long every entry is kept; whole days (UTC) are merged.
        """
        self._archive = archive
        self._time_travel = time_travel
        self._kept_for = kept_for
        self._clock = clock
        self._pause_seconds = pause_seconds
        self._left_alone: set[DocumentName] = set()

    async def merge_all(self) -> int:
        """Merge what is old enough, in all documents; return how many entries went.

        Raises:
            StorageUnavailable: not all of it could be merged.
        """
        before = day_of(self._clock() - self._kept_for)
        removed = 0
        last: DocumentName | None = None
        while due := await self._archive.due(before, after=last, limit=DOCUMENTS_AT_ONCE):
            for document in due:
                if document not in self._left_alone:
                    removed += await self.merge(document)
            last = due[-1]
            await self._pause()
        return removed

    async def merge(self, document: DocumentName) -> int:
        """Merge what is old enough of one document; return how many entries went.

        Each step is a transaction of its own, after which everything reads right. One that cannot
        be replayed, or that is laborious, keeps its log.

        Raises:
            StorageUnavailable: not all of it could be merged.
        """
        before = day_of(self._clock() - self._kept_for)
        removed = 0
        while (part := await self._archive.next_merge(document, before)) is not None:
            if not part.is_kept and not await self._keep(document, part.seq):
                break
            removed_before = removed
            while count := await self._archive.remove_merged(document, part.seq):
                removed += count
                await self._pause()
            if removed == removed_before:
                break  # somebody else was faster
        return removed

    async def _keep(self, document: DocumentName, seq: int) -> bool:
        try:
            await self._time_travel.keep(document, seq)
        except PastBusy:
            return False  # people first; the next round is soon enough
        except (PastLaborious, PastTooLarge, UnknownMoment, DocumentBroken) as error:
            # Not tried again before the server is started anew: it would cost as much every hour.
            self._left_alone.add(document)
            log.warning("the log of a document stays as it is", document=document, error=str(error))
            return False
        await self._pause()
        return True

    async def _pause(self) -> None:
        await asyncio.sleep(self._pause_seconds)

    async def run(self) -> None:
        """Do it at once and then every hour, until cancelled."""
        while True:
            try:
                removed = await self.merge_all()
                if removed:
                    log.info("old edits merged into checkpoints", count=removed)
            except StorageUnavailable:
                log.warning("storage is not available; old edits stay for now")
            await asyncio.sleep(EVERY_SECONDS)
