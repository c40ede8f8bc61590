"""Levels, and what may stand at them."""

from __future__ import annotations

from array import array

import pytest

from crdt_docs.errors import LimitExceeded, Malformed
from crdt_docs.outline_draft import (
    DEPTH_SHIFT,
    IN_ARRAY,
    LEVEL_BITS,
    LEVEL_MASK,
    Draft,
    check_content,
    check_cuts,
    check_deleted,
    check_overlap,
    level_at,
)
from crdt_docs.placement import (
    ABSENT,
    CHILD,
    GONE,
    INLINE,
    KEYED,
    ROOT,
    SEVERAL,
    TEXT,
    TYPE,
    Placement,
)

DEPTH_ONE = 1 << DEPTH_SHIFT
DEPTH_TWO = 2 << DEPTH_SHIFT
ALONE = (7, 0, 1)


def _runs(*runs: tuple[int, int]) -> list[int]:
    return [start << LEVEL_BITS | level for start, level in runs]


def test_a_level_holds_from_its_clock_to_the_next_run() -> None:
    runs = _runs((0, DEPTH_ONE), (5, DEPTH_TWO), (6, LEVEL_MASK))
    assert [level_at(runs, clock) for clock in (0, 4, 5, 6, 2**31 - 1)] == [
        DEPTH_ONE,
        DEPTH_ONE,
        DEPTH_TWO,
        LEVEL_MASK,
        LEVEL_MASK,
    ]


def _draft() -> Draft:
    base = {7: array("Q", _runs((0, DEPTH_ONE | TYPE), (1, DEPTH_TWO | KEYED)))}
    return Draft({7: 3}, base, {}, max_depth=3)


def test_equal_levels_make_one_run() -> None:
    draft = _draft()
    assert draft.enter([(7, 3, 9), (8, 0, 4)]) == 1
    draft.place(Placement(8, 0, 1, ROOT, ABSENT, 0, ABSENT, 0))
    draft.place(Placement(8, 2, 3, ROOT, ABSENT, 0, ABSENT, 0))
    draft.place(Placement(7, 4, 5, CHILD | KEYED, 7, 0, ABSENT, 0))
    draft.finish()
    assert draft.runs == {7: [], 8: _runs((0, DEPTH_ONE))}
    assert draft.ends == {7: 9, 8: 4}


def test_a_type_is_a_run_of_its_own_and_its_children_are_deeper() -> None:
    draft = _draft()
    draft.enter([(8, 0, 4)])
    draft.place(Placement(8, 0, 1, CHILD | KEYED | TYPE, 7, 0, ABSENT, 0))
    draft.place(Placement(8, 2, 3, CHILD, 8, 0, ABSENT, 0))
    draft.finish()
    deeper = 3 << DEPTH_SHIFT
    assert draft.runs[8] == _runs(
        (0, DEPTH_TWO | KEYED | TYPE), (1, DEPTH_TWO | KEYED), (2, deeper)
    )


def test_a_type_like_the_one_before_it_is_a_type_though_it_begins_no_run() -> None:
    draft = Draft({8: 1}, {8: array("Q", _runs((0, DEPTH_ONE | TYPE)))}, {}, max_depth=3)
    draft.enter([(8, 1, 4)])
    draft.place(Placement(8, 1, 2, ROOT | TYPE, ABSENT, 0, ABSENT, 0))
    draft.place(Placement(8, 2, 3, CHILD, 8, 1, ABSENT, 0))
    draft.finish()
    assert draft.runs == {8: _runs((2, DEPTH_TWO))}


def test_clients_of_which_all_is_known_are_left_alone() -> None:
    draft = _draft()
    assert draft.enter([(7, 0, 3)]) == 0
    draft.place(Placement(7, 2, 3, CHILD, 7, 1, ABSENT, 0))
    draft.finish()
    assert draft.runs == {}


def test_a_type_too_deep_is_refused() -> None:
    draft = _draft()
    draft.enter([(8, 0, 3)])
    draft.place(Placement(8, 0, 1, CHILD | TYPE, 7, 0, ABSENT, 0))
    draft.place(Placement(8, 1, 2, CHILD | TYPE, 8, 0, ABSENT, 0))
    with pytest.raises(LimitExceeded):
        draft.place(Placement(8, 2, 3, CHILD, 8, 1, ABSENT, 0))


def test_rows_under_keys_cost_nothing_to_join() -> None:
    draft = _draft()
    draft.enter([(7, 3, 9), (8, 0, 9)])
    draft.place(Placement(8, 0, 1, ROOT, ABSENT, 0, ABSENT, 0))
    draft.finish()
    assert draft.joined([(7, 3, 100), (8, 0, 10), (8, 5, 1), (9, 0, 1000)]) == 11


@pytest.mark.parametrize("shape", [TEXT, INLINE, SEVERAL, TEXT | GONE])
def test_content_that_belongs_in_a_sequence_stands_in_one(shape: int) -> None:
    check_content(shape, DEPTH_ONE, ALONE, {})
    with pytest.raises(Malformed, match="under a map key"):
        check_content(shape, DEPTH_ONE | KEYED, ALONE, {})


def test_characters_do_not_stand_in_an_array() -> None:
    check_content(SEVERAL | INLINE, DEPTH_ONE | IN_ARRAY, ALONE, {})
    with pytest.raises(Malformed):
        check_content(TEXT, DEPTH_ONE | IN_ARRAY, ALONE, {})


def test_several_values_under_a_key_are_all_deleted() -> None:
    check_content(SEVERAL, DEPTH_ONE | KEYED, (7, 4, 6), {7: [(0, 1), (3, 9)]})
    for deletes in ({}, {7: [(4, 5)]}, {7: [(5, 9)]}, {8: [(0, 9)]}, {7: [(4, 5), (5, 6)]}):
        with pytest.raises(Malformed):
            check_content(SEVERAL, DEPTH_ONE | KEYED, (7, 4, 6), deletes)


def test_cuts_within_pairs_are_found_in_every_source() -> None:
    known, brought = {7: array("I", [1, 5])}, {8: array("I", [2])}
    whole = Placement(9, 0, 1, 0, 7, 5, 8, 1)
    check_cuts([whole, Placement(9, 1, 2, CHILD, 7, 0, ABSENT, 0)], known, brought)
    for torn in (Placement(9, 0, 1, 0, 7, 4, ABSENT, 0), Placement(9, 0, 1, 0, ABSENT, 0, 8, 2)):
        with pytest.raises(LimitExceeded):
            check_cuts([whole, torn], known, brought)
    check_deleted({7: [(0, 2)], 8: [(0, 1)]}, known, brought)
    for deletes in ({7: [(0, 1)]}, {8: [(2, 3)]}, {7: [(0, 4), (5, 6)]}):
        with pytest.raises(LimitExceeded):
            check_deleted(deletes, known, brought)
    check_overlap([(8, 0, 5), (7, 0, 9)], {8: 3, 7: 1}, brought)
    with pytest.raises(LimitExceeded):
        check_overlap([(8, 0, 5)], {8: 2}, brought)
    check_overlap([(8, 2, 5)], {8: 2}, brought)
