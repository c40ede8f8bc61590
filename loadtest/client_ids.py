"""Yjs client ids of the people of a run."""

from __future__ import annotations

from typing import Final

from loadtest.marks import MOST_SENDERS

_FIRST: Final = 1 << 28
"""They are random 32-bit numbers; from here on they take five bytes."""
_SPAN: Final = (1 << 32) - _FIRST
_APART: Final = 7919


def client_id(start: int, meeting: int, number: int) -> int:
    """Of nobody else in the run, and hardly of anybody in another. In each meeting it is a new one,
    as of a page that is opened.

    Args:
        start: of the run, in nanoseconds.
        number: of the person.
    """
    place = meeting * MOST_SENDERS + number
    return _FIRST + (start // 1000 * 2_654_435_761 + place * _APART) % _SPAN
