"""Things that are stored soon, by a task of their own: whoever has them never waits or fails.

WRT-1 They are stored in the order in which they came, many at once.
WRT-2 While storage is away they wait, and it is tried again with growing pauses.
WRT-3 No more than so many wait. What comes then is lost, and counted.
WRT-4 What storage refuses for its content is tried alone; one that is refused alone is lost.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from itertools import islice
from typing import Generic, TypeVar

import structlog

from persistence.errors import BatchRefused
from persistence.ports import StorageUnavailable

log = structlog.get_logger(__name__)

T = TypeVar("T")

REFUSALS = (BatchRefused, ValueError, TypeError, OverflowError)
"""What lies in the content, so that sending it again cannot help."""


class BackgroundWriter(Generic[T]):
    """Stores things in groups.

    Attributes:
        lost: how many were not stored and never will be.
        failures: attempts that were, or will be, made again.
    """

    def __init__(
        self,
        store: Callable[[Sequence[T]], Awaitable[object]],
        *,
        subject: str,
        most_waiting: int = 20_000,
        at_once: int = 500,
        interval: float = 0.25,
        retry_initial: float = 0.25,
        retry_max: float = 10.0,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """
        Args:
            store: stores a group whose outcome may have been unknown before.
            subject: for the log.
            interval: seconds over which things are gathered.
            retry_initial: seconds before the first retry; doubled up to `retry_max`.
        """
        self.lost = 0
        self.failures = 0
        self._store = store
        self._subject = subject
        self._most_waiting = most_waiting
        self._at_once = at_once
        self._interval = interval
        self._retry_initial = retry_initial
        self._retry_max = retry_max
        self._sleep = sleep
        self._queue: deque[T] = deque()
        self._taken = 0
        self._dealt_with = 0
        self._arrival = asyncio.Event()
        self._progress = asyncio.Condition()
        self._is_hurried = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def waiting(self) -> int:
        """How many are not stored yet."""
        return len(self._queue)

    def put(self, thing: T) -> bool:
        """Have a thing stored; False if it is lost, because too many wait (WRT-3)."""
        if len(self._queue) >= self._most_waiting:
            self.lost += 1
            return False
        self._queue.append(thing)
        self._taken += 1
        self._arrival.set()
        return True

    def start(self) -> None:
        """Store from now on."""
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name=f"{self._subject} writer")

    async def flush(self) -> None:
        """Return when all that was put before is stored, or lost."""
        wanted = self._taken
        self._is_hurried.set()
        async with self._progress:
            await self._progress.wait_for(lambda: self._dealt_with >= wanted)

    async def close(self, within: float) -> bool:
        """Store what waits, then stop; whether all of it was stored in time."""
        try:
            async with asyncio.timeout(within):
                await self.flush()
        except TimeoutError:
            log.exception("not stored before the server had to stop", what=self._subject)
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
            self._task = None
        return not self._queue

    async def _run(self) -> None:
        while True:
            await self._arrival.wait()
            await self._gather()
            group = list(islice(self._queue, self._at_once))
            await self._store_group(group)
            for _ in group:
                self._queue.popleft()
            if not self._queue:
                self._arrival.clear()
                self._is_hurried.clear()
            self._dealt_with += len(group)
            async with self._progress:
                self._progress.notify_all()

    async def _gather(self) -> None:
        """Wait for more, unless somebody waits for what there is."""
        if len(self._queue) >= self._at_once or self._is_hurried.is_set():
            return
        try:
            async with asyncio.timeout(self._interval):
                await self._is_hurried.wait()
        except TimeoutError:
            return

    async def _store_group(self, group: Sequence[T]) -> None:
        pause = self._retry_initial
        while True:
            try:
                await self._store(group)
            except REFUSALS as error:
                await self._store_halves(group, error)
                return
            except StorageUnavailable:
                self.failures += 1
            except Exception:
                # Not a matter of what the group holds: waited out like an outage (WRT-2).
                self.failures += 1
                log.exception("not stored yet", what=self._subject)
            else:
                return
            await self._sleep(pause)
            pause = min(2 * pause, self._retry_max)

    async def _store_halves(self, group: Sequence[T], refusal: Exception) -> None:
        """WRT-4: what is wrong with one must not cost the others."""
        if len(group) == 1:
            self.lost += 1
            log.error("storage refuses this", what=self._subject, error=type(refusal).__name__)
            return
        middle = len(group) // 2
        await self._store_group(group[:middle])
        await self._store_group(group[middle:])
