"""Numbers of messages, kept as ranges."""

from __future__ import annotations

import random

import pytest

from crdt_docs.number_ranges import MOST_RANGES, add_number, join_ranges, take_up_to


def collected(*numbers: int) -> list[range]:
    ranges: list[range] = []
    for number in numbers:
        add_number(ranges, number)
    return ranges


def test_neighbours_are_one_range() -> None:
    assert collected(1, 2, 3, 7, 8) == [range(1, 4), range(7, 9)]


def test_a_number_may_come_twice() -> None:
    assert collected(4, 4, 5, 5) == [range(4, 6)]


@pytest.mark.parametrize(
    ("up_to", "taken", "left"),
    [
        (0, (), [range(1, 4), range(7, 9)]),
        (2, (range(1, 3),), [range(3, 4), range(7, 9)]),
        (3, (range(1, 4),), [range(7, 9)]),
        (7, (range(1, 4), range(7, 8)), [range(8, 9)]),
        (99, (range(1, 4), range(7, 9)), []),
    ],
)
def test_what_is_taken_is_gone(up_to: int, taken: tuple[range, ...], left: list[range]) -> None:
    ranges = collected(1, 2, 3, 7, 8)
    assert take_up_to(ranges, up_to) == taken
    assert ranges == left


def test_too_many_are_joined_and_none_is_forgotten() -> None:
    numbers = range(1, 10 * MOST_RANGES, 2)
    ranges = collected(*numbers)
    assert len(ranges) == MOST_RANGES
    assert all(any(number in each for each in ranges) for number in numbers)


def test_later_ranges_are_joined_behind() -> None:
    ranges = collected(1, 2)
    join_ranges(ranges, (range(3, 5), range(9, 10)))
    assert ranges == [range(1, 5), range(9, 10)]
    for start in range(20, 20 + 4 * MOST_RANGES, 4):
        join_ranges(ranges, (range(start, start + 1),))
    assert len(ranges) == MOST_RANGES
    assert ranges[-1].stop == 20 + 4 * MOST_RANGES - 3


@pytest.mark.parametrize("seed", range(20))
def test_random_numbers_come_out_as_they_went_in(seed: int) -> None:
    chance = random.Random(seed)
    numbers = sorted(chance.sample(range(1, 300), 80))
    ranges = collected(*numbers)
    out: list[int] = []
    for up_to in (*sorted(chance.sample(range(300), 5)), 300):
        for each in take_up_to(ranges, up_to):
            out.extend(each)
    assert out == numbers
