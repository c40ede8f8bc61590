"""Asking who may come in, together."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from uuid import UUID, uuid4

import pytest

from persistence.memory_sessions import MemorySessionStore
from persistence.memory_xr_rooms import MemoryXrRoomStore
from persistence.memory_xr_tables import MemoryXrTables
from persistence.ports import Standing, StorageUnavailable
from server import standings
from server.document_standings import DocumentStandings
from server.standings import AT_ONCE, StandingReader


class Counting(MemorySessionStore):
    """Remembers how many were asked for at once."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[int] = []

    async def standings(self, wanted: Sequence[tuple[UUID, UUID]]) -> Sequence[Standing]:
        self.asked.append(len(wanted))
        return await super().standings(wanted)


class Crowd:
    """A reader whose time is turned by hand, and what it waits for."""

    def __init__(self) -> None:
        self.now = 100.0
        self.waits: list[float] = []
        self.is_waiting = asyncio.Event()
        self.go_on = asyncio.Event()
        self.store = Counting()
        self.reader = StandingReader(
            self.store, apart=0.005, clock=lambda: self.now, sleep=self._sleep
        )

    async def _sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.is_waiting.set()
        await self.go_on.wait()


async def test_those_who_ask_together_are_asked_for_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(standings, "STRANGER_SECONDS", 60.0)  # five hundred tasks in debug mode
    store = Counting()
    reader = StandingReader(store, apart=0.0)
    answers = await asyncio.gather(*(reader.read(uuid4(), uuid4()) for _ in range(AT_ONCE + 7)))
    assert set(answers) == {Standing(None, None)}
    assert store.asked == [AT_ONCE, 7]
    await reader.read(uuid4(), uuid4())
    assert store.asked == [AT_ONCE, 7, 1]


async def test_one_who_comes_alone_waits_for_nobody() -> None:
    crowd = Crowd()
    await crowd.reader.read(uuid4(), uuid4())
    crowd.now += 1.0
    await crowd.reader.read(uuid4(), uuid4())
    assert crowd.waits == []
    assert crowd.store.asked == [1, 1]


async def test_those_who_come_right_after_others_are_gathered() -> None:
    crowd = Crowd()
    await crowd.reader.read(uuid4(), uuid4())
    crowd.now += 0.002
    second = asyncio.create_task(crowd.reader.read(uuid4(), uuid4()))
    await crowd.is_waiting.wait()
    third = asyncio.create_task(crowd.reader.read(uuid4(), uuid4()))
    await asyncio.sleep(0)
    crowd.now += 0.003
    crowd.go_on.set()
    await asyncio.gather(second, third)
    assert crowd.waits == [pytest.approx(0.003)]
    assert crowd.store.asked == [1, 2]


async def test_as_many_as_fit_in_one_question_do_not_wait_for_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(standings, "AT_ONCE", 2)
    crowd = Crowd()
    await asyncio.gather(*(crowd.reader.read(uuid4(), uuid4()) for _ in range(4)))
    assert crowd.waits == []
    assert crowd.store.asked == [2, 2]


async def test_a_failure_reaches_those_who_asked_and_nobody_later() -> None:
    store = Counting()
    reader = StandingReader(store, apart=0.0)
    store.fail_with = StorageUnavailable("gone")
    outcomes = await asyncio.gather(
        *(reader.read(uuid4(), uuid4()) for _ in range(3)), return_exceptions=True
    )
    assert all(isinstance(outcome, StorageUnavailable) for outcome in outcomes)
    store.fail_with = None
    assert await reader.read(uuid4(), uuid4()) == Standing(None, None)


async def test_one_who_gives_up_takes_nothing_from_the_others() -> None:
    store = Counting()
    reader = StandingReader(store, apart=0.0)
    store.pause()
    waiting = [asyncio.create_task(reader.read(uuid4(), uuid4())) for _ in range(3)]
    await store.until_called()
    waiting[0].cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting[0]
    store.resume()
    assert await waiting[1] == await waiting[2] == Standing(None, None)


async def test_those_who_were_in_may_come_back_while_the_database_is_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(standings, "ANSWER_SECONDS", 0.02)
    monkeypatch.setattr(standings, "REMEMBERED", 3)
    store = Counting()
    reader = StandingReader(store, apart=0.0)
    pairs = [(uuid4(), uuid4()) for _ in range(4)]
    for pair in pairs:
        await reader.read(*pair)
    store.fail_with = StorageUnavailable("gone")
    assert await reader.read(*pairs[3]) == Standing(None, None)
    with pytest.raises(StorageUnavailable):
        await reader.read(*pairs[0])
    store.fail_with = None
    store.pause()
    assert await reader.read(*pairs[2]) == Standing(None, None)
    store.resume()


async def answering(crowd: Crowd, pair: tuple[UUID, UUID], seconds: float) -> None:
    """So long somebody is there, of whom is asked again and again."""
    for _ in range(round(seconds / 30)):
        crowd.now += 30
        await crowd.reader.read_all([pair])


async def test_who_was_in_long_ago_is_forgotten_and_nobody_while_the_database_is_away() -> None:
    crowd = Crowd()
    crowd.go_on.set()
    first, second, third = ((uuid4(), uuid4()) for _ in range(3))
    for pair in (first, second):
        await crowd.reader.read(*pair)
    await answering(crowd, second, standings.REMEMBERED_SECONDS)
    crowd.now += 1.0
    await crowd.reader.read(*third)
    crowd.now += standings.REMEMBERED_SECONDS
    crowd.store.fail_with = StorageUnavailable("gone")
    for pair in (second, third):
        assert await crowd.reader.read(*pair) == Standing(None, None)
    with pytest.raises(StorageUnavailable):
        await crowd.reader.read(*first)


async def test_nobody_is_forgotten_because_the_database_comes_and_goes() -> None:
    crowd = Crowd()
    crowd.go_on.set()
    known = uuid4(), uuid4()
    await crowd.reader.read(*known)
    for _ in range(3):
        crowd.now += 2 * standings.REMEMBERED_SECONDS  # away; then it answers, but somebody else
        await crowd.reader.read(uuid4(), uuid4())
        await crowd.reader.read(uuid4(), uuid4())
    crowd.store.fail_with = StorageUnavailable("gone again")
    assert await crowd.reader.read(*known) == Standing(None, None)


async def test_who_is_there_is_remembered_until_asked_about_again() -> None:
    """However seldom that is."""
    store = Counting()
    rare = DocumentStandings(store, MemoryXrRoomStore(MemoryXrTables()), checked_every=3600.0)
    assert rare._sessions._remembered == rare._rooms._remembered == 7200.0
    usual = DocumentStandings(store, MemoryXrRoomStore(MemoryXrTables()), checked_every=30.0)
    assert usual._sessions._remembered == standings.REMEMBERED_SECONDS


async def test_who_is_not_known_waits_longer_than_who_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(standings, "ANSWER_SECONDS", 0.0)
    store = Counting()
    reader = StandingReader(store, apart=0.0)
    known, stranger = (uuid4(), uuid4()), (uuid4(), uuid4())
    await reader.read_all([known])
    store.pause()
    waiting = asyncio.create_task(reader.read(*stranger))
    await store.until_called()
    assert await reader.read(*known) == Standing(None, None)
    assert not waiting.done()
    store.resume()
    assert await waiting == Standing(None, None)


async def test_nobody_waits_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(standings, "STRANGER_SECONDS", 0.0)
    store = Counting()
    store.pause()
    with pytest.raises(StorageUnavailable):
        await StandingReader(store).read(uuid4(), uuid4())
    store.resume()


async def test_many_are_read_at_once_and_remembered() -> None:
    store = Counting()
    reader = StandingReader(store, apart=0.0)
    pairs = [(uuid4(), uuid4()) for _ in range(AT_ONCE + 1)]
    assert await reader.read_all(pairs) == [Standing(None, None)] * (AT_ONCE + 1)
    assert store.asked == [AT_ONCE, 1]
    assert await reader.read_all([]) == []
    store.fail_with = StorageUnavailable("gone")
    assert await reader.read(*pairs[0]) == Standing(None, None)
    with pytest.raises(StorageUnavailable):
        await reader.read_all(pairs)


async def test_acc_11_what_was_changed_meanwhile_is_not_remembered() -> None:
    """The answer may be from before the change; later, in an outage, it would count."""
    store = Counting()
    reader = StandingReader(store, apart=0.0)
    session, user = uuid4(), uuid4()
    store.pause()
    asking = asyncio.create_task(reader.read(session, user))
    await store.until_called()
    reader.forget(session, user)
    store.resume()
    await asking
    store.fail_with = StorageUnavailable("gone")
    with pytest.raises(StorageUnavailable):
        await reader.read(session, user)
