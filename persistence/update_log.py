"""Documents in PostgreSQL: the log of updates, the snapshot they are opened from, who wrote them.

LOG-7   A batch is one statement in one transaction, however many rows and documents.
LOG-8   A position is stored once. The same update at it again changes nothing; another is refused.
LOG-9   A document's log has no gaps.
LOG-10  A snapshot never holds what the log does not.

The rows of objects and their history are written in the same statement (HST-5 to HST-7).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import asyncpg

from crdt_docs.identifiers import ActorKind, DocumentName, kind_of
from crdt_docs.object_kinds import ObjectKind
from persistence.batches import check_consecutive
from persistence.checkpoints import SAVE_SNAPSHOT
from persistence.errors import BatchRefused, LogConflict, SequenceGap
from persistence.log_statements import (
    COMMIT,
    COMMIT_NEW,
    DELETE,
    DIFFERING,
    LAST_SEQ,
    LAST_SEQS,
    LOAD,
    NOTE_LOSS,
    NOTE_REPAIRED,
    READ_LOG,
)
from persistence.object_refusals import store_what_is_taken
from persistence.object_rows import parameters, writes
from persistence.pool import BorrowedConnection, DatabasePool, describe
from persistence.ports import Commit, Snapshot, StoredDocument
from persistence.refusals import is_refusal, is_row_refusal
from persistence.standing_statements import StandingStatements
from persistence.taken_back import read_taken_back, written_taken_back

_SLOWEST_WRITE = 1024 * 1024
"""Bytes a second. A large batch gets the time that it takes at this speed, or a slow disk or line
would make the same attempt fail again and again."""

_SLOWEST_ROWS = 256 * 1024
"""The same of rows of objects: their texts are taken apart into stems, in two languages, twice."""

_READING = 3
"""Times as long as other commands may opening a document take: how large it is, is not known yet,
and people wait."""


class PostgresDocumentStore:
    """`ports.DocumentStore` in PostgreSQL.

    Attributes:
        refused_objects: rows of objects that the database did not take (HST-7).
    """

    def __init__(self, pool: DatabasePool) -> None:
        self.refused_objects = 0
        self._pool = pool
        self._standing = StandingStatements(pool)

    async def load(self, document: DocumentName) -> StoredDocument:
        """See `ports.DocumentStore.load`.

        Raises:
            SequenceGap: the log is damaged: entries are missing from it.
        """
        async with self._pool.borrow() as connection:
            within = self._pool.command_timeout * _READING
            return await load_document(connection, document, within=within)

    async def commit(self, batch: Sequence[Commit]) -> None:
        """See `ports.DocumentStore.commit`.

        Raises:
            LogConflict: a position is taken by another update; nothing was stored.
            SequenceGap: a position does not follow on what is stored; nothing was stored.
            BatchRefused: the database does not take the content; nothing was stored.
        """
        if not batch:
            return
        check_consecutive(batch)
        columns = _columns(batch)
        size = sum(map(len, columns[2]))
        with _refusals_translated():
            losers = [commit.document for commit in batch if commit.has_lost_changes]
            if not losers and await self._commit_new_entries(batch, columns, size):
                return
            async with self._pool.borrow() as connection, connection.transaction():
                new = await _commit(connection, batch, columns, within=self._time(size))
                if losers:
                    await connection.execute(NOTE_LOSS, losers)
                refused = await store_what_is_taken(
                    connection, writes(new), within=self._time_of_rows
                )
        self.refused_objects += refused

    async def _commit_new_entries(
        self, batch: Sequence[Commit], columns: tuple[list[Any], ...], size: int
    ) -> bool:
        """Whether all of it was new and was taken; otherwise nothing of it is stored."""
        found = writes(batch)
        changed = {write.kind for write in found}
        kinds = tuple(kind for kind in ObjectKind if kind in changed)
        documents = len(set(columns[0]))
        try:
            rows = parameters(found, kinds)
            within = self._time(size) + sum(map(len, rows)) / _SLOWEST_ROWS
            await self._standing.fetch(
                COMMIT_NEW[kinds], *columns, documents, len(batch), *rows, within=within
            )
        except asyncpg.DivisionByZeroError:
            return False
        except (asyncpg.PostgresError, ValueError) as error:
            if not found or not is_row_refusal(error):
                raise
            return False
        return True

    async def save_snapshot(self, document: DocumentName, snapshot: Snapshot) -> None:
        """See `ports.DocumentStore.save_snapshot`.

        Raises:
            SequenceGap: it contains more than the log does.
        """
        async with self._pool.borrow() as connection:
            outcome = await connection.execute(
                SAVE_SNAPSHOT,
                document,
                snapshot.seq,
                snapshot.state,
                snapshot.outline,
                timeout=self._time(len(snapshot.state)),
            )
            if outcome == "UPDATE 1":
                return
            last_seq = await connection.fetchval(LAST_SEQ, document) or 0
        if snapshot.seq > last_seq:
            raise SequenceGap(f"{document}: a snapshot at {snapshot.seq} is ahead of the log")

    async def note_repaired(self, document: DocumentName) -> None:
        """See `ports.DocumentStore.note_repaired`."""
        async with self._pool.borrow() as connection:
            await connection.execute(NOTE_REPAIRED, document)

    async def read_log(
        self, document: DocumentName, *, after: int = 0, limit: int = 1000
    ) -> Sequence[Commit]:
        """See `ports.DocumentStore.read_log`."""
        async with self._pool.borrow() as connection:
            rows = await connection.fetch(
                READ_LOG, document, after, limit, timeout=self._pool.command_timeout * _READING
            )
        return [
            Commit(
                document=document,
                seq=row["seq"],
                update=row["update"],
                user_id=row["user_id"],
                actor_kind=ActorKind(row["actor_kind"]),
                introduced=tuple(row["introduced"]),
                taken_back=read_taken_back(row["taken_back"]),
            )
            for row in rows
        ]

    def _time(self, size: int) -> float:
        """Seconds for a command that writes so many bytes."""
        return self._pool.command_timeout + size / _SLOWEST_WRITE

    def _time_of_rows(self, size: int) -> float:
        return self._pool.command_timeout + size / _SLOWEST_ROWS

    async def delete(self, document: DocumentName) -> None:
        """See `ports.DocumentStore.delete`."""
        async with self._pool.borrow() as connection:
            await connection.execute(DELETE[kind_of(document)], document)


async def load_document(
    connection: BorrowedConnection, document: DocumentName, *, within: float
) -> StoredDocument:
    """What opening a document reads; an unknown one is empty.

    Raises:
        SequenceGap: the log is damaged: entries are missing from it.
    """
    row = await connection.fetchrow(LOAD, document, timeout=within)
    if row is None:
        return StoredDocument()
    if row["snapshot_seq"] + len(row["tail"]) != row["last_seq"]:
        raise SequenceGap(
            f"{document}: after the snapshot at {row['snapshot_seq']} the log has "
            f"{len(row['tail'])} entries, but should reach {row['last_seq']}"
        )
    snapshot = None
    if row["state"] is not None:
        snapshot = Snapshot(row["snapshot_seq"], row["state"], row["outline"])
    return StoredDocument(
        snapshot=snapshot,
        tail=tuple(row["tail"]),
        last_seq=row["last_seq"],
        authors=dict(zip(row["client_ids"], row["user_ids"], strict=True)),
        has_lost_changes=row["has_lost_changes"],
    )


def _columns(batch: Sequence[Commit]) -> tuple[list[Any], ...]:
    """The parameters $1 to $10 of `COMMIT`."""
    authors = [
        (commit.document, client_id, user_id, commit.seq)
        for commit in batch
        for client_id, user_id in commit.new_authors
    ]
    return (
        [commit.document for commit in batch],
        [commit.seq for commit in batch],
        [commit.update for commit in batch],
        [commit.user_id for commit in batch],
        [commit.actor_kind.value for commit in batch],
        *([author[field] for author in authors] for field in range(4)),
        [written_taken_back(commit.taken_back) for commit in batch],
    )


async def _commit(
    connection: BorrowedConnection,
    batch: Sequence[Commit],
    columns: tuple[list[Any], ...],
    *,
    within: float,
) -> Sequence[Commit]:
    """Store what is not stored yet, in a transaction, and find out what does not fit.

    Returns:
        What was stored now.
    """
    names, seqs, updates = columns[:3]
    rows = await connection.fetch(COMMIT, *columns, timeout=within)
    if len(rows) != len(set(names)):
        raise await _gap(connection, batch)
    entries = {row["name"]: row["entries"] for row in rows}
    if sum(entries.values()) == len(batch):
        return batch
    # Some were there already: sent before, with an answer that got lost, or somebody else's.
    differing = await connection.fetchrow(DIFFERING, names, seqs, updates)
    if differing is not None:
        raise LogConflict(f"{differing['name']}: another update is stored at {differing['seq']}")
    last_seqs = {commit.document: commit.seq for commit in batch}
    return [
        commit
        for commit in batch
        if commit.seq > last_seqs[commit.document] - entries[commit.document]
    ]


async def _gap(connection: BorrowedConnection, batch: Sequence[Commit]) -> SequenceGap:
    rows = await connection.fetch(LAST_SEQS, [commit.document for commit in batch])
    last_seqs = {row["name"]: row["last_seq"] for row in rows}
    for commit in batch:
        last = last_seqs.get(commit.document, 0)
        if commit.seq > last + 1:
            return SequenceGap(f"{commit.document}: {commit.seq} does not follow on {last}")
        last_seqs[commit.document] = max(last, commit.seq)
    return SequenceGap("the log was changed by somebody else meanwhile")


@contextmanager
def _refusals_translated() -> Iterator[None]:
    """What the database says about content becomes BatchRefused.

    Raises:
        BatchRefused: with the driver's error as its cause.
    """
    try:
        yield
    except (asyncpg.PostgresError, ValueError) as error:  # found by the driver, before sending
        if not is_refusal(error):
            raise
        raise BatchRefused(describe(error)) from error
