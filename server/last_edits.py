"""What people did last, before they are forgotten: done and stored (PRV-9)."""

from __future__ import annotations

import asyncio
from uuid import UUID

from crdt_docs.identifiers import DocumentName
from persistence.ports import Journal, StorageUnavailable
from server.lifetimes import OwnersGone
from server.room_directory import RoomDirectory

WITHIN = 30.0
"""Seconds that this may take."""


class LastEdits:
    """Of those whose sockets were closed."""

    def __init__(
        self,
        directory: RoomDirectory,
        journal: Journal,
        owners: OwnersGone,
        *,
        within: float = WITHIN,
    ) -> None:
        """
        Args:
            owners: deletes what goes with people.
            within: seconds that `store` may take.
        """
        self._directory = directory
        self._journal = journal
        self._owners = owners
        self._within = within

    async def store(self, user_id: UUID) -> None:
        """Return when nothing is left to be done in somebody's name, and all of it is stored.

        Raises:
            StorageUnavailable: it could not be stored in time.
        """
        try:
            async with asyncio.timeout(self._within):
                await self._store(user_id)
        except TimeoutError:
            raise StorageUnavailable("what they did last could not be stored in time") from None

    async def _store(self, user_id: UUID) -> None:
        for name in [host.name for host in self._directory.hosts()]:
            await self._take_all(name)
        await self._journal.flush()  # then what was put down can be written
        for host in self._directory.hosts():
            if host.poses is not None:
                host.poses.land()
        await self._owners.finish(user_id)
        await self._journal.flush()

    async def _take_all(self, name: DocumentName) -> None:
        """What was received of a room; long updates are applied to the end (ROM-16)."""
        is_applying = True
        while is_applying and (host := self._directory.find(name)) is not None:
            host.run_turn()
            is_applying = host.room.is_applying
            if self._journal.is_full:
                await self._journal.flush()
            await asyncio.sleep(0)
