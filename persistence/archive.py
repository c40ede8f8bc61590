"""Documents as they were, in PostgreSQL: checkpoints, named snapshots, and what may be merged."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

import asyncpg

from crdt_docs.identifiers import DocumentName
from persistence.archive_ports import (
    MAX_NAMED,
    MAX_PAST_BYTES,
    REMOVED_AT_ONCE,
    AtSeq,
    AtSnapshot,
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
from persistence.archive_statements import (
    BASE,
    CHECKPOINT_BEFORE,
    COUNT_NAMED,
    DOCUMENT,
    DUE,
    FIND_NAMED,
    FIRST_LACKING,
    FORGET_NAMED,
    IS_KEPT,
    KEEP,
    KEEP_CURRENT,
    KEEP_VIEW,
    LAST_BEFORE,
    LAST_SEQ,
    NAME,
    NAMED_PAGE,
    REMOVE,
    SIZE,
    STATE,
    TAIL,
    THIN_OUT,
    TIME_OF,
    VIEW,
    VIEWED_SEQ,
)
from persistence.checkpoints import Kept, Way, day_after, way_to
from persistence.cursors import decode_cursor, encode_cursor
from persistence.pool import BorrowedConnection, DatabasePool
from persistence.ports import Page

_READING = 3
"""Times as long as other commands: how much it is, is not known yet."""

_ALWAYS = (datetime(9999, 12, 31, tzinfo=UTC), UUID(int=2**128 - 1))


class PostgresArchive:
    """`archive_ports.Archive` in PostgreSQL."""

    def __init__(self, pool: DatabasePool) -> None:
        self._pool = pool

    async def past(
        self, document: DocumentName, moment: Moment, *, known_seq: int | None = None
    ) -> PastDocument:
        """See `archive_ports.Archive.past`."""
        async with (
            self._pool.borrow() as connection,
            # Several statements that see one moment: nothing is merged away between them.
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            stored = await connection.fetchrow(DOCUMENT, document)
            if stored is None:
                return _never(moment)
            seq, is_rounded = await _position(connection, stored, moment)
            way = way_to(
                seq,
                Kept(stored["first_seq"], stored["last_seq"]),
                base=await connection.fetchval(BASE, stored["id"], seq),
                known=known_seq,
                is_rounded=is_rounded,
            )
            return await self._read(connection, stored["id"], way)

    async def _read(
        self, connection: BorrowedConnection, document_id: int, way: Way
    ) -> PastDocument:
        within = self._pool.command_timeout * _READING
        state = None
        if way.after and not way.is_known:
            state = await connection.fetchval(STATE, document_id, way.after, timeout=within)
        size = await connection.fetchval(
            SIZE, document_id, way.after, way.seq, timeout=within
        ) + len(state or b"")
        if size > MAX_PAST_BYTES:
            raise PastTooLarge(f"{size} bytes lead to that moment")
        tail = await connection.fetch(TAIL, document_id, way.after, way.seq, timeout=within)
        return PastDocument(
            seq=way.seq,
            at=await connection.fetchval(TIME_OF, document_id, way.seq),
            state=state,
            after=way.after,
            tail=tuple(row["update"] for row in tail),
            is_rounded=way.is_rounded,
        )

    async def keep(self, document: DocumentName, seq: int, state: bytes) -> bool:
        """See `archive_ports.Archive.keep`."""
        async with self._pool.borrow() as connection:
            is_kept: bool = await connection.fetchval(
                KEEP, document, seq, state, timeout=self._pool.command_timeout * _READING
            )
        return is_kept

    async def keep_view(self, document: DocumentName, seq: int, view: bytes) -> None:
        """See `archive_ports.Archive.keep_view`."""
        compressed = zlib.compress(view, 1)
        async with self._pool.borrow() as connection:
            await connection.execute(
                KEEP_VIEW,
                document,
                seq,
                compressed,
                timeout=self._pool.command_timeout * _READING,
            )

    async def viewed_seq(self, document: DocumentName) -> int:
        """See `archive_ports.Archive.viewed_seq`."""
        async with self._pool.borrow() as connection:
            return await connection.fetchval(VIEWED_SEQ, document) or 0

    async def view(self, document: DocumentName) -> bytes | None:
        """See `archive_ports.Archive.view`."""
        async with self._pool.borrow() as connection:
            compressed: bytes | None = await connection.fetchval(VIEW, document)
        return None if compressed is None else zlib.decompress(compressed)

    async def last_seq(self, document: DocumentName) -> int:
        """See `archive_ports.Archive.last_seq`."""
        async with self._pool.borrow() as connection:
            return await connection.fetchval(LAST_SEQ, document) or 0

    async def name(
        self, document: DocumentName, seq: int, label: str, created_by: UUID | None
    ) -> NamedSnapshot:
        """See `archive_ports.Archive.name`."""
        async with self._pool.borrow() as connection:
            row = await connection.fetchrow(NAME, document, seq, label, created_by)
            if row is not None:
                return NamedSnapshot(*row.values())
            if await connection.fetchval(COUNT_NAMED, document) >= MAX_NAMED:
                raise TooManySnapshots(f"{MAX_NAMED} snapshots have names")
        raise UnknownMoment(f"{document} has no position {seq}")

    async def named(
        self, document: DocumentName, *, limit: int = 50, cursor: str | None = None
    ) -> Page[NamedSnapshot]:
        """See `archive_ports.Archive.named`."""
        before = decode_cursor(cursor) if cursor is not None else _ALWAYS
        async with self._pool.borrow() as connection:
            rows = await connection.fetch(NAMED_PAGE, document, *before, limit + 1)
        items = tuple(NamedSnapshot(*row.values()) for row in rows[:limit])
        if len(rows) <= limit or not items:
            return Page(items)
        return Page(items, encode_cursor(items[-1].created_at, items[-1].id))

    async def find_named(self, document: DocumentName, snapshot_id: UUID) -> NamedSnapshot | None:
        """See `archive_ports.Archive.find_named`."""
        async with self._pool.borrow() as connection:
            row = await connection.fetchrow(FIND_NAMED, document, snapshot_id)
        return None if row is None else NamedSnapshot(*row.values())

    async def forget_named(self, document: DocumentName, snapshot_id: UUID) -> bool:
        """See `archive_ports.Archive.forget_named`."""
        async with self._pool.borrow() as connection:
            outcome = await connection.execute(FORGET_NAMED, document, snapshot_id)
        return outcome == "DELETE 1"

    async def due(
        self, before: datetime, *, after: DocumentName | None = None, limit: int = 100
    ) -> Sequence[DocumentName]:
        """See `archive_ports.Archive.due`."""
        async with self._pool.borrow() as connection:
            rows = await connection.fetch(
                DUE, before, after or "", limit, timeout=self._pool.command_timeout * _READING
            )
        return [DocumentName(row["name"]) for row in rows]

    async def next_merge(self, document: DocumentName, before: datetime) -> Merge | None:
        """See `archive_ports.Archive.next_merge`."""
        async with self._pool.borrow() as connection:
            stored = await connection.fetchrow(DOCUMENT, document)
            if stored is None or stored["snapshot_seq"] < stored["first_seq"]:
                return None
            document_id, first = stored["id"], stored["first_seq"]
            day_end = day_after(await connection.fetchval(TIME_OF, document_id, first))
            if day_end > before:
                return None
            seq = await connection.fetchval(
                LAST_BEFORE,
                document_id,
                first,
                stored["snapshot_seq"],
                day_end - datetime.resolution,
            )
            seq = await connection.fetchval(FIRST_LACKING, document_id, first, seq) or seq
            await connection.execute(KEEP_CURRENT, document_id, seq)
            return Merge(seq, await connection.fetchval(IS_KEPT, document_id, seq))

    async def remove_merged(self, document: DocumentName, seq: int) -> int:
        """See `archive_ports.Archive.remove_merged`."""
        async with self._pool.borrow() as connection, connection.transaction():
            outcome = await connection.execute(
                REMOVE,
                document,
                seq,
                REMOVED_AT_ONCE,
                timeout=self._pool.command_timeout * _READING,
            )
            removed = int(outcome.removeprefix("DELETE "))
            if removed:
                await connection.execute(THIN_OUT, document, seq)
        return removed


def _never(moment: Moment) -> PastDocument:
    """A document that does not exist."""
    match moment:
        case AtSnapshot(snapshot_id):
            raise UnknownSnapshot(f"no snapshot {snapshot_id}")
        case AtSeq(seq) if seq > 0:
            raise UnknownMoment("the log ends at 0")
        case _:
            return PastDocument()


async def _position(
    connection: BorrowedConnection, stored: asyncpg.Record, moment: Moment
) -> tuple[int, bool]:
    """Which position is meant, and whether it is not quite what was asked for."""
    match moment:
        case AtSeq(seq):
            if seq > stored["last_seq"]:
                raise UnknownMoment(f"the log ends at {stored['last_seq']}")
            return seq, False
        case AtTime(at):
            return await _position_at(connection, stored, at)
        case _:
            seq = await connection.fetchval(
                "SELECT seq FROM document_snapshots WHERE id = $1 AND document_id = $2",
                moment.id,
                stored["id"],
            )
            if seq is None:
                raise UnknownSnapshot(f"no snapshot {moment.id}")
            return seq, False


async def _position_at(
    connection: BorrowedConnection, stored: asyncpg.Record, at: datetime
) -> tuple[int, bool]:
    document_id, before_log = stored["id"], stored["first_seq"] - 1
    seq: int = await connection.fetchval(
        LAST_BEFORE, document_id, before_log, stored["last_seq"], at
    )
    if seq > before_log or not before_log:
        return seq, False
    if at < stored["created_at"]:
        return 0, False
    kept: int = await connection.fetchval(CHECKPOINT_BEFORE, document_id, at) or 0
    return kept, kept != before_log
