"""How a client is told what of its edits is stored: the rule is ROM-5, the words are the client's.

The room says up to which message everything is dealt with, and which of them were refused; the
host waits for the database, and then lets these objects write.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from crdt_docs import messages
from server.frames import OutgoingFrame


class Receipts(Protocol):
    """The receipts of one member."""

    def settle(self, count: int, refused: Sequence[range]) -> None:
        """Its first `count` step 2 and update messages are stored, or were refused.

        Args:
            refused: numbers of the refused ones among those since the last call; the first is 1.
        """

    def due(self) -> Iterator[OutgoingFrame]:
        """What is to be said of it, each once; who stops in the middle goes on there later."""


class StoredCounts:
    """`[113][n]`, for y-protocols clients that connect with `?ack=1`: the last number says all."""

    __slots__ = ("_count", "_said")

    def __init__(self) -> None:
        self._count = 0
        self._said = 0

    def settle(self, count: int, refused: Sequence[range]) -> None:
        """See `Receipts`. What was refused was denied before."""
        self._count = count

    def due(self) -> Iterator[OutgoingFrame]:
        """See `Receipts`."""
        if self._said < self._count:
            self._said = self._count
            yield OutgoingFrame(messages.stored(self._count))
