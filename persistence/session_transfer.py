"""A whole session or room read out of PostgreSQL, or put into it, a few rows at a time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any
from uuid import UUID, uuid4

from crdt_docs.identifiers import DocumentKind, DocumentName, document_name
from persistence.database_lock import SERVER_LOCK
from persistence.errors import DatabaseInUse
from persistence.pool import BorrowedConnection, DatabasePool, describe
from persistence.ports import Snapshot
from persistence.refusals import is_refusal
from persistence.session_records import KINDS_OF, RECORDS, RecordKind

PATIENCE = 600.0
"""Seconds for a command: an operator waits for it, and it may be large."""

READ_AT_ONCE = 50
"""Rows; each may have megabytes."""

_TRY_SERVER_LOCK = "SELECT pg_try_advisory_xact_lock($1)"

_SLOW = f"SET LOCAL idle_in_transaction_session_timeout = '{PATIENCE:.0f}s'"


class PlaceExists(Exception):  # noqa: N818 - says what is the case
    """There is a session, or room, of this id already."""


class ContentRefused(Exception):  # noqa: N818 - an outcome, as in crdt_docs.errors
    """The database does not take what was to be put into it; nothing of it was stored."""


class PlaceReader:
    """Reads one session or room as it is at one moment. Made by `reading`."""

    def __init__(self, connection: BorrowedConnection, place_id: UUID) -> None:
        self._connection = connection
        self._place_id = place_id
        self._document_id: int | None = None

    async def find(self) -> DocumentKind | None:
        """Of what kind it is; None: there is none of this id. To be asked first."""
        for kind in KINDS_OF:
            if await self._is_there(kind):
                name = document_name(kind, self._place_id)
                self._document_id = await _document_id(self._connection, name)
                return kind
        return None

    async def _is_there(self, kind: DocumentKind) -> bool:
        query = f"SELECT true FROM {_table(kind)} WHERE id = $1 AND deleted_at IS NULL"  # noqa: S608 - constants
        return await self._connection.fetchval(query, self._place_id) is not None

    async def rows(self, kind: RecordKind) -> AsyncIterator[Mapping[str, Any]]:
        """The rows of one kind, in order."""
        records = RECORDS[kind]
        owner = self._document_id if records.of_document else self._place_id
        if owner is None:
            return
        columns = ", ".join(records.columns)
        query = (
            f"SELECT {columns} FROM {records.table} WHERE {records.owner} = $1"  # noqa: S608
            f" ORDER BY {records.order}"  # constants
        )
        cursor = self._connection.cursor(query, owner, prefetch=READ_AT_ONCE, timeout=PATIENCE)
        async for row in cursor:
            yield dict(row)


@asynccontextmanager
async def reading(pool: DatabasePool, place_id: UUID) -> AsyncIterator[PlaceReader]:
    """A session or room as it is at this moment, whoever writes meanwhile.

    Raises:
        StorageUnavailable: it could not be read to the end.
    """
    async with (
        pool.borrow() as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        await connection.execute(_SLOW)
        yield PlaceReader(connection, place_id)


class PlaceWriter:
    """Puts one session or room into the database. Made by `writing`; all of it is one transaction.

    Attributes:
        kind: which of the two.
    """

    def __init__(
        self,
        connection: BorrowedConnection,
        kind: DocumentKind,
        place_id: UUID,
        *,
        new_ids: bool,
    ) -> None:
        self.kind = kind
        self._connection = connection
        self._place_id = place_id
        self._document_id: int | None = None
        self._new_ids = new_ids
        self._name = document_name(kind, place_id)

    async def exists(self) -> bool:
        """Whether anything of it is there, deleted or not."""
        found: bool = await self._connection.fetchval(
            f"SELECT EXISTS (SELECT FROM {_table(self.kind)} WHERE id = $1)"  # noqa: S608 - constants
            " OR EXISTS (SELECT FROM documents WHERE name = $2)",
            self._place_id,
            self._name,
        )
        return found

    async def remove(self) -> None:
        """Remove all of it that is there."""
        document_id = await _document_id(self._connection, self._name)
        for kind in reversed(KINDS_OF[self.kind]):
            records = RECORDS[kind]
            owner = document_id if records.of_document else self._place_id
            if owner is not None:
                statement = f"DELETE FROM {records.table} WHERE {records.owner} = $1"  # noqa: S608
                await self._connection.execute(statement, owner, timeout=PATIENCE)

    async def put(self, kind: RecordKind, rows: Sequence[Mapping[str, Any]]) -> None:
        """Store rows of one kind.

        Raises:
            ContentRefused: the database does not take them.
        """
        records = RECORDS[kind]
        with _refusals_translated(kind):
            if kind is RecordKind.DOCUMENT:
                await self._put_document(rows)
                return
            owner = self._document_id if records.of_document else self._place_id
            if owner is None:
                raise ContentRefused(f"{kind}: it belongs to a document, and there is none")
            await self._connection.copy_records_to_table(
                records.table,
                columns=[records.owner, *records.columns],
                records=[
                    (owner, *(self._value(kind, name, row) for name in records.columns))
                    for row in rows
                ],
                timeout=PATIENCE,
            )

    def _value(self, kind: RecordKind, name: str, row: Mapping[str, Any]) -> Any:
        return uuid4() if self._new_ids and name in RECORDS[kind].ids else row[name]

    async def _put_document(self, rows: Sequence[Mapping[str, Any]]) -> None:
        for row in rows:
            self._document_id = await self._connection.fetchval(
                "INSERT INTO documents (name, last_seq, created_at, updated_at)"
                " VALUES ($1, $2, $3, $4) RETURNING id",
                self._name,
                row["last_seq"],
                row["created_at"],
                row["updated_at"],
            )

    async def keep(self, snapshot: Snapshot) -> None:
        """What the document is opened from."""
        await self._connection.execute(
            "UPDATE documents SET snapshot_seq = $2, state = $3, outline = $4 WHERE id = $1",
            self._document_id,
            snapshot.seq,
            snapshot.state,
            snapshot.outline,
            timeout=PATIENCE,
        )

    async def checkpoint(self, seq: int) -> bytes:
        """The state of a checkpoint that was put there."""
        state: bytes = await self._connection.fetchval(
            "SELECT state FROM document_checkpoints WHERE document_id = $1 AND seq = $2",
            self._document_id,
            seq,
            timeout=PATIENCE,
        )
        return state

    async def correct(self, seq: int, state: bytes) -> None:
        """What the document was at a checkpoint, made from its log."""
        await self._connection.execute(
            "UPDATE document_checkpoints SET state = $3 WHERE document_id = $1 AND seq = $2",
            self._document_id,
            seq,
            state,
            timeout=PATIENCE,
        )


def _table(kind: DocumentKind) -> str:
    """Where those are that documents of this kind belong to."""
    return RECORDS[KINDS_OF[kind][0]].table


async def _document_id(connection: BorrowedConnection, name: DocumentName) -> int | None:
    found: int | None = await connection.fetchval("SELECT id FROM documents WHERE name = $1", name)
    return found


@asynccontextmanager
async def writing(
    pool: DatabasePool, kind: DocumentKind, place_id: UUID, *, replace: bool, new_ids: bool
) -> AsyncIterator[PlaceWriter]:
    """A transaction in which a session or room is stored, or nothing of it.

    Args:
        replace: remove what is there of this id; otherwise there must be nothing.
        new_ids: give participations and named snapshots ids of their own, because those in the
            records belong to another session or room that may be in this database.

    Raises:
        DatabaseInUse: a server might have what is to be replaced in memory.
        PlaceExists: something of it is there.
        ContentRefused: the database does not take the content.
        StorageUnavailable: it is not known whether it was stored.
    """
    what = KINDS_OF[kind][0].value
    async with pool.borrow() as connection, connection.transaction():
        await connection.execute(_SLOW)
        if replace and not await connection.fetchval(_TRY_SERVER_LOCK, SERVER_LOCK):
            raise DatabaseInUse(f"a server works on this database: stop it to replace a {what}")
        writer = PlaceWriter(connection, kind, place_id, new_ids=new_ids)
        if await writer.exists():
            if not replace:
                raise PlaceExists(f"there is a {what} {place_id} already")
            await writer.remove()
        yield writer


@contextmanager
def _refusals_translated(kind: RecordKind) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        if is_refusal(error) or isinstance(error, OverflowError | TypeError):
            raise ContentRefused(
                f"the database does not take a {kind}: {describe(error)}"
            ) from error
        raise
