"""GRD-30: random client ids never crowd, and others cannot."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence

import pytest

from crdt_docs.client_spread import ClientSpread
from crdt_docs.errors import LimitExceeded


class Known:
    """Client ids that were let in."""

    def __init__(self) -> None:
        self.spread = ClientSpread()
        self.ids: dict[int, None] = {}

    def let_in(self, new: Sequence[int]) -> None:
        total = len(self.ids) + len(new)
        self.spread.check(new, self.ids, total)
        self.spread.add(new, self.ids, total)
        self.ids |= dict.fromkeys(new)

    def let_in_one_by_one(self, new: Iterable[int]) -> int:
        """How many of them could come."""
        before = len(self.ids)
        for client in new:
            try:
                self.let_in([client])
            except LimitExceeded:
                continue
        return len(self.ids) - before

    def is_counted_right(self) -> bool:
        """Whether counting all of them at once says the same."""
        anew = ClientSpread()
        anew.add(list(self.ids), (), len(self.ids))
        return all(
            getattr(anew, name) == getattr(self.spread, name)
            for name in ("_in_place", "_in_region", "_shift")
        )


@pytest.mark.parametrize(("seed", "bits"), [(1, 32), (2, 53)])
@pytest.mark.parametrize("is_sorted", [False, True])
def test_a_hundred_thousand_random_ids_come_one_by_one(
    seed: int, bits: int, *, is_sorted: bool
) -> None:
    """Sorted as in an update of somebody who brings them all."""
    dice = random.Random(seed)
    known = Known()
    clients = list(dict.fromkeys(dice.getrandbits(bits) for _ in range(100_000)))
    if is_sorted:
        clients.sort(reverse=True)
    assert known.let_in_one_by_one(clients) == len(clients) > 99_990
    assert known.is_counted_right()


@pytest.mark.parametrize("seed", range(20))
def test_random_ids_come_in_crowds_of_any_size(seed: int) -> None:
    dice = random.Random(seed)
    known = Known()
    while len(known.ids) < 20_000:
        crowd = {dice.getrandbits(32) for _ in range(dice.choice((1, 30, 1_000, 9_000)))}
        known.let_in(sorted(crowd - known.ids.keys()))
    assert known.is_counted_right()


@pytest.mark.parametrize("beginning", [0, 100_000, 2**32 - 7])
def test_ids_in_a_row_come(beginning: int) -> None:
    """They fill a table without meeting."""
    known = Known()
    assert known.let_in_one_by_one(range(beginning, beginning + 40_000)) == 40_000


@pytest.mark.parametrize("shift", [12, 18, 30, 45])
@pytest.mark.parametrize("others", [0, 20_000])
def test_ids_that_all_begin_at_one_place_do_not(shift: int, others: int) -> None:
    known = Known()
    known.let_in(random.Random(shift).sample(range(2**32), others))
    crowd = [number << shift for number in range(1, 8_001)]
    with pytest.raises(LimitExceeded, match="lowest bits"):
        known.let_in(crowd)
    assert known.let_in_one_by_one(crowd) < 300


def test_ids_that_fill_a_part_of_the_table_do_not_come() -> None:
    """Their twelve lowest bits are even, but a table of 49,000 is one of sixteen bits."""
    known = Known()
    crowd = [number & 0xFFF | number >> 12 << 30 for number in range(49_000)]
    assert known.let_in_one_by_one(crowd) < 10_000
    assert known.is_counted_right()


def test_what_was_refused_is_not_counted() -> None:
    known = Known()
    known.let_in(random.Random(1).sample(range(2**32), 1_000))
    for _ in range(100):
        with pytest.raises(LimitExceeded):
            known.let_in([number << 30 for number in range(1, 100)])
    assert known.is_counted_right()
    assert known.let_in_one_by_one(number << 30 for number in range(1, 10)) == 9
