"""The fewest insertions and deletions between two sequences."""

from __future__ import annotations

import random
from collections.abc import Hashable, Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crdt_docs.text_diff import Hunk, hunks

SOME = st.text(alphabet="ab\U0001f600 \n", max_size=12)


def carried_out(old: str, new: str, found: Sequence[Hunk]) -> str:
    made, at = "", 0
    for hunk in found:
        made += old[at : hunk.start] + new[hunk.new_start : hunk.new_end]
        at = hunk.end
    return made + old[at:]


def touched(found: Sequence[Hunk]) -> int:
    """Items deleted and inserted."""
    return sum(h.end - h.start + h.new_end - h.new_start for h in found)


def longest_common(old: Sequence[Hashable], new: Sequence[Hashable]) -> int:
    """By the book: as many comparisons as the product of the lengths."""
    row = [0] * (len(new) + 1)
    for item in old:
        above, row = row, [0]
        for i, other in enumerate(new):
            row.append(above[i] + 1 if item == other else max(above[i + 1], row[i]))
    return row[-1]


@given(SOME, SOME)
def test_edt_4_a_diff_is_right_and_minimal(old: str, new: str) -> None:
    found = hunks(old, new)
    assert carried_out(old, new, found) == new
    assert touched(found) == len(old) + len(new) - 2 * longest_common(old, new)
    assert all(one.end < two.start and one.new_end < two.new_start for one, two in pairwise(found))


@given(st.lists(st.integers(0, 3), max_size=9), st.lists(st.integers(0, 3), max_size=9))
def test_lists_have_the_same_diff_as_strings(old: list[int], new: list[int]) -> None:
    assert hunks(old, new) == hunks("".join(map(str, old)), "".join(map(str, new)))


@pytest.mark.parametrize("is_same", [True, False])
def test_the_same_has_no_diff(is_same: bool) -> None:  # noqa: FBT001
    assert hunks("a" * 5, "a" * (5 if is_same else 6)) == ([] if is_same else [Hunk(5, 5, 5, 6)])


def test_a_few_changes_in_a_long_text_are_found_one_by_one() -> None:
    old = "".join(random.Random(1).choices("abcdefgh \n", k=300_000))
    new = old[:1000] + "XX" + old[1000:150_000] + old[150_001:299_000] + "Y" + old[299_000:]
    assert hunks(old, new) == [
        Hunk(1000, 1000, 1000, 1002),
        Hunk(150_000, 150_001, 150_002, 150_002),
        Hunk(299_000, 299_000, 299_001, 299_002),
    ]


@pytest.mark.parametrize("separator", [" ", "\n"])
def test_where_much_differs_words_or_lines_are_kept(separator: str) -> None:
    """The characters differ too much to find the best way; what is kept is still kept."""
    draw = random.Random(2)
    count, length = (60, 50) if separator == " " else (150, 40)
    words = ["".join(draw.choices("abcdef", k=length)) for _ in range(count)]
    others = ["".join(draw.choices("abcdef", k=length)) for _ in range(count)]
    mixed = [
        one if i % 3 else other for i, (one, other) in enumerate(zip(words, others, strict=True))
    ]
    old, new = separator.join(words), separator.join(mixed)
    found = hunks(old, new)
    assert carried_out(old, new, found) == new
    assert touched(found) <= 2 * length * count // 3 + 2 * length


def test_where_everything_differs_it_is_replaced_at_once() -> None:
    draw = random.Random(3)
    old = "=" + "".join(draw.choices("abcdefghijklm \n", k=20_000)) + "="
    new = "=" + "".join(draw.choices("nopqrstuvwxyz", k=20_000)) + "="
    assert hunks(old, new) == [Hunk(1, 20_001, 1, 20_001)]
