"""Documents as they are now, for REST: open rooms, with the edits that are not stored yet."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from pycrdt import Doc

from crdt_docs.access import Role
from crdt_docs.document import DocumentBroken, Fence, NoFence
from crdt_docs.identifiers import DocumentName, Identity, kind_of
from crdt_docs.messages import CloseCode
from crdt_docs.ownership import Entry
from server.heavy_work import heavy_work
from server.poison_list import SHOWING
from server.rest.ports import Edited, Readiness
from server.room_directory import RoomDirectory
from server.room_host import RoomHost

T = TypeVar("T")


class LiveRooms:
    """`rest.ports.LiveDocuments` over the room directory."""

    def __init__(
        self,
        directory: RoomDirectory,
        *,
        backlog: Callable[[], tuple[int, bool]],
        is_database_up: Callable[[], bool],
        fence: Fence | None = None,
    ) -> None:
        """
        Args:
            backlog: bytes that wait for the database, and whether no more may.
        """
        self._directory = directory
        self._backlog = backlog
        self._is_database_up = is_database_up
        self._fence = fence or NoFence()

    def is_at_rest(self, document: DocumentName) -> bool:
        """See `rest.ports.LiveDocuments.is_at_rest`."""
        return self._directory.is_at_rest(document)

    async def state(self, document: DocumentName) -> dict[str, object]:
        """See `rest.ports.LiveDocuments.state`."""
        host = await self._opened(document)
        kind = kind_of(document)
        with self._showing(host):
            return host.room.document.to_json(kind)

    async def state_update(self, document: DocumentName) -> bytes:
        """See `rest.ports.LiveDocuments.state_update`."""
        host = await self._opened(document)
        with self._showing(host):
            return host.room.document.full_state()

    async def edit(
        self,
        document: DocumentName,
        identity: Identity,
        change: Callable[[Doc[Any]], T],
        *,
        is_restore: bool = False,
        may_grow: bool = True,
        role: Role = Role.HOST,
        entries: Iterable[Entry] = (),
        is_moving: bool = False,
        within: float = 5.0,
    ) -> Edited[T]:
        """See `rest.ports.LiveDocuments.edit`."""
        host = await self._opened(document)
        host.room.check_edit(identity.user_id, role, entries, is_moving=is_moving)
        result = host.edit(identity, change, is_restore=is_restore, may_grow=may_grow)
        position, seq = host.log.position, host.log.last_seq
        return Edited(result, await self._directory.stored(document, position, within), seq)

    @contextmanager
    def _showing(self, host: RoomHost) -> Iterator[None]:
        """ROM-17; and ROM-15: what stopped a worker is not tried again."""
        what = SHOWING + host.name.encode()
        if self._fence.is_poisoned(what):
            raise DocumentBroken("showing this document has stopped the server before")
        with heavy_work(self._fence, what, host.room.size):
            yield

    async def _opened(self, document: DocumentName) -> RoomHost:
        host = await self._directory.open(document)
        host.run_turn()  # what was received before this request belongs to the answer
        if host.room.is_broken:
            host = await self._directory.open(document)
        return host

    async def all_stored(self, document: DocumentName, within: float = 5.0) -> bool:
        """See `rest.ports.LiveDocuments.all_stored`."""
        host = self._directory.find(document)
        if host is None:
            return self._directory.is_at_rest(document)
        host.run_turn()
        return await self._directory.stored(document, host.log.position, within)

    async def renew_rules(self, document: DocumentName) -> None:
        """See `rest.ports.LiveDocuments.renew_rules`."""
        await self._directory.renew_rules(document)

    async def close_document(self, document: DocumentName, code: int, reason: str) -> None:
        """See `rest.ports.LiveDocuments.close_document`."""
        await self._directory.close_document(document, CloseCode(code), reason)

    def readiness(self) -> Readiness:
        """See `rest.ports.LiveDocuments.readiness`."""
        size, is_full = self._backlog()
        return Readiness(
            database=self._is_database_up(),
            backlog_bytes=size,
            backlog_full=is_full,
            rooms=self._directory.rooms,
            connections=self._directory.connections,
        )
