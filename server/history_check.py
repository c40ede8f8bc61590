"""The history of a document beside what its whole log tells."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing

from crdt_docs.document import DocumentBroken
from crdt_docs.identifiers import DocumentName
from crdt_docs.object_kinds import ObjectKind
from persistence.errors import SequenceGap
from persistence.inspection_ports import Moment
from persistence.object_rows import stated
from persistence.object_tables import TABLES
from server.breath import Breath
from server.findings import Fault, Finding
from server.kept_history import Kept, Key, digest
from server.retelling import Retelling, Told, begin_retelling, tell_all

NO_BASE = "entries are gone from the log, and nothing is kept that it goes on from"

_COMPARED = (
    "version",
    "change_type",
    "changed_by",
    "contributors",
    "relayed_by",
    "changed_at",
    "changed_until",
    "update_seq",
)
"""Besides the state that a version keeps."""


async def history_findings(moment: Moment, name: DocumentName) -> AsyncGenerator[Finding]:
    """Where rows and history are not what the log tells; what `row_findings` sees is not
    repeated."""
    base = await moment.base()
    if base is None:
        yield Finding(name, Fault.LOG_DAMAGED, NO_BASE)
        return
    kept = await Kept.read(moment, name)
    try:
        retelling = await begin_retelling(moment, name, base, kept)
    except (DocumentBroken, SequenceGap) as error:
        yield Finding(name, Fault.UNREADABLE, str(error))
        return
    try:
        async with aclosing(tell_all(moment, retelling)) as all_told:
            async for told in all_told:
                key = (told.kind, told.row.object_id)
                for fault, detail in _version_findings(told, kept):
                    yield Finding(name, fault, detail, key)
        breath = Breath()
        for key in retelling.objects:
            for fault, detail in _row_findings(retelling, kept, key):
                yield Finding(name, fault, detail, key)
            await breath.take()
        for key in (kept.rows.keys() | kept.versions.keys()) - retelling.objects.keys():
            yield Finding(name, Fault.ROW_UNFOUNDED, "the log knows nothing of it", key)
    except DocumentBroken as error:
        yield Finding(name, Fault.UNREADABLE, str(error))
    finally:
        retelling.close()


def _version_findings(told: Told, kept: Kept) -> Iterator[tuple[Fault, str]]:
    row = told.row
    found = kept.version(told.kind, row.object_id, row.version)
    if found is None:
        yield Fault.HISTORY_DIFFERS, f"lacks version {row.version}, of entry {row.update_seq}"
        return
    differing = [field for field in _COMPARED if getattr(row, field) != getattr(found.row, field)]
    if found.before != digest(row.previous_state):
        if found.before == _blank(told.kind):
            detail = f"version {row.version} is stored without its content, which was refused"
            yield Fault.CONTENT_REFUSED, detail
        else:
            differing.append("previous_state")
    if differing:
        detail = f"version {row.version} differs in {', '.join(differing)}"
        yield Fault.HISTORY_DIFFERS, detail


def _blank(kind: ObjectKind) -> bytes | None:
    """Of what the database refused (HST-7)."""
    return digest(stated(TABLES[kind].blank))


def _row_findings(retelling: Retelling, kept: Kept, key: Key) -> Iterator[tuple[Fault, str]]:
    each = retelling.objects[key]
    row, expected = kept.rows.get(key), retelling.row(key)
    versions = kept.versions.get(key, [])
    if len(versions) > each.version:
        detail = f"has {len(versions)} versions, of which the log tells {each.version}"
        yield Fault.HISTORY_DIFFERS, detail
    if row is None:
        if not each.is_there:
            yield Fault.ROW_MISSING, "was deleted and has no row"
        return
    times = ("created_at", "updated_by", "updated_at", "deleted_at", "agent_id")
    differing = [field for field in times if getattr(row, field) != getattr(expected, field)]
    last = None if each.is_there else expected.state  # what is there was compared
    if last is not None and kept.states[key] not in (digest(stated(last)), _blank(key[0])):
        differing.append("its last state")
    if differing:
        yield Fault.ROW_DIFFERS, f"differs in {', '.join(differing)}"
