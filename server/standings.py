"""Asking who may come in, for everybody who asks at the same time at once.

A thousand people who lost their connection together come back together. Each of them needs the
session or room and their own row in it: asked one by one that is a thousand round trips, asked
together it is a handful. Who comes alone waits for nobody; where others have just been asked for,
the next ones are gathered for some milliseconds, or a fast database would be asked one by one.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from itertools import takewhile
from typing import Generic, Protocol, TypeVar
from uuid import UUID

from persistence.ports import StorageUnavailable

StandingT = TypeVar("StandingT")
StandingT_co = TypeVar("StandingT_co", covariant=True)

AT_ONCE = 500
"""Pairs in one question."""

APART_SECONDS = 0.005
"""From one question to the next, while fewer wait than fit in one."""

ANSWER_SECONDS = 2.0
"""How long the database may take; afterwards what it said last counts."""

STRANGER_SECONDS = 10.0
"""How long if it has said nothing yet: to send somebody away who comes again helps nobody on a
machine that is only busy."""

REMEMBERED = 4_096
"""Standings kept for the time when the database is away: those who were in may come back."""

REMEMBERED_SECONDS = 600.0
"""And those who were in lately: of who is there the standing is read again and again."""

SILENCE_SECONDS = 60.0
"""More than that from one answer to the next makes nobody's standing older: the database was away,
or nobody asked. While it comes and goes those who were in are not forgotten."""


class Stands(Protocol[StandingT_co]):
    """Knows what decides about access: `SessionStore` and `XrRoomStore` do."""

    async def standings(self, wanted: Sequence[tuple[UUID, UUID]]) -> Sequence[StandingT_co]:
        """For (session or room id, user id) pairs at once, in their order."""


class StandingReader(Generic[StandingT]):
    """Gathers questions while one is under way, and asks them together."""

    def __init__(
        self,
        store: Stands[StandingT],
        *,
        apart: float = APART_SECONDS,
        remembered: float = REMEMBERED_SECONDS,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """
        Args:
            apart: seconds from one question to the next.
            remembered: seconds, in which the database answers, that a standing is kept for.
            clock: monotonic seconds.
        """
        self._store = store
        self._apart = apart
        self._remembered = remembered
        self._clock = clock
        self._sleep = sleep
        self._asked_at = -math.inf
        self._waiting: list[tuple[tuple[UUID, UUID], asyncio.Future[StandingT]]] = []
        self._asker: asyncio.Task[None] | None = None
        self._last: dict[tuple[UUID, UUID], tuple[float, StandingT]] = {}
        self._changes = 0
        self._answering = 0.0  # seconds in which the database has answered
        self._answered_at = -math.inf

    async def read(self, place_id: UUID, user_id: UUID) -> StandingT:
        """The session or room and the user's row in it, as they are after this call began; while
        the database is away, as they were when they were last read.

        Raises:
            StorageUnavailable: they could not be read, and never were.
        """
        pair = (place_id, user_id)
        changes = self._changes
        try:
            async with asyncio.timeout(self._patience(pair)):
                standing = await self._read(pair)
        except (StorageUnavailable, TimeoutError):
            known = self._last.get(pair)
            if known is None:
                raise StorageUnavailable("it is not known who may come in") from None
            return known[1]
        self._remember({pair: standing}, changes)
        return standing

    def _patience(self, pair: tuple[UUID, UUID]) -> float:
        return ANSWER_SECONDS if pair in self._last else STRANGER_SECONDS

    async def read_all(self, pairs: Sequence[tuple[UUID, UUID]]) -> list[StandingT]:
        """Many standings as they are now, in the order of the pairs.

        Raises:
            StorageUnavailable: not all of them could be read.
        """
        changes = self._changes
        found: list[StandingT] = []
        for begin in range(0, len(pairs), AT_ONCE):
            asked = pairs[begin : begin + AT_ONCE]
            found += await self._store.standings(asked)
        self._remember(dict(zip(pairs, found, strict=True)), changes)
        return found

    def _remember(self, found: Mapping[tuple[UUID, UUID], StandingT], changes: int) -> None:
        """Keep the answers, unless something was changed after they were asked for."""
        if changes != self._changes:
            return
        now = self._clock()
        self._answering += min(now - self._answered_at, SILENCE_SECONDS)
        self._answered_at = now
        for pair, standing in found.items():
            self._last.pop(pair, None)
            self._last[pair] = self._answering, standing
        while len(self._last) > REMEMBERED:
            del self._last[next(iter(self._last))]
        self._forget_before(self._answering - self._remembered)

    def _forget_before(self, moment: float) -> None:
        """Those of before, of which the oldest come first."""
        last = self._last
        for pair in list(takewhile(lambda pair: last[pair][0] < moment, last)):
            del last[pair]

    def forget(self, place_id: UUID, user_id: UUID | None = None) -> None:
        """A session or room has changed, or one person's row in it: what was read before counts no
        more, also while the database is away."""
        self._changes += 1
        for pair in [pair for pair in self._last if pair[0] == place_id]:
            if user_id is None or pair[1] == user_id:
                del self._last[pair]

    async def _read(self, pair: tuple[UUID, UUID]) -> StandingT:
        answer: asyncio.Future[StandingT] = asyncio.get_running_loop().create_future()
        self._waiting.append((pair, answer))
        if self._asker is None:
            self._asker = asyncio.create_task(self._ask())
        return await answer

    async def _ask(self) -> None:
        try:
            while self._waiting:
                await self._gather()
                asked, self._waiting = self._waiting[:AT_ONCE], self._waiting[AT_ONCE:]
                try:
                    found = await self._store.standings([pair for pair, _ in asked])
                except Exception as error:  # noqa: BLE001 - handed to everybody who asked
                    for _, answer in asked:
                        if not answer.done():
                            answer.set_exception(error)
                    continue
                for (_, answer), standing in zip(asked, found, strict=True):
                    if not answer.done():
                        answer.set_result(standing)
        finally:
            self._asker = None

    async def _gather(self) -> None:
        """Wait for others who come now, if some have just been asked for."""
        wait = self._asked_at + self._apart - self._clock()
        if wait > 0 and len(self._waiting) < AT_ONCE:
            await self._sleep(wait)
        self._asked_at = self._clock()
