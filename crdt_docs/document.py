"""One CRDT document: pycrdt's `Doc` with the outline that decides what may be applied to it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from pycrdt import Doc, Map, Subscription, TransactionEvent, merge_updates

from crdt_docs.identifiers import DocumentKind
from crdt_docs.outline import Outline
from crdt_docs.update_surgery import read_delete_set

ROOT_MAPS: dict[DocumentKind, tuple[str, ...]] = {
    DocumentKind.OCW: ("objects", "annotations", "meta"),
    DocumentKind.XR: ("objects", "environment", "meta"),
    DocumentKind.THREAD: ("meta",),
}
"""Root maps that are shown as JSON. Other roots are legal, synced and stored all the same."""

JOINED_AT_ONCE = 700_000
"""Updates times their bytes in one transaction: yrs joins adjacent structs when it commits, with
memory that grows with the square of what there is to join (about 48 bytes for each such unit)."""

EMPTY_STATE_VECTOR = b"\x00"


class DocumentBroken(Exception):  # noqa: N818 - says what is the case
    """The CRDT failed on an update that the guard had accepted; the document must be reloaded."""


class Fence(Protocol):
    """Told before and after bytes from outside reach the CRDT, so that somebody who survives a
    crash of this process knows what it was doing."""

    def begin_many(self, updates: Sequence[bytes], sender: bytes) -> None:
        """These updates of one sender (16 bytes, a user id) are about to be applied."""

    def end(self) -> None:
        """They were, and the process still lives."""

    def is_poisoned(self, update: bytes) -> bool:
        """Whether this update ended an earlier process."""

    def brings_poison(self, sender: bytes, ranges: Iterable[tuple[int, int, int]]) -> bool:
        """Whether these clock ranges (client, start, end) of a sender hold such an edit."""


class NoFence:
    """A fence for where nobody watches: tests, command line."""

    def begin_many(self, updates: Sequence[bytes], sender: bytes) -> None:
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
    outline: bytes | None = None
    tail: Sequence[bytes] = ()


class Document:
    """A document in memory. `close` it: an observer keeps the whole of it alive otherwise."""

    def __init__(self, stored: StoredState | None = None, fence: Fence | None = None) -> None:
        """
        Raises:
            DocumentBroken: what was stored cannot be applied.
        """
        self._doc: Doc[Any] = Doc()
        self.fence = fence or NoFence()
        self._emitted: list[bytes] = []
        # Attached before the stored state is loaded, so that nothing can slip in between.
        self._subscription: Subscription | None = self._doc.observe(self._collect)
        self.version = 0
        self._full: tuple[int, bytes] | None = None
        self._deletes: tuple[int, dict[int, list[tuple[int, int]]]] | None = None
        self.outline = Outline()
        if stored is not None:
            self._load(stored)

    def _collect(self, event: TransactionEvent) -> None:
        self._emitted.append(event.update)

    def _load(self, stored: StoredState) -> None:
        parts = [stored.state] if stored.state is not None else []
        parts.extend(stored.tail)
        try:
            for part in parts:  # a transaction each: see JOINED_AT_ONCE
                self._doc.apply_update(part)
            self._emitted.clear()
            if stored.outline is not None and stored.state is not None:
                self.outline = Outline.from_bytes(stored.outline)
                for part in stored.tail:
                    self.outline.absorb(part)
            else:
                self.outline = Outline.of_update(self.full_state())
        except BaseException as error:
            self.close()
            if isinstance(error, Exception) or _is_panic(error):
                raise DocumentBroken(f"the stored document cannot be opened: {error}") from error
            raise

    def apply(self, updates: Sequence[bytes], sender: bytes) -> bytes | None:
        """Apply updates of one sender in one transaction; return what it emitted, or None.

        Raises:
            DocumentBroken: the CRDT failed; this object must not be used further.
        """
        self.fence.begin_many(updates, sender)
        try:
            for portion in _portions(updates):
                with self._doc.transaction(origin=sender):
                    for update in portion:
                        self._doc.apply_update(update)
        except BaseException as error:
            if isinstance(error, Exception) or _is_panic(error):
                raise DocumentBroken(str(error)) from error
            raise
        finally:
            self.fence.end()
        if not self._emitted:
            return None
        emitted = self._emitted[0] if len(self._emitted) == 1 else merge_updates(*self._emitted)
        self._emitted.clear()
        self.version += 1
        return emitted

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

    def delete_set(self) -> dict[int, list[tuple[int, int]]]:
        """Clock ranges that are deleted, by client id; read once per version."""
        if self._deletes is None or self._deletes[0] != self.version:
            without_structs = self._doc.get_update(self._doc.get_state())
            self._deletes = (self.version, read_delete_set(without_structs))
        return self._deletes[1]

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


def _is_panic(error: BaseException) -> bool:
    """A Rust panic surfaces as pyo3's PanicException: no Exception, and not importable."""
    return type(error).__name__ == "PanicException"
