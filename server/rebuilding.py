"""Rows and history written anew from the log, where they are not what it tells.

What agrees is left alone, so that rebuilding twice changes nothing the second time. History that is
older than the log is kept as it is; versions go on from it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

from crdt_docs.document import DocumentBroken
from crdt_docs.identifiers import DocumentName
from crdt_docs.object_kinds import ObjectKind
from persistence.inspection_ports import Base, Inspection, Repair
from persistence.object_ports import HistoryRow
from server.findings import Counts, Fault, Finding
from server.history_check import NO_BASE, history_findings
from server.kept_history import Kept, Key
from server.retelling import Retelling, begin_retelling, tell_all
from server.row_check import row_findings

AT_ONCE = 100
"""Rows that are written together; each may have a megabyte."""

WHOLE_LOG_SECONDS = 30.0
"""For which people wait at a document until all of its log was gone through."""

_DAMAGED = frozenset((Fault.LOG_DAMAGED, Fault.UNREADABLE))


class CannotRebuild(Exception):  # noqa: N818 - says what is the case
    """What a document is made from is damaged itself. `str()` says how."""


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What was written.

    Attributes:
        objects: of which rows and history were made anew, or removed.
        refused: rows and versions that are stored without their content (HST-7).
    """

    objects: int = 0
    refused: int = 0


async def rebuild(
    inspection: Inspection, name: DocumentName, *, whole_log: bool = False
) -> Rebuilt:
    """Make the rows of a document equal to it, in one transaction. Nobody else may write to the
    document meanwhile: a server must not have opened it yet.

    Args:
        whole_log: also where only the whole log shows what is wrong; otherwise the log is gone
            through only if something shows without.

    Raises:
        CannotRebuild: see there; nothing was changed.
        StorageUnavailable: nothing was changed.
    """
    if not whole_log:
        async with inspection.moment(name) as moment:
            if not await _faults(row_findings(moment, name, Counts())):
                return Rebuilt()
    async with inspection.repair(name) as repair:
        return await _rebuild(repair, name, whole_log=whole_log)


async def repair(
    inspection: Inspection, name: DocumentName, *, within: float = WHOLE_LOG_SECONDS
) -> None:
    """HST-8: before a document is opened of which changes were lost, rows and history are made
    from its log. What was lost may have left no trace in the rows.

    Args:
        within: seconds for going through the whole log.

    Raises:
        TimeoutError: they were too few; only what shows without was mended.
        CannotRebuild, StorageUnavailable: see `rebuild`.
    """
    await rebuild(inspection, name)  # soon done, and not undone by what takes too long
    async with asyncio.timeout(within):
        await rebuild(inspection, name, whole_log=True)


async def _faults(findings: AsyncGenerator[Finding]) -> Sequence[Finding]:
    async with aclosing(findings):
        return [finding async for finding in findings if not finding.is_note]


async def _rebuild(repair: Repair, name: DocumentName, *, whole_log: bool) -> Rebuilt:
    if (await repair.span()).entries == 0 and (await repair.document()).last_seq == 0:
        return await _forget_all(repair, name)
    found = list(await _faults(row_findings(repair, name, Counts())))
    _refuse_if_damaged(found)
    if whole_log:
        found += await _faults(history_findings(repair, name))
        _refuse_if_damaged(found)
    keys = {finding.where for finding in found if finding.where is not None}
    base = await repair.base()
    if base is None:
        raise CannotRebuild(f"{name}: {NO_BASE}")
    if not keys:
        return Rebuilt()
    try:
        return await _write(repair, name, base, keys)
    except DocumentBroken as error:
        raise CannotRebuild(f"{name}: {error}") from error


def _refuse_if_damaged(findings: Iterable[Finding]) -> None:
    for finding in findings:
        if finding.fault in _DAMAGED:
            raise CannotRebuild(str(finding))


async def _forget_all(repair: Repair, name: DocumentName) -> Rebuilt:
    """There is no document: nothing can have a row."""
    kept = await Kept.read(repair, name)
    keys = kept.rows.keys() | kept.versions.keys()
    for kind, ids in _by_kind(keys).items():
        await repair.forget(kind, ids)
    return Rebuilt(objects=len(keys))


async def _write(repair: Repair, name: DocumentName, base: Base, keys: set[Key]) -> Rebuilt:
    """Write these objects, and those of which nothing is there: they were deleted before there
    were rows."""
    kept = await Kept.read(repair, name)
    for kind, ids in _by_kind(keys).items():
        await repair.cut(kind, ids, after=base.seq)
    writing, added = _Writing(repair), set[Key]()
    retelling = await begin_retelling(repair, name, base, kept)
    try:
        async with aclosing(tell_all(repair, retelling)) as all_told:
            async for told in all_told:
                key = (told.kind, told.row.object_id)
                if key not in keys and not kept.has(key):
                    added.add(key)
                if key in keys or key in added:
                    await writing.add(told.kind, told.row)
        await writing.flush()
        await writing.put_rows(retelling, added | keys & retelling.objects.keys())
        for kind, ids in _by_kind(keys - retelling.objects.keys()).items():
            await repair.forget(kind, ids)
    finally:
        retelling.close()
    return Rebuilt(objects=len(keys | added), refused=writing.refused)


@dataclass(slots=True)
class _Writing:
    """Writes what is told in portions.

    Attributes:
        refused: see `Rebuilt`.
    """

    repair: Repair
    refused: int = 0
    _versions: dict[ObjectKind, list[HistoryRow]] = field(
        default_factory=lambda: {kind: [] for kind in ObjectKind}
    )

    async def add(self, kind: ObjectKind, row: HistoryRow) -> None:
        """A version, in its object's order."""
        waiting = self._versions[kind]
        waiting.append(row)
        if len(waiting) >= AT_ONCE:
            await self.flush()

    async def flush(self) -> None:
        """Write what waits."""
        for kind, waiting in self._versions.items():
            if waiting:
                self.refused += await self.repair.add_versions(kind, waiting)
                waiting.clear()

    async def put_rows(self, retelling: Retelling, keys: set[Key]) -> None:
        """Write the rows of these objects, as they are in the end."""
        for kind, ids in _by_kind(keys).items():
            for start in range(0, len(ids), AT_ONCE):
                rows = [retelling.row((kind, each)) for each in ids[start : start + AT_ONCE]]
                self.refused += await self.repair.put_rows(kind, rows)


def _by_kind(keys: Iterable[Key]) -> Mapping[ObjectKind, Sequence[str]]:
    found: dict[ObjectKind, list[str]] = {}
    for kind, identifier in sorted(keys):
        found.setdefault(kind, []).append(identifier)
    return found
