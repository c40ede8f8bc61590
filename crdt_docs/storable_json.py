"""Whether JSON can be stored as it is: whether `projection.storable` would change nothing of it.

It is told from the text, in a fraction of the time that walking the values takes. A string that
looks like a number may make it say no for nothing, but never yes (PRJ-1).
"""

from __future__ import annotations

import re
from typing import Final

from crdt_docs.projection import MAX_DEPTH

_NUL: Final = "\\u0000"

# In a shape all digits are zeros, nothing is negative, and one character comes before each number.
_SHAPES: Final = bytes.maketrans(b"123456789[,E", b"000000000::e")
_SIGN: Final = b"-"
_LONG: Final = b":" + b"0" * 16
"""An integer of 16 digits may be beyond 2^53."""
_POWER: Final = b"0e"
_NUMBER_WITH_POWER: Final = re.compile(rb":[0.]+e")


def is_storable_json(text: str) -> bool:
    """Whether JSON has values that are stored as they are.

    Args:
        text: as yrs writes it: without blanks and lone surrogates, integral numbers below 2^53 as
            integers.
    """
    return not ("\\" in text and _NUL in text) and _numbers_stay(text) and _is_flat(text)


def _numbers_stay(text: str) -> bool:
    shape = text.encode().translate(_SHAPES, _SIGN)
    if _LONG in shape:
        return False
    return _POWER not in shape or _NUMBER_WITH_POWER.search(shape) is None


def _is_flat(text: str) -> bool:
    """Whether it is not nested too deep. What is opened where its neighbour has just been closed
    leads no deeper; within a string this takes away what it has added."""
    opened = text.count("{") + text.count("[")
    if opened > MAX_DEPTH:
        opened -= text.count("},{") + text.count("],[")
    return opened <= MAX_DEPTH
