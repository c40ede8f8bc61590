"""What is stored of an open room besides its log: snapshots, and views of large documents."""

from __future__ import annotations

from collections.abc import Callable

import orjson

from crdt_docs.document import Fence
from crdt_docs.identifiers import DocumentKind
from persistence.archive_ports import Archive
from persistence.ports import DocumentStore, Journal, Snapshot
from server.heavy_work import heavy_work
from server.poison_list import SHOWING
from server.room_host import RoomHost

VIEWED_FROM_BYTES = 256 * 1024
"""Size of documents whose views are kept: smaller ones are opened in a few milliseconds."""


class RoomKeeping:
    """Stores it.

    Every method may raise `StorageUnavailable`: then nothing is stored, and may be later.
    """

    def __init__(
        self,
        store: DocumentStore,
        journal: Journal,
        archive: Archive | None,
        fence: Fence,
        is_open: Callable[[RoomHost], bool],
    ) -> None:
        """
        Args:
            archive: where views are kept (PST-11).
            is_open: whether a room is still the one of its document. Otherwise storage may have
                refused some of what it holds.
        """
        self._store = store
        self._journal = journal
        self._archive = archive
        self._fence = fence
        self._is_open = is_open

    async def compact(self, host: RoomHost) -> None:
        """Store a snapshot, so that opening reads a short tail. The log stays whole."""
        host.run_turn()
        if host.room.is_broken:
            return  # what it holds may not be what was stored
        self._journal.seal(host.name)  # until then it is not known what belongs to which object
        snapshot = self._snapshot_of(host)
        updates, size = host.log.updates_since_snapshot, host.log.bytes_since_snapshot
        await self._journal.flush()
        if not self._is_open(host):
            return  # the log may not be what the snapshot holds
        await self._store.save_snapshot(host.name, snapshot)
        host.log.updates_since_snapshot -= updates
        host.log.bytes_since_snapshot -= size

    def _snapshot_of(self, host: RoomHost) -> Snapshot:
        """The document as it is now, with everything up to the log's `last_seq`."""
        document = host.room.document
        with heavy_work(self._fence, f"storing {host.name}".encode(), host.room.size):
            return Snapshot(host.log.last_seq, document.full_state(), document.structure())

    async def keep_view(self, host: RoomHost) -> None:
        """Keep what a large document looks like: it need not be opened for that (PST-11)."""
        if self._archive is None or host.room.is_broken or host.room.size < VIEWED_FROM_BYTES:
            return
        if not self._is_open(host):
            return  # as with snapshots
        what = SHOWING + host.name.encode()
        if self._fence.is_poisoned(what):
            return
        if await self._archive.viewed_seq(host.name) == host.log.last_seq:
            return
        seq = host.log.last_seq
        with heavy_work(self._fence, what, host.room.size):
            roots = host.room.document.to_json(DocumentKind(host.name.partition("/")[0]))
        await self._archive.keep_view(host.name, seq, orjson.dumps(roots))
