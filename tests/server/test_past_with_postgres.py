"""The past of documents that are edited, snapshotted and merged at random, in PostgreSQL."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from persistence.archive import PostgresArchive
from persistence.archive_ports import AtSeq, AtSnapshot, AtTime, NamedSnapshot
from persistence.pool import DatabasePool
from persistence.update_log import PostgresDocumentStore
from server.retention import Retention
from server.time_travel import Shown, TimeTravel
from tests.helpers.commits import ANA, document
from tests.helpers.past import ROOTS, Lived
from tests.helpers.proving import few_or_many

ONE = document(1)
DAYS = 20
SEEDS = range(few_or_many(2, 60))


class Life:
    """A document that lives for some weeks, and what was seen of it.

    Attributes:
        seen: at these moments, by whoever looked: the position up to which it was stored.
        now: of its time, which passes by the day.
    """

    def __init__(self, pool: DatabasePool, seed: int) -> None:
        self.lived = Lived(seed)
        self.dice = random.Random(seed)
        self.documents = PostgresDocumentStore(pool)
        self.archive = PostgresArchive(pool)
        self.travel = TimeTravel(self.archive)
        self.seen: list[tuple[datetime, int]] = []
        self.named: list[NamedSnapshot] = []
        self.stored = 0
        self._pool = pool

    async def begin(self) -> None:
        async with self._pool.borrow() as connection:
            started: datetime = await connection.fetchval("SELECT now()")
        self.now = started - timedelta(days=DAYS)

    async def live_a_day(self) -> None:
        for _ in range(self.dice.randrange(1, 6)):
            await self._commit(self.dice.randrange(1, 12))
            if self.dice.random() < 0.3:
                seq = self.dice.randint(1, self.stored)
                await self.documents.save_snapshot(ONE, self.lived.snapshot(seq))
            if self.dice.random() < 0.1:
                self.named.append(await self.archive.name(ONE, self.stored, "x", ANA))
        self.now += timedelta(days=1)

    async def _commit(self, edits: int) -> None:
        """One batch, as if it had been stored at this hour of its time."""
        self.lived.live(edits)
        first, self.stored = self.stored + 1, self.stored + edits
        await self.documents.commit(self.lived.commits(ONE, first, self.stored))
        self.now += timedelta(seconds=self.dice.randrange(1, 3600))
        async with self._pool.borrow() as connection:
            await connection.execute(
                "UPDATE document_updates SET committed_at = $1 WHERE seq >= $2", self.now, first
            )
            if first == 1:
                await connection.execute("UPDATE documents SET created_at = $1", self.now)
        self.seen.append((self.now, self.stored))
        if self.dice.random() < 0.5:  # somebody looks later, too, and sees the same
            later = self.now + timedelta(seconds=self.dice.random())
            self.seen.append((later, self.stored))

    def retention(self, days: float) -> Retention:
        return Retention(
            self.archive,
            self.travel,
            timedelta(days=days),
            clock=lambda: self.now,
            pause_seconds=0,
        )

    def check(self, shown: Shown[dict[str, bytes]]) -> None:
        """Whatever is shown is what was there at that position."""
        values = {name: json.loads(text) for name, text in shown.content.items()}
        assert values == self.lived.was[shown.seq]

    async def check_all(self, *, exact_from: int = 0) -> None:
        """Every moment that was seen; those before a position may be rounded."""
        for at, seq in self.dice.sample(self.seen, k=min(25, len(self.seen))):
            shown = await self.travel.json(ONE, AtTime(at), ROOTS)
            self.check(shown)
            assert shown.seq == seq or (seq < exact_from and shown.is_rounded and shown.seq < seq)
        for seq in self.dice.sample(range(self.stored + 1), k=min(25, self.stored)):
            shown = await self.travel.json(ONE, AtSeq(seq), ROOTS)
            self.check(shown)
            assert shown.seq == seq or (seq < exact_from and shown.is_rounded and shown.seq < seq)
        for named in self.named:
            shown = await self.travel.json(ONE, AtSnapshot(named.id), ROOTS)
            self.check(shown)
            assert shown.seq == named.seq
            assert shown.at == named.at

    async def kept_from(self) -> int:
        log = await self.documents.read_log(ONE, limit=1)
        return log[0].seq if log else self.stored + 1


@pytest.fixture
async def life(pool: DatabasePool, request: pytest.FixtureRequest) -> AsyncIterator[Life]:
    made = Life(pool, request.param)
    await made.begin()
    yield made
    made.lived.close()


@pytest.mark.parametrize("life", SEEDS, indirect=True)
async def test_every_moment_is_what_was_seen_then(life: Life) -> None:
    """PST-1, PST-2: times, positions and names, whatever snapshots there are."""
    for _ in range(4):
        await life.live_a_day()
        await life.check_all()


@pytest.mark.parametrize("life", SEEDS, indirect=True)
async def test_the_past_is_right_while_it_is_merged(life: Life) -> None:
    """PST-7, PST-8: in the middle of editing, and as somebody looks."""
    for _ in range(5):
        await life.live_a_day()
        looking = asyncio.create_task(_look(life))
        await life.retention(2).merge_all()
        await looking
        await life.check_all(exact_from=await life.kept_from())
        loaded = await life.documents.load(ONE)
        assert loaded.last_seq == life.stored
        after = loaded.snapshot.seq if loaded.snapshot else 0
        assert list(loaded.tail) == life.lived.log[after : life.stored]
    await life.documents.save_snapshot(ONE, life.lived.snapshot(life.stored))
    life.now += timedelta(days=30)
    await life.retention(2).merge_all()
    assert await life.kept_from() == life.stored + 1, "all of it is old, and in the snapshot"
    await life.check_all(exact_from=life.stored)
    await life.live_a_day()
    await life.check_all(exact_from=life.stored)


async def _look(life: Life) -> None:
    for seq in range(0, life.stored + 1, max(life.stored // 8, 1)):
        life.check(await life.travel.json(ONE, AtSeq(seq), ROOTS))
        compared = await life.travel.difference(ONE, AtSeq(seq), AtSeq(life.stored))
        assert compared.after.seq == life.stored


@pytest.mark.parametrize("life", SEEDS, indirect=True)
async def test_what_is_merged_leaves_a_state_a_day(life: Life) -> None:
    """PST-7"""
    last_of_day: dict[Any, int] = {}
    for _ in range(6):
        await life.live_a_day()
    for at, seq in life.seen:
        last_of_day[at.date()] = max(seq, last_of_day.get(at.date(), 0))
    await life.documents.save_snapshot(ONE, life.lived.snapshot(life.stored))
    life.now += timedelta(days=30)
    await life.retention(1).merge_all()
    for seq in last_of_day.values():
        shown = await life.travel.json(ONE, AtSeq(seq), ROOTS)
        assert (shown.seq, shown.is_rounded) == (seq, False)
        life.check(shown)
    async with life._pool.borrow() as connection:
        kept = await connection.fetchval("SELECT count(*) FROM document_checkpoints")
    assert kept <= len(last_of_day) + len(life.named)
