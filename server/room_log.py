"""What the journal is told of one room: every update, and later what it did to objects."""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from crdt_docs.document import is_panic
from crdt_docs.identifiers import DocumentName
from crdt_docs.object_changes import ObjectChange
from crdt_docs.room import Room
from crdt_docs.turn import Emitted
from persistence.ports import Commit, Journal
from server.counters import Counters
from server.heavy_work import heavy_work
from server.poison_list import READING

log = structlog.get_logger(__name__)


class RoomLog:
    """Numbers what a room emits and hands it to the journal; its `ChangeSource`.

    Attributes:
        last_seq: number of the newest update.
        position: where that is in the journal.
        updates_since_snapshot: how many came after the last one; `bytes_since_snapshot` likewise.
        has_lost_changes: rows of objects are not what the log says.
    """

    def __init__(
        self,
        name: DocumentName,
        room: Room,
        *,
        last_seq: int,
        journal: Journal,
        counters: Counters,
    ) -> None:
        """
        Args:
            last_seq: of what is stored.
        """
        self.last_seq = last_seq
        self.position = 0
        self.updates_since_snapshot = 0
        self.bytes_since_snapshot = 0
        self.has_lost_changes = False
        self._name = name
        self._room = room
        self._journal = journal
        self._counters = counters

    @property
    def wants_snapshot(self) -> bool:
        """Whether there is news for one, and opening it would not be worse (ROM-18)."""
        return self.updates_since_snapshot > 0 and not self._room.document.is_laborious

    def was_opened_with(self, tail: Sequence[bytes]) -> None:
        """These updates came after the snapshot that the document was opened from."""
        self.updates_since_snapshot = len(tail)
        self.bytes_since_snapshot = sum(map(len, tail))

    def append(self, emitted: Sequence[Emitted]) -> None:
        """Hand on what a turn emitted."""
        if not emitted:
            return
        commits = [self._commit(each) for each in emitted]
        source = None if self._room.projector is None else self
        self.position = self._journal.append(commits, source)
        self._counters.commits += len(commits)

    def _commit(self, emitted: Emitted) -> Commit:
        self.last_seq += 1
        self.updates_since_snapshot += 1
        self.bytes_since_snapshot += len(emitted.update)
        return Commit(
            document=self._name,
            seq=self.last_seq,
            update=emitted.update,
            user_id=emitted.author.user_id,
            actor_kind=emitted.author.kind,
            introduced=emitted.introduced,
            by_server=emitted.by_server,
            of_nobody=emitted.of_nobody,
            taken_back=emitted.taken_back,
        )

    def take_changes(self) -> tuple[ObjectChange, ...]:
        """See `persistence.ports.ChangeSource`."""
        projector = self._room.projector
        if projector is None:
            return ()
        if self._room.is_broken:  # what it holds is not what was appended
            self.has_lost_changes = True
            return ()
        fence = self._room.document.fence
        what = READING + self._name.encode()
        if fence.is_poisoned(what):  # the log goes on without rows
            self._lose_changes()
            log.error("reading these objects has stopped the server before", document=self._name)
            return ()
        try:
            with heavy_work(fence, what, self._room.size):
                return projector.take()
        except BaseException as error:
            if not isinstance(error, Exception) and not is_panic(error):
                raise
            # Rows are not worth the log: they can be made again from it. But what belongs to
            # which object is not known any more.
            self._lose_changes()
            self._counters.failed_projections += 1
            log.exception("changed objects could not be read", document=self._name)
            return ()

    def _lose_changes(self) -> None:
        """From now on what changes is not known; nor whether it keeps to the rules (RUL-7)."""
        self._room.lose_objects()
        self.has_lost_changes = True
