"""Some of the numbers 1, 2, 3, …, kept as ranges: neighbours cost nothing more."""

from __future__ import annotations

from collections.abc import Iterable

MOST_RANGES = 1000


def add_number(ranges: list[range], number: int) -> None:
    """Add a number that is not below any that was added before."""
    join_ranges(ranges, (range(number, number + 1),))


def take_up_to(ranges: list[range], number: int) -> tuple[range, ...]:
    """Remove and return what is there of the numbers up to this one."""
    taken: list[range] = []
    while ranges and ranges[0].start <= number:
        first = ranges.pop(0)
        taken.append(range(first.start, min(first.stop, number + 1)))
        if first.stop > number + 1:
            ranges.insert(0, range(number + 1, first.stop))
            break
    return tuple(taken)


def join_ranges(ranges: list[range], later: Iterable[range]) -> None:
    """Add ranges that lie behind those that are there.

    Of more than MOST_RANGES the last ones are joined, with all between them: what is kept is
    bounded, and no number is forgotten.
    """
    for each in later:
        if len(ranges) >= MOST_RANGES or (ranges and each.start <= ranges[-1].stop):
            ranges[-1] = range(ranges[-1].start, max(each.stop, ranges[-1].stop))
        else:
            ranges.append(each)
