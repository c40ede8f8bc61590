"""Documents as they were, in PostgreSQL: checkpoints, named snapshots, and what may be merged."""

from __future__ import annotations

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
from persistence.checkpoints import Kept, Way, day_after, way_to
from persistence.cursors import decode_cursor, encode_cursor
from persistence.pool import BorrowedConnection, DatabasePool
from persistence.ports import Page

DOCUMENT = """
SELECT document.id, document.last_seq, document.snapshot_seq, document.created_at,
    coalesce(
        (SELECT seq FROM document_updates WHERE document_id = document.id ORDER BY seq LIMIT 1),
        document.last_seq + 1
    ) AS first_seq
FROM documents AS document
WHERE document.name = $1
"""

# The last entry that was committed at a time or before, from the position before the first entry
# that is kept ($2) to the last one ($3). Positions and times ascend together: no index is needed
# besides the primary key, which every commit would have to write.
LAST_BEFORE = """
WITH RECURSIVE search AS (
    SELECT $2::bigint AS low, $3::bigint AS high
    UNION ALL
    SELECT
        CASE WHEN entry.committed_at <= $4 THEN middle.seq ELSE search.low END,
        CASE WHEN entry.committed_at <= $4 THEN search.high ELSE middle.seq - 1 END
    FROM search
    CROSS JOIN LATERAL (SELECT (search.low + search.high + 1) / 2 AS seq) AS middle
    JOIN LATERAL (
        SELECT log.committed_at FROM document_updates AS log
        WHERE log.document_id = $1 AND log.seq = middle.seq
    ) AS entry ON true
    WHERE search.low < search.high
)
SELECT low FROM search WHERE low = high
"""

CHECKPOINT_BEFORE = """
SELECT seq FROM document_checkpoints WHERE document_id = $1 AND committed_at <= $2
ORDER BY seq DESC LIMIT 1
"""

BASE = """
SELECT greatest(
    (SELECT seq FROM document_checkpoints
    WHERE document_id = $1 AND seq <= $2 ORDER BY seq DESC LIMIT 1),
    (SELECT snapshot_seq FROM documents WHERE id = $1 AND snapshot_seq <= $2),
    0
)
"""

_TIME_OF = """
SELECT coalesce(
    (SELECT committed_at FROM document_updates WHERE document_id = $1 AND seq = $2),
    (SELECT committed_at FROM document_checkpoints WHERE document_id = $1 AND seq = $2)
)
"""

_STATE = """
SELECT state FROM document_checkpoints WHERE document_id = $1 AND seq = $2
UNION ALL
SELECT state FROM documents WHERE id = $1 AND snapshot_seq = $2
LIMIT 1
"""

SIZE = """
SELECT coalesce(sum(octet_length(update)), 0)::bigint FROM document_updates
WHERE document_id = $1 AND seq > $2 AND seq <= $3
"""

TAIL = """
SELECT update FROM document_updates
WHERE document_id = $1 AND seq > $2 AND seq <= $3
ORDER BY seq
"""

_KEEP = """
WITH entry AS (
    SELECT log.document_id, log.seq, log.committed_at
    FROM documents AS document
    JOIN document_updates AS log ON log.document_id = document.id AND log.seq = $2
    WHERE document.name = $1
), kept AS (
    INSERT INTO document_checkpoints (document_id, seq, committed_at, state)
    SELECT document_id, seq, committed_at, $3 FROM entry
    ON CONFLICT (document_id, seq) DO NOTHING
)
SELECT EXISTS (SELECT FROM entry) OR EXISTS (
    SELECT FROM documents AS document
    JOIN document_checkpoints AS checkpoint ON checkpoint.document_id = document.id
    WHERE document.name = $1 AND checkpoint.seq = $2
)
"""

_LAST_SEQ = "SELECT last_seq FROM documents WHERE name = $1"

_NAMED = "named.id, named.label, named.seq, named.committed_at, named.created_by, named.created_at"

_NAME = f"""
INSERT INTO document_snapshots AS named (document_id, seq, label, created_by, committed_at)
SELECT document.id, $2, $3, $4, found.committed_at
FROM documents AS document
CROSS JOIN LATERAL (
    SELECT committed_at FROM document_updates WHERE document_id = document.id AND seq = $2
    UNION ALL
    SELECT committed_at FROM document_checkpoints WHERE document_id = document.id AND seq = $2
    LIMIT 1
) AS found
WHERE document.name = $1 AND (
    SELECT count(*) FROM document_snapshots WHERE document_id = document.id
) < {MAX_NAMED}
RETURNING {_NAMED}
"""  # noqa: S608 - constants

_COUNT_NAMED = """
SELECT count(*) FROM document_snapshots AS named
JOIN documents AS document ON document.id = named.document_id
WHERE document.name = $1
"""

NAMED_PAGE = f"""
SELECT {_NAMED} FROM document_snapshots AS named
WHERE named.document_id = (SELECT id FROM documents WHERE name = $1)
    AND (named.created_at, named.id) < ($2, $3)
ORDER BY named.created_at DESC, named.id DESC
LIMIT $4
"""  # noqa: S608 - constants

_FIND_NAMED = f"""
SELECT {_NAMED} FROM document_snapshots AS named
JOIN documents AS document ON document.id = named.document_id
WHERE document.name = $1 AND named.id = $2
"""  # noqa: S608 - constants

_FORGET_NAMED = """
DELETE FROM document_snapshots AS named USING documents AS document
WHERE document.id = named.document_id AND document.name = $1 AND named.id = $2
"""

# A page by names, each with one look at where its log begins.
DUE = """
SELECT document.name
FROM documents AS document
CROSS JOIN LATERAL (
    SELECT log.seq, log.committed_at FROM document_updates AS log
    WHERE log.document_id = document.id ORDER BY log.seq LIMIT 1
) AS oldest
WHERE document.name > $2 AND oldest.committed_at < $1 AND document.snapshot_seq >= oldest.seq
ORDER BY document.name
LIMIT $3
"""

FIRST_LACKING = """
SELECT min(named.seq) FROM document_snapshots AS named
WHERE named.document_id = $1 AND named.seq BETWEEN $2 AND $3 AND NOT EXISTS (
    SELECT FROM document_checkpoints AS checkpoint
    WHERE checkpoint.document_id = named.document_id AND checkpoint.seq = named.seq
)
"""

_KEEP_CURRENT = """
INSERT INTO document_checkpoints (document_id, seq, committed_at, state)
SELECT document.id, log.seq, log.committed_at, document.state
FROM documents AS document
JOIN document_updates AS log ON log.document_id = document.id AND log.seq = document.snapshot_seq
WHERE document.id = $1 AND document.snapshot_seq = $2
ON CONFLICT (document_id, seq) DO NOTHING
"""

_IS_KEPT = "SELECT EXISTS (SELECT FROM document_checkpoints WHERE document_id = $1 AND seq = $2)"

# Only up to a checkpoint, and never what opening reads.
REMOVE = """
WITH merged AS (
    SELECT document.id FROM documents AS document
    JOIN document_checkpoints AS checkpoint ON checkpoint.document_id = document.id
    WHERE document.name = $1 AND checkpoint.seq = $2 AND document.snapshot_seq >= $2
), oldest AS (
    SELECT log.document_id, log.seq FROM document_updates AS log
    WHERE log.document_id = (SELECT id FROM merged) AND log.seq <= $2
    ORDER BY log.seq LIMIT $3
)
DELETE FROM document_updates AS log USING oldest
WHERE log.document_id = oldest.document_id AND log.seq = oldest.seq
"""

THIN_OUT = """
WITH last AS (
    SELECT checkpoint.document_id, checkpoint.seq,
        date_trunc('day', checkpoint.committed_at, 'UTC') AS day
    FROM documents AS document
    JOIN document_checkpoints AS checkpoint ON checkpoint.document_id = document.id
    WHERE document.name = $1 AND checkpoint.seq = $2 AND NOT EXISTS (
        SELECT FROM document_updates AS log
        WHERE log.document_id = document.id AND log.seq <= $2
    )
)
DELETE FROM document_checkpoints AS checkpoint USING last
WHERE checkpoint.document_id = last.document_id AND checkpoint.seq < last.seq
    AND checkpoint.committed_at >= last.day
    AND NOT EXISTS (
        SELECT FROM document_snapshots AS named
        WHERE named.document_id = checkpoint.document_id AND named.seq = checkpoint.seq
    )
"""

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
            state = await connection.fetchval(_STATE, document_id, way.after, timeout=within)
        size = await connection.fetchval(
            SIZE, document_id, way.after, way.seq, timeout=within
        ) + len(state or b"")
        if size > MAX_PAST_BYTES:
            raise PastTooLarge(f"{size} bytes lead to that moment")
        tail = await connection.fetch(TAIL, document_id, way.after, way.seq, timeout=within)
        return PastDocument(
            seq=way.seq,
            at=await connection.fetchval(_TIME_OF, document_id, way.seq),
            state=state,
            after=way.after,
            tail=tuple(row["update"] for row in tail),
            is_rounded=way.is_rounded,
        )

    async def keep(self, document: DocumentName, seq: int, state: bytes) -> bool:
        """See `archive_ports.Archive.keep`."""
        async with self._pool.borrow() as connection:
            is_kept: bool = await connection.fetchval(
                _KEEP, document, seq, state, timeout=self._pool.command_timeout * _READING
            )
        return is_kept

    async def last_seq(self, document: DocumentName) -> int:
        """See `archive_ports.Archive.last_seq`."""
        async with self._pool.borrow() as connection:
            return await connection.fetchval(_LAST_SEQ, document) or 0

    async def name(
        self, document: DocumentName, seq: int, label: str, created_by: UUID | None
    ) -> NamedSnapshot:
        """See `archive_ports.Archive.name`."""
        async with self._pool.borrow() as connection:
            row = await connection.fetchrow(_NAME, document, seq, label, created_by)
            if row is not None:
                return NamedSnapshot(*row.values())
            if await connection.fetchval(_COUNT_NAMED, document) >= MAX_NAMED:
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
            row = await connection.fetchrow(_FIND_NAMED, document, snapshot_id)
        return None if row is None else NamedSnapshot(*row.values())

    async def forget_named(self, document: DocumentName, snapshot_id: UUID) -> bool:
        """See `archive_ports.Archive.forget_named`."""
        async with self._pool.borrow() as connection:
            outcome = await connection.execute(_FORGET_NAMED, document, snapshot_id)
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
            day_end = day_after(await connection.fetchval(_TIME_OF, document_id, first))
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
            await connection.execute(_KEEP_CURRENT, document_id, seq)
            return Merge(seq, await connection.fetchval(_IS_KEPT, document_id, seq))

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
