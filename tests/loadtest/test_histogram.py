"""Delays by size: places, percentiles, and what other tools read."""

from __future__ import annotations

import math

import pytest
from hdrh.histogram import HdrHistogram
from hypothesis import given, settings
from hypothesis import strategies as st

from loadtest.histogram import DIGITS, MOST, Histogram, highest_of, lowest_of, merged, place_of
from tests.helpers.proving import few_or_many

DELAYS = st.integers(0, MOST) | st.integers(0, 5_000)


@given(DELAYS)
def test_a_delay_is_between_the_ends_of_its_place_which_are_within_a_thousandth(
    delay: int,
) -> None:
    place = place_of(delay)
    assert lowest_of(place) <= delay <= highest_of(place)
    assert highest_of(place) - lowest_of(place) <= delay / 1000


@pytest.mark.parametrize(("delay", "counted"), [(-5, 0), (MOST + 1, MOST), (10 * MOST, MOST)])
def test_what_no_delay_can_be_is_counted_at_the_ends(delay: int, counted: int) -> None:
    assert place_of(delay) == place_of(counted)


@settings(max_examples=few_or_many(10, 200))
@given(st.dictionaries(DELAYS, st.integers(1, 1000), min_size=1, max_size=40))
def test_percentiles_are_those_of_an_hdr_histogram(delays: dict[int, int]) -> None:
    ours, theirs = Histogram(), HdrHistogram(1, MOST, DIGITS)
    for delay, times in delays.items():
        ours.add(delay, times)
        theirs.record_value(delay, times)
    wanted = (1, 50, 95, 99, 99.9, 100)
    expected = [theirs.get_value_at_percentile(each) / 1000 for each in wanted]
    assert ours.percentiles(*wanted) == expected
    assert ours.summary()["mean"] == pytest.approx(theirs.get_mean_value() / 1000, rel=1e-3)


@settings(max_examples=few_or_many(10, 200))
@given(st.dictionaries(DELAYS, st.integers(1, 10**6), max_size=40))
def test_what_is_written_is_read_again(delays: dict[int, int]) -> None:
    whole = Histogram()
    for delay, times in delays.items():
        whole.add(delay, times)
    assert Histogram.from_base64(whole.to_base64()).pairs() == whole.pairs()


def test_parts_together_are_what_one_would_have_counted() -> None:
    whole, parts = Histogram(), [Histogram(), Histogram()]
    for delay in range(0, 90_000, 7):
        whole.add(delay)
        parts[delay % 2].add(delay)
    named = [{"seen": each.pairs()} for each in parts]
    assert merged([*named, {}], "seen").pairs() == whole.pairs()


def test_where_nothing_was_measured_nothing_is_said() -> None:
    assert Histogram().summary() == {"count": 0}
    assert math.isnan(Histogram().percentiles(50)[0])
