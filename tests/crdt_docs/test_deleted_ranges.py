"""What of a document is deleted, known from what it emits."""

from __future__ import annotations

import random
from typing import Any

import pytest
from pycrdt import Map

from crdt_docs import deleted_ranges
from crdt_docs.clocks import ClockRanges
from crdt_docs.document import Document
from crdt_docs.outline import DocumentLimits
from crdt_docs.update_guard import walk_update
from crdt_docs.update_surgery import read_delete_set
from tests.helpers.editors import session
from tests.helpers.hostile_updates import HostileWriter
from tests.helpers.proving import few_or_many
from tests.helpers.raw_updates import NULL, collected, deleted, item, section, text, update, values

SENDER = bytes(16)


def _clocks(ranges: ClockRanges) -> set[tuple[int, int]]:
    return {
        (client, clock)
        for client, spans in ranges.items()
        for start, end in spans
        for clock in range(start, end)
    }


def _in_the_document(document: Document) -> ClockRanges:
    doc = document._doc
    return read_delete_set(doc.get_update(doc.get_state()))


def _is_known(document: Document) -> None:
    ranges = document.delete_set()
    assert _clocks(ranges) == _clocks(_in_the_document(document))
    for spans in ranges.values():
        behind = [end for _, end in spans]
        assert all(end <= start for end, (start, _) in zip(behind, spans[1:], strict=False))


@pytest.mark.parametrize("seed", range(few_or_many(30, 600)))
def test_it_is_what_the_document_says(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    dice = random.Random(seed)
    monkeypatch.setattr(deleted_ranges, "READ_AT_ONCE", dice.choice([20, 200, 100_000]))
    monkeypatch.setattr(deleted_ranges, "KEPT_UNASKED", dice.choice([500, 100_000]))
    updates, whole = session(seed)
    document = Document()
    for data in updates:
        document.outline.admit(walk_update(data), DocumentLimits())
        if dice.random() < 0.8:
            document.apply([data], SENDER)
        else:
            document.apply_judged([data], SENDER, lambda _doc: False)
        if dice.random() < 0.5:
            _is_known(document)
        if dice.random() < 0.1:
            document.edit(lambda doc: doc.get("objects", type=Map).update({"a": dice.random()}))
    _is_known(document)
    assert not document.lacks(walk_update(whole))


@pytest.mark.parametrize("seed", range(few_or_many(100, 5_000)))
def test_it_is_what_the_document_says_after_hostile_updates(seed: int) -> None:
    dice = random.Random(seed)
    writer = HostileWriter(dice, clients=tuple(range(1, dice.randint(2, 7))))
    document = Document()
    document.delete_set()
    for data in writer.updates(dice.randint(2, 8), dice.choice((2, 8, 24))):
        document.apply([data], SENDER)
        if dice.random() < 0.5:
            _is_known(document)
    _is_known(document)


@pytest.mark.parametrize(
    "gone",
    [
        update(section(7, 2, collected(3), item(values(NULL), origin=(7, 0)))),
        update(section(7, 2, item(deleted(3), origin=(7, 1)))),
        update(section(7, 2, item(text("abc"), origin=(7, 1))), deletes={7: [(0, 1), (3, 1)]}),
        update(section(8, 0, item(values(NULL), parent="m", key="k")), deletes={7: [(0, 2)]}),
        update(section(8, 0, collected(4))),
    ],
)
def test_what_comes_deleted_counts_as_well(gone: bytes) -> None:
    document = Document()
    document.apply([update(section(7, 0, item(text("xy"), parent="t")))], SENDER)
    _is_known(document)
    document.apply([gone], SENDER)
    assert document.delete_set()
    _is_known(document)


def test_it_is_read_from_the_document_once(monkeypatch: pytest.MonkeyPatch) -> None:
    document = Document()
    document.apply([update(section(7, 0, item(text("x" * 50), parent="t")))], SENDER)
    walks: list[Any] = []
    monkeypatch.setattr(document._deletes, "_doc", _Counting(document._doc, walks))
    for clock in range(0, 50, 2):
        document.apply([update(deletes={7: [(clock, 1)]})], SENDER)
        assert len(document.delete_set()[7]) == clock // 2 + 1
    assert len(walks) == 1


class _Counting:
    """A document that notes when it is walked."""

    def __init__(self, doc: Any, walks: list[Any]) -> None:
        self._within = doc
        self._walks = walks

    def __getattr__(self, name: str) -> Any:
        return getattr(self._within, name)

    def get_update(self, state: bytes) -> bytes:
        self._walks.append(state)
        return bytes(self._within.get_update(state))


def test_what_nobody_asks_for_any_more_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deleted_ranges, "READ_AT_ONCE", 100)
    monkeypatch.setattr(deleted_ranges, "KEPT_UNASKED", 1000)
    document = Document()
    document.delete_set()
    for client in range(100, 200):
        document.apply([update(section(client, 0, collected(1)))], SENDER)
    assert document._deletes._ranges is None
    assert not document._deletes._waiting
    _is_known(document)
