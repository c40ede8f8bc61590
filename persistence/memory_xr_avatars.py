"""Avatars in memory."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from uuid import UUID

from persistence.memory_store import MemorySwitches
from persistence.memory_xr_tables import MemoryXrTables
from persistence.pages import page_of_items
from persistence.ports import Page
from persistence.xr_people_ports import Avatar, AvatarChanges


class MemoryAvatarStore(MemorySwitches):
    """`xr_people_ports.AvatarStore` in memory."""

    def __init__(self, tables: MemoryXrTables) -> None:
        super().__init__()
        self._avatars = tables.avatars

    async def create(self, avatar: Avatar) -> None:
        """See `xr_people_ports.AvatarStore.create`."""
        await self._enter()
        if avatar.id not in self._avatars:
            self._put(avatar)
        self._leave()

    async def get(self, avatar_id: UUID) -> Avatar | None:
        """See `xr_people_ports.AvatarStore.get`."""
        await self._enter()
        avatar = self._avatars.get(avatar_id)
        self._leave()
        return avatar

    async def default_of(self, user_id: UUID) -> Avatar | None:
        """See `xr_people_ports.AvatarStore.default_of`."""
        await self._enter()
        found = next((each for each in self._of(user_id) if each.is_default), None)
        self._leave()
        return found

    async def of_user(
        self, user_id: UUID, *, limit: int = 50, cursor: str | None = None
    ) -> Page[Avatar]:
        """See `xr_people_ports.AvatarStore.of_user`."""
        await self._enter()
        page = page_of_items(self._of(user_id), _key, limit=limit, cursor=cursor, newest_first=True)
        self._leave()
        return page

    async def change(self, avatar_id: UUID, changes: AvatarChanges) -> Avatar | None:
        """See `xr_people_ports.AvatarStore.change`."""
        await self._enter()
        avatar = self._avatars.get(avatar_id)
        if avatar is not None:
            avatar = replace(avatar, **changes)
            self._put(avatar)
        self._leave()
        return avatar

    async def delete(self, avatar_id: UUID) -> bool:
        """See `xr_people_ports.AvatarStore.delete`."""
        await self._enter()
        found = self._avatars.pop(avatar_id, None)
        self._leave()
        return found is not None

    def _put(self, avatar: Avatar) -> None:
        """Store it; if it is the default, no other of this person is (XRS-6)."""
        if avatar.is_default:
            for other in self._of(avatar.user_id):
                self._avatars[other.id] = replace(other, is_default=False)
        self._avatars[avatar.id] = avatar

    def _of(self, user_id: UUID) -> list[Avatar]:
        return [avatar for avatar in self._avatars.values() if avatar.user_id == user_id]


def _key(avatar: Avatar) -> tuple[datetime, UUID]:
    return avatar.created_at, avatar.id
