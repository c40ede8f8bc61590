"""Cutting updates: what connects, pieces, placeholders, news."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycrdt import merge_updates

from crdt_docs.clocks import ClockRanges
from crdt_docs.outline import DocumentLimits, Outline
from crdt_docs.state_vector import walk_state_vector
from crdt_docs.update_guard import walk_update
from crdt_docs.update_surgery import (
    brings_news,
    connecting_part,
    is_deleted_already,
    not_deleted_yet,
    placeholder,
    read_delete_set,
)
from tests.helpers.corpus import recordings
from tests.helpers.editors import session
from tests.helpers.outlined_document import OutlinedDocument
from tests.helpers.proving import few_or_many
from tests.helpers.raw_updates import (
    collected,
    item,
    section,
    skip,
    text,
    update,
)

# The part that connects


def test_the_connecting_part_ends_at_a_gap_and_at_what_is_not_known() -> None:
    data = update(
        section(9, 0, item(text("a"), parent="t"), item(text("b"), origin=(8, 5)), collected(1)),
        section(
            8,
            3,
            item(text("c"), origin=(8, 2)),
            item(text("d"), origin=(9, 0)),
            skip(1),
            collected(1),
        ),
        deletes={9: [(0, 2)], 8: [(0, 1), (3, 4)], 7: [(0, 9)]},
    )
    assert connecting_part(data, {8: 3, 7: 4}) == update(
        section(9, 0, item(text("a"), parent="t")),
        section(8, 3, item(text("c"), origin=(8, 2)), item(text("d"), origin=(9, 0))),
        deletes={9: [(0, 1)], 8: [(0, 1), (3, 2)], 7: [(0, 4)]},
    )
    assert connecting_part(data, {}) == update(
        section(9, 0, item(text("a"), parent="t")), deletes={9: [(0, 1)]}
    )


def test_what_is_known_already_is_left_out_of_the_connecting_part() -> None:
    data = update(
        section(9, 0, item(text("ab"), parent="t"), item(text("cd"), origin=(9, 1)), collected(1))
    )
    assert connecting_part(data, {9: 2}) == update(
        section(9, 2, item(text("cd"), origin=(9, 1)), collected(1))
    )
    # A struct of which a part is new is kept whole: the document takes its rest.
    assert connecting_part(data, {9: 3}) == update(
        section(9, 2, item(text("cd"), origin=(9, 1)), collected(1))
    )
    assert connecting_part(data, {9: 5}) is None


def test_a_skip_over_what_is_known_is_no_gap() -> None:
    data = update(section(9, 0, collected(1), skip(3), item(text("x"), origin=(9, 3))))
    assert connecting_part(data, {9: 4}) == update(section(9, 4, item(text("x"), origin=(9, 3))))
    assert connecting_part(data, {9: 3}) is None
    assert connecting_part(data, {}) == update(section(9, 0, collected(1)))


def test_an_update_that_connects_is_its_own_connecting_part() -> None:
    for recording in recordings()[:: few_or_many(5, 1)]:
        server = OutlinedDocument()
        for data in recording.updates:
            facts = walk_update(data)
            part = connecting_part(data, server.outline.clocks)
            if server.outline.connects(facts) and not facts.is_empty:
                assert part is None or not server.outline.missing(walk_update(part))
            if part is not None:
                server.take(part)
        assert server.outline.clocks == walk_state_vector(recording.state)


@pytest.mark.parametrize("seed", range(few_or_many(10, 300)))
def test_parts_and_the_rest_come_to_the_same(seed: int) -> None:
    updates, whole = session(seed)
    dice = random.Random(seed)
    reference = OutlinedDocument(whole)
    # The server misses some updates at first; then comes everything, as a client would send it.
    server = OutlinedDocument()
    for data in updates:
        if dice.random() < 0.7:
            part = connecting_part(data, server.outline.clocks)
            if part is not None:
                assert server.take(part).ranges or part.startswith(b"\x00")
    merged = merge_updates(*dice.sample(updates, len(updates) // 2))
    part = connecting_part(merged, server.outline.clocks)
    if part is not None:
        server.take(part)
    server.take(whole)
    assert server.contents() == reference.contents()


@pytest.mark.parametrize("seed", range(few_or_many(10, 300)))
def test_the_connecting_part_is_the_largest(seed: int) -> None:
    updates, whole = session(seed, steps=25)
    dice = random.Random(seed)
    full = Outline.of_update(whole).clocks
    clocks = {client: dice.randint(0, clock) for client, clock in full.items()}
    known = Outline()
    for data in updates:
        part = connecting_part(data, known.clocks)
        facts = walk_update(part) if part else None
        if facts and all(end <= clocks[client] for client, _, end in facts.ranges):
            known.admit(facts, DocumentLimits())
    part = connecting_part(whole, known.clocks)
    if part is None:
        assert known.clocks == full
    else:
        # All that is missing comes with the whole, so that the part is all of it.
        known.admit(walk_update(part), DocumentLimits())
        assert known.clocks == full
        assert connecting_part(whole, known.clocks) == update(
            deletes=_lengths(read_delete_set(whole))
        )


def _lengths(deletes: ClockRanges) -> dict[int, list[tuple[int, int]]]:
    return {
        client: [(start, end - start) for start, end in spans] for client, spans in deletes.items()
    }


# Placeholders


@given(
    st.dictionaries(
        st.integers(0, 2**53 - 1),
        st.lists(st.tuples(st.integers(0, 3), st.integers(1, 1000)), min_size=1, max_size=4),
        max_size=4,
    ),
    st.integers(0, 1000),
)
def test_placeholders_bring_exactly_the_ranges_asked_for(
    steps: dict[int, list[tuple[int, int]]], first: int
) -> None:
    ranges = []
    for client, gaps in steps.items():
        position = first
        for gap, length in gaps:
            start = position + gap
            position = start + length
            ranges.append((client, start, position))
    facts = walk_update(placeholder(ranges))
    brought = {
        (client, clock) for client, start, end in facts.ranges for clock in range(start, end)
    }
    assert brought == {
        (client, clock) for client, start, end in ranges for clock in range(start, end)
    }
    assert not facts.has_deletes
    assert not facts.references


def test_yrs_takes_a_placeholder_and_what_follows_it() -> None:
    server = OutlinedDocument(placeholder([(7, 0, 10)]))
    server.take(update(section(7, 10, item(text("legal"), parent="text"))))
    assert "legal" in server.contents()[0]


# News


def test_deletes_are_compared_range_by_range() -> None:
    known = {7: [(0, 5), (5, 8), (10, 20)], 8: [(3, 4)]}
    for deletes in ({}, {7: [(0, 8)]}, {7: [(1, 2), (4, 6), (12, 20)]}, {8: [(3, 4)], 7: [(0, 1)]}):
        assert is_deleted_already(deletes, known)
    for deletes in (
        {7: [(0, 9)]},
        {7: [(8, 9)]},
        {7: [(9, 11)]},
        {7: [(0, 1), (19, 21)]},
        {8: [(2, 4)]},
        {8: [(3, 5)]},
        {9: [(0, 1)]},
    ):
        assert not is_deleted_already(deletes, known)


_SPANS = st.dictionaries(
    st.integers(0, 2),
    st.lists(st.tuples(st.integers(0, 4), st.integers(1, 5)), min_size=1, max_size=6),
)


def _spans(steps: dict[int, list[tuple[int, int]]]) -> ClockRanges:
    spans: ClockRanges = {}
    for client, gaps in steps.items():
        position = 0
        spans[client] = []
        for gap, length in gaps:
            spans[client].append((position + gap, position + gap + length))
            position += gap + length
    return spans


@given(_SPANS, _SPANS)
def test_deleted_already_is_a_subset(
    first: dict[int, list[tuple[int, int]]], second: dict[int, list[tuple[int, int]]]
) -> None:
    def clocks(spans: ClockRanges) -> set[tuple[int, int]]:
        return {
            (client, clock)
            for client, ranges in spans.items()
            for start, end in ranges
            for clock in range(start, end)
        }

    deletes, known = _spans(first), _spans(second)
    assert is_deleted_already(deletes, known) == (clocks(deletes) <= clocks(known))
    assert is_deleted_already(known, known)
    data = update(deletes=_lengths(deletes))
    assert read_delete_set(data) == deletes
    assert (
        read_delete_set(update(section(7, 0, collected(1)), deletes=_lengths(deletes))) == deletes
    )


@pytest.mark.parametrize("seed", range(few_or_many(8, 200)))
def test_what_is_in_the_document_is_no_news(seed: int) -> None:
    updates, whole = session(seed)
    server = OutlinedDocument()
    for data in updates:
        facts = walk_update(data)
        before = server.contents(), server.outline.clocks.copy()
        is_news = brings_news(facts, server.outline.clocks, server.deletes)
        server.take(data)
        if not is_news:
            assert (server.contents(), server.outline.clocks) == before
        assert not brings_news(facts, server.outline.clocks, server.deletes)
    assert not brings_news(walk_update(whole), server.outline.clocks, server.deletes)


# What is not deleted yet

_FEW_SPANS = st.lists(st.integers(0, 40), max_size=10, unique=True).map(
    lambda clocks: [(clock, clock + 1) for clock in sorted(clocks)]
)
_FEW_RANGES = st.dictionaries(st.integers(1, 3), _FEW_SPANS.filter(bool), max_size=3)


def _joined(ranges: ClockRanges) -> ClockRanges:
    """With ranges that touch joined, as encoders write some of them."""
    joined: ClockRanges = {}
    for client, spans in ranges.items():
        for start, end in spans:
            known = joined.setdefault(client, [])
            if known and known[-1][1] == start:
                known[-1] = (known[-1][0], end)
            else:
                known.append((start, end))
    return joined


def _clocks(ranges: ClockRanges) -> set[tuple[int, int]]:
    return {
        (client, clock)
        for client, spans in ranges.items()
        for start, end in spans
        for clock in range(start, end)
    }


@given(_FEW_RANGES, _FEW_RANGES)
def test_what_is_not_deleted_yet(deletes: ClockRanges, known: ClockRanges) -> None:
    """RUL-5: of what a first synchronisation says again, the new part."""
    for one in (deletes, _joined(deletes)):
        for other in (known, _joined(known)):
            new = not_deleted_yet(one, other)
            assert _clocks(new) == _clocks(deletes) - _clocks(known)
            assert all(spans == sorted(spans) for spans in new.values())
