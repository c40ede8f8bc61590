"""Changes of updates: they keep the shape, so that what is behind the first checks is reached."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from crdt_docs.errors import Refusal
from crdt_docs.update_guard import walk_update
from tests.fuzz.life import pack, unpack
from tests.fuzz.mutation import crossed, mutated
from tests.fuzz.written import Unreadable, read
from tests.helpers.corpus import Recording, recordings
from tests.helpers.editors import session

LONGEST = 1 << 16


def _life(seed: int) -> bytes:
    updates, _ = session(seed, steps=10)
    return pack(updates[:6])


def _share(changed: list[bytes], holds: Callable[[bytes], object]) -> float:
    """How many of the updates are taken."""
    taken = 0
    for each in changed:
        try:
            holds(each)
        except (Refusal, Unreadable):
            continue
        taken += 1
    return taken / len(changed)


@pytest.mark.parametrize("recording", recordings(), ids=lambda recording: recording.name)
def test_what_stock_yjs_wrote_reads_and_writes_the_same(recording: Recording) -> None:
    assert all(read(data).encode() == data for data in recording.updates)


def test_what_is_changed_keeps_its_shape_and_is_mostly_accepted() -> None:
    before = set(unpack(_life(1)))
    changed = [
        update
        for seed in range(400)
        for update in unpack(mutated(_life(1), LONGEST, seed))
        if update not in before
    ]
    assert len(set(changed)) > 250
    assert _share(changed, read) > 0.95
    assert 0.3 < _share(changed, walk_update) < 0.98


def test_changes_are_the_same_for_the_same_seed() -> None:
    lives = [_life(seed) for seed in range(3)]
    for seed in range(20):
        assert mutated(lives[0], LONGEST, seed) == mutated(lives[0], LONGEST, seed)
        assert crossed(lives[1], lives[2], LONGEST, seed) == crossed(
            lives[1], lives[2], LONGEST, seed
        )


def test_nothing_is_longer_than_allowed_and_anything_can_be_changed() -> None:
    dice = random.Random(1)
    for seed in range(300):
        data = dice.randbytes(dice.randint(0, 60))
        assert len(mutated(data, 100, seed)) <= 100
        assert len(crossed(data, data[::-1], 100, seed)) <= 100
