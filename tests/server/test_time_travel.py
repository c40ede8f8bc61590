"""Documents as they were, replayed beside the rooms."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from crdt_docs.document import DocumentBroken, NoFence
from crdt_docs.identifiers import DocumentKind, DocumentName
from crdt_docs.replay import Replay
from persistence.archive_ports import AtSeq, AtSnapshot, AtTime, UnknownMoment
from persistence.memory_store import MemoryDocumentStore
from server import breath, time_travel
from server.poison_list import OPENING, PAST, SHOWING
from server.time_travel import PastBusy, PastLaborious, Shown, TimeTravel
from tests.helpers.commits import ANA, document
from tests.helpers.past import ROOTS, Lived

ONE, TWO, THREE, FOUR = map(document, range(1, 5))
ROOM = document(1, DocumentKind.XR)
NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
COUNT = 60


class _Clock:
    """Entry `n` is committed at noon and `n` minutes."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now


class Stored:
    """A document that has lived, in memory."""

    def __init__(self) -> None:
        self.lived = Lived(seed=3)
        self.lived.live(COUNT)
        self.clock = _Clock()
        self.documents = MemoryDocumentStore(self.clock)
        self.travel = TimeTravel(self.documents.archive)

    async def fill(self, *names: Any) -> None:
        for name in names:
            for seq in range(1, COUNT + 1):
                self.clock.now = NOON + seq * MINUTE
                await self.documents.commit(self.lived.commits(name, seq, seq))


@pytest.fixture
async def stored() -> Any:
    filled = Stored()
    await filled.fill(ONE)
    yield filled
    filled.lived.close()


def read(shown: Shown[dict[str, bytes]]) -> dict[str, Any]:
    return {name: json.loads(text) for name, text in shown.content.items()}


async def test_it_shows_what_was(stored: Stored) -> None:
    """PST-2: at every position, and at every time."""
    await stored.documents.save_snapshot(ONE, stored.lived.snapshot(40))
    for seq in range(COUNT + 1):
        by_seq = await stored.travel.json(ONE, AtSeq(seq), ROOTS)
        by_time = await stored.travel.json(ONE, AtTime(NOON + (seq + 0.5) * MINUTE), ROOTS)
        assert read(by_seq) == read(by_time) == stored.lived.was[seq]
        assert by_time.seq == seq
        assert by_seq.seq == seq
        assert by_seq.at == (NOON + seq * MINUTE if seq else None)


async def test_it_shows_updates_and_values(stored: Stored) -> None:
    """PST-2"""
    shown = await stored.travel.update(ONE, AtSeq(30))
    replay = Replay()
    for _ in replay.applying(shown.content, ()):
        continue
    texts = {name: json.loads(text) for name, text in replay.json(ROOTS).items()}
    assert texts == stored.lived.was[30]
    values = await stored.travel.values(ONE, AtSeq(30), ROOTS)
    assert set(values.content["objects"]) == set(stored.lived.was[30]["objects"])
    assert set(values.content) == set(ROOTS)
    kinds = await stored.travel.kinds(ONE, AtSeq(30), ROOTS)
    assert set(kinds.content["objects"]) == set(values.content["objects"])
    assert kinds.seq == 30


async def test_a_name_is_a_moment(stored: Stored) -> None:
    named = await stored.documents.archive.name(ONE, 17, "seventeen", ANA)
    shown = await stored.travel.json(ONE, AtSnapshot(named.id), ROOTS)
    assert read(shown) == stored.lived.was[17]
    with pytest.raises(UnknownMoment):
        await stored.travel.json(ONE, AtSnapshot(uuid4()), ROOTS)


async def test_looking_back_changes_nothing(stored: Stored) -> None:
    """PST-5"""
    before = await stored.documents.load(ONE)
    await stored.travel.json(ONE, AtSeq(20), ROOTS)
    await stored.travel.difference(ONE, AtSeq(3), AtSeq(20))
    assert await stored.documents.load(ONE) == before
    assert stored.documents.transactions == COUNT


# Differences


@pytest.mark.parametrize(("first", "second"), [(0, COUNT), (10, 35), (35, 10), (20, 20)])
@pytest.mark.parametrize("snapshot", [0, 15, 40])
@pytest.mark.parametrize("name", [ONE, ROOM])
async def test_a_difference_leads_from_one_moment_to_the_other(
    stored: Stored, name: DocumentName, first: int, second: int, snapshot: int
) -> None:
    """PST-9: whatever is kept in between."""
    if name != ONE:
        await stored.fill(name)
    if snapshot:
        await stored.documents.save_snapshot(name, stored.lived.snapshot(snapshot))
    compared = await stored.travel.difference(name, AtSeq(first), AtSeq(second))
    assert (compared.before.seq, compared.after.seq) == (first, second)
    old, new = stored.lived.was[first]["objects"], stored.lived.was[second]["objects"]
    added = {each.id for each in compared.differences if each.before is None}
    removed = {each.id for each in compared.differences if each.after is None}
    assert {each for each in added if each in new and each not in old} == set(new) - set(old)
    assert set(old) - set(new) <= removed
    assert (not compared.differences) == (first == second)


async def test_a_difference_is_remembered_for_its_pages(stored: Stored) -> None:
    first = await stored.travel.difference(ONE, AtTime(NOON), AtSeq(50))
    assert first.before.seq == 0
    again = await stored.travel.difference(ONE, AtSeq(0), AtSeq(50))
    assert again is first
    for seq in (10, 20):
        await stored.travel.difference(ONE, AtSeq(0), AtSeq(seq))
    later = await stored.travel.difference(ONE, AtSeq(0), AtSeq(50))
    assert later is not first
    assert later == first


async def test_a_difference_from_a_rounded_moment_is_not_that_from_the_exact_one(
    stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PST-7: only what was rounded says so, whoever asked before."""
    real = stored.documents.archive.past

    async def merged(name: Any, moment: Any, **more: Any) -> Any:
        if moment == AtSeq(12):
            return replace(await real(name, AtSeq(10), **more), is_rounded=True)
        return await real(name, moment, **more)

    monkeypatch.setattr(stored.documents.archive, "past", merged)
    for asked, is_rounded in ((12, True), (10, False), (12, True)):
        compared = await stored.travel.difference(ONE, AtSeq(asked), AtSeq(50))
        assert (compared.before.seq, compared.before.is_rounded) == (10, is_rounded)


# Checkpoints


async def test_a_checkpoint_is_the_document(stored: Stored) -> None:
    """PST-7"""
    await stored.travel.keep(ONE, 33)
    past = await stored.documents.archive.past(ONE, AtSeq(34))
    assert past.after == 33
    shown = await stored.travel.json(ONE, AtSeq(34), ROOTS)
    assert read(shown) == stored.lived.was[34]
    with pytest.raises(UnknownMoment):
        await stored.travel.keep(ONE, COUNT + 1)


# Bounds


class _Gate:
    """Replays that stay where they are until they are let on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, is_laborious: bool) -> None:
        self.is_open = False
        gate = self

        class Held(Replay):
            def applying(self, state: Any, tail: Any) -> Iterator[None]:
                while not gate.is_open:
                    yield
                yield from super().applying(state, tail)

            @property
            def is_laborious(self) -> bool:
                return is_laborious

        monkeypatch.setattr(time_travel, "Replay", Held)
        monkeypatch.setattr(breath, "AT_A_STRETCH", 0.0)


async def rounds(until: Callable[[], bool]) -> None:
    for _ in range(1000):
        if until():
            return
        await asyncio.sleep(0)
    raise AssertionError("it does not come")


async def test_two_are_replayed_at_once_and_others_wait(
    stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PST-4"""
    await stored.fill(TWO, THREE)
    gate = _Gate(monkeypatch, is_laborious=False)
    asked: list[Any] = []
    real = stored.documents.archive.past

    async def noting(name: Any, *arguments: Any, **more: Any) -> Any:
        asked.append(name)
        return await real(name, *arguments, **more)

    monkeypatch.setattr(stored.documents.archive, "past", noting)
    tasks = [
        asyncio.create_task(stored.travel.json(name, AtSeq(5), ROOTS)) for name in (ONE, TWO, THREE)
    ]
    for _ in range(50):
        await asyncio.sleep(0)
    assert asked == [ONE, TWO]
    gate.is_open = True
    assert len(await asyncio.gather(*tasks)) == 3
    assert asked == [ONE, TWO, THREE]


async def test_only_so_many_may_wait(stored: Stored, monkeypatch: pytest.MonkeyPatch) -> None:
    """PST-4"""
    gate = _Gate(monkeypatch, is_laborious=False)
    admitted = time_travel.AT_ONCE + time_travel.WAITING
    tasks = [
        asyncio.create_task(stored.travel.json(ONE, AtSeq(5), ROOTS)) for _ in range(admitted + 1)
    ]
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    assert [type(task.exception()) for task in done] == [PastBusy]
    gate.is_open = True
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert sum(isinstance(outcome, Shown) for outcome in outcomes) == admitted


async def test_a_laborious_one_gives_its_place_to_others(
    stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PST-4: of these one at a time; who comes with another is told so, and places come back."""
    await stored.fill(TWO, THREE, FOUR)
    gate = _Gate(monkeypatch, is_laborious=True)
    first = asyncio.create_task(stored.travel.json(ONE, AtSeq(5), ROOTS))
    for _ in range(20):
        await asyncio.sleep(0)
    with pytest.raises(PastBusy):
        await stored.travel.json(TWO, AtSeq(5), ROOTS)
    monkeypatch.setattr(time_travel, "Replay", Replay)
    for name in (TWO, THREE):
        assert (await stored.travel.json(name, AtSeq(5), ROOTS)).seq == 5
    assert not first.done()
    gate.is_open = True
    assert read(await first) == stored.lived.was[5]
    _Gate(monkeypatch, is_laborious=True).is_open = True
    for name in (ONE, TWO, THREE, FOUR):
        assert (await stored.travel.json(name, AtSeq(6), ROOTS)).seq == 6


async def test_who_gives_up_leaves_the_place(
    stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PST-4"""
    gate = _Gate(monkeypatch, is_laborious=False)
    for _ in range(3):
        task = asyncio.create_task(stored.travel.json(ONE, AtSeq(5), ROOTS))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    gate.is_open = True
    assert (await stored.travel.json(ONE, AtSeq(5), ROOTS)).seq == 5


async def test_no_checkpoint_is_made_of_a_laborious_document(
    stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PST-8"""
    _Gate(monkeypatch, is_laborious=True).is_open = True
    with pytest.raises(PastLaborious):
        await stored.travel.keep(ONE, 10)
    assert (await stored.documents.archive.past(ONE, AtSeq(10))).after == 0


async def test_others_are_served_between_the_steps(
    stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PST-4"""
    monkeypatch.setattr(breath, "AT_A_STRETCH", 0.0)
    served = 0

    async def others() -> None:
        nonlocal served
        while True:
            served += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(others())
    await stored.travel.json(ONE, AtSeq(COUNT), ROOTS)
    task.cancel()
    assert served >= COUNT


class _Watching(NoFence):
    """Remembers what was begun, and knows what stopped a worker."""

    def __init__(self, poisoned: bytes = b"") -> None:
        self.begun: set[bytes] = set()
        self.open = 0
        self._poisoned = poisoned

    def begin_heavy(self, what: bytes, seconds: float) -> None:
        assert seconds >= 2
        self.open += 1
        self.begun.add(what)

    def end(self) -> None:
        self.open -= 1

    def is_poisoned(self, update: bytes) -> bool:
        return update == self._poisoned


async def test_a_supervisor_is_told(stored: Stored) -> None:
    """PST-4"""
    fence = _Watching()
    await TimeTravel(stored.documents.archive, fence).json(ONE, AtSeq(COUNT), ROOTS)
    assert fence.begun == {PAST + ONE.encode()}
    assert fence.open == 0


@pytest.mark.parametrize("work", [PAST, OPENING, SHOWING])
async def test_what_stopped_a_worker_is_not_tried_again(stored: Stored, work: bytes) -> None:
    """PST-4: the past of one document, and of no other."""
    await stored.fill(TWO)
    travel = TimeTravel(stored.documents.archive, _Watching(work + ONE.encode()))
    with pytest.raises(DocumentBroken):
        await travel.json(ONE, AtSeq(1), ROOTS)
    assert (await travel.json(TWO, AtSeq(1), ROOTS)).seq == 1
