"""Asking who may come in, for everybody who asks at the same time at once.

A thousand people who lost their connection together come back together. Each of them needs the
session and their own participants row: asked one by one that is two thousand round trips, asked
together it is a handful.
"""

from __future__ import annotations

import asyncio
from uuid import UUID

from persistence.ports import SessionStore, Standing

AT_ONCE = 500
"""Pairs in one question."""


class StandingReader:
    """Gathers questions while one is under way, and asks them together."""

    def __init__(self, sessions: SessionStore) -> None:
        self._sessions = sessions
        self._waiting: list[tuple[tuple[UUID, UUID], asyncio.Future[Standing]]] = []
        self._asker: asyncio.Task[None] | None = None

    async def read(self, session_id: UUID, user_id: UUID) -> Standing:
        """The session and the user's row in it, as they are after this call began.

        Raises:
            StorageUnavailable: they could not be read.
        """
        answer: asyncio.Future[Standing] = asyncio.get_running_loop().create_future()
        self._waiting.append(((session_id, user_id), answer))
        if self._asker is None:
            self._asker = asyncio.create_task(self._ask())
        return await answer

    async def _ask(self) -> None:
        try:
            while self._waiting:
                asked, self._waiting = self._waiting[:AT_ONCE], self._waiting[AT_ONCE:]
                try:
                    found = await self._sessions.standings([pair for pair, _ in asked])
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
