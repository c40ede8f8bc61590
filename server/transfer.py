"""A session or room as a file, and a file as one: `collab export` and `collab import`.

Exporting reads one moment, beside a server that runs or without one. Importing is one transaction:
all of the file is there, or nothing. What a file says is checked before anything trusts it
(`document_check`), and the database's own constraints hold for the rest.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractContextManager, asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple, TypeVar
from uuid import UUID

from crdt_docs.errors import Malformed
from crdt_docs.outline import DocumentLimits
from persistence.command_pool import command_pool
from persistence.session_records import KINDS_OF, RecordKind
from persistence.session_transfer import PATIENCE, PlaceWriter, reading, writing
from server.document_check import DocumentCheck
from server.session_file import (
    BYTES_AT_ONCE,
    ROWS_AT_ONCE,
    Batch,
    Header,
    SessionFileReader,
    new_session_file,
    session_file,
)

T = TypeVar("T")


class NoSuchPlace(Exception):  # noqa: N818 - says what is the case
    """There is no session or room of this id, or it was deleted."""


class Transferred(NamedTuple):
    """What was exported or imported.

    Attributes:
        what: "session" or "room".
        counts: of records, by their kind.
    """

    what: str
    place_id: UUID
    counts: Mapping[str, int]


async def export_place(dsn: str, place_id: UUID, path: Path, *, now: datetime) -> Transferred:
    """Write all of a session or room to a file, as it is at this moment.

    Raises:
        NoSuchPlace: there is none.
        DatabaseUnusable: the database has other tables than this program.
        StorageUnavailable: the database cannot be reached, or broke off.
        OSError: the file cannot be written.
    """
    async with (
        command_pool(dsn, size=1, within=PATIENCE) as pool,
        reading(pool, place_id) as reader,
    ):
        found = await reader.find()
        if found is None:
            raise NoSuchPlace(f"there is no session or room {place_id}")
        kinds = KINDS_OF[found]
        async with _in_thread(new_session_file(path, Header(place_id, now, found))) as file:
            for kind in kinds:
                rows: list[Mapping[str, Any]] = []
                async for row in reader.rows(kind):
                    rows.append(row)
                    if len(rows) == ROWS_AT_ONCE or _size(rows[-1]) > BYTES_AT_ONCE:
                        await asyncio.to_thread(file.write, kind, rows)
                        rows = []
                await asyncio.to_thread(file.write, kind, rows)
    return Transferred(kinds[0].value, place_id, dict(file.counts))


def _size(row: Mapping[str, Any]) -> int:
    return sum(len(value) for value in row.values() if isinstance(value, bytes | str))


async def import_place(
    dsn: str,
    path: Path,
    *,
    place_id: UUID | None = None,
    replace: bool = False,
    is_trusted: bool = False,
    limits: DocumentLimits | None = None,
) -> Transferred:
    """Make a session or room of a file, all of it or nothing.

    Args:
        place_id: under this id; None: under its own.
        replace: remove what is there of this id. No server may work on the database.
        is_trusted: the content of the document is not held against the rules for clients.
        limits: what a document may be.

    Raises:
        Malformed: the file is damaged, or no exported session or room, or one that breaks a rule.
        PlaceExists: one of this id is there.
        ContentRefused: the database does not take what is in the file.
        DatabaseUnusable: the database has other tables than this program.
        StorageUnavailable: the database cannot be reached; whether anything was stored is not
            known if it broke off at the very end.
        OSError: the file cannot be read.
    """
    async with (
        _in_thread(session_file(path)) as file,
        command_pool(dsn, size=1, within=PATIENCE) as pool,
    ):
        head = file.header
        target = place_id or head.place_id
        new_ids = target != head.place_id
        async with writing(pool, head.kind, target, replace=replace, new_ids=new_ids) as writer:
            check = is_trusted, limits or DocumentLimits()
            await _Import(writer, *check).run(file)
    return Transferred(KINDS_OF[head.kind][0].value, target, dict(file.counts))


class _Import:
    """One file on its way into the database."""

    def __init__(self, writer: PlaceWriter, is_trusted: bool, limits: DocumentLimits) -> None:  # noqa: FBT001
        self._writer = writer
        self._is_trusted = is_trusted
        self._limits = limits
        self._check: DocumentCheck | None = None
        self._checkpoints: list[int] = []
        self._named: list[int] = []
        self._has_begun = False
        self._merged_until = 0
        self._next = 1

    async def run(self, file: SessionFileReader) -> None:
        """Store all of it.

        Raises:
            Malformed: it breaks a rule.
            ContentRefused: the database does not take it.
        """
        try:
            while (batch := await asyncio.to_thread(file.read)) is not None:
                await self._take(batch)
            first = KINDS_OF[self._writer.kind][0]
            if file.counts[first] != 1:
                raise Malformed(f"the file holds no {first}, or several")
            await self._finish()
        finally:
            if self._check is not None:
                self._check.close()

    async def _take(self, batch: Batch) -> None:
        rows = batch.rows
        match batch.kind:
            case RecordKind.DOCUMENT:
                self._begin_document(batch)
            case RecordKind.CHECKPOINT:
                self._checkpoints += [row["seq"] for row in rows]
            case RecordKind.NAMED_SNAPSHOT:
                self._named += [row["seq"] for row in rows]
            case RecordKind.UPDATE:
                await self._take_updates(batch)
                return
            case _:
                pass
        await self._writer.put(batch.kind, rows)

    def _begin_document(self, batch: Batch) -> None:
        if self._check is not None or len(batch.rows) != 1:
            raise Malformed("the file holds several documents")
        last_seq = batch.rows[0]["last_seq"]
        if not last_seq:
            raise Malformed("the document has no log")
        self._check = DocumentCheck(
            last_seq, self._limits, is_trusted=self._is_trusted, kind=self._writer.kind
        )

    async def _take_updates(self, batch: Batch) -> None:
        check = self._known_check()
        if not self._has_begun:
            await self._begin_log(check, batch.rows[0]["seq"] or 0)
        kept: list[Mapping[str, Any]] = []
        for row in batch.rows:
            if row["update"] is None or row["seq"] != self._next:
                raise Malformed(f"the log has a gap: there is no update at {self._next}")
            self._next += 1
            if row["seq"] <= self._merged_until:
                continue  # in the state that the log is followed from
            check.add(row["seq"], row["update"])
            kept.append(row)
            if check.seq in self._checkpoints:
                await self._writer.correct(check.seq, check.state())
        await self._writer.put(RecordKind.UPDATE, kept)

    async def _begin_log(self, check: DocumentCheck, first: int) -> None:
        """Where entries were merged, the oldest that is left follows on a checkpoint."""
        self._has_begun, self._next = True, first
        if first == 1:
            return
        base = min((seq for seq in self._checkpoints if seq >= first - 1), default=0)
        if base < 1 or first < 1:
            raise Malformed("the log begins later than at 1, and no checkpoint has what was before")
        for seq in self._checkpoints:
            if seq < base:
                check.look_at(seq, await self._writer.checkpoint(seq))
        check.begin(base, await self._writer.checkpoint(base))
        self._merged_until = base

    async def _finish(self) -> None:
        if self._check is None:
            return
        if not self._has_begun:  # all of it was merged
            await self._begin_log(self._check, self._check.last_seq + 1)
        if any(seq > self._check.last_seq for seq in (*self._checkpoints, *self._named)):
            raise Malformed("a checkpoint or a named snapshot lies beyond the log")
        if any(seq <= self._merged_until for seq in {*self._named} - {*self._checkpoints}):
            raise Malformed("a named snapshot has no state")
        snapshot = self._check.finish()
        if snapshot is not None:
            await self._writer.keep(snapshot)

    def _known_check(self) -> DocumentCheck:
        if self._check is None:
            raise Malformed("the file holds updates without a document")
        return self._check


@asynccontextmanager
async def _in_thread(manager: AbstractContextManager[T]) -> AsyncIterator[T]:
    """A context whose beginning and end block."""
    entered = await asyncio.to_thread(manager.__enter__)
    try:
        yield entered
    except BaseException as error:
        if not await asyncio.to_thread(manager.__exit__, type(error), error, error.__traceback__):
            raise
    else:
        await asyncio.to_thread(manager.__exit__, None, None, None)
