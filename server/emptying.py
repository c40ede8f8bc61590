"""Empties rooms of headsets whose session has ended (LIF-1, LIF-4).

That a room is to be emptied is stored with the end of its session, and that it was after the last
of it is stored. Whatever happens in between is found again: when the server starts, now and then,
and before another session begins in the room.
"""

from __future__ import annotations

import asyncio
from functools import partial
from uuid import UUID

import structlog

from crdt_docs.document import DocumentBroken
from crdt_docs.errors import Refusal
from crdt_docs.identifiers import DocumentKind, Identity, document_name
from crdt_docs.lifetimes import delete_after_session
from persistence.ports import StorageUnavailable
from persistence.xr_ports import BEFORE_ALL_ROOMS, ToEmpty, XrSessionStore
from server.clock import Clock, utc_now
from server.rest.ports import LiveDocuments

log = structlog.get_logger(__name__)

EVERY = 300.0
"""Seconds between two looks for rooms that were left."""


class Emptying:
    """Empties rooms, one after the other: whoever waits for one finds it empty then.

    Attributes:
        failed: rooms that could not be emptied when it was tried.
    """

    def __init__(
        self,
        sessions: XrSessionStore,
        live: LiveDocuments,
        *,
        every: float = EVERY,
        clock: Clock = utc_now,
    ) -> None:
        """
        Args:
            every: seconds between two looks of `run`.
        """
        self.failed = 0
        self._sessions = sessions
        self._live = live
        self._every = every
        self._clock = clock
        self._turn = asyncio.Lock()

    async def empty(self, room_id: UUID, identity: Identity | None = None) -> bool:
        """Empty a room if it is to be, and has no session; whether that is certain now.

        Args:
            identity: in whose name; None: in that of whoever made the room.

        Returns:
            False where it is done, but waits for the database.

        Raises:
            StorageUnavailable, DocumentBroken, NotNow: as `LiveDocuments.edit`.
        """
        if await self._sessions.to_empty(room_id) is None:
            return True
        async with self._turn:
            while (left := await self._sessions.to_empty(room_id)) is not None:
                if not await self._delete(left, identity):
                    return False
                await self._sessions.emptied(left.session_ids, self._clock())
        return True

    async def _delete(self, left: ToEmpty, identity: Identity | None) -> bool:
        """Delete in portions, between which others have their turn; whether that is stored."""
        room = left.room
        document = document_name(DocumentKind.XR, room.id)
        whose = identity or Identity(room.created_by)
        delete = partial(delete_after_session, is_persistent=room.is_persistent)
        while True:
            edited = await self._live.edit(document, whose, delete, may_grow=False)
            if not edited.result:
                return edited.is_stored

    async def run(self) -> None:
        """Look for rooms that were left at once and then every few minutes, until cancelled."""
        while True:
            try:
                await self.look()
            except StorageUnavailable:
                log.warning("storage is not available; rooms that were left are emptied later")
            await asyncio.sleep(self._every)

    async def look(self) -> None:
        """Empty all that are to be.

        Raises:
            StorageUnavailable: it cannot be told which.
        """
        after = BEFORE_ALL_ROOMS
        while found := await self._sessions.all_to_empty(after=after):
            for left in found:
                await self._try(left.room.id)
            after = found[-1].room.id

    async def _try(self, room_id: UUID) -> None:
        try:
            await self.empty(room_id)
        except (StorageUnavailable, DocumentBroken, Refusal) as error:
            self.failed += 1
            log.warning(
                "a room is still to be emptied", room_id=str(room_id), error=type(error).__name__
            )
