"""What is stored by a task of its own (WRT)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest_asyncio

from persistence.errors import BatchRefused
from persistence.ports import StorageUnavailable
from server.background_writer import BackgroundWriter
from tests.helpers.waiting import until


class Shelf:
    """A store for numbers that can be told to fail."""

    def __init__(self) -> None:
        self.groups: list[list[int]] = []
        self.fail_with: Exception | None = None
        self.refused: set[int] = set()
        self.attempts = 0

    async def add(self, group: Sequence[int]) -> None:
        self.attempts += 1
        if self.fail_with is not None:
            raise self.fail_with
        if self.refused & set(group):
            raise BatchRefused("no")
        self.groups.append(list(group))

    @property
    def kept(self) -> list[int]:
        return [number for group in self.groups for number in group]


class Pauses:
    """Sleeps that take no time, and are remembered."""

    def __init__(self) -> None:
        self.taken: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.taken.append(seconds)
        await asyncio.sleep(0)


class Desk:
    """A writer, its shelf and its pauses."""

    def __init__(self) -> None:
        self.shelf, self.pauses = Shelf(), Pauses()
        self.writer = BackgroundWriter(
            self.shelf.add,
            subject="numbers",
            most_waiting=10,
            at_once=4,
            retry_initial=1,
            retry_max=5,
            sleep=self.pauses.sleep,
        )


@pytest_asyncio.fixture
async def desk() -> AsyncIterator[Desk]:
    made = Desk()
    yield made
    made.shelf.fail_with = None
    await made.writer.close(5)


async def test_wrt_1_many_are_stored_at_once_in_order(desk: Desk) -> None:
    for number in range(9):
        assert desk.writer.put(number)
    desk.writer.start()
    await desk.writer.flush()
    assert desk.shelf.groups == [[0, 1, 2, 3], [4, 5, 6, 7], [8]]
    assert desk.writer.waiting == 0


async def test_wrt_2_they_wait_while_storage_is_away(desk: Desk) -> None:
    desk.shelf.fail_with = StorageUnavailable("away")
    desk.writer.put(1)
    desk.writer.start()
    flush = asyncio.create_task(desk.writer.flush())
    await until(lambda: desk.shelf.attempts >= 5)
    assert desk.pauses.taken[:4] == [1, 2, 4, 5]
    assert not flush.done()
    desk.shelf.fail_with = None
    await flush
    assert desk.shelf.kept == [1]
    assert desk.writer.lost == 0


async def test_wrt_2_a_fault_is_waited_out_too(desk: Desk) -> None:
    desk.shelf.fail_with = RuntimeError("no such table")
    desk.writer.put(1)
    desk.writer.start()
    flush = asyncio.create_task(desk.writer.flush())
    await until(lambda: desk.writer.failures >= 2)
    desk.shelf.fail_with = None
    await flush
    assert desk.shelf.kept == [1]


async def test_wrt_3_no_more_than_so_many_wait(desk: Desk) -> None:
    assert [desk.writer.put(number) for number in range(12)] == [True] * 10 + [False] * 2
    assert desk.writer.lost == 2
    desk.writer.start()
    await desk.writer.flush()
    assert desk.shelf.kept == list(range(10))


async def test_wrt_4_what_is_refused_costs_the_others_nothing(desk: Desk) -> None:
    desk.shelf.refused = {2}
    for number in range(6):
        desk.writer.put(number)
    desk.writer.start()
    await desk.writer.flush()
    assert desk.shelf.kept == [0, 1, 3, 4, 5]
    assert desk.writer.lost == 1


async def test_closing_stores_what_waits(desk: Desk) -> None:
    desk.writer.start()
    desk.writer.put(1)
    assert await desk.writer.close(5)
    assert desk.shelf.kept == [1]


async def test_closing_gives_up_in_time(desk: Desk) -> None:
    desk.shelf.fail_with = StorageUnavailable("away")
    desk.writer.start()
    desk.writer.put(1)
    assert not await desk.writer.close(0.01)
