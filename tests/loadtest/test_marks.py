"""Marks inside what is written."""

from __future__ import annotations

import json
from itertools import pairwise
from time import monotonic_ns

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest import marks

NOW = 123_456 * 10**9


def test_a_mark_is_read_as_it_was_made() -> None:
    made = marks.mark(777, 12, NOW - 5_000_000)
    assert len(made) == marks.LENGTH
    assert list(marks.sample(b"x" + made + b"y", 8, NOW)) == [(777, NOW - 5_000_000)]
    assert made[7:11] == b"000c"


def test_cursors_are_told_from_edits() -> None:
    made = marks.mark(5, 1, NOW) + marks.mark(6, 1, NOW, marks.CURSOR) * 2
    assert list(marks.sample(made, 8, NOW)) == [(5, NOW)]
    assert list(marks.sample(made, 8, NOW, start=marks.CURSOR)) == [(6, NOW)] * 2
    assert marks.MarkStream(own=7).take(made)[1:] == (1, 2)
    assert marks.MarkStream(own=6).take(made)[1:] == (1, 0)
    assert marks.count(made) == 3


def test_a_mark_means_itself_in_json_and_utf8() -> None:
    made = marks.mark(marks.MOST_SENDERS - 1, 36**4 - 1, monotonic_ns()).decode()
    assert json.dumps(made) == f'"{made}"'
    assert made.isascii()


@pytest.mark.parametrize("age", [0, 1, 3_600, 20 * 3_600])
def test_the_time_of_a_mark_wraps_and_is_still_known(age: int) -> None:
    for now in (NOW, 36**7 * 1000 + 5_000, 36**7 * 3000 + 2 * 10**9):
        made = marks.mark(1, 1, now - age * 10**9)
        ((_, at),) = marks.sample(made, 1, now)
        assert abs(now - at - age * 10**9) < 1_000


def test_a_time_a_little_ahead_is_now() -> None:
    assert list(marks.sample(marks.mark(1, 1, NOW + 900_000), 1, NOW)) == [(1, NOW)]


def test_there_is_no_room_for_more_senders() -> None:
    for sender in (-1, marks.MOST_SENDERS):
        with pytest.raises(ValueError, match="sender"):
            marks.tag(sender)


def test_a_sample_is_spread_evenly() -> None:
    data = b"".join(marks.mark(sender, 1, NOW) + b"-" * 82 for sender in range(1_000))
    senders = [sender for sender, _ in marks.sample(data, 8, NOW)]
    assert 7 <= len(senders) <= 9
    assert all(a < b for a, b in pairwise(senders))
    assert marks.count(data) == 1_000


def test_a_mark_that_is_cut_off_is_no_sample() -> None:
    assert list(marks.sample(marks.mark(1, 1, NOW)[:-1], 8, NOW)) == []


@given(
    st.lists(
        st.sampled_from(
            [
                # Noise may look like a beginning, but two never share a byte: digits follow one.
                *(b"~", b"~l", b"l~", b"d~", b"c~", b"rest", b"\x82\x7e"),
                *(b"own", b"m", b"own c", b"c"),
            ]
        )
    ),
    st.lists(st.integers(0, 400)),
)
def test_however_a_stream_is_cut_each_mark_is_found_once(
    words: list[bytes], cuts: list[int]
) -> None:
    sender = int("ldl", 36)  # the worst: it looks like a beginning itself
    made = {
        b"own": marks.mark(5, 1, NOW),
        b"m": marks.mark(sender, 1, NOW),
        b"own c": marks.mark(5, 1, NOW, marks.CURSOR),
        b"c": marks.mark(sender, 1, NOW, marks.CURSOR),
    }
    data = b"".join(made.get(word, word) for word in words) + b"." * marks.LENGTH
    stream = marks.MarkStream(own=5)
    found, found_cursors, sampled, sampled_cursors = 0, 0, list[int](), list[int]()
    edges = sorted({0, len(data), *(cut % len(data) for cut in cuts)})
    for begin, end in pairwise(edges):
        whole, times, of_cursors = stream.take(data[begin:end])
        found += times
        found_cursors += of_cursors
        cursors = marks.sample(whole, 10_000, NOW, start=marks.CURSOR)
        sampled_cursors += [sender for sender, _ in cursors]
        sampled += [sender for sender, _ in marks.sample(whole, 10_000, NOW)]
    assert found == data.count(marks.EDIT) - data.count(marks.tag(5))
    own_cursors = data.count(marks.tag(5, marks.CURSOR))
    assert found_cursors == data.count(marks.CURSOR) - own_cursors
    assert sampled.count(sender) == data.count(made[b"m"])
    assert sampled_cursors.count(sender) == data.count(made[b"c"])


def test_what_only_looks_like_a_mark_is_counted_but_not_read() -> None:
    assert marks.count(b"~ld~ is how they begin") == 1
    assert list(marks.sample(b"~ld~ is how they begin", 8, NOW)) == []
