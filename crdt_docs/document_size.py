"""How large a document is, known without encoding it for every edit (ROM-14)."""

from __future__ import annotations

from collections.abc import Callable

from crdt_docs.document import Document

FULL = "the document has reached its size limit; delete something, or start another session"

LOOKED_AGAIN_AFTER = 256
"""Versions after which a full document is measured again."""


class DocumentSize:
    """A running sum, which only grows, and is measured where it would refuse something.

    Attributes:
        bytes: about how many the document takes, encoded; hardly less than it does.
    """

    __slots__ = ("_document", "_limit", "_measured", "_measured_version", "_waiting", "bytes")

    def __init__(self, document: Document, limit: int, waiting: Callable[[], int]) -> None:
        """
        Args:
            limit: bytes that it may take.
            waiting: bytes that were accepted and are not applied yet.
        """
        # Of what it was opened from, history included: the first doubt is measured.
        self.bytes = document.stored_size
        self._document = document
        self._limit = limit
        self._waiting = waiting
        self._measured = 0
        self._measured_version = 0

    def has_room_for(self, size: int) -> bool:
        """Whether so many bytes more may come."""
        if self.bytes + size <= self._limit:
            return True
        if (
            self._document.version - self._measured_version >= LOOKED_AGAIN_AFTER
            or self.bytes - self._measured > self._limit // 64
        ):
            self._measure()
        return self.bytes + size <= self._limit

    def _measure(self) -> None:
        """What deletions and merging gave back is in no sum."""
        self.bytes = self._measured = self._document.measure() + self._waiting()
        self._measured_version = self._document.version
