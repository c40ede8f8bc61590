"""A document's log told once more: which rows and which history its objects should have (HST-9).

The same projector that tells live changes tells these (HST), so what comes out is what is stored,
or should have been. The history that is there says where gestures begin and what was a restore;
all else comes from the log. What is older than the log is taken as it is.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from crdt_docs.document import Document, StoredState
from crdt_docs.gestures import Author, ChangeKind, ObjectKey, Step
from crdt_docs.identifiers import ActorKind, DocumentName, Identity, kind_of
from crdt_docs.object_changes import ObjectChange, State
from crdt_docs.object_fields import project
from crdt_docs.object_kinds import ObjectKind
from crdt_docs.projection import is_projected_id
from crdt_docs.projector import Projector
from crdt_docs.recorded_gestures import Recorded, RecordedGestures
from crdt_docs.turn import Emitted
from persistence.inspection_ports import Base, LoggedUpdate, Moment, RebuiltRow
from persistence.object_ports import HistoryRow
from persistence.object_rows import stated
from persistence.object_tables import TABLES
from server.breath import Breath
from server.kept_history import Kept, Key, digest
from server.reading_ends import ReadingEnds

SERVER = Author(None, ActorKind.SERVICE)
"""Whose the changes are of which nobody knows any more whose they were."""


@dataclass(frozen=True, slots=True)
class Told:
    """A version that the log tells of."""

    kind: ObjectKind
    row: HistoryRow


@dataclass(slots=True)
class _Object:
    """An object, as far as it has been told.

    Attributes:
        is_known: its state is what it is, or was last; not so of what was deleted long ago.
        open: its newest version, if that can still be added to.
    """

    state: State
    version: int
    is_there: bool
    created_at: datetime
    updated_by: UUID | None
    updated_at: datetime
    agent_id: UUID | None = None
    is_known: bool = True
    open: HistoryRow | None = None


class Retelling:
    """Tells entry after entry. `take` what has been told as often as memory wants."""

    def __init__(
        self, document: Document, base: Base, authors: Mapping[int, UUID | None], kept: Kept
    ) -> None:
        """
        Args:
            document: loaded with its owners, as `base` has it; `settling` comes before the first
                entry.
            authors: who first introduced each client id.
        """
        self.objects: dict[Key, _Object] = {}
        self._document = document
        self._kept = kept
        self.base = base
        self._told: list[Told] = []
        self._noted: LoggedUpdate | None = None
        self._gestures = RecordedGestures(_recorded(kept))
        self._projector = Projector(document, dict(authors), self._gestures)
        self._ends = ReadingEnds(document, kept.versions)

    def tell(self, entry: LoggedUpdate) -> None:
        """The next entry.

        Raises:
            DocumentBroken: the CRDT failed on it.
        """
        noted = self._noted
        if noted is not None and self._ends.is_between(noted, entry, self._told_of):
            self._take_changes()
        self._document.apply([entry.update], b"")
        identity = Identity(entry.user_id, kind=entry.actor_kind)  # type: ignore[arg-type] # None: the server
        emitted = Emitted(entry.update, identity, (), taken_back=entry.taken_back)
        self._projector.note(emitted, entry.committed_at.timestamp())
        self._noted = entry

    def _told_of(self, key: Key) -> bytes | None:
        """What `digest` has for an object as it has been told."""
        each = self.objects.get(key)
        return digest(stated(each.state)) if each is not None and each.is_there else None

    def finish(self) -> None:
        """There are no more entries."""
        if self._noted is not None:
            self._take_changes()
        for (kind, _), each in self.objects.items():
            if each.open is not None:
                self._told.append(Told(kind, each.open))
                each.open = None

    def take(self) -> Sequence[Told]:
        """The versions that are complete, each object's in order."""
        told, self._told = self._told, []
        return told

    def row(self, key: Key) -> RebuiltRow:
        """The row that an object should have by now."""
        each = self.objects[key]
        return RebuiltRow(
            id=key[1],
            state=each.state if each.is_known else None,
            version=each.version,
            created_at=each.created_at,
            updated_by=each.updated_by,
            updated_at=each.updated_at,
            deleted_at=None if each.is_there else each.updated_at,
            agent_id=each.agent_id if TABLES[key[0]].by_agents else None,
        )

    def close(self) -> None:
        """Let go of the document."""
        self._document.close()

    # What is older than the log

    def settling(self) -> Iterator[None]:
        """Take all objects as they are, one at a time."""
        reader = self._document.objects()
        for root, kind in self._document.kinds.items():
            for identifier in reader.keys(root):
                value = reader.read(root, identifier)
                if value is not None and is_projected_id(identifier):
                    self._settle_object((kind, identifier), project(kind, value))
                yield
        for key in self._kept.versions:
            if key not in self.objects and self._kept.until(key, self.base.seq):
                self._settle_object(key, None)
            yield

    def _settle_object(self, key: Key, state: State | None) -> None:
        """An object as it was when the log began, or that was gone by then. Where its history does
        not lead there, it gets a version that nobody knows the author of."""
        versions = self._kept.until(key, self.base.seq)
        at = self.base.at
        each = _Object(state or TABLES[key[0]].blank, len(versions), False, at, None, at)  # noqa: FBT003 - is_there
        each.is_known = state is not None
        self.objects[key] = each
        last = versions[-1].row if versions else None
        if last is not None:
            each.is_there = last.change_type is not ChangeKind.DELETE
            each.created_at, each.updated_at = versions[0].row.changed_at, last.changed_until
            each.updated_by = last.changed_by.user_id
            row = self._kept.rows.get(key)
            if row is not None:
                each.created_at, each.updated_at = row.created_at, row.updated_at
                each.updated_by, each.agent_id = row.updated_by, row.agent_id
        is_there = state is not None
        if each.is_there == is_there or (last and last.change_type is ChangeKind.RESTORE):
            each.is_there = is_there
            return
        kind = ChangeKind.CREATE if is_there else ChangeKind.DELETE
        step = Step(True, kind, SERVER, (), None)  # noqa: FBT003 - a record
        change = ObjectChange(key[0], key[1], state, SERVER, step)
        self._begin(each, change, self.base.seq, at)
        each.is_there = is_there

    # Changes

    def _take_changes(self) -> None:
        noted, self._noted = self._noted, None
        assert noted is not None  # noqa: S101 - for the type checker
        self._gestures.seq = noted.seq
        for change in self._projector.take():
            self._apply(change, noted.seq, noted.committed_at)

    def _apply(self, change: ObjectChange, seq: int, at: datetime) -> None:
        key = (change.kind, change.id)
        each = self.objects.get(key)
        if each is None:
            blank = TABLES[change.kind].blank
            each = self.objects[key] = _Object(blank, 0, False, at, None, at)  # noqa: FBT003 - is_there
        if change.step.starts or not each.version:
            self._begin(each, change, seq, at)
        elif each.open is not None:
            each.open = replace(
                each.open,
                contributors=change.step.contributors,
                relayed_by=change.step.relayed_by,
                changed_until=at,
            )
        if change.state is not None:
            each.state, each.is_known = change.state, True
        each.is_there = change.state is not None
        each.updated_by, each.updated_at = change.author.user_id, at

    def _begin(self, each: _Object, change: ObjectChange, seq: int, at: datetime) -> None:
        step = change.step
        if each.open is not None:
            self._told.append(Told(change.kind, each.open))
        if step.kind is ChangeKind.CREATE:
            each.created_at = at
            is_agent = step.changed_by.kind is ActorKind.AGENT
            each.agent_id = step.changed_by.user_id if is_agent else None
        each.version += 1
        each.open = HistoryRow(
            object_id=change.id,
            version=each.version,
            change_type=step.kind,
            previous_state=stated(each.state) if each.is_there else {},
            changed_by=step.changed_by,
            contributors=step.contributors,
            relayed_by=step.relayed_by,
            changed_at=at,
            changed_until=at,
            update_seq=seq,
        )


async def begin_retelling(moment: Moment, name: DocumentName, base: Base, kept: Kept) -> Retelling:
    """Load the document as its log begins.

    Raises:
        DocumentBroken: what is kept of that cannot be applied.
        SequenceGap: its log is damaged.
    """
    stored = await moment.document()
    document, breath = Document(kind=kind_of(name), with_owners=True), Breath()
    for _ in document.loading(StoredState(state=base.state)):
        await breath.take()
    retelling = Retelling(document, base, stored.authors, kept)
    for _ in retelling.settling():
        await breath.take()
    return retelling


async def tell_all(moment: Moment, retelling: Retelling) -> AsyncGenerator[Told]:
    """Tell the whole log; the versions of each object come in order.

    Raises:
        DocumentBroken: the CRDT failed on an entry.
    """
    breath = Breath()
    async with aclosing(moment.log(after=retelling.base.seq)) as log:
        async for entry in log:
            retelling.tell(entry)
            for told in retelling.take():
                yield told
            await breath.take()
    retelling.finish()
    for told in retelling.take():
        yield told


def _recorded(kept: Kept) -> Mapping[ObjectKey, Sequence[Recorded]]:
    return {
        key: [
            Recorded(row.update_seq, row.changed_until.timestamp(), row.change_type)
            for row, _ in versions
        ]
        for key, versions in kept.versions.items()
    }
