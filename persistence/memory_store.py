"""Documents and sessions in memory: for tests, demonstrations, and as the ports' reference.

Nothing is copied or persisted; both stores keep exactly the promises of `ports`, and the contract
suite holds them to it together with PostgreSQL's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from uuid import UUID

from crdt_docs.identifiers import DocumentName
from persistence.batches import check_consecutive
from persistence.errors import LogConflict, SequenceGap
from persistence.memory_archive import MemoryArchive, MemoryDocument
from persistence.memory_inspection import MemoryInspection
from persistence.memory_lookup import MemoryObjectLookup
from persistence.ports import (
    Commit,
    Snapshot,
    StorageUnavailable,
    StoredDocument,
)


class MemorySwitches:
    """What a test can do to a store in memory.

    Attributes:
        fail_with: raised by every call while set, before anything is read or changed.
        lose_answers: calls take effect, and then raise StorageUnavailable, as when a connection
            breaks between the commit and its answer.
    """

    def __init__(self) -> None:
        self.fail_with: BaseException | None = None
        self.lose_answers = False
        self._open = asyncio.Event()
        self._open.set()
        self._arrived = asyncio.Event()

    def pause(self) -> None:
        """Let every call wait, as a database does that hangs."""
        self._open.clear()

    def resume(self) -> None:
        """Let the calls that wait go on, and later ones not wait."""
        self._open.set()

    async def until_called(self) -> None:
        """Return at the next call (also one that waits or fails)."""
        self._arrived.clear()
        await self._arrived.wait()

    async def _enter(self) -> None:
        self._arrived.set()
        await self._open.wait()
        if self.fail_with is not None:
            raise self.fail_with

    def _leave(self) -> None:
        if self.lose_answers:
            raise StorageUnavailable("the answer was lost")


class MemoryDocumentStore(MemorySwitches):
    """`ports.DocumentStore` in memory.

    Attributes:
        transactions: commits that took effect, each a whole batch.
        objects: what the log's entries made of the documents' objects.
        archive: the documents as they were.
        inspection: the documents beside their rows.
    """

    def __init__(self, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        """Args:
        clock: the time of commits.
        """
        super().__init__()
        self.transactions = 0
        self.objects = MemoryObjectLookup()
        self._clock = clock
        self._documents: dict[DocumentName, MemoryDocument] = {}
        self.archive = MemoryArchive(self._documents, clock)
        self.inspection = MemoryInspection(self._documents, self.objects)

    async def load(self, document: DocumentName) -> StoredDocument:
        """See `ports.DocumentStore.load`."""
        await self._enter()
        stored = self._documents.get(document, MemoryDocument())
        tail = stored.entries(stored.snapshot_seq, stored.last_seq)
        result = StoredDocument(
            snapshot=stored.snapshot,
            tail=tuple(commit.update for commit in tail),
            last_seq=stored.last_seq,
            authors=dict(stored.authors),
            has_lost_changes=stored.has_lost_changes,
        )
        self._leave()
        return result

    async def commit(self, batch: Sequence[Commit]) -> None:
        """See `ports.DocumentStore.commit`.

        Raises:
            LogConflict: a position is taken by another update; nothing was stored.
            SequenceGap: a position does not follow on what is stored; nothing was stored.
        """
        await self._enter()
        self._check(batch)
        now = self._clock()
        for commit in batch:
            stored = self._documents.setdefault(commit.document, MemoryDocument())
            stored.has_lost_changes |= commit.has_lost_changes
            if commit.seq > stored.last_seq:
                logged = commit._replace(
                    changes=(), by_server=False, has_lost_changes=False, of_nobody=()
                )
                stored.append(logged, now)
                self.objects.store(commit, now)
                for client_id, user_id in commit.new_authors:
                    stored.authors.setdefault(client_id, user_id)
        self.transactions += 1
        self._leave()

    def _check(self, batch: Sequence[Commit]) -> None:
        """Refuse the whole batch before anything is changed: it is one transaction."""
        check_consecutive(batch)
        begun: set[DocumentName] = set()
        for commit in batch:
            stored = self._documents.get(commit.document, MemoryDocument())
            last, known = stored.last_seq, stored.find(commit.seq)
            if commit.document not in begun and commit.seq > last + 1:
                raise SequenceGap(f"{commit.document}: {commit.seq} does not follow on {last}")
            if known is not None and known.update != commit.update:
                raise LogConflict(f"{commit.document}: another update is stored at {commit.seq}")
            begun.add(commit.document)

    async def save_snapshot(self, document: DocumentName, snapshot: Snapshot) -> None:
        """See `ports.DocumentStore.save_snapshot`.

        Raises:
            SequenceGap: it contains more than the log does.
        """
        await self._enter()
        stored = self._documents.get(document, MemoryDocument())
        if snapshot.seq > stored.last_seq:
            raise SequenceGap(f"{document}: a snapshot at {snapshot.seq} is ahead of the log")
        if snapshot.seq > stored.snapshot_seq:
            stored.replace_snapshot(snapshot)
        self._leave()

    async def read_log(
        self, document: DocumentName, *, after: int = 0, limit: int = 1000
    ) -> Sequence[Commit]:
        """See `ports.DocumentStore.read_log`."""
        await self._enter()
        stored = self._documents.get(document, MemoryDocument())
        self._leave()
        return stored.entries(after, stored.last_seq)[:limit]

    async def note_repaired(self, document: DocumentName) -> None:
        """See `ports.DocumentStore.note_repaired`."""
        await self._enter()
        if document in self._documents:
            self._documents[document].has_lost_changes = False
        self._leave()

    def documents_of(self, user_id: UUID) -> list[DocumentName]:
        """Documents in whose log or rows somebody is."""
        of_rows = self.objects.documents_of(user_id)
        return [
            name
            for name, stored in self._documents.items()
            if stored.names(user_id) or name in of_rows
        ]

    def entries_of(self, document: DocumentName, user_id: UUID) -> list[Commit]:
        """The entries of a log that are somebody's."""
        stored = self._documents.get(document, MemoryDocument())
        return [entry for entry in stored.log if entry.user_id == user_id]

    def put_alias(self, document: DocumentName, user_id: UUID, alias: UUID) -> int:
        """Put an alias in somebody's place, in a log and the rows beside it; how often."""
        stored = self._documents.get(document)
        in_log = 0 if stored is None else stored.put_alias(user_id, alias)
        return in_log + self.objects.put_alias(document, user_id, alias)

    async def delete(self, document: DocumentName) -> None:
        """See `ports.DocumentStore.delete`."""
        await self._enter()
        self._documents.pop(document, None)
        self.objects.forget(document)
        self._leave()
