"""`collab verify` and `collab rebuild`: all sessions and rooms, or some, one after the other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from crdt_docs.identifiers import DocumentKind, DocumentName, document_name
from crdt_docs.object_kinds import KINDS
from persistence.command_pool import command_pool
from persistence.database_lock import DatabaseLock
from persistence.errors import DatabaseInUse, SequenceGap
from persistence.inspection import PostgresInspection
from persistence.inspection_ports import Inspection
from persistence.update_log import PostgresDocumentStore
from server.findings import Counts, Finding, not_opened
from server.poison_list import OPENING, SHOWING, PoisonList, digest_of
from server.rebuilding import CannotRebuild, Rebuilt, rebuild
from server.supervisor import POISON_FILE
from server.verification import Verification

WITHIN = 60.0
"""Seconds for a command of the database: an operator waits, and documents may be large."""

AT_ONCE = 1000
"""Names of documents that are read together."""


class UnknownSession(LookupError):  # noqa: N818 - says what is the case
    """There is no session of this id, nor anything of its document."""


class ClosedDocuments:
    """Which documents must not be opened here, as that has stopped a worker (ROM-15)."""

    def __init__(self, data_dir: Path) -> None:
        """
        Raises:
            OSError: the list is there and cannot be read.
        """
        entries = PoisonList(data_dir / POISON_FILE).entries
        self._digests = frozenset(poison.digest for poison in entries)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and any(
            digest_of(work + name.encode()) in self._digests for work in (OPENING, SHOWING)
        )


@dataclass(slots=True)
class RebuildCounts:
    """What rebuilding went through, and wrote.

    Attributes:
        documents: of sessions.
        rebuilt: of these, where something differed.
        objects: of which rows and history were made anew.
        refused: rows and versions that are stored without their content (HST-7).
        left: documents that could not be rebuilt.
    """

    documents: int = 0
    rebuilt: int = 0
    objects: int = 0
    refused: int = 0
    left: int = 0

    def __str__(self) -> str:
        return (
            f"{self.documents} documents, {self.rebuilt} of them rebuilt: {self.objects} objects"
            f" made anew, {self.refused} refused by the database, {self.left} documents left alone"
        )

    def add(self, rebuilt: Rebuilt) -> None:
        """One document was gone through."""
        self.rebuilt += rebuilt.objects > 0
        self.objects += rebuilt.objects
        self.refused += rebuilt.refused


async def verify_sessions(
    dsn: str,
    sessions: Sequence[UUID],
    *,
    closed: ClosedDocuments,
    whole_log: bool,
    tell: Callable[[Finding], None],
) -> Counts:
    """Compare rows with documents, beside a server that may run.

    Args:
        sessions: none for all.
        tell: called with each finding, as soon as there is one.

    Raises:
        UnknownSession: one of them is not there.
        DatabaseUnusable: the tables are those of another version.
        StorageUnavailable: the database is not there, or went away.
    """
    async with command_pool(dsn, size=2, within=WITHIN) as pool:
        inspection = PostgresInspection(pool)
        verification = Verification(inspection, is_closed=closed.__contains__, whole_log=whole_log)
        async with aclosing(_names(inspection, sessions)) as names:
            async for name in names:
                async with aclosing(verification.document(name)) as findings:
                    async for finding in findings:
                        tell(finding)
    return verification.counts


async def rebuild_sessions(
    dsn: str,
    sessions: Sequence[UUID],
    *,
    closed: ClosedDocuments,
    whole_log: bool,
    tell: Callable[[str], None],
) -> RebuildCounts:
    """Make rows equal to documents, while no server works on the database.

    Where changes were lost (HST-8), the whole log is gone through in any case, and they are lost no
    more.

    Args:
        sessions: none for all.
        tell: called with a line for each document about which there is something to say.

    Raises:
        DatabaseInUse: a server does.
        UnknownSession, DatabaseUnusable, StorageUnavailable: as `verify_sessions`.
    """
    counts = RebuildCounts()
    async with only_server(dsn), command_pool(dsn, size=2, within=WITHIN) as pool:
        inspection, documents = PostgresInspection(pool), PostgresDocumentStore(pool)
        async with aclosing(_names(inspection, sessions)) as names:
            async for name in names:
                counts.documents += 1
                if name in closed:
                    counts.left += 1
                    tell(str(not_opened(name)))
                    continue
                has_lost = await _has_lost_changes(inspection, name)
                try:
                    rebuilt = await rebuild(inspection, name, whole_log=whole_log or has_lost)
                except CannotRebuild as error:
                    counts.left += 1
                    tell(f"{error}; left as it is")
                    continue
                if has_lost:
                    await documents.note_repaired(name)
                counts.add(rebuilt)
                if rebuilt.objects:
                    tell(f"{name}: {rebuilt.objects} objects made anew")
    return counts


async def _has_lost_changes(inspection: Inspection, name: DocumentName) -> bool:
    async with inspection.moment(name) as moment:
        try:
            return (await moment.document()).has_lost_changes
        except SequenceGap:
            return False  # rebuilding it says so


@asynccontextmanager
async def only_server(dsn: str) -> AsyncIterator[None]:
    """Keep servers off the database; what is done within ends if one takes it all the same.

    Raises:
        DatabaseInUse: a server works on it, or does by now.
    """
    here, is_lost = asyncio.current_task(), False

    def lose() -> None:
        nonlocal is_lost
        is_lost = True
        if here is not None:
            here.cancel()

    lock = DatabaseLock(dsn, on_lost=lose)
    await lock.acquire()
    try:
        yield
    except asyncio.CancelledError:
        if is_lost:
            raise DatabaseInUse("another server works on this database by now") from None
        raise
    finally:
        await lock.release()


async def _names(inspection: Inspection, sessions: Sequence[UUID]) -> AsyncGenerator[DocumentName]:
    for owner_id in sessions:
        names = [document_name(kind, owner_id) for kind in DocumentKind if KINDS[kind]]
        known = [name for name in names if await inspection.knows(name)]
        if not known:
            raise UnknownSession(f"there is no session or room {owner_id}")
        for name in known:
            yield name
    last = ""
    while not sessions and (page := await inspection.documents(after=last, limit=AT_ONCE)):
        for name in page:
            yield name
        last = page[-1]
