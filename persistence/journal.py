"""The write-behind journal: entries of all documents into the store, in groups, in order (LOG).

One task writes. What is appended while it is idle is stored at once; under load a group starts
every `interval`, or later where it takes long to read what changed. Rules:

LOG-1  `committed` never passes an entry that is not stored, except of a document that was handed
       to `on_poisoned` before.
LOG-2  Entries of one document are stored in the order in which they were appended, each once.
LOG-3  While storage is unavailable nothing is dropped and nothing is acknowledged; it is tried
       again with growing pauses, for ever.
LOG-4  The same group is sent again when its outcome is unknown: the store knows seqs it has.
LOG-5  The backlog is counted in bytes; `is_full` from the limit on, until three quarters of it.
LOG-6  A group that the store refuses as such is halved until the refused entries are alone. A
       refused document is quarantined: this entry and all that it appended up to now are dropped
       and counted, other documents go on.

Why a refused document is given up instead of blocking: its next entry cannot be stored without the
refused one (the log has no gaps), so nothing of it can be acknowledged truthfully any more, and
one position for all documents would hold up everybody. The owner of the document is told first,
synchronously, and closes it: clients keep their unacknowledged edits and bring them again to a
document that is loaded anew from what is stored.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence

import stamina

from crdt_docs.identifiers import DocumentName
from persistence.backlog import LONGEST_SEGMENT, Backlog, Entry
from persistence.errors import BatchRefused
from persistence.ports import (
    ChangeSource,
    Commit,
    CommitListener,
    DocumentStore,
    StorageUnavailable,
)

READING_SHARE = 3
"""Groups start so many times as far apart as it takes to read what changed: a very large object
that is dragged would leave the event loop little else."""

LONGEST_PAUSE = 1.0
"""Seconds by which that delays a group at most."""

PoisonListener = Callable[[Commit, Exception], None]
"""Called with an entry that storage refuses for its content, before anything at or after it counts
as committed. Before it returns, the document's host must have stopped appending for that document
and must have dropped the acknowledgements it owes for it (close the room, reload later)."""


class WriteBehindJournal:
    """`ports.Journal` over any `ports.DocumentStore`.

    Args:
        store: where groups go, each in one `commit`.
        on_poisoned: see `PoisonListener`.
        interval: seconds from the start of one group to the start of the next.
        max_batch_bytes: of updates in a group; a larger update goes alone.
        max_batch_entries: in a group.
        max_backlog_bytes: see LOG-5.
        retry_initial: seconds before the first retry; doubled up to `retry_max`.
        retry_max: the longest pause, seconds.
        clock: monotonic seconds.
        sleep: how the pause between groups is spent.
    """

    def __init__(
        self,
        store: DocumentStore,
        *,
        on_poisoned: PoisonListener,
        interval: float = 0.005,
        max_batch_bytes: int = 4 * 1024 * 1024,
        max_batch_entries: int = 2_000,
        max_backlog_bytes: int = 64 * 1024 * 1024,
        retry_initial: float = 0.05,
        retry_max: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._store = store
        self._on_poisoned = on_poisoned
        self._interval = interval
        self._max_backlog_bytes = max_backlog_bytes
        self._retry_initial = retry_initial
        self._retry_max = retry_max
        self._clock = clock
        self._sleep = sleep

        self._backlog = Backlog(max_batch_entries, max_batch_bytes)
        self._is_full = False
        self._committed = 0
        self._last_start = -interval
        self._pause = interval
        self._arrival = asyncio.Event()
        self._listeners: list[CommitListener] = []
        self._flushes: deque[tuple[int, asyncio.Future[None]]] = deque()
        # Up to which position a poisoned document's entries are dropped: what was appended until
        # its host had been told. What comes later comes from a document loaded anew.
        self._quarantine: dict[DocumentName, int] = {}
        self._writer: asyncio.Task[None] | None = None
        self._reader: asyncio.Task[None] | None = None

        self._commits = 0
        self._retries = 0
        self._poisoned = 0
        self._dropped = 0
        self._last_error: Exception | None = None

    # --- ports.Journal -----------------------------------------------------------------------

    @property
    def position(self) -> int:
        """Of the newest entry accepted."""
        return self._backlog.position

    @property
    def committed(self) -> int:
        """Up to which every entry is stored (LOG-1)."""
        return self._committed

    @property
    def is_full(self) -> bool:
        """The backlog has reached its limit: writers must be turned away (LOG-5)."""
        return self._is_full

    def append(self, commits: Sequence[Commit], source: ChangeSource | None = None) -> int:
        """See `ports.Journal.append`."""
        backlog = self._backlog
        backlog.append(commits, source, self._clock())
        if backlog.size >= self._max_backlog_bytes:
            self._is_full = True
        if backlog:
            self._arrival.set()
        return backlog.position

    def seal(self, document: DocumentName) -> None:
        """See `ports.Journal.seal`."""
        self._backlog.seal(document)

    def subscribe(self, listener: CommitListener) -> None:
        """Call `listener` with `committed` after every group commit."""
        self._listeners.append(listener)

    async def flush(self) -> None:
        """Return when everything accepted before this call is stored.

        Raises:
            StorageUnavailable: the journal was closed before that.
        """
        if self._committed >= self._backlog.position:
            return
        reached = asyncio.get_running_loop().create_future()
        self._flushes.append((self._backlog.position, reached))
        await reached

    # --- life --------------------------------------------------------------------------------

    def start(self) -> None:
        """Start writing. Entries may have been appended before."""
        if self._writer is None:
            self._writer = asyncio.create_task(self._write(), name="journal writer")
            self._reader = asyncio.create_task(self._read_in_time(), name="journal reader")

    async def close(self, within: float) -> bool:
        """Store what is in the backlog, then stop.

        Args:
            within: seconds after which what is left is given up.

        Returns:
            Whether everything was stored.
        """
        try:
            async with asyncio.timeout(within):
                await self.flush()
        except TimeoutError:
            pass
        finally:
            await self._stop()
        return self._committed >= self._backlog.position

    async def _stop(self) -> None:
        tasks = [task for task in (self._writer, self._reader) if task is not None]
        self._writer = self._reader = None
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        while self._flushes:
            _, reached = self._flushes.popleft()
            if not reached.done():
                reached.set_exception(StorageUnavailable("the journal was closed before that"))

    # --- statistics --------------------------------------------------------------------------

    @property
    def backlog_bytes(self) -> int:
        """Memory held by entries that are not stored yet, about."""
        return self._backlog.size

    @property
    def backlog_entries(self) -> int:
        """Entries that are not stored yet."""
        return len(self._backlog)

    @property
    def oldest_pending_age(self) -> float:
        """Seconds for which the oldest entry has waited; 0 when there is none."""
        return self._clock() - self._backlog.oldest.arrived if self._backlog else 0.0

    @property
    def commits(self) -> int:
        """Groups stored."""
        return self._commits

    @property
    def retries(self) -> int:
        """Attempts that failed and were, or will be, made again."""
        return self._retries

    @property
    def last_error(self) -> Exception | None:
        """Why the group being written is not stored yet; None when all is well."""
        return self._last_error

    @property
    def poisoned(self) -> int:
        """Entries that storage refused for their content (LOG-6)."""
        return self._poisoned

    @property
    def dropped(self) -> int:
        """Entries that were not stored, refused ones included (LOG-6)."""
        return self._dropped

    # --- the writer --------------------------------------------------------------------------

    async def _write(self) -> None:
        while True:
            await self._arrival.wait()
            pause = self._last_start + self._pause - self._clock()
            if pause > 0:
                await self._sleep(pause)
            self._last_start = self._clock()
            group = self._backlog.next_group()
            reading = self._clock() - self._last_start
            self._pause = max(self._interval, min(reading * READING_SHARE, LONGEST_PAUSE))
            try:
                await self._store_group(group)
            except Exception as error:  # noqa: BLE001 - counted and tried again: LOG-3
                # Not a matter of this group's content, and `_commit` has given up on it (retrying
                # is switched off process-wide, or the error is a fault of ours): keep trying.
                self._note_failure(error)
                await self._sleep(self._retry_max)

    async def _read_in_time(self) -> None:
        """Have told what changed while the writer waits for storage."""
        while True:
            await asyncio.sleep(LONGEST_SEGMENT / 2)
            self._backlog.end_long_segment(self._clock())

    async def _store_group(self, group: Sequence[Entry]) -> None:
        """Store a group, or its halves when the store refuses it (LOG-6)."""
        live = [entry for entry in group if not self._drop(entry)]
        if live:
            refusal = await self._commit(live)
            if refusal is not None and len(live) > 1:
                middle = len(live) // 2
                _note_torn(live[:middle], live[middle:])
                await self._store_group(live[:middle])
                await self._store_group(live[middle:])
            elif refusal is not None:
                self._poison(live[0], refusal)
        self._advance(group[-1].position)

    async def _commit(self, entries: Sequence[Entry]) -> Exception | None:
        """Send entries until they are stored. Returns why not when they are refused."""
        commits = [entry.commit for entry in entries]
        try:
            # The apparatus for retrying costs as much as a small commit: only when it is needed.
            await self._store.commit(commits)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is judged there
            refusal = await self._commit_again(commits, error)
            if refusal is not None:
                return refusal
        self._commits += 1
        self._last_error = None
        return None

    async def _commit_again(self, commits: Sequence[Commit], first: Exception) -> Exception | None:
        """Go on after a first attempt that failed."""
        if _is_refusal(first):
            return first
        self._note_failure(first)
        await self._sleep(self._retry_initial)
        try:
            async for attempt in stamina.retry_context(
                on=self._is_worth_retrying,
                attempts=None,
                timeout=None,
                wait_initial=self._retry_initial,
                wait_max=self._retry_max,
                wait_jitter=self._retry_initial,
            ):
                with attempt:
                    await self._store.commit(commits)
        except Exception as error:
            if not _is_refusal(error):
                raise
            return error
        return None

    def _is_worth_retrying(self, error: BaseException) -> bool:
        if not isinstance(error, Exception) or _is_refusal(error):
            return False
        self._note_failure(error)
        return True

    def _note_failure(self, error: Exception) -> None:
        self._retries += 1
        self._last_error = error

    def _poison(self, entry: Entry, refusal: Exception) -> None:
        # Should the listener fail, nothing has happened yet: the group is tried again, and the
        # listener called again, for without it LOG-1 would not hold.
        self._on_poisoned(entry.commit, refusal)
        self._poisoned += 1
        self._dropped += 1
        self._backlog.abandon(entry.commit.document)
        self._quarantine[entry.commit.document] = self._backlog.position

    def _drop(self, entry: Entry) -> bool:
        """Whether an entry comes from a document that was quarantined after it was appended."""
        limit = self._quarantine.get(entry.commit.document)
        if limit is None or entry.position > limit:
            return False
        self._dropped += 1
        return True

    def _advance(self, position: int) -> None:
        """Take everything up to a position out of the backlog and tell who waits for it."""
        self._backlog.remove(position)
        if not self._backlog:
            self._arrival.clear()
        if self._backlog.size <= self._max_backlog_bytes * 3 // 4:
            self._is_full = False
        if position <= self._committed:
            return
        self._committed = position
        for document in [d for d, limit in self._quarantine.items() if limit <= position]:
            del self._quarantine[document]
        while self._flushes and self._flushes[0][0] <= position:
            _, reached = self._flushes.popleft()
            if not reached.done():
                reached.set_result(None)
        for listener in self._listeners:
            self._call(listener, position)

    def _call(self, listener: CommitListener, position: int) -> None:
        """One listener's fault must neither stop the journal nor reach the other listeners."""
        try:
            listener(position)
        except Exception as error:  # noqa: BLE001 - reported to the event loop's handler
            asyncio.get_running_loop().call_exception_handler(
                {"message": "a listener of the journal failed", "exception": error}
            )


def _note_torn(first: Sequence[Entry], rest: Sequence[Entry]) -> None:
    """What entries changed is stored with the last of them (LOG-11). If that is in the other half,
    it may never be stored: the document's rows are looked at before it is opened again."""
    due = {
        entry.commit.document
        for entry in rest
        if entry.commit.changes or entry.commit.has_lost_changes  # of an earlier tear
    }
    for entry in reversed(first):
        if entry.commit.document in due:
            due.discard(entry.commit.document)
            entry.commit = entry.commit._replace(has_lost_changes=True)


def _is_refusal(error: Exception) -> bool:
    """Whether an error lies in the entries' content, so that sending them again cannot help.

    Besides the store's own verdict these are what encoding a value raises. Everything else (a
    missing table, a lost privilege, a bug) concerns all entries alike and is waited out: LOG-3.
    """
    return isinstance(error, (BatchRefused, ValueError, TypeError, OverflowError))
