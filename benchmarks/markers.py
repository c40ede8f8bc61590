"""Marks inside what is written, so that a receiver can tell what has arrived, and how late.

A receiver never decodes what it gets. It counts marks, so that a server that merges many updates
into one frame is credited with all of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

MARK = b"~bench~"
_SENDER_DIGITS, _NUMBER_DIGITS, _TIME_DIGITS = 4, 8, 16
_TIME_AT = len(MARK) + _SENDER_DIGITS + _NUMBER_DIGITS
LENGTH = _TIME_AT + _TIME_DIGITS

_PATTERN = re.compile(rb"~bench~([0-9a-f]{%d})([0-9a-f]{%d})" % (_SENDER_DIGITS, _NUMBER_DIGITS))


def tag(sender: int) -> bytes:
    """How the marks of one sender begin."""
    return b"%s%04x" % (MARK, sender)


def mark(tag: bytes, number: int, now: int) -> bytes:
    """The mark of a sender's write; `now` in nanoseconds of the monotonic clock."""
    return b"%s%08x%016x" % (tag, number, now)


def time_of(data: bytes | bytearray, at: int) -> int:
    """When the mark at this position was made."""
    return int(data[at + _TIME_AT : at + LENGTH], 16)


def sample_times(data: bytes | bytearray, most: int) -> Iterator[int]:
    """When marks in these bytes were made: of about `most` of them, evenly spread."""
    step = max(len(data) // most, 1)
    at = data.find(MARK)
    while at >= 0:
        yield time_of(data, at)
        at = data.find(MARK, at + step)


def newest(data: bytes) -> dict[int, int]:
    """For every sender whose mark is there: the number of its newest one."""
    found: dict[int, int] = {}
    for match in _PATTERN.finditer(data):
        sender, number = int(match[1], 16), int(match[2], 16)
        found[sender] = max(number, found.get(sender, 0))
    return found
