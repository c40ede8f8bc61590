"""What to delete and insert so that one sequence becomes another (EDT-4).

Minimal by Myers' greedy algorithm ("An O(ND) Difference Algorithm", 1986), which is quick where
little differs. Where much does, it is tried with words, then with lines, and in the end all between
the common beginning and the common end is replaced: an editor waits for the answer.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Sequence
from itertools import accumulate
from typing import Final, NamedTuple

MAX_STEPS: Final = 30_000
"""Comparisons before a coarser diff is tried. They grow with the square of the edits."""

MAX_WORDED: Final = 100_000
"""Characters that are taken apart into words; of more, only into lines."""

_WORDS: Final = re.compile(r"\w+|\s+|.", re.DOTALL)
_LINES: Final = re.compile(r"[^\n]*\n|[^\n]+")


class Hunk(NamedTuple):
    """Items `start` to `end` of the one are replaced by `new_start` to `new_end` of the other."""

    start: int
    end: int
    new_start: int
    new_end: int


def hunks(old: Sequence[Hashable], new: Sequence[Hashable]) -> list[Hunk]:
    """How to get from one to the other; ascending, with something the same between any two."""
    before = _common(old, new)
    after = _common_end(old[before:], new[before:])
    one, other = old[before : len(old) - after], new[before : len(new) - after]
    if not one and not other:
        return []
    found = _middle(one, other)
    return [Hunk(*(place + before for place in hunk)) for hunk in found]


def _middle(old: Sequence[Hashable], new: Sequence[Hashable]) -> list[Hunk]:
    whole = [Hunk(0, len(old), 0, len(new))]
    if not old or not new:
        return whole
    found = _minimal(old, new)
    if found is None and isinstance(old, str) and isinstance(new, str):
        if len(old) + len(new) <= MAX_WORDED:
            found = _coarse(old, new, _WORDS)
        found = found or _coarse(old, new, _LINES)
    return found or whole


def _coarse(old: str, new: str, pattern: re.Pattern[str]) -> list[Hunk] | None:
    parts, new_parts = pattern.findall(old), pattern.findall(new)
    found = _minimal(parts, new_parts)
    if found is None:
        return None
    starts, new_starts = (
        list(accumulate(map(len, each), initial=0)) for each in (parts, new_parts)
    )
    return [
        Hunk(starts[h.start], starts[h.end], new_starts[h.new_start], new_starts[h.new_end])
        for h in found
    ]


def _common(old: Sequence[Hashable], new: Sequence[Hashable]) -> int:
    """How many items they begin with alike. By halves: slices are compared quickly."""
    low, high = 0, min(len(old), len(new))
    while low < high:
        middle = (low + high + 1) // 2
        if old[low:middle] == new[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _common_end(old: Sequence[Hashable], new: Sequence[Hashable]) -> int:
    low, high = 0, min(len(old), len(new))
    while low < high:
        middle = (low + high + 1) // 2
        if old[len(old) - middle : len(old) - low] == new[len(new) - middle : len(new) - low]:
            low = middle
        else:
            high = middle - 1
    return low


def _minimal(old: Sequence[Hashable], new: Sequence[Hashable]) -> list[Hunk] | None:
    """The fewest items deleted and inserted; None where finding them takes too long."""
    trace = _search(old, new)
    return None if trace is None else _joined(_walk_back(trace, len(old), len(new)))


def _search(old: Sequence[Hashable], new: Sequence[Hashable]) -> list[dict[int, int]] | None:
    """By number of edits, the furthest place reached in `old` on each diagonal."""
    reached = {1: 0}
    trace: list[dict[int, int]] = []
    steps = 0
    for edits in range(len(old) + len(new) + 1):
        trace.append(dict(reached))
        for diagonal in range(-edits, edits + 1, 2):
            x = _next_place(reached, diagonal, edits)
            x, compared = _run(old, new, x, x - diagonal)
            reached[diagonal] = x
            steps += compared
            if x >= len(old) and x - diagonal >= len(new):
                return trace
            if steps > MAX_STEPS:
                return None
    return None


def _run(old: Sequence[Hashable], new: Sequence[Hashable], x: int, y: int) -> tuple[int, int]:
    """Where what is alike from here on ends in `old`, and how many comparisons that took: longer
    and longer slices are compared, then shorter and shorter ones."""
    compared = length = 1
    while _alike(old, new, x, y, length):
        x, y = x + length, y + length
        length *= 2
        compared += 1
    while length > 1:
        length //= 2
        compared += 1
        if _alike(old, new, x, y, length):
            x, y = x + length, y + length
    return x, compared


def _alike(old: Sequence[Hashable], new: Sequence[Hashable], x: int, y: int, length: int) -> bool:
    return (
        x + length <= len(old)
        and y + length <= len(new)
        and (old[x] == new[y] if length == 1 else old[x : x + length] == new[y : y + length])
    )


def _next_place(reached: dict[int, int], diagonal: int, edits: int) -> int:
    """Where one more edit leads: down by an insertion, or right by a deletion."""
    if _comes_from_above(reached, diagonal, edits):
        return reached[diagonal + 1]
    return reached[diagonal - 1] + 1


def _comes_from_above(reached: dict[int, int], diagonal: int, edits: int) -> bool:
    return diagonal == -edits or (
        diagonal != edits and reached[diagonal - 1] < reached[diagonal + 1]
    )


def _walk_back(trace: list[dict[int, int]], x: int, y: int) -> Iterable[Hunk]:
    """The single edits, the last one first."""
    for edits in range(len(trace) - 1, 0, -1):
        reached, diagonal = trace[edits], x - y
        if _comes_from_above(reached, diagonal, edits):
            x = reached[diagonal + 1]
            y = x - diagonal - 1
            yield Hunk(x, x, y, y + 1)
        else:
            x = reached[diagonal - 1]
            y = x - diagonal + 1
            yield Hunk(x, x + 1, y, y)


def _joined(edits: Iterable[Hunk]) -> list[Hunk]:
    """Ascending, those that touch made one."""
    found: list[Hunk] = []
    for edit in edits:
        if found and edit.end == found[-1].start and edit.new_end == found[-1].new_start:
            later = found.pop()
            found.append(Hunk(edit.start, later.end, edit.new_start, later.new_end))
        else:
            found.append(edit)
    return found[::-1]
