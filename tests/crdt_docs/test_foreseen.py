"""What an update would touch, told before it is applied (RUL-5); asking changes nothing."""

from __future__ import annotations

import pytest

from crdt_docs.ownership import NOBODY, Entry, Ownership
from tests.helpers.corpus import Recording, recordings
from tests.helpers.editors import session
from tests.helpers.proving import few_or_many

ROOTS = ("objects", "annotations")


def _absorb(ownership: Ownership, update: bytes) -> tuple[set[int], set[int]]:
    written: set[int] = set()
    deleted: set[int] = set()
    reading = ownership.absorb(update)
    try:
        while True:
            next(reading)
    except StopIteration as done:
        for client, owners in done.value:
            (deleted if client is None else written).update(owners)
    return written, deleted


def _names(ownership: Ownership, owners: set[int]) -> set[Entry]:
    return {ownership.entries[owner] for owner in owners if owner != NOBODY}


def _check(updates: list[bytes]) -> None:
    ownership = Ownership(ROOTS)
    for update in updates:
        before = ownership.to_bytes()
        foreseen = ownership.foresee(update)
        assert ownership.to_bytes() == before
        written, deleted = _absorb(ownership, update)
        assert foreseen.written == _names(ownership, written)
        assert foreseen.deleted == _names(ownership, deleted)
        assert foreseen.writes_beyond is (NOBODY in written)
        assert foreseen.deletes_beyond is (NOBODY in deleted)


@pytest.mark.parametrize("recording", recordings(), ids=str)
def test_of_what_browsers_sent(recording: Recording) -> None:
    _check(list(recording.updates))


@pytest.mark.parametrize("seed", range(few_or_many(10, 500)))
def test_of_random_editing(seed: int) -> None:
    _check(session(seed)[0])
