"""Documents and their rows in PostgreSQL, each as it is at one moment, and rows written anew."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from crdt_docs.identifiers import (
    ActorKind,
    DocumentKind,
    DocumentName,
    document_name,
    id_of,
    kind_of,
)
from crdt_docs.object_kinds import ObjectKind, kinds_in
from persistence.inspection_ports import (
    Base,
    InspectedRow,
    LoggedUpdate,
    LogSpan,
    RebuiltRow,
)
from persistence.object_history import history_row
from persistence.object_ports import HistoryRow
from persistence.object_tables import TABLES, tables_of
from persistence.pool import BorrowedConnection, DatabasePool
from persistence.ports import StoredDocument
from persistence.rebuilt_rows import store_rows, store_versions
from persistence.taken_back import read_taken_back
from persistence.update_log import load_document

PAGE = 100
"""Rows that are read at once; each may have a megabyte."""

SLOW = 10
"""Times as long as other commands may those take that read or cut much at once."""

# A moment lasts as long as its document takes to be gone through.
_PATIENCE = "SET LOCAL idle_in_transaction_session_timeout = '15min'"

_HOMES: Mapping[DocumentKind, str] = {
    DocumentKind.OCW: "ocw_sessions",
    DocumentKind.XR: "xr_rooms",
}
"""The table of what documents belong to, where their objects have tables."""


def _owners_of(table: str, owner: str) -> str:
    """Those of a table one after the other, each found in the primary key."""
    return f"""
        SELECT {owner} FROM (
            WITH RECURSIVE found AS (
                (SELECT {owner} FROM {table} WHERE {owner} > $1 ORDER BY {owner} LIMIT 1)
                UNION ALL
                SELECT (SELECT t.{owner} FROM {table} AS t WHERE t.{owner} > found.{owner}
                    ORDER BY t.{owner} LIMIT 1)
                FROM found WHERE found.{owner} IS NOT NULL
            )
            SELECT {owner} FROM found WHERE {owner} IS NOT NULL LIMIT $2
        ) AS of_{table}
    """  # noqa: S608 - constants


def _documents(document: DocumentKind) -> str:
    of_rows = " UNION ".join(_owners_of(*table) for table in tables_of(document))
    return f"""
        SELECT owner_id FROM (
            (SELECT substr(name, {len(document) + 2})::uuid AS owner_id FROM documents
            WHERE name > $3 AND name LIKE '{document}/%' ORDER BY name LIMIT $2)
            UNION {of_rows}
        ) AS found ORDER BY owner_id LIMIT $2
    """  # noqa: S608 - constants


def _knows(document: DocumentKind) -> str:
    owned = [(_HOMES[document], "id"), *tables_of(document)]
    known = "".join(f" OR EXISTS (SELECT FROM {table} WHERE {key} = $2)" for table, key in owned)
    return f"SELECT EXISTS (SELECT FROM documents WHERE name = $1){known}"  # noqa: S608 - constants


_DOCUMENTS = {document: _documents(document) for document in sorted(_HOMES)}
_KNOWS = {document: _knows(document) for document in _HOMES}

_BEFORE_ALL = UUID(int=0)

_LOCK = "SELECT id FROM documents WHERE name = $1 FOR UPDATE"

_SPAN = """
    SELECT coalesce(min(log.seq), 0), coalesce(max(log.seq), 0), count(log.seq)
    FROM documents AS document LEFT JOIN document_updates AS log ON log.document_id = document.id
    WHERE document.name = $1
"""

# Where older entries were merged, a checkpoint is what the oldest one follows on.
_BASE = """
    SELECT * FROM (
        (SELECT point.seq, point.state, point.committed_at
        FROM documents AS document
        JOIN document_checkpoints AS point ON point.document_id = document.id
        WHERE document.name = $1 AND point.seq >= $2 ORDER BY point.seq LIMIT 1)
        UNION ALL
        SELECT snapshot_seq, state, updated_at FROM documents
        WHERE name = $1 AND snapshot_seq >= $2 AND state IS NOT NULL
    ) AS found ORDER BY seq LIMIT 1
"""

_LAST_SEQ = "SELECT last_seq FROM documents WHERE name = $1"

_LOG = """
    SELECT log.seq, log.update, log.user_id, log.actor_kind, log.committed_at, log.taken_back
    FROM documents AS document JOIN document_updates AS log ON log.document_id = document.id
    WHERE document.name = $1 AND log.seq > $2
    ORDER BY log.seq LIMIT $3
"""


def _rows(kind: ObjectKind) -> str:
    table = TABLES[kind]
    agent_id = "o.agent_id" if table.by_agents else "NULL::uuid"
    return f"""
        SELECT o.id, {table.state} AS state, o.search_text, o.version, o.created_at, o.updated_by,
            o.updated_at, o.deleted_at, {agent_id} AS agent_id
        FROM {table.name} AS o WHERE o.{table.owner} = $1 AND o.id > $2 ORDER BY o.id LIMIT $3
    """  # noqa: S608 - constants


def _versions(kind: ObjectKind) -> str:
    table = TABLES[kind]
    return f"""
        SELECT h.* FROM {table.history} AS h
        WHERE h.{table.owner} = $1 AND (h.object_id, h.version) > ($2, $3)
        ORDER BY h.object_id, h.version LIMIT $4
    """  # noqa: S608 - constants


class PostgresInspection:
    """`inspection_ports.Inspection` in PostgreSQL."""

    def __init__(self, pool: DatabasePool) -> None:
        self._pool = pool

    async def documents(self, *, after: str = "", limit: int = 1000) -> Sequence[DocumentName]:
        """See `inspection_ports.Inspection.documents`."""
        found: list[DocumentName] = []
        for kind in _DOCUMENTS:
            prefix = f"{kind}/"
            if (after < prefix or after.startswith(prefix)) and len(found) < limit:
                start = max(after, prefix)
                found += await self._documents_of(kind, start, limit - len(found))
        return found

    async def _documents_of(
        self, kind: DocumentKind, start: str, limit: int
    ) -> Sequence[DocumentName]:
        prefix = f"{kind}/"
        last = UUID(start.removeprefix(prefix)) if start != prefix else _BEFORE_ALL
        async with self._pool.borrow() as connection:
            rows = await connection.fetch(
                _DOCUMENTS[kind], last, limit, start, timeout=self._pool.command_timeout * SLOW
            )
        return [document_name(kind, row["owner_id"]) for row in rows]

    async def knows(self, document: DocumentName) -> bool:
        """See `inspection_ports.Inspection.knows`."""
        async with self._pool.borrow() as connection:
            known: bool = await connection.fetchval(
                _KNOWS[kind_of(document)], document, id_of(document)
            )
        return known

    @asynccontextmanager
    async def moment(self, document: DocumentName) -> AsyncIterator[PostgresMoment]:
        """See `inspection_ports.Inspection.moment`."""
        async with (
            self._pool.borrow() as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            await connection.execute(_PATIENCE)
            yield PostgresMoment(connection, document, self._pool.command_timeout)

    @asynccontextmanager
    async def repair(self, document: DocumentName) -> AsyncIterator[PostgresRepair]:
        """See `inspection_ports.Inspection.repair`."""
        async with self._pool.borrow() as connection, connection.transaction():
            await connection.execute(_PATIENCE)
            await connection.execute(_LOCK, document)
            yield PostgresRepair(connection, document, self._pool.command_timeout)


class PostgresMoment:
    """`inspection_ports.Moment` within a transaction."""

    def __init__(
        self, connection: BorrowedConnection, document: DocumentName, command_timeout: float
    ) -> None:
        if not kinds_in(document):
            raise ValueError(f"{document} has no rows")
        self._connection = connection
        self._document = document
        self._owner_id = id_of(document)
        self._within = command_timeout * SLOW

    async def document(self) -> StoredDocument:
        """See `inspection_ports.Moment.document`."""
        return await load_document(self._connection, self._document, within=self._within)

    async def span(self) -> LogSpan:
        """See `inspection_ports.Moment.span`."""
        row = await self._connection.fetchrow(_SPAN, self._document, timeout=self._within)
        return LogSpan(*row) if row is not None else LogSpan()

    async def base(self) -> Base | None:
        """See `inspection_ports.Moment.base`."""
        first = (await self.span()).first
        before = first - 1
        if not first:  # all of it was merged, or there was none
            before = await self._connection.fetchval(_LAST_SEQ, self._document) or 0
        if not before:
            return Base(0, None, datetime.fromtimestamp(0, UTC))
        row = await self._connection.fetchrow(_BASE, self._document, before, timeout=self._within)
        return Base(*row) if row is not None else None

    async def log(self, *, after: int = 0) -> AsyncGenerator[LoggedUpdate]:
        """See `inspection_ports.Moment.log`."""
        while True:
            rows = await self._connection.fetch(
                _LOG, self._document, after, PAGE, timeout=self._within
            )
            for seq, update, user_id, actor_kind, committed_at, taken_back in rows:
                kind = ActorKind(actor_kind)
                left = read_taken_back(taken_back)
                yield LoggedUpdate(seq, update, user_id, kind, committed_at, left)
                after = seq
            if len(rows) < PAGE:
                return

    async def rows(self, kind: ObjectKind) -> AsyncGenerator[InspectedRow]:
        """See `inspection_ports.Moment.rows`."""
        after = ""
        while True:
            rows = await self._connection.fetch(
                _rows(kind), self._owner_id, after, PAGE, timeout=self._within
            )
            for row in rows:
                yield InspectedRow(*row.values())
                after = row["id"]
            if len(rows) < PAGE:
                return

    async def versions(self, kind: ObjectKind) -> AsyncGenerator[HistoryRow]:
        """See `inspection_ports.Moment.versions`."""
        after: tuple[str, int] = ("", 0)
        while True:
            rows = await self._connection.fetch(
                _versions(kind), self._owner_id, *after, PAGE, timeout=self._within
            )
            for row in rows:
                yield history_row(row)
                after = row["object_id"], row["version"]
            if len(rows) < PAGE:
                return


class PostgresRepair(PostgresMoment):
    """`inspection_ports.Repair` within a transaction that holds the document's row."""

    async def cut(self, kind: ObjectKind, ids: Sequence[str], *, after: int) -> Mapping[str, int]:
        """See `inspection_ports.Repair.cut`."""
        history, owner = TABLES[kind].history, TABLES[kind].owner
        where = f"{owner} = $1 AND object_id = ANY ($2::text[])"
        await self._execute(
            f"DELETE FROM {history} WHERE {where} AND update_seq > $3",  # noqa: S608 - constants
            *(ids, after),
        )
        # By way of numbers that nobody has: while rows move, no two may have the same.
        far = 1_000_000_000
        await self._execute(
            f"""UPDATE {history} SET version = version + {far} WHERE {where} AND object_id IN (
                SELECT object_id FROM {history} WHERE {where}
                GROUP BY object_id HAVING count(*) <> max(version)
            )""",  # noqa: S608 - constants
            ids,
        )
        await self._execute(
            f"""UPDATE {history} AS h SET version = n.number FROM (
                SELECT object_id, version, row_number() OVER (
                    PARTITION BY object_id ORDER BY version
                ) AS number FROM {history} WHERE {where}
            ) AS n
            WHERE h.{owner} = $1 AND h.object_id = n.object_id AND h.version = n.version
                AND h.version > {far}""",  # noqa: S608 - constants
            ids,
        )
        rows = await self._connection.fetch(
            f"SELECT object_id, count(*) FROM {history} WHERE {where} GROUP BY object_id",  # noqa: S608 - constants
            *(self._owner_id, ids),
            timeout=self._within,
        )
        kept: dict[str, int] = dict.fromkeys(ids, 0)
        kept.update((object_id, count) for object_id, count in rows)
        return kept

    async def add_versions(self, kind: ObjectKind, versions: Sequence[HistoryRow]) -> int:
        """See `inspection_ports.Repair.add_versions`."""
        return await store_versions(
            self._connection, self._owner_id, kind, versions, within=self._within
        )

    async def put_rows(self, kind: ObjectKind, rows: Sequence[RebuiltRow]) -> int:
        """See `inspection_ports.Repair.put_rows`."""
        return await store_rows(self._connection, self._owner_id, kind, rows, within=self._within)

    async def forget(self, kind: ObjectKind, ids: Sequence[str]) -> None:
        """See `inspection_ports.Repair.forget`."""
        table = TABLES[kind]
        for name, column in ((table.name, "id"), (table.history, "object_id")):
            await self._execute(
                f"DELETE FROM {name} WHERE {table.owner} = $1 AND {column} = ANY ($2::text[])",  # noqa: S608 - constants
                ids,
            )

    async def _execute(self, statement: str, *arguments: Any) -> None:
        await self._connection.execute(statement, self._owner_id, *arguments, timeout=self._within)
