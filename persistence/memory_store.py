"""Documents and sessions in memory: for tests, demonstrations, and as the ports' reference.

Nothing is copied or persisted; both stores keep exactly the promises of `ports`, and the contract
suite holds them to it together with PostgreSQL's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

from crdt_docs.access import Role
from crdt_docs.identifiers import DocumentName
from persistence.batches import check_consecutive
from persistence.cursors import decode_cursor, encode_cursor
from persistence.errors import LogConflict, SequenceGap, UnknownSession
from persistence.memory_archive import MemoryArchive, MemoryDocument
from persistence.memory_objects import MemoryObjects
from persistence.object_rows import session_of
from persistence.ports import (
    Commit,
    Page,
    Participant,
    Session,
    SessionFilter,
    SessionStatus,
    Snapshot,
    Standing,
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
    """

    def __init__(self, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        """Args:
        clock: the time of commits.
        """
        super().__init__()
        self.transactions = 0
        self.objects = MemoryObjects()
        self._clock = clock
        self._documents: dict[DocumentName, MemoryDocument] = {}
        self.archive = MemoryArchive(self._documents, clock)

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
            if commit.seq > stored.last_seq:
                stored.append(commit._replace(changes=(), by_server=False), now)
                self.objects.store(commit, now)
                for client_id in commit.introduced:
                    stored.authors.setdefault(client_id, commit.introduced_by)
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

    async def delete(self, document: DocumentName) -> None:
        """See `ports.DocumentStore.delete`."""
        await self._enter()
        self._documents.pop(document, None)
        self.objects.forget(session_of(document))
        self._leave()


class MemorySessionStore(MemorySwitches):
    """`ports.SessionStore` in memory."""

    def __init__(self) -> None:
        super().__init__()
        self._sessions: dict[UUID, Session] = {}
        self._participants: dict[tuple[UUID, UUID], Participant] = {}

    async def create(self, session: Session) -> None:
        """See `ports.SessionStore.create`; an id that exists already is left as it is."""
        await self._enter()
        if session.id not in self._sessions:
            self._sessions[session.id] = session
            self._participants[session.id, session.host_user_id] = Participant(
                session.id, session.host_user_id, Role.HOST, session.started_at
            )
        self._leave()

    async def get(self, session_id: UUID) -> Session | None:
        """See `ports.SessionStore.get`."""
        await self._enter()
        session = self._live(session_id)
        self._leave()
        return session

    async def find(
        self, wanted: SessionFilter, *, limit: int = 50, cursor: str | None = None
    ) -> Page[Session]:
        """See `ports.SessionStore.find`."""
        await self._enter()
        before = decode_cursor(cursor) if cursor is not None else None
        newest_first = sorted(
            (session for session in self._sessions.values() if self._matches(session, wanted)),
            key=_list_key,
            reverse=True,
        )
        rest = [s for s in newest_first if before is None or _list_key(s) < before]
        items = tuple(rest[:limit])
        more = len(rest) > len(items)
        self._leave()
        return Page(items, encode_cursor(*_list_key(items[-1])) if more and items else None)

    def _matches(self, session: Session, wanted: SessionFilter) -> bool:
        return (
            session.deleted_at is None
            and wanted.workspace_id in (None, session.workspace_id)
            and wanted.session_type in (None, session.session_type)
            and wanted.status in (None, session.status)
            and (wanted.workspaces is None or session.workspace_id in wanted.workspaces)
            and (wanted.readable_by is None or self._reads(wanted, session, wanted.readable_by))
        )

    def _reads(self, wanted: SessionFilter, session: Session, user_id: UUID) -> bool:
        row = self._participants.get((session.id, user_id))
        if row is not None:
            return row.removed_at is None
        return session.host_user_id == user_id or session.id in wanted.granted

    async def end(self, session_id: UUID, at: datetime) -> Session | None:
        """See `ports.SessionStore.end`."""
        await self._enter()
        session = self._live(session_id)
        if session is not None:
            session = self._sessions[session_id] = _ended(session, at)
        self._leave()
        return session

    async def delete(self, session_id: UUID, at: datetime) -> bool:
        """See `ports.SessionStore.delete`."""
        await self._enter()
        session = self._live(session_id)
        if session is not None:
            self._sessions[session_id] = replace(_ended(session, at), deleted_at=at)
        self._leave()
        return session is not None

    async def participant(self, session_id: UUID, user_id: UUID) -> Participant | None:
        """See `ports.SessionStore.participant`."""
        await self._enter()
        row = self._participants.get((session_id, user_id))
        self._leave()
        return row

    async def deleted_before(self, moment: datetime, *, limit: int = 100) -> Sequence[UUID]:
        """See `ports.SessionStore.deleted_before`."""
        await self._enter()
        gone = sorted(
            (session.deleted_at, session.id)
            for session in self._sessions.values()
            if session.deleted_at is not None and session.deleted_at < moment
        )
        self._leave()
        return [session_id for _, session_id in gone[:limit]]

    async def forget(self, session_ids: Sequence[UUID]) -> None:
        """See `ports.SessionStore.forget`."""
        await self._enter()
        for session_id in session_ids:
            session = self._sessions.get(session_id)
            if session is not None and session.deleted_at is not None:
                del self._sessions[session_id]
                for key in [key for key in self._participants if key[0] == session_id]:
                    del self._participants[key]
        self._leave()

    async def standings(self, wanted: Sequence[tuple[UUID, UUID]]) -> Sequence[Standing]:
        """See `ports.SessionStore.standings`."""
        await self._enter()
        found = [
            Standing(self._live(session_id), self._participants.get((session_id, user_id)))
            for session_id, user_id in wanted
        ]
        self._leave()
        return found

    async def put_participant(self, participant: Participant) -> None:
        """See `ports.SessionStore.put_participant`.

        Raises:
            UnknownSession: there is no such session.
        """
        await self._enter()
        if participant.session_id not in self._sessions:
            raise UnknownSession(f"no session {participant.session_id}")
        self._participants[participant.session_id, participant.user_id] = participant
        self._leave()

    def _live(self, session_id: UUID) -> Session | None:
        session = self._sessions.get(session_id)
        return session if session is not None and session.deleted_at is None else None


def _list_key(session: Session) -> tuple[datetime, UUID]:
    return session.started_at, session.id


def _ended(session: Session, at: datetime) -> Session:
    if session.status is SessionStatus.ENDED:
        return session
    return replace(session, status=SessionStatus.ENDED, ended_at=at)
