"""How wide words are, without a browser: the widths of Helvetica, which Arial and Liberation Sans
share, and rough ones for everything else."""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from typing import Final, Literal, TypeAlias

Family: TypeAlias = Literal["sans", "serif", "mono"]

STACKS: Final[dict[Family, str]] = {
    "sans": "Arial, 'Liberation Sans', Helvetica, sans-serif",
    "serif": "'Times New Roman', 'Liberation Serif', Times, serif",
    "mono": "'Courier New', 'Liberation Mono', Courier, monospace",
}

ASCENT: Final = 0.905
DESCENT: Final = 0.212
"""Of Arial, in parts of the font size."""

_BOLD: Final = 1.065
_SERIF: Final = 0.9
_MONO: Final = 0.6
_OTHER: Final = 0.6
_WIDE: Final = 1.0

# Adobe's metrics of Helvetica, thousandths of the font size, from the space to the tilde.
_WIDTHS: Final = (
    "278 278 355 556 556 889 667 191 333 333 389 584 278 333 278 278 "
    "556 556 556 556 556 556 556 556 556 556 278 278 584 584 584 556 "
    "1015 667 667 722 722 667 611 778 722 278 500 667 556 833 722 778 "
    "667 778 722 667 611 722 667 944 667 667 611 278 278 278 469 556 "
    "333 556 556 500 556 556 278 556 556 222 222 500 222 833 556 556 "
    "556 556 333 500 278 556 500 722 500 500 500 334 260 334 584"
)
_HELVETICA: Final = tuple(int(width) / 1000 for width in _WIDTHS.split())

_INVISIBLE: Final = frozenset(("Mn", "Me", "Cf"))


@lru_cache(maxsize=4096)
def advance(character: str) -> float:
    """How far a character of the sans family moves the pen, in parts of the font size."""
    code = ord(character)
    if 32 <= code < 127:
        return _HELVETICA[code - 32]
    if is_attached(character):
        return 0.0
    base = unicodedata.normalize("NFD", character)[0]
    if base != character and base.isascii():
        return advance(base)
    if unicodedata.east_asian_width(character) in "WF":
        return _WIDE
    return _OTHER


def is_attached(character: str) -> bool:
    """Whether it takes no room of its own: marks, joiners, selectors of variants."""
    return unicodedata.category(character) in _INVISIBLE


def width_of(text: str, size: float, family: Family, *, is_bold: bool) -> float:
    """The width of a text in one line, pixels."""
    if family == "mono":
        width = sum(_MONO if ord(each) < 0x300 else advance(each) for each in text)
    else:
        width = sum(map(advance, text)) * (_SERIF if family == "serif" else 1)
        width *= _BOLD if is_bold else 1
    return width * size
