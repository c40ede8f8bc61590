"""GRD-5: the order in which structs can be integrated."""

from __future__ import annotations

import random

import pytest

from crdt_docs.errors import Malformed
from crdt_docs.placement import ABSENT, Placement, causally_ordered


def _at(client: int, clock: int, left: tuple[int, int] | None = None) -> Placement:
    left_client, left_clock = left or (ABSENT, 0)
    return Placement(client, clock, clock + 1, 0, left_client, left_clock, ABSENT, 0)


def _ordered(placements: list[Placement], first_clocks: dict[int, int]) -> list[Placement]:
    walk = causally_ordered(placements, first_clocks)
    pauses = 0
    while True:
        try:
            next(walk)
        except StopIteration as done:
            ordered: list[Placement] = done.value
            assert pauses == 2 * len(placements)
            return ordered
        pauses += 1


def test_a_struct_waits_for_what_it_names() -> None:
    waiting, awaited = _at(9, 0, (8, 0)), _at(8, 0)
    assert _ordered([waiting, awaited], {9: 0, 8: 0}) == [awaited, waiting]


def test_what_the_update_does_not_bring_is_not_waited_for() -> None:
    known, unknown = _at(9, 5, (8, 3)), _at(8, 4, (7, 100))
    assert _ordered([known, unknown], {9: 5, 8: 4}) == [known, unknown]


def test_a_clock_without_a_placement_is_waited_for_with_the_one_before_it() -> None:
    # Clock 2 of client 8 continues clock 0, which is placed.
    waiting, placed, later = _at(9, 0, (8, 2)), _at(8, 0), _at(8, 5, (9, 0))
    assert _ordered([waiting, placed, later], {9: 0, 8: 0}) == [placed, waiting, later]


def test_a_circle_is_malformed() -> None:
    with pytest.raises(Malformed, match="circle"):
        _ordered([_at(9, 0, (8, 0)), _at(8, 0, (7, 0)), _at(7, 0, (9, 0))], {9: 0, 8: 0, 7: 0})


@pytest.mark.parametrize("seed", range(30))
def test_every_history_can_be_put_in_order_again(seed: int) -> None:
    dice = random.Random(seed)
    clocks: dict[int, int] = {}
    history: list[Placement] = []
    for _ in range(60):
        client = dice.randrange(6)
        left = None
        if clocks:
            other = dice.choice(sorted(clocks))
            left = (other, dice.randrange(clocks[other]))
        history.append(_at(client, clocks.get(client, 0), left))
        clocks[client] = clocks.get(client, 0) + 1
    sections = sorted(history, key=lambda each: (-each.client, each.start))
    done: set[tuple[int, int]] = set()
    for placement in _ordered(sections, dict.fromkeys(clocks, 0)):
        assert placement.left_client == ABSENT or placement[4:6] in done
        assert placement.start == 0 or (placement.client, placement.start - 1) in done
        done.add((placement.client, placement.start))
    assert len(done) == len(history)


def test_a_long_chain_across_many_clients_needs_no_recursion() -> None:
    chain = [_at(client, 0, (client - 1, 0) if client else None) for client in range(5000)]
    ordered = _ordered(chain[::-1], dict.fromkeys(range(5000), 0))
    assert ordered == chain
