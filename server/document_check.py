"""A document from a file, checked as if a client had sent it, and made anew from its log.

What is trusted afterwards, the snapshot with its outline and the checkpoints, is what comes out
here and not what the file says.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Final

from crdt_docs.content_guard import NO_CONTENT_LIMITS, UNENDING, ContentLimits
from crdt_docs.document import Document, DocumentBroken
from crdt_docs.errors import Malformed, Refusal
from crdt_docs.identifiers import DocumentKind
from crdt_docs.outline import DocumentLimits
from crdt_docs.update_guard import GuardLimits, walk_update
from persistence.ports import Snapshot

NOBODY: Final = bytes(16)

_LIMITS: Final = GuardLimits(
    structs=UNENDING,
    blind_writers=UNENDING,
    repeated_places=UNENDING,
    deletes=UNENDING,
    contents=replace(NO_CONTENT_LIMITS, value_depth=ContentLimits().value_depth),
)
"""Of a single update. One in the log may join many that were sent; the limits of a document hold
all the same."""


class DocumentCheck:
    """Goes through the log of one document.

    Attributes:
        seq: the position up to which it is known.
    """

    def __init__(
        self,
        last_seq: int,
        limits: DocumentLimits,
        *,
        is_trusted: bool = False,
        kind: DocumentKind = DocumentKind.OCW,
    ) -> None:
        """
        Args:
            kind: of the document.
            last_seq: how long the log says it is.
            limits: what a document may be.
            is_trusted: the content is not held against the rules for clients.
        """
        self.seq = 0
        self.last_seq = last_seq
        self._limits = limits
        self._is_trusted = is_trusted
        self._base: Snapshot | None = None
        self._document = Document(clock=time.thread_time, kind=kind, with_owners=True)

    def begin(self, seq: int, state: bytes) -> None:
        """Where the log does not begin at 1: the state that its first entry follows on.

        Raises:
            Malformed: it is none that a document could have been in.
        """
        self._add(seq, state)
        self._base = Snapshot(seq, state, self._document.structure())

    def look_at(self, seq: int, state: bytes) -> None:
        """A state that the log does not reach back to: whether it is one at all.

        Raises:
            Malformed: it is not.
        """
        document = Document()
        try:
            self._check(document, state, seq)
            self._apply(document, state, seq)
        finally:
            document.close()

    def add(self, seq: int, update: bytes) -> None:
        """The next entry of the log.

        Raises:
            Malformed: there is a gap before it, or it does not belong to this document.
        """
        if seq != self.seq + 1:
            raise Malformed(f"the log has a gap: {seq} follows on {self.seq}")
        self._add(seq, update)

    def _add(self, seq: int, update: bytes) -> None:
        self._check(self._document, update, seq)
        self._apply(self._document, update, seq)
        ownership = self._document.ownership
        if ownership is not None:
            for _ in ownership.absorb(update, deletions=False):
                continue
        self.seq = seq

    def state(self) -> bytes:
        """The document as it is by now, as one update."""
        return self._document.full_state()

    def finish(self) -> Snapshot | None:
        """What it is to be opened from; None: from its log, which is then whole.

        Raises:
            Malformed: the log is shorter than it says.
        """
        if self.seq != self.last_seq:
            raise Malformed(f"the log ends at {self.seq}, and should at {self.last_seq}")
        if self._document.is_laborious:  # ROM-18
            return self._base
        return Snapshot(self.seq, self._document.full_state(), self._document.structure())

    def close(self) -> None:
        """Let go of the document."""
        self._document.close()

    def _check(self, document: Document, update: bytes, seq: int) -> None:
        """Hold an update against all rules, and note in the outline what it brings."""
        try:
            facts = walk_update(update, _LIMITS)
            if not document.outline.connects(facts):
                raise Malformed("it refers to what is not before it")
            if self._is_trusted:
                document.outline.absorb(update)
                return
            if facts.mends:
                raise Malformed("it holds half of a character")
            document.outline.admit(facts, self._limits)
        except Refusal as error:
            raise Malformed(f"the update at {seq} is not taken: {error}") from None

    @staticmethod
    def _apply(document: Document, update: bytes, seq: int) -> None:
        try:
            document.apply([update], NOBODY)
        except DocumentBroken as error:
            raise Malformed(f"the update at {seq} cannot be applied: {error}") from None
