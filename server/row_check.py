"""The rows of a document beside what is in it: what shows without going through the log."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping
from contextlib import aclosing
from typing import Any, Generic, TypeVar

from crdt_docs.document import Document, DocumentBroken
from crdt_docs.gestures import ChangeKind
from crdt_docs.identifiers import DocumentName, kind_of
from crdt_docs.object_changes import State
from crdt_docs.object_fields import project
from crdt_docs.object_kinds import ObjectKind, kinds_in
from crdt_docs.object_reader import ObjectReader
from crdt_docs.projection import is_projected_id
from persistence.errors import SequenceGap
from persistence.inspection_ports import InspectedRow, LogSpan, Moment
from persistence.object_ports import HistoryRow
from persistence.object_rows import stated
from persistence.object_tables import TABLES
from persistence.ports import StoredDocument
from server.breath import Breath
from server.findings import Counts, Fault, Finding
from server.kept_history import canonical, digest

T = TypeVar("T")


async def row_findings(
    moment: Moment, name: DocumentName, counts: Counts
) -> AsyncGenerator[Finding]:
    """What is wrong with a document, its rows, and the histories in themselves."""
    try:
        stored = await moment.document()
    except SequenceGap as error:
        yield Finding(name, Fault.LOG_DAMAGED, str(error))
        return
    span = await moment.span()
    for finding in _log_findings(name, stored, span):
        yield finding
    try:
        document = await open_document(name, stored)
    except DocumentBroken as error:
        yield Finding(name, Fault.UNREADABLE, str(error))
        return
    try:
        for finding in _author_findings(name, document, stored):
            yield finding
        reader = document.objects()
        for kind in kinds_in(name):
            look = _Look(name, kind, reader, stored.last_seq, counts)
            async with aclosing(look.findings(moment)) as findings:
                async for finding in findings:
                    yield finding
    finally:
        document.close()


async def open_document(name: DocumentName, stored: StoredDocument) -> Document:
    """Load it a step at a time.

    Raises:
        DocumentBroken: what is stored cannot be applied.
    """
    document, breath = Document(kind=kind_of(name)), Breath()
    for _ in document.loading(stored.state()):
        await breath.take()
    return document


def _log_findings(name: DocumentName, stored: StoredDocument, span: LogSpan) -> Iterator[Finding]:
    if span.entries and span.entries != span.last - span.first + 1:
        missing = span.last - span.first + 1 - span.entries
        yield Finding(name, Fault.LOG_DAMAGED, f"{missing} entries are missing within the log")
    if span.last not in (stored.last_seq, 0) or (stored.last_seq and not span.entries):
        snapshot_seq = stored.snapshot.seq if stored.snapshot else 0
        if span.last or snapshot_seq < stored.last_seq:
            detail = f"the log ends at {span.last} and should end at {stored.last_seq}"
            yield Finding(name, Fault.LOG_DAMAGED, detail)


def _author_findings(
    name: DocumentName, document: Document, stored: StoredDocument
) -> Iterator[Finding]:
    unknown = sorted(document.outline.clocks.keys() - stored.authors.keys())
    if unknown:
        some = ", ".join(map(str, unknown[:3])) + (", …" if len(unknown) > 3 else "")
        detail = f"{len(unknown)} client ids have no author ({some})"
        yield Finding(name, Fault.AUTHOR_MISSING, detail)


# Rows beside the document


class _Peeked(Generic[T]):
    """An ordered stream of which the next item can be looked at."""

    def __init__(self, items: AsyncIterator[T], key: Callable[[T], str]) -> None:
        self._items = items
        self._key = key
        self.item: T | None = None

    async def advance(self) -> None:
        self.item = await anext(self._items, None)

    @property
    def key(self) -> bytes | None:
        """The bytes by which it is ordered; None at its end."""
        return None if self.item is None else self._key(self.item).encode()


class _Look:
    """Compares the rows of one root map of a document with what is in it."""

    def __init__(
        self,
        name: DocumentName,
        kind: ObjectKind,
        reader: ObjectReader,
        last_seq: int,
        counts: Counts,
    ) -> None:
        self._name = name
        self._kind = kind
        self._reader = reader
        self._last_seq = last_seq
        self._counts = counts

    async def findings(self, moment: Moment) -> AsyncGenerator[Finding]:
        """All three are in the same order, so that they are gone through side by side."""
        ids = filter(is_projected_id, self._reader.keys(self._kind.root))
        keys = sorted((identifier.encode() for identifier in ids), reverse=True)
        breath = Breath()
        async with (
            aclosing(moment.rows(self._kind)) as all_rows,
            aclosing(moment.versions(self._kind)) as all_versions,
        ):
            rows = _Peeked(all_rows, lambda row: row.id)
            versions = _Peeked(all_versions, lambda row: row.object_id)
            await rows.advance()
            await versions.advance()
            while True:
                heads = [keys[-1] if keys else None, rows.key, versions.key]
                here = min((head for head in heads if head is not None), default=None)
                if here is None:
                    return
                row = rows.item if rows.key == here else None
                chain = Chain(self._last_seq)
                while versions.item is not None and versions.key == here:
                    chain.add(versions.item)
                    await versions.advance()
                identifier = here.decode()
                is_there = bool(keys) and keys[-1] == here
                state = self._project(identifier) if is_there else None
                if is_there:
                    keys.pop()
                self._counts.objects += 1
                self._counts.versions += chain.length
                for fault, detail in _object_findings(self._kind, state, row, chain):
                    yield Finding(self._name, fault, detail, (self._kind, identifier))
                if row is not None:
                    await rows.advance()
                await breath.take()

    def _project(self, identifier: str) -> State:
        return project(self._kind, self._reader.read(self._kind.root, identifier))


def _object_findings(
    kind: ObjectKind, state: State | None, row: InspectedRow | None, chain: Chain
) -> Iterator[tuple[Fault, str]]:
    if row is None:
        if state is not None:
            yield Fault.ROW_MISSING, "has no row"
        if chain.length:
            yield Fault.ROW_MISSING, f"has a history of {chain.length} versions and no row"
        return
    is_live = row.deleted_at is None
    if state is None and is_live:
        yield Fault.ROW_UNFOUNDED, "has a row and is not in the document"
    elif state is not None and not is_live:
        yield Fault.ROW_DIFFERS, "is in the document, and its row says that it was deleted"
    elif state is not None:
        yield from _content_findings(kind, state, row.state, row.search_text)
    if row.version != chain.length:
        detail = f"is at version {row.version} and its history has {chain.length}"
        yield Fault.HISTORY_BROKEN, detail
    elif chain.is_there is not None and chain.is_there != is_live:
        yield Fault.HISTORY_BROKEN, "its last version does not say whether it was deleted"
    for detail in chain.complaints:
        yield Fault.HISTORY_BROKEN, detail


def _content_findings(
    kind: ObjectKind, state: State, columns: Mapping[str, Any], search_text: str
) -> Iterator[tuple[Fault, str]]:
    expected = {**stated(state), "search_text": state.search_text}
    found = {**columns, "search_text": search_text}
    differing = [
        field for field in expected if canonical(expected[field]) != canonical(found.get(field))
    ]
    if not differing:
        return
    if digest(columns) == digest(stated(TABLES[kind].blank)):
        yield (
            Fault.CONTENT_REFUSED,
            "is stored without its content: it was refused, or is heavy",
        )
    else:
        yield Fault.ROW_DIFFERS, f"differs in {', '.join(differing)}"


class Chain:
    """The history of one object, as it comes by: do its versions follow on one another?

    Attributes:
        length: versions until now.
        is_there: whether the object is there after the last; None: that one may mean either.
        complaints: what is wrong.
    """

    def __init__(self, last_seq: int) -> None:
        self.length = 0
        self.is_there: bool | None = False
        self.complaints: list[str] = []
        self._last_seq = last_seq
        self._seq = 0

    def add(self, row: HistoryRow) -> None:
        """The next version."""
        self.length += 1
        was_there = bool(row.previous_state)
        if row.version != self.length:
            self._complain(row, f"is where {self.length} should be")
            self.length = row.version
        if self.is_there is not None and was_there != self.is_there:
            told = "was there" if was_there else "was not there"
            self._complain(row, f"says that the object {told} before it")
        is_creation = row.change_type is ChangeKind.CREATE
        if is_creation == was_there and row.change_type is not ChangeKind.RESTORE:
            told = "was there" if was_there else "was not there"
            self._complain(row, f"is called {row.change_type}, and the object {told}")
        if row.update_seq < self._seq:
            self._complain(row, f"is of entry {row.update_seq}, the one before of {self._seq}")
        if row.update_seq > self._last_seq:
            self._complain(row, f"is of entry {row.update_seq}, the log ends at {self._last_seq}")
        author = row.changed_by.user_id
        if author is not None and author not in row.contributors:
            self._complain(row, "does not count its author among its contributors")
        self._seq = max(self._seq, row.update_seq)
        self.is_there = _is_there_after(row.change_type)

    def _complain(self, row: HistoryRow, what: str) -> None:
        self.complaints.append(f"version {row.version} {what}")


def _is_there_after(kind: ChangeKind) -> bool | None:
    return None if kind is ChangeKind.RESTORE else kind is not ChangeKind.DELETE
