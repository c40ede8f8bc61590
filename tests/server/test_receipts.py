"""ROM-5: receipts for y-protocols clients."""

from __future__ import annotations

from crdt_docs import messages
from server.receipts import StoredCounts


def test_the_last_count_says_all() -> None:
    receipts = StoredCounts()
    assert list(receipts.due()) == []
    receipts.settle(3, ())
    receipts.settle(7, (range(5, 6),))
    assert [frame.payload for frame in receipts.due()] == [messages.stored(7)]
    assert list(receipts.due()) == []


def test_the_same_count_is_told_once() -> None:
    receipts = StoredCounts()
    receipts.settle(2, ())
    assert len(list(receipts.due())) == 1
    receipts.settle(2, ())
    assert list(receipts.due()) == []
