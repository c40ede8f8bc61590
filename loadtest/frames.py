"""Walks over the frames of a stream that comes in pieces, and makes nothing of those that nobody
has to see: they are counted where they lie."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from loadtest import wire

STREAMED_FROM: Final = 1 << 16
"""A frame of this size that is not all there is put together once, when its last piece comes; or
not at all: of updates that nobody reads nothing is kept, of a document that was asked for only
that it came. Of a smaller frame what is there waits for the next piece."""

_AWARENESS: Final = 1
_UPDATE: Final = b"\x00\x02"
_STEP2: Final = 1
"""Second number of a sync message that is the answer to a step 1."""

Hear = Callable[[int, bytes], None]
"""Called with the first byte of a frame (finality and kind) and its payload."""


class FrameStream:
    """The frames of one connection, as they come from a server.

    Attributes:
        sees_all: updates and presence are heard, too; else only what is not one of them.
        behind: while a frame is heard: bytes of this piece that come after it.
    """

    __slots__ = (
        "_first",
        "_hear",
        "_is_kept",
        "_kind_at",
        "_left",
        "_parts",
        "_rest",
        "behind",
        "sees_all",
    )

    def __init__(self, hear: Hear, prefix: bytes = b"", *, sees_all: bool = False) -> None:
        """
        Args:
            prefix: goes before every message.
        """
        self.sees_all = sees_all
        self.behind = 0
        self._hear = hear
        self._kind_at = len(prefix)
        self._rest = b""
        self._left = 0
        self._first = 0
        self._is_kept = False
        self._parts: list[bytes] = []

    def take(self, data: bytes) -> int:
        """Take a piece; returns how many frames ended in it. A fragment of a message is none,
        but the last one."""
        if self._left:
            return self._continue(data)
        return self._walk(self._rest + data if self._rest else data)

    def _walk(self, data: bytes) -> int:
        """One loop over all that is there: a call for each frame would take as long again."""
        position, size, kind_at = 0, len(data), self._kind_at
        frames = 0
        while position + 2 <= size:
            length = data[position + 1]
            start = position + 2
            if length >= 126:
                header = wire.read_header(data, position)
                if header is None:
                    break
                start, length = header
            end = start + length
            if length >= STREAMED_FROM:
                if start + kind_at + 2 > size:
                    break
                self._begin(data[position], data[start : start + kind_at + 2], length)
                return frames + self._continue(data[start:])
            if end > size:
                break
            first = data[position]
            if (
                first != wire.BINARY
                or self.sees_all
                or length < kind_at + 2
                or not (
                    data[start + kind_at] == _AWARENESS or data.startswith(_UPDATE, start + kind_at)
                )
            ):
                self.behind = size - end
                self._hear(first, data[start:end])
            frames += first >= wire.LAST_PART
            position = end
        self._rest = data[position:]
        return frames

    def _begin(self, first: int, head: bytes, length: int) -> None:
        """A large frame begins with this; all of it is still to come."""
        at = self._kind_at
        self._first, self._left, self._rest = first, length, b""
        self._parts = []
        self._is_kept = self.sees_all or first != wire.BINARY
        if self._is_kept or head[at] == _AWARENESS or head.startswith(_UPDATE, at):
            return
        self._is_kept = head[at + 1] != _STEP2
        if not self._is_kept:
            self._parts = [head, b"\0"]

    def _continue(self, data: bytes) -> int:
        left, size = self._left, len(data)
        if size < left:
            self._left = left - size
            if self._is_kept:
                self._parts.append(data)
            return 0
        self._left = 0
        if self._is_kept:
            self._parts.append(data[:left])
        parts, self._parts = self._parts, []
        if parts:
            self.behind = size - left
            self._hear(self._first, b"".join(parts))
        return (self._first >= wire.LAST_PART) + self._walk(data[left:])
