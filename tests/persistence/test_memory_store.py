"""What the stores in memory do beyond the ports: the switches that tests turn."""

from __future__ import annotations

import asyncio

import pytest

from persistence.memory_sessions import MemorySessionStore
from persistence.memory_store import MemoryDocumentStore
from persistence.ports import SessionFilter, StorageUnavailable
from tests.helpers.commits import document, log_of

ONE = document(1)


async def test_every_call_fails_while_it_is_told_to() -> None:
    store = MemoryDocumentStore()
    store.fail_with = StorageUnavailable("gone")
    with pytest.raises(StorageUnavailable, match="gone"):
        await store.commit(log_of(ONE, 1, 1))
    store.fail_with = None
    assert (await store.load(ONE)).last_seq == 0


async def test_an_answer_can_be_lost_after_the_work_is_done() -> None:
    store = MemoryDocumentStore()
    store.lose_answers = True
    with pytest.raises(StorageUnavailable, match="lost"):
        await store.commit(log_of(ONE, 1, 1))
    store.lose_answers = False
    assert (await store.load(ONE)).last_seq == 1


async def test_calls_wait_while_it_is_paused() -> None:
    store = MemorySessionStore()
    store.pause()
    call = asyncio.create_task(store.find(SessionFilter()))
    await store.until_called()
    assert not call.done()
    store.resume()
    assert (await call).items == ()


async def test_transactions_are_counted() -> None:
    store = MemoryDocumentStore()
    await store.commit(log_of(ONE, 1, 5))
    await store.commit(log_of(ONE, 6, 6))
    assert store.transactions == 2
