"""One CRDT document: pycrdt's `Doc` with the outline that decides what may be applied to it, and
with what belongs to which object."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from pycrdt import Doc, Map, Subscription, TransactionEvent, merge_updates

from crdt_docs.clocks import ClockRanges
from crdt_docs.deleted_ranges import DeletedRanges
from crdt_docs.errors import Malformed
from crdt_docs.identifiers import DocumentKind
from crdt_docs.object_kinds import KINDS
from crdt_docs.object_reader import ObjectReader
from crdt_docs.outline import Outline
from crdt_docs.ownership import Ownership
from crdt_docs.update_facts import UpdateFacts
from crdt_docs.update_pieces import Pieces
from crdt_docs.update_surgery import brings_news
from crdt_docs.varint import read_var_bytes, var_bytes

T = TypeVar("T")

ROOT_MAPS: dict[DocumentKind, tuple[str, ...]] = {
    DocumentKind.OCW: ("objects", "annotations", "meta"),
    DocumentKind.XR: ("objects", "environment", "meta"),
    DocumentKind.THREAD: ("meta",),
}
"""Root maps that are shown as JSON. Other roots are legal, synced and stored all the same."""

JOINED_AT_ONCE = 700_000
"""Updates times their bytes in one transaction: yrs joins adjacent structs when it commits, with
memory that grows with the square of what there is to join (about 48 bytes for each such unit)."""

ABSORBED_AT_ONCE = 16 * 1024
"""Bytes of a stored update whose structure is read without a pause; a few milliseconds."""

STRUCTS_ABSORBED = 1000
"""Structs of a larger one that are read without a pause."""

LABORIOUS_SECONDS = 0.5
"""Time beyond the usual from which a document counts as laborious."""

USUAL_SECONDS = 0.000_25
USUAL_SECONDS_A_BYTE = 0.000_001
USUAL_SECONDS_A_CLIENT = 0.000_000_5
"""What applying an update may take in a document of so many client ids. Ordinary ones stay below,
even when the processor's caches hold nothing of it."""

EMPTY_STATE_VECTOR = b"\x00"

_WITH_OWNERS = 0xC0
"""First byte of an outline that is stored with the owners of structs; its own is a small number."""


def standing_still() -> float:
    """A clock for where time does not matter."""
    return 0.0


class DocumentBroken(Exception):  # noqa: N818 - says what is the case
    """The CRDT failed on an update that the guard had accepted; the document must be reloaded."""


class Fence(Protocol):
    """Told before and after bytes from outside reach the CRDT, so that somebody who survives a
    crash of this process knows what it was doing."""

    def begin_many(self, updates: Sequence[bytes], sender: bytes) -> None:
        """These updates of one sender (16 bytes, a user id) are about to be applied."""

    def begin_heavy(self, what: bytes, seconds: float) -> None:
        """Work on trusted bytes begins, known by this name, which may take so long."""

    def end(self) -> None:
        """It is done, and the process still lives."""

    def is_poisoned(self, update: bytes) -> bool:
        """Whether this update ended an earlier process."""

    def brings_poison(self, sender: bytes, ranges: Iterable[tuple[int, int, int]]) -> bool:
        """Whether these clock ranges (client, start, end) of a sender hold such an edit."""


class NoFence:
    """A fence for where nobody watches: tests, command line."""

    def begin_many(self, updates: Sequence[bytes], sender: bytes) -> None:
        """Nothing to note."""

    def begin_heavy(self, what: bytes, seconds: float) -> None:
        """Nothing to note."""

    def end(self) -> None:
        """Nothing to note."""

    def is_poisoned(self, update: bytes) -> bool:
        """Nothing ever is."""
        return False

    def brings_poison(
        self,
        sender: bytes,
        ranges: Iterable[tuple[int, int, int]],
    ) -> bool:
        """Nobody ever does."""
        return False


@dataclass(frozen=True, slots=True)
class StoredState:
    """What a document is opened from; `state` and the updates of `tail` as Yjs v1 updates."""

    state: bytes | None = None
    outline: bytes | None = None  # as `Document.structure` gave it
    tail: Sequence[bytes] = ()

    @property
    def size(self) -> int:
        """Bytes of state and tail."""
        return len(self.state or b"") + sum(map(len, self.tail))


class Document:
    """A document in memory. `close` it: an observer keeps the whole of it alive otherwise."""

    def __init__(
        self,
        stored: StoredState | None = None,
        fence: Fence | None = None,
        clock: Callable[[], float] = standing_still,
        *,
        kind: DocumentKind = DocumentKind.OCW,
        with_owners: bool = False,
    ) -> None:
        """
        Args:
            clock: tells the seconds that updates take; without one, time stands still.
            kind: says which of its root maps hold objects.
            with_owners: know of each struct to which object it belongs.

        Raises:
            DocumentBroken: what was stored cannot be applied.

        Attributes:
            kinds: what of it has tables, by the name of the root map in which it lives.
            ownership: what belongs to which object; it has to be told of what is applied.
            stored_size: bytes of what it was loaded from.
            labour: seconds that updates have taken beyond the usual.
        """
        self._clock = clock
        self.labour = 0.0
        self._doc: Doc[Any] = Doc()
        self.fence = fence or NoFence()
        self._emitted: list[bytes] = []
        # Attached before the stored state is loaded, so that nothing can slip in between.
        self._subscription: Subscription | None = self._doc.observe(self._collect)
        self.version = 0
        self._full: tuple[int, bytes] | None = None
        self._deletes = DeletedRanges(self._doc)
        self.outline = Outline()
        self.kinds = {str(each.root): each for each in KINDS[kind]}
        self.ownership = Ownership(self.kinds) if with_owners else None
        self.stored_size = 0
        if stored is not None:
            for _ in self.loading(stored):
                continue

    def _collect(self, event: TransactionEvent) -> None:
        self._emitted.append(event.update)

    def loading(self, stored: StoredState) -> Iterator[None]:
        """Load into a new document what was stored, a step at a time.

        A step takes milliseconds, but for the snapshot: that is one transaction however large it
        is.

        Raises:
            DocumentBroken: what was stored cannot be applied; the document is closed.
        """
        self.stored_size = stored.size
        try:
            yield from self._load(stored)
        except BaseException as error:
            self.close()
            if isinstance(error, Exception) or is_panic(error):
                raise DocumentBroken(f"the stored document cannot be opened: {error}") from error
            raise

    def _load(self, stored: StoredState) -> Iterator[None]:
        if stored.state is not None:
            self._apply_trusted(stored.state)
            yield
            yield from self._load_structure(stored.state, stored.outline or b"")
        for part in stored.tail:  # a transaction each: see JOINED_AT_ONCE
            self._apply_trusted(part)
            yield from self._absorb(part)
            if self.ownership is not None:
                yield from self.ownership.absorb(part, deletions=False)
            yield

    def _load_structure(self, state: bytes, stored: bytes) -> Iterator[None]:
        """Read what was stored of a snapshot's structure; from the snapshot itself what was not,
        or by another version of this server."""
        outline, owners = _split_structure(stored)
        try:
            self.outline = Outline.from_bytes(outline)
        except Malformed:
            yield from self._absorb(state)
        if self.ownership is not None:
            yield
            try:
                self.ownership = Ownership.from_bytes(owners, self.kinds)
            except Malformed:
                yield from self.ownership.absorb(state, deletions=False)

    def _apply_trusted(self, update: bytes) -> None:
        begun = self._clock()
        self._doc.apply_update(update)
        self._weigh(self._clock() - begun, len(update))
        self._emitted.clear()

    def _weigh(self, seconds: float, size: int) -> None:
        clients = len(self.outline.clocks) * USUAL_SECONDS_A_CLIENT
        beyond = seconds - USUAL_SECONDS - size * USUAL_SECONDS_A_BYTE - clients
        if beyond > 0:
            self.labour += beyond

    @property
    def is_laborious(self) -> bool:
        """Whether its updates have taken yrs much longer than their size explains (ROM-18).

        As one snapshot they would take as long again when it is opened, and at a stretch. From
        the log it is opened a step at a time. A snapshot that took long itself counts, too, or
        the document would get there in instalments.
        """
        return self.labour > LABORIOUS_SECONDS

    def _absorb(self, update: bytes) -> Iterator[None]:
        """Let the outline know what the document holds by now."""
        if len(update) <= ABSORBED_AT_ONCE:
            self.outline.absorb(update)
            return
        pieces = Pieces(update, {}, self.outline.clocks)
        while not pieces.is_done:
            piece = pieces.take(STRUCTS_ABSORBED)
            if piece is not None:
                self.outline.absorb(piece)
            yield
        if not pieces.is_whole:
            raise Malformed("a stored update refers to what is not stored before it")

    def apply(self, updates: Sequence[bytes], sender: bytes) -> bytes | None:
        """Apply updates of one sender in one transaction; return what it emitted, or None.

        Raises:
            DocumentBroken: the CRDT failed; this object must not be used further.
        """
        self.fence.begin_many(updates, sender)
        begun = self._clock()
        try:
            for portion in _portions(updates):
                self._transact(portion, sender)
        except BaseException as error:
            if isinstance(error, Exception) or is_panic(error):
                raise DocumentBroken(str(error)) from error
            raise
        finally:
            self.fence.end()
        if self._emitted:
            self._weigh(self._clock() - begun, sum(map(len, updates)))
        return self._take_emitted()

    def apply_judged(
        self, updates: Sequence[bytes], sender: bytes, judge: Callable[[Doc[Any]], bool]
    ) -> bytes | None:
        """Apply updates in a transaction in which `judge` may change what became of the
        document; return what it emitted, or None.

        Args:
            judge: is given the document within the transaction, and says whether it wrote.

        Raises:
            DocumentBroken: the CRDT failed, or `judge`; this object must not be used further.
        """
        self.fence.begin_many(updates, sender)
        begun = self._clock()
        try:
            with self._doc.transaction() as transaction:
                within = transaction._txn  # noqa: SLF001 - not wrapped
                assert within is not None  # noqa: S101 - for the type checker
                for update in updates:
                    self._doc._doc.apply_update(within, update)  # noqa: SLF001 - not wrapped
                self._weigh(self._clock() - begun, sum(map(len, updates)))
                has_written = judge(self._doc)
        except BaseException as error:
            if isinstance(error, Exception) or is_panic(error):
                raise DocumentBroken(str(error)) from error
            raise
        finally:
            self.fence.end()
        emitted = self._take_emitted()
        if emitted is not None and has_written:
            self.outline.absorb(emitted)
        return emitted

    def _take_emitted(self) -> bytes | None:
        """What transactions have emitted, as one update: a new version, unless it is nothing."""
        if not self._emitted:
            return None
        emitted = self._emitted[0] if len(self._emitted) == 1 else merge_updates(*self._emitted)
        self._emitted.clear()
        self.version += 1
        self._deletes.note(emitted)
        return emitted

    def edit(self, change: Callable[[Doc[Any]], T]) -> tuple[T, bytes | None]:
        """Change the document as the server's own client, in one transaction; return also what
        that emitted.

        Raises:
            DocumentBroken: the CRDT failed; this object must not be used further.
            Exception: whatever `change` raises. If it had changed something by then, the CRDT
                keeps that, and this object must not be used further.
        """
        try:
            with self._doc.transaction():
                result = change(self._doc)
        except BaseException as error:
            if is_panic(error) or self._emitted:
                raise DocumentBroken(f"an edit by the server failed: {error}") from error
            raise
        emitted = self._take_emitted()
        if emitted is not None:
            self.outline.absorb(emitted)
        return result, emitted

    @property
    def own_client(self) -> int:
        """The client id of the server's own edits, until the document is opened again."""
        return self._doc.client_id

    def objects(self) -> ObjectReader:
        """Reads its objects; it holds the document."""
        return ObjectReader(self._doc, self.kinds)

    def _transact(self, updates: Sequence[bytes], sender: bytes) -> None:
        """One transaction, without the binding's wrappers: for a small update they cost as much
        as yrs does."""
        doc = self._doc._doc  # noqa: SLF001 - what the wrappers call
        transaction = doc.create_transaction_with_origin(hash(sender))
        try:
            for update in updates:
                doc.apply_update(transaction, update)
            transaction.commit()
        finally:
            transaction.drop()

    def state_vector(self) -> bytes:
        """What this document has, as a Yjs state vector."""
        return self.outline.state_vector()

    def diff(self, state_vector: bytes) -> bytes:
        """What somebody with this state vector lacks (all deletions included)."""
        if state_vector == EMPTY_STATE_VECTOR:
            return self.full_state()
        return self._doc.get_update(state_vector)

    def full_state(self) -> bytes:
        """The whole document as one update; encoded once per version."""
        if self._full is None or self._full[0] != self.version:
            self._full = (self.version, self._doc.get_update())
        return self._full[1]

    def measure(self) -> int:
        """The encoded size in bytes; costs as much as encoding all of it."""
        return len(self._doc.get_update())

    def release_full_state(self) -> None:
        """Let go of the encoded copy that `full_state` keeps."""
        self._full = None

    def structure(self) -> bytes:
        """What is known of its structure, to be stored beside a snapshot."""
        outline = self.outline.to_bytes()
        if self.ownership is None:
            return outline
        return bytes((_WITH_OWNERS,)) + var_bytes(outline) + self.ownership.to_bytes()

    def delete_set(self) -> ClockRanges:
        """Clock ranges that are deleted, by client id; not to be kept."""
        return self._deletes.now()

    def lacks(self, facts: UpdateFacts) -> bool:
        """Whether an update would change anything."""
        return brings_news(facts, self.outline.clocks, self.delete_set)

    def to_json(self, kind: DocumentKind) -> dict[str, Any]:
        """The known root maps as JSON values; non-finite numbers are null, integral ones ints."""
        values: dict[str, Any] = {}
        for name in ROOT_MAPS[kind]:
            root = self._doc.get(name, type=Map)
            with self._doc.transaction() as transaction:
                # The binding's own encoder: five times as fast as walking the types from Python.
                text = root.integrated.to_json(transaction._txn)  # noqa: SLF001 - not wrapped
            values[name] = json.loads(text)
        return values

    def close(self) -> None:
        """Stop observing; without this the document is never freed."""
        if self._subscription is not None:
            self._doc.unobserve(self._subscription)
            self._subscription = None


def _portions(updates: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    """Cut a group of updates so that joining what each portion holds stays cheap."""
    start = size = 0
    for end, update in enumerate(updates):
        size += len(update)
        if end > start and (end - start + 1) * size > JOINED_AT_ONCE:
            yield updates[start:end]
            start, size = end, len(update)
    yield updates[start:]


def _split_structure(stored: bytes) -> tuple[bytes, bytes]:
    """The outline, and the owners of structs; empty for what was not stored."""
    if stored[:1] != bytes((_WITH_OWNERS,)):
        return stored, b""
    outline, position = read_var_bytes(stored, 1)
    return outline, stored[position:]


def is_panic(error: BaseException) -> bool:
    """A Rust panic surfaces as pyo3's PanicException: no Exception, and not importable."""
    return type(error).__name__ == "PanicException"
