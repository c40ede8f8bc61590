"""Documents as they were, for whoever asks (PST-2, PST-4, PST-5).

What storage has of a moment is replayed here, beside the rooms and without them: a step at a time,
so that rooms are served in between, and only a few at once, because each holds a whole document.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Generic, TypeVar

from crdt_docs.difference import Difference, comparing
from crdt_docs.document import DocumentBroken, Fence, NoFence
from crdt_docs.identifiers import DocumentName
from crdt_docs.object_kinds import kinds_in
from crdt_docs.replay import Kinds, Replay, Values
from persistence.archive_ports import Archive, AtSeq, Moment, PastDocument
from server.breath import advance
from server.heavy_work import heavy_work
from server.places import AllTaken, Places
from server.poison_list import OPENING, PAST, SHOWING

T = TypeVar("T")

AT_ONCE = 2
"""Moments that are replayed at the same time; each holds a document, and what is told of it."""

WAITING = 32
"""Who may wait for one of these places."""

REMEMBERED = 2
"""Differences that are remembered while somebody turns their pages, for `REMEMBERED_SECONDS`."""

REMEMBERED_SECONDS = 60.0


class PastBusy(AllTaken):
    """Too many look at the past already; it may work in a moment."""


class PastLaborious(Exception):  # noqa: N818 - says what is the case
    """The document is laborious (ROM-18): no checkpoint is made of it."""


@dataclass(frozen=True, slots=True)
class Shown(Generic[T]):
    """What is shown of a moment.

    Attributes:
        seq: position of the log that it is; 0: before everything.
        at: when that entry was committed; None for 0.
        is_rounded: a moment before the one that was asked for, of which nothing is kept (PST-7).
    """

    content: T
    seq: int
    at: datetime | None
    is_rounded: bool


@dataclass(frozen=True, slots=True)
class Compared:
    """Two moments, and all that is different in the second one (PST-9)."""

    before: Shown[None]
    after: Shown[None]
    differences: Sequence[Difference]


@dataclass(slots=True)
class _Work:
    """One replay, known by `what` if it stops the worker.

    Attributes:
        is_only_read: it is not encoded.
        size: bytes that were applied.
        seq: where it is; None: nowhere yet.
    """

    what: bytes
    is_only_read: bool
    replay: Replay = field(init=False)
    size: int = 0
    seq: int | None = None
    is_laborious: bool = False

    def __post_init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Begin with an empty document."""
        self.replay = Replay(time.thread_time, is_only_read=self.is_only_read)
        self.size = 0


class TimeTravel:
    """Replays moments of documents."""

    def __init__(self, archive: Archive, fence: Fence | None = None) -> None:
        self._archive = archive
        self._fence = fence or NoFence()
        self._places = Places(AT_ONCE, WAITING, PastBusy)
        self._is_labouring = False
        self._recent: dict[tuple[DocumentName, int, int], Compared] = {}

    async def json(
        self, document: DocumentName, moment: Moment, roots: Iterable[str]
    ) -> Shown[dict[str, bytes]]:
        """Root maps as they were, each as JSON text.

        Raises:
            UnknownMoment, PastTooLarge: see `archive_ports`.
            PastBusy: too many ask at the same time.
            DocumentBroken: it cannot be replayed, or has stopped a worker before.
            StorageUnavailable: nothing could be read.
        """
        async with self._at_work(document) as work:
            past = await self._reach(work, document, moment)
            with heavy_work(self._fence, work.what, work.size):
                return _shown(past, work.replay.json(roots))

    async def update(self, document: DocumentName, moment: Moment) -> Shown[bytes]:
        """The document as it was, as one Yjs update. Raises like `json`."""
        async with self._at_work(document, is_only_read=False) as work:
            past = await self._archive.past(document, moment)
            if past.state is not None and not past.tail:
                return _shown(past, past.state)  # as it is kept
            await self._replay(work, past)
            with heavy_work(self._fence, work.what, work.size):
                return _shown(past, work.replay.update())

    async def values(
        self, document: DocumentName, moment: Moment, roots: Sequence[str]
    ) -> Shown[Values]:
        """What stood in root maps, as `ObjectReader` reads it. Raises like `json`."""
        async with self._at_work(document) as work:
            return await self._read(work, document, moment, roots)

    async def kinds(
        self, document: DocumentName, moment: Moment, roots: Sequence[str]
    ) -> Shown[Kinds]:
        """The same with the kinds of all parts, to make it again. Raises like `json`."""
        async with self._at_work(document) as work:
            past = await self._reach(work, document, moment)
            kinds: Kinds = {}
            await self._take_steps(work, work.replay.reading_kinds(kinds, roots))
            return _shown(past, kinds)

    async def _read(
        self,
        work: _Work,
        document: DocumentName,
        moment: Moment,
        roots: Sequence[str],
    ) -> Shown[Values]:
        past = await self._reach(work, document, moment)
        values: Values = {}
        await self._take_steps(work, work.replay.reading(values, roots))
        return _shown(past, values)

    async def difference(self, document: DocumentName, before: Moment, after: Moment) -> Compared:
        """What is different at the second moment. The first may be the later one. Raises like
        `json`."""
        if isinstance(before, AtSeq) and isinstance(after, AtSeq):
            known = self._recent.get((document, before.seq, after.seq))
            if known is not None:
                return known
        async with self._at_work(document) as work:
            kinds = kinds_in(document)
            roots = [kind.root for kind in kinds]
            old = await self._read(work, document, before, roots)
            new = await self._read(work, document, after, roots)
            found: list[Difference] = []
            await self._take_steps(work, comparing(kinds, old.content, new.content, found))
        compared = Compared(_without_content(old), _without_content(new), found)
        self._remember(document, compared)
        return compared

    def _remember(self, document: DocumentName, compared: Compared) -> None:
        """For a while: whoever turns the pages asks for the same positions again. These are exact,
        also where a moment was rounded to one of them (PST-7)."""
        key = (document, compared.before.seq, compared.after.seq)
        self._recent[key] = _exactly(compared)
        if len(self._recent) > REMEMBERED:
            del self._recent[next(iter(self._recent))]
        loop = asyncio.get_running_loop()
        loop.call_later(REMEMBERED_SECONDS, self._recent.pop, key, None)

    async def keep(self, document: DocumentName, seq: int) -> None:
        """Make a checkpoint of a position, if there is none.

        Raises:
            PastLaborious: its next opening would take as long, and at a stretch.
            UnknownMoment: the log does not reach that far, or has been merged there.
            Others like `json`.
        """
        async with self._at_work(document, is_only_read=False) as work:
            past = await self._reach(work, document, AtSeq(seq))
            if work.replay.is_laborious:
                raise PastLaborious(document)
            with heavy_work(self._fence, work.what, work.size):
                state = work.replay.update()
            await self._archive.keep(document, past.seq, state)

    @asynccontextmanager
    async def _at_work(
        self, document: DocumentName, *, is_only_read: bool = True
    ) -> AsyncIterator[_Work]:
        """A place for one replay; who labours gives it to others (PST-4)."""
        work = _Work(PAST + document.encode(), is_only_read)
        for prefix in (OPENING, SHOWING, PAST):
            if self._fence.is_poisoned(prefix + document.encode()):
                raise DocumentBroken("the past of this document has stopped the server before")
        await self._places.take()
        try:
            yield work
        finally:
            if work.is_laborious:
                self._is_labouring = False
            else:
                self._places.leave()

    async def _reach(self, work: _Work, document: DocumentName, moment: Moment) -> PastDocument:
        """Bring a replay to a moment, on from where it is if that is shorter."""
        past = await self._archive.past(document, moment, known_seq=work.seq)
        await self._replay(work, past)
        return past

    async def _replay(self, work: _Work, past: PastDocument) -> None:
        if past.after != work.seq:  # also where the way leads on from before everything
            work.begin()
        work.size += past.size
        work.seq = past.seq
        await self._take_steps(work, work.replay.applying(past.state, past.tail))

    async def _take_steps(self, work: _Work, steps: Iterator[None]) -> None:
        while True:
            with heavy_work(self._fence, work.what, work.size):
                is_done = advance(steps)
            if work.replay.is_laborious and not work.is_laborious:
                self._step_aside(work)
            if is_done:
                return
            await asyncio.sleep(0)

    def _step_aside(self, work: _Work) -> None:
        if self._is_labouring:
            raise PastBusy("another document's past takes long already")
        work.is_laborious = self._is_labouring = True
        self._places.leave()


def _shown(past: PastDocument, content: T) -> Shown[T]:
    return Shown(content, past.seq, past.at, past.is_rounded)


def _exactly(compared: Compared) -> Compared:
    before, after = compared.before, compared.after
    if not (before.is_rounded or after.is_rounded):
        return compared
    before, after = replace(before, is_rounded=False), replace(after, is_rounded=False)
    return replace(compared, before=before, after=after)


def _without_content(shown: Shown[Values]) -> Shown[None]:
    return Shown(None, shown.seq, shown.at, shown.is_rounded)
