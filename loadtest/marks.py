"""Marks inside what is written, so that a receiver can tell what has arrived, and how late.

A receiver never decodes what it gets. It counts marks, so that a server that merges many updates
into one frame is credited with all of them.

A mark is 18 ASCII bytes, which mean themselves in JSON and in UTF-8: `~ld~`, the sender (3
digits), the number of its write (4), and when that was due, in microseconds of the monotonic clock
(7). Digits are of base 36, which Python reads at once. Each number wraps: the time after 21 hours.
The upper half of all numbers is for cursors, so that they are told from edits.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

START: Final = b"~ld~"
LENGTH: Final = 18

MOST_SENDERS: Final = 36**3
_WRAP: Final = 36**7
_SOON: Final = _WRAP - 36**5
"""Ages above are of times a little ahead: two clocks are never read at once."""

_NUMBERS: Final = 36**4 // 2
_CURSORS_FROM: Final = b"i"  # the first digit of their numbers: the upper half of 36

_TILDE: Final = START[:1]
_BEGINNINGS: Final = (START[:3], START[:2], START[:1])
_PATTERN: Final = re.compile(rb"~ld~([0-9a-z]{3})([0-9a-z])[0-9a-z]{3}([0-9a-z]{7})")
_DIGITS: Final = b"0123456789abcdefghijklmnopqrstuvwxyz"
_PAIRS: Final = tuple(bytes((high, low)) for high in _DIGITS for low in _DIGITS)


class Mark(NamedTuple):
    """What a mark tells: whose it is, of a cursor or an edit, and when that was due (ns)."""

    sender: int
    is_cursor: bool
    at: int


def tag(sender: int) -> bytes:
    """How all marks of one sender begin.

    Raises:
        ValueError: there is no room for so many senders.
    """
    if not 0 <= sender < MOST_SENDERS:
        raise ValueError(f"a sender's number is below {MOST_SENDERS}, not {sender}")
    return START + _DIGITS[sender // 1296 : sender // 1296 + 1] + _PAIRS[sender % 1296]


def mark(sender: int, number: int, at_ns: int, *, is_cursor: bool = False) -> bytes:
    """The mark of a sender's write that was due at this time."""
    return tagged(tag(sender), number, at_ns, is_cursor=is_cursor)


def tagged(sender_tag: bytes, number: int, at_ns: int, *, is_cursor: bool = False) -> bytes:
    """The same by one who keeps its tag."""
    number = number % _NUMBERS + _NUMBERS * is_cursor
    time = at_ns // 1000 % _WRAP
    return b"".join(
        (
            sender_tag,
            _PAIRS[number // 1296],
            _PAIRS[number % 1296],
            _DIGITS[time // 1296**3 : time // 1296**3 + 1],
            _PAIRS[time // 1296**2 % 1296],
            _PAIRS[time // 1296 % 1296],
            _PAIRS[time % 1296],
        )
    )


def sample(data: bytes, most: int, now_ns: int, begin: int = 0) -> Iterator[Mark]:
    """About `most` of the marks in these bytes, evenly spread.

    Args:
        now_ns: tells which of the times that a mark may mean is meant: the last one before it.
        begin: the first one behind this place is the first one taken, if there is one.
    """
    step = max(len(data) // most, LENGTH)
    now = now_ns // 1000
    found = _PATTERN.search(data, begin) or _PATTERN.search(data)
    while found is not None:
        sender, kind, time = found.groups()
        age = (now - int(time, 36)) % _WRAP
        due = (now - (age if age < _SOON else 0)) * 1000
        yield Mark(int(sender, 36), kind >= _CURSORS_FROM, due)
        found = _PATTERN.search(data, found.start() + step)


def count(data: bytes) -> int:
    """How many marks there are."""
    return data.count(START)


class MarkStream:
    """Finds marks in bytes that come in pieces: each once, however they are cut."""

    __slots__ = ("_begun", "_own_tag")

    def __init__(self, own: int) -> None:
        """
        Args:
            own: the sender whose marks are left out: a server may send people their own back.
        """
        self._own_tag = tag(own)
        self._begun = b""

    def take(self, data: bytes) -> tuple[bytes, int]:
        """Take a piece: returns (the bytes to sample from, how many marks of others they hold)."""
        if self._begun:
            data, self._begun = self._begun + data, b""
        begun = _begun_at(data)
        self._begun = data[begun:]
        found = data.count(START, 0, begun)
        return data, found - data.count(self._own_tag, 0, begun) if found else 0


def _begun_at(data: bytes) -> int:
    """Where the last mark begins that is not all there; the end, if there is none."""
    size = len(data)
    tail = max(size - LENGTH + 1, 0)
    if data.find(_TILDE, tail) < 0:  # nearly always
        return size
    begun = data.find(START, tail)
    if begun >= 0:
        return begun
    return next((size - len(each) for each in _BEGINNINGS if data.endswith(each)), size)
