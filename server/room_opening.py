"""What opening a room takes: its log is read, its rows made sound, its document loaded in steps."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import structlog

from crdt_docs.document import Document, DocumentBroken, Fence, StoredState
from crdt_docs.identifiers import DocumentKind, DocumentName, kind_of
from crdt_docs.object_kinds import kinds_in
from crdt_docs.pacing import Pacing
from crdt_docs.pose_rates import PoseSettings
from crdt_docs.projector import Projector
from crdt_docs.room import Room
from crdt_docs.room_limits import RoomLimits
from persistence.ports import DocumentStore, Journal, StorageUnavailable, StoredDocument
from server.breath import advance
from server.counters import Counters
from server.heavy_work import heavy_work
from server.poison_list import OPENING, READING
from server.pose_host import PoseHost
from server.room_host import HostSettings, Renewing, RoomHost
from server.room_rules import RulesReader
from server.witness import Witness

log = structlog.get_logger(__name__)

REPAIRED_AT_ONCE = 2 * 1024 * 1024
"""Bytes of a document up to which its rows are made anew when it is opened: comparing them reads
all of its objects, and one of them may be most of the document (PRJ-7)."""

UNSOUND = "rows of objects or their history are not what the log says: run collab rebuild"
"""Said at each opening until somebody has."""


class RoomOpening:
    """Opens rooms; which are open is not its business."""

    def __init__(
        self,
        store: DocumentStore,
        journal: Journal,
        *,
        rules: RulesReader,
        fence: Fence,
        counters: Counters,
        limits: RoomLimits,
        pacing: Pacing,
        poses: PoseSettings,
        host_settings: HostSettings,
        on_broken: Callable[[RoomHost], None],
        renewing: Renewing | None,
        witness: Witness | None,
        repair: Callable[[DocumentName], Awaitable[object]] | None,
    ) -> None:
        """See `RoomDirectory` and `RoomHost`."""
        self._store = store
        self._journal = journal
        self._rules = rules
        self._fence = fence
        self._counters = counters
        self._limits = limits
        self._pacing = pacing
        self._poses = poses
        self._host_settings = host_settings
        self._on_broken = on_broken
        self._renewing = renewing
        self._witness = witness
        self._repair = repair
        self._unsound: set[DocumentName] = set()
        self._laborious: set[DocumentName] = set()  # going through their logs takes too long

    def doubt_rows(self, name: DocumentName) -> None:
        """Rows of this document were lost with its room: they are mended when it is opened."""
        self._unsound.add(name)

    async def open(self, name: DocumentName) -> RoomHost:
        """A new room for a document that is in none.

        Raises:
            StorageUnavailable: the document could not be read.
            DocumentBroken: what is stored cannot be opened; it is left as it is.
        """
        if self._fence.is_poisoned(OPENING + name.encode()):
            # ROM-15: it has cost everybody one reconnect, and must not cost another.
            log.error("a document whose opening stopped a worker is left closed", document=name)
            raise DocumentBroken("opening this document has stopped the server before")
        stored = await self._store.load(name)
        if stored.has_lost_changes:
            self.doubt_rows(name)
        state = stored.state()
        await self._make_sound(name, state.size)
        ruled = await self._rules.read(name)
        try:
            document = await self._open_document(name, state)
        except DocumentBroken:
            log.exception("a stored document cannot be opened", document=name)
            raise
        room = self._room(name, document, stored)
        room.obey(ruled.rules, ruled.creators)
        return self._host(name, room, stored)

    async def _make_sound(self, name: DocumentName, size: int) -> None:
        """HST-8: rows that were lost with a room are made from the log."""
        if name not in self._unsound or self._repair is None:
            return
        is_too_much = size > REPAIRED_AT_ONCE or name in self._laborious
        if is_too_much or self._fence.is_poisoned(READING + name.encode()):
            log.error(UNSOUND, document=name)
            return
        try:
            await self._repair(name)
            await self._store.note_repaired(name)
        except StorageUnavailable:
            raise
        except TimeoutError:
            self._laborious.add(name)
            log.exception(UNSOUND, document=name)
        except Exception:
            log.exception("rows of objects are not what the log says", document=name)
        self._unsound.discard(name)

    async def _open_document(self, name: DocumentName, state: StoredState) -> Document:
        """Load it in steps, between which other rooms are served (ROM-17)."""
        # Seconds of this thread: others who want the processor are not the document's fault.
        document = Document(
            fence=self._fence,
            clock=time.thread_time,
            kind=kind_of(name),
            with_owners=_has_rows(name),
        )
        steps = document.loading(state)
        try:
            while True:
                with heavy_work(self._fence, OPENING + name.encode(), state.size):
                    is_open = advance(steps)
                if is_open:
                    return document
                await asyncio.sleep(0)
        except BaseException:
            document.close()
            raise

    def _projector(
        self, name: DocumentName, document: Document, stored: StoredDocument
    ) -> Projector:
        with heavy_work(self._fence, OPENING + name.encode(), document.stored_size):
            return Projector(document, dict(stored.authors), clock=time.thread_time)

    def _room(self, name: DocumentName, document: Document, stored: StoredDocument) -> Room:
        return Room(
            document=document,
            projector=self._projector(name, document, stored) if _has_rows(name) else None,
            authors=stored.authors,
            limits=self._limits,
            pacing=self._pacing,
            has_places=_has_poses(name),
            now=time.monotonic(),
            clock=time.monotonic,
        )

    def _host(self, name: DocumentName, room: Room, stored: StoredDocument) -> RoomHost:
        host = RoomHost(
            name,
            room,
            last_seq=stored.last_seq,
            journal=self._journal,
            counters=self._counters,
            settings=self._host_settings,
            on_broken=self._on_broken,
            renewing=self._renewing,
            witness=self._witness,
        )
        if _has_poses(name):
            host.poses = PoseHost(host, self._counters, self._poses)
        host.log.was_opened_with(stored.tail)
        return host


def _has_rows(name: DocumentName) -> bool:
    """Whether the objects of this document have tables."""
    return bool(kinds_in(name))


def _has_poses(name: DocumentName) -> bool:
    """Whether there are headsets in this document's room."""
    return name.startswith(f"{DocumentKind.XR.value}/")
