"""Marks inside what is written, so that a receiver can tell what has arrived, and how late.

A receiver never decodes what it gets. It counts marks, so that a server that merges many updates
into one frame is credited with all of them.

A mark is 18 ASCII bytes, which mean themselves in JSON and in UTF-8: `~ld~` in an edit, `~lc~` in a
cursor; the sender (3 digits), the number of its write (4), and when that was due, in microseconds
of the monotonic clock (7). Digits are of base 36, which Python reads at once. Each number wraps:
the time after 21 hours.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

EDIT: Final = b"~ld~"
CURSOR: Final = b"~lc~"
LENGTH: Final = 18

MOST_SENDERS: Final = 36**3
_WRAP: Final = 36**7
_SOON: Final = _WRAP - 36**5
"""Ages above are of times a little ahead: two clocks are never read at once."""

_TILDE: Final = EDIT[:1]
_BEGINNINGS: Final = (EDIT[:3], CURSOR[:3], EDIT[:2], EDIT[:1])
_PATTERNS: Final = {
    start: re.compile(start + rb"([0-9a-z]{3})[0-9a-z]{4}([0-9a-z]{7})") for start in (EDIT, CURSOR)
}
_DIGITS: Final = b"0123456789abcdefghijklmnopqrstuvwxyz"
_PAIRS: Final = tuple(bytes((high, low)) for high in _DIGITS for low in _DIGITS)


def tag(sender: int, start: bytes = EDIT) -> bytes:
    """How all marks of one sender begin.

    Args:
        start: `EDIT` or `CURSOR`.

    Raises:
        ValueError: there is no room for so many senders.
    """
    if not 0 <= sender < MOST_SENDERS:
        raise ValueError(f"a sender's number is below {MOST_SENDERS}, not {sender}")
    return start + _DIGITS[sender // 1296 : sender // 1296 + 1] + _PAIRS[sender % 1296]


def mark(sender: int, number: int, at_ns: int, start: bytes = EDIT) -> bytes:
    """The mark of a sender's write that was due at this time."""
    return tagged(tag(sender, start), number, at_ns)


def tagged(sender_tag: bytes, number: int, at_ns: int) -> bytes:
    """The same by one who keeps its tag."""
    time = at_ns // 1000 % _WRAP
    return b"".join(
        (
            sender_tag,
            _PAIRS[number // 1296 % 1296],
            _PAIRS[number % 1296],
            _DIGITS[time // 1296**3 : time // 1296**3 + 1],
            _PAIRS[time // 1296**2 % 1296],
            _PAIRS[time // 1296 % 1296],
            _PAIRS[time % 1296],
        )
    )


def sample(
    data: bytes, most: int, now_ns: int, begin: int = 0, start: bytes = EDIT
) -> Iterator[tuple[int, int]]:
    """(sender, when it was due) of about `most` of the marks in these bytes, evenly spread.

    Args:
        start: of which kind.
        now_ns: tells which of the times that a mark may mean is meant: the last one before it.
        begin: the first one behind this place is the first one taken, if there is one.
    """
    step = max(len(data) // most, LENGTH)
    now = now_ns // 1000
    search = _PATTERNS[start].search
    found = search(data, begin) or search(data)
    while found is not None:
        sender, time = found.groups()
        age = (now - int(time, 36)) % _WRAP
        yield int(sender, 36), (now - (age if age < _SOON else 0)) * 1000
        found = search(data, found.start() + step)


def count(data: bytes) -> int:
    """How many marks there are."""
    return data.count(EDIT) + data.count(CURSOR)


class MarkStream:
    """Finds marks in bytes that come in pieces: each once, however they are cut."""

    __slots__ = ("_begun", "_own_cursor", "_own_edit")

    def __init__(self, own: int) -> None:
        """
        Args:
            own: the sender whose marks are left out: a server may send people their own back.
        """
        self._own_edit = tag(own, EDIT)
        self._own_cursor = tag(own, CURSOR)
        self._begun = b""

    def take(self, data: bytes) -> tuple[bytes, int, int]:
        """Take a piece: returns (the bytes to sample from, how many marks of edits of others they
        hold, and of cursors)."""
        if self._begun:
            data, self._begun = self._begun + data, b""
        begun = _begun_at(data)
        self._begun = data[begun:]
        if edits := data.count(EDIT, 0, begun):
            edits -= data.count(self._own_edit, 0, begun)
        if cursors := data.count(CURSOR, 0, begun):
            cursors -= data.count(self._own_cursor, 0, begun)
        return data, edits, cursors


def _begun_at(data: bytes) -> int:
    """Where the last mark begins that is not all there; the end, if there is none."""
    size = len(data)
    tail = max(size - LENGTH + 1, 0)
    if data.find(_TILDE, tail) < 0:  # nearly always
        return size
    whole = [at for start in (EDIT, CURSOR) if (at := data.find(start, tail)) >= 0]
    if whole:
        return min(whole)
    return next((size - len(each) for each in _BEGINNINGS if data.endswith(each)), size)
