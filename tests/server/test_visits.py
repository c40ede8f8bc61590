"""Who is connected, as it is written down."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID, uuid4

from crdt_docs.identifiers import ActorKind
from persistence.memory_visits import MemoryVisitStore
from persistence.ports import StorageUnavailable
from persistence.visit_ports import Visit
from server.visits import VisitBook
from tests.helpers.commits import ANA

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


class CountingStore(MemoryVisitStore):
    """Counts the statements."""

    def __init__(self) -> None:
        super().__init__(lambda *_: None)
        self.statements = 0

    async def put(self, visits: Sequence[Visit]) -> None:
        self.statements += 1
        await super().put(visits)


def visit() -> Visit:
    return Visit(uuid4(), UUID(int=1), ANA, ActorKind.USER, "firefox", NOON)


async def test_thousands_who_reconnect_at_once_are_a_few_statements() -> None:
    store = CountingStore()
    book = VisitBook(store)
    begun = [visit() for _ in range(3000)]
    for each in begun:
        book.note(each)
    book.start()
    for each in begun:
        book.note(replace(each, disconnected_at=NOON, close_code=1012))
    await book.flush()
    assert store.statements <= 6
    assert {each.close_code for each in await store.of_user(ANA)} == {1012}
    assert await book.close(5)


async def test_what_waits_during_an_outage_is_bounded() -> None:
    store = CountingStore()
    store.fail_with = StorageUnavailable("away")
    book = VisitBook(store, most_waiting=10, sleep=lambda _: asyncio.sleep(0))
    book.start()
    for _ in range(15):
        book.note(visit())
    assert book.lost == 5
    store.fail_with = None
    await book.flush()
    assert len(await store.of_user(ANA)) == 10
    await book.close(5)
