"""Documents in memory, and how they were: what `memory_store` keeps, and the reference of
`archive_ports.Archive`."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID, uuid4

from crdt_docs.identifiers import DocumentName
from persistence.archive_ports import (
    MAX_NAMED,
    MAX_PAST_BYTES,
    REMOVED_AT_ONCE,
    AtSeq,
    AtTime,
    Merge,
    Moment,
    NamedSnapshot,
    PastDocument,
    PastTooLarge,
    TooManySnapshots,
    UnknownMoment,
    UnknownSnapshot,
)
from persistence.checkpoints import Kept, day_after, day_of, stays, way_to
from persistence.cursors import decode_cursor, encode_cursor
from persistence.memory_names import names
from persistence.ports import Commit, Page, Snapshot


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A whole document, and when its last entry was committed."""

    at: datetime
    state: bytes


@dataclass(slots=True)
class MemoryDocument:
    """One document.

    Attributes:
        log: what is kept of it: the entry `seq` is at index `seq - 1 - removed`.
        times: when its entries were committed.
        removed: entries that were merged into checkpoints.
        created_at: time of the first entry.
        view: what all of it looks like as JSON, and where in the log.
        has_lost_changes: rows of its objects are not what the log says.
    """

    log: list[Commit] = field(default_factory=list)
    times: list[datetime] = field(default_factory=list)
    removed: int = 0
    created_at: datetime | None = None
    snapshot: Snapshot | None = None
    authors: dict[int, UUID | None] = field(default_factory=dict)
    checkpoints: dict[int, Checkpoint] = field(default_factory=dict)
    named: dict[UUID, NamedSnapshot] = field(default_factory=dict)
    view: tuple[int, bytes] = (0, b"")
    has_lost_changes: bool = False

    @property
    def last_seq(self) -> int:
        """How long the log is, with what was merged."""
        return self.removed + len(self.log)

    @property
    def snapshot_seq(self) -> int:
        """Where the current snapshot is; 0 without one."""
        return self.snapshot.seq if self.snapshot else 0

    @property
    def kept(self) -> Kept:
        """What is left of the log."""
        return Kept(self.removed + 1, self.last_seq)

    def append(self, commit: Commit, now: datetime) -> None:
        """The next entry of the log."""
        self.log.append(commit)
        self.times.append(now)
        self.created_at = self.created_at or now

    def entries(self, after: int, to: int) -> list[Commit]:
        """Those after a position, up to another, as far as they are kept."""
        return self.log[max(after - self.removed, 0) : max(to - self.removed, 0)]

    def find(self, seq: int) -> Commit | None:
        """One entry; None when it is gone, or not there yet."""
        return self.log[seq - 1 - self.removed] if self.removed < seq <= self.last_seq else None

    def time_of(self, seq: int) -> datetime | None:
        """When an entry was committed, as far as that is still known."""
        if self.removed < seq <= self.last_seq:
            return self.times[seq - 1 - self.removed]
        checkpoint = self.checkpoints.get(seq)
        return checkpoint.at if checkpoint else None

    def names(self, user_id: UUID) -> bool:
        """Whether somebody is in its log."""
        return (
            any(entry.user_id == user_id for entry in self.log)
            or user_id in self.authors.values()
            or any(named.created_by == user_id for named in self.named.values())
        )

    def put_alias(self, user_id: UUID, alias: UUID) -> int:
        """Put an alias in somebody's place; how often."""
        count = 0
        for index, entry in enumerate(self.log):
            if entry.user_id == user_id:
                self.log[index] = entry._replace(user_id=alias)
                count += 1
        for client, author in self.authors.items():
            if author == user_id:
                self.authors[client] = alias
                count += 1
        for identifier, named in self.named.items():
            if named.created_by == user_id:
                self.named[identifier] = replace(named, created_by=alias)
                count += 1
        return count

    def replace_snapshot(self, snapshot: Snapshot) -> None:
        """Take a newer snapshot; the one before may stay as a checkpoint."""
        before, self.snapshot = self.snapshot, snapshot
        if before is None or self.find(before.seq) is None:
            return
        last = max((seq for seq in self.checkpoints if seq <= before.seq), default=0)
        since = self.entries(last, before.seq)
        at, replaced_at = self.time_of(before.seq), self.time_of(snapshot.seq)
        assert at is not None  # noqa: S101 - for the type checker: its entry is there
        if stays(
            updates=before.seq - last,
            size=sum(len(entry.update) for entry in since),
            state=len(before.state),
            at=at,
            replaced_at=replaced_at or at,
        ):
            self.checkpoints.setdefault(before.seq, Checkpoint(at, before.state))

    def state_at(self, seq: int) -> bytes | None:
        """A kept state."""
        if self.snapshot is not None and self.snapshot.seq == seq:
            return self.snapshot.state
        checkpoint = self.checkpoints.get(seq)
        return checkpoint.state if checkpoint else None


class MemoryArchive:
    """`archive_ports.Archive` in memory, over the documents of `memory_store`."""

    def __init__(
        self, documents: dict[DocumentName, MemoryDocument], clock: Callable[[], datetime]
    ) -> None:
        self._documents = documents
        self._clock = clock

    def _find(self, document: DocumentName) -> MemoryDocument:
        return self._documents.get(document) or MemoryDocument()

    async def past(
        self, document: DocumentName, moment: Moment, *, known_seq: int | None = None
    ) -> PastDocument:
        """See `archive_ports.Archive.past`."""
        stored = self._find(document)
        seq, is_rounded = _position(stored, moment)
        bases = [at for at in (*stored.checkpoints, stored.snapshot_seq) if at <= seq]
        way = way_to(
            seq, stored.kept, base=max(bases, default=0), known=known_seq, is_rounded=is_rounded
        )
        past = PastDocument(
            seq=way.seq,
            at=stored.time_of(way.seq),
            state=None if way.is_known else stored.state_at(way.after),
            after=way.after,
            tail=tuple(entry.update for entry in stored.entries(way.after, way.seq)),
            is_rounded=way.is_rounded,
        )
        if past.size > MAX_PAST_BYTES:
            raise PastTooLarge(f"{past.size} bytes lead to that moment")
        return past

    async def keep(self, document: DocumentName, seq: int, state: bytes) -> bool:
        """See `archive_ports.Archive.keep`."""
        stored = self._find(document)
        at = stored.time_of(seq)
        if at is not None:
            stored.checkpoints.setdefault(seq, Checkpoint(at, state))
        return at is not None

    async def keep_view(self, document: DocumentName, seq: int, view: bytes) -> None:
        """See `archive_ports.Archive.keep_view`."""
        stored = self._find(document)
        if stored.last_seq == seq:
            stored.view = (seq, view)

    async def viewed_seq(self, document: DocumentName) -> int:
        """See `archive_ports.Archive.viewed_seq`."""
        return self._find(document).view[0]

    async def view(self, document: DocumentName) -> bytes | None:
        """See `archive_ports.Archive.view`."""
        stored = self._find(document)
        seq, view = stored.view
        return view if 0 < seq == stored.last_seq else None

    async def last_seq(self, document: DocumentName) -> int:
        """See `archive_ports.Archive.last_seq`."""
        return self._find(document).last_seq

    async def name(
        self, document: DocumentName, seq: int, label: str, created_by: UUID | None
    ) -> NamedSnapshot:
        """See `archive_ports.Archive.name`."""
        stored = self._find(document)
        at = stored.time_of(seq)
        if at is None:
            raise UnknownMoment(f"{document} has no position {seq}")
        if len(stored.named) >= MAX_NAMED:
            raise TooManySnapshots(f"{MAX_NAMED} snapshots have names")
        named = NamedSnapshot(uuid4(), label, seq, at, created_by, self._clock())
        stored.named[named.id] = named
        return named

    async def named(
        self, document: DocumentName, *, limit: int = 50, cursor: str | None = None
    ) -> Page[NamedSnapshot]:
        """See `archive_ports.Archive.named`."""
        before = decode_cursor(cursor) if cursor is not None else None
        newest_first = sorted(self._find(document).named.values(), key=_list_key, reverse=True)
        rest = [each for each in newest_first if before is None or _list_key(each) < before]
        items = tuple(rest[:limit])
        more = len(rest) > len(items) > 0
        return Page(items, encode_cursor(*_list_key(items[-1])) if more else None)

    def labels_that_mention(self, user_id: UUID) -> list[DocumentName]:
        """Documents of which a named snapshot names somebody."""
        return [
            document
            for document, stored in self._documents.items()
            if any(names(named.label, user_id) for named in stored.named.values())
        ]

    async def find_named(self, document: DocumentName, snapshot_id: UUID) -> NamedSnapshot | None:
        """See `archive_ports.Archive.find_named`."""
        return self._find(document).named.get(snapshot_id)

    async def forget_named(self, document: DocumentName, snapshot_id: UUID) -> bool:
        """See `archive_ports.Archive.forget_named`."""
        return self._find(document).named.pop(snapshot_id, None) is not None

    async def due(
        self, before: datetime, *, after: DocumentName | None = None, limit: int = 100
    ) -> Sequence[DocumentName]:
        """See `archive_ports.Archive.due`."""
        names = sorted(
            name
            for name, stored in self._documents.items()
            if (after is None or name > after)
            and stored.times
            and stored.times[0] < before
            and stored.snapshot_seq > stored.removed
        )
        return names[:limit]

    async def next_merge(self, document: DocumentName, before: datetime) -> Merge | None:
        """See `archive_ports.Archive.next_merge`."""
        stored = self._find(document)
        if not stored.times or stored.snapshot_seq <= stored.removed:
            return None
        day_end = day_after(stored.times[0])
        if day_end > before:
            return None
        of_day = stored.removed + bisect_left(stored.times, day_end)
        seq = min(of_day, stored.snapshot_seq)
        lacking = [
            each.seq
            for each in stored.named.values()
            if stored.removed < each.seq <= seq and each.seq not in stored.checkpoints
        ]
        seq = min(lacking, default=seq)
        if stored.snapshot is not None and stored.snapshot.seq == seq:
            await self.keep(document, seq, stored.snapshot.state)
        return Merge(seq, seq in stored.checkpoints)

    async def remove_merged(self, document: DocumentName, seq: int) -> int:
        """See `archive_ports.Archive.remove_merged`."""
        stored = self._find(document)
        checkpoint = stored.checkpoints.get(seq)
        if checkpoint is None or seq > stored.snapshot_seq:
            return 0
        count = min(max(seq - stored.removed, 0), REMOVED_AT_ONCE)
        del stored.log[:count], stored.times[:count]
        stored.removed += count
        if count and stored.removed >= seq:
            names = {each.seq for each in stored.named.values()}
            for other, kept in list(stored.checkpoints.items()):
                if other < seq and kept.at >= day_of(checkpoint.at) and other not in names:
                    del stored.checkpoints[other]
        return count


def _position(stored: MemoryDocument, moment: Moment) -> tuple[int, bool]:
    """Which position is meant, and whether it is not quite what was asked for."""
    match moment:
        case AtSeq(seq):
            if seq > stored.last_seq:
                raise UnknownMoment(f"the log ends at {stored.last_seq}")
            return seq, False
        case AtTime(at):
            return _position_at(stored, at)
        case _:
            named = stored.named.get(moment.id)
            if named is None:
                raise UnknownSnapshot(f"no snapshot {moment.id}")
            return named.seq, False


def _position_at(stored: MemoryDocument, at: datetime) -> tuple[int, bool]:
    entries = bisect_right(stored.times, at)
    if entries or not stored.removed:
        return stored.removed + entries, False
    if stored.created_at is not None and at < stored.created_at:
        return 0, False
    seq = max((seq for seq, kept in stored.checkpoints.items() if kept.at <= at), default=0)
    return seq, seq != stored.removed


def _list_key(named: NamedSnapshot) -> tuple[datetime, UUID]:
    return named.created_at, named.id
