"""Old logs become checkpoints, in the background."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from crdt_docs.document import DocumentBroken
from persistence.archive_ports import AtSeq, AtTime, PastTooLarge
from persistence.memory_store import MemoryDocumentStore
from persistence.ports import StorageUnavailable
from server.app import create_app
from server.memory_stores import memory_stores
from server.retention import Retention
from server.settings import Settings
from server.stores import Stores as AppStores
from server.time_travel import PastBusy, PastLaborious, TimeTravel
from tests.helpers.commits import ANA, document
from tests.helpers.past import ROOTS, Lived
from tests.server.token_forge import SECRET

ONE, TWO = document(1), document(2)
BEGIN = datetime(2026, 5, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
COUNT = 80


class Stored:
    """Two documents that lived for five days and more: an edit every two hours."""

    def __init__(self) -> None:
        self.now = BEGIN
        self.lived = Lived(seed=5)
        self.lived.live(COUNT)
        self.documents = MemoryDocumentStore(lambda: self.now)
        self.archive = self.documents.archive
        self.travel = TimeTravel(self.archive)
        self.retention = self.keeping(10)

    def keeping(self, days: int) -> Retention:
        return Retention(
            self.archive,
            self.travel,
            timedelta(days=days),
            clock=lambda: self.now,
            pause_seconds=0,
        )

    def time_of(self, seq: int) -> datetime:
        return BEGIN + timedelta(hours=2) * (seq - 1)

    async def fill(self) -> None:
        for name in (ONE, TWO):
            for seq in range(1, COUNT + 1):
                self.now = self.time_of(seq)
                await self.documents.commit(self.lived.commits(name, seq, seq))
            await self.documents.save_snapshot(name, self.lived.snapshot(70))

    async def kept(self, name: Any = ONE) -> int:
        return len(await self.documents.read_log(name))

    async def shown(self, seq: int) -> dict[str, Any]:
        shown = await self.travel.json(ONE, AtSeq(seq), ROOTS)
        assert not shown.is_rounded
        return {root: json.loads(text) for root, text in shown.content.items()}


@pytest.fixture
async def stored() -> Any:
    filled = Stored()
    await filled.fill()
    yield filled
    filled.lived.close()


async def test_nothing_goes_before_its_time(stored: Stored) -> None:
    """PST-7"""
    stored.now = BEGIN + 10 * DAY
    assert await stored.retention.merge_all() == 0
    assert await stored.kept() == COUNT


async def test_days_go_when_their_time_has_come(stored: Stored) -> None:
    """PST-7: 6 edits on the first day, 12 on each further one; what opening reads stays."""
    for days, left in ((11, 74), (12, 62), (13, 50), (100, 10)):
        stored.now = BEGIN + days * DAY
        await stored.retention.merge_all()
        assert await stored.kept() == await stored.kept(TWO) == left, days
    for seq in (6, 18, 30, 66, *range(70, COUNT + 1)):
        assert await stored.shown(seq) == stored.lived.was[seq], seq


async def test_what_is_merged_is_rounded(stored: Stored) -> None:
    """PST-7"""
    stored.now = BEGIN + 100 * DAY
    assert await stored.retention.merge_all() == 140
    shown = await stored.travel.json(ONE, AtTime(stored.time_of(25)), ROOTS)
    assert (shown.seq, shown.at, shown.is_rounded) == (18, stored.time_of(18), True)
    assert json.loads(shown.content["objects"]) == stored.lived.was[18]["objects"]


async def test_names_are_kept(stored: Stored) -> None:
    """PST-6"""
    for seq in (3, 25):
        await stored.archive.name(ONE, seq, "kept", ANA)
    stored.now = BEGIN + 100 * DAY
    await stored.retention.merge_all()
    for seq in (3, 25):
        assert await stored.shown(seq) == stored.lived.was[seq]


async def test_opening_and_authors_stay_the_same(stored: Stored) -> None:
    """PST-8"""
    before = await stored.documents.load(ONE)
    stored.now = BEGIN + 100 * DAY
    await stored.retention.merge_all()
    assert await stored.documents.load(ONE) == before


async def test_a_document_without_a_snapshot_is_left_alone(stored: Stored) -> None:
    """PST-8"""
    third = document(3)
    await stored.documents.commit(stored.lived.commits(third, 1, COUNT))
    stored.now = BEGIN + 1000 * DAY
    await stored.retention.merge_all()
    assert await stored.kept(third) == COUNT


@pytest.mark.parametrize(
    ("error", "is_tried_again"),
    [
        (PastBusy("later"), True),
        (PastLaborious("never"), False),
        (PastTooLarge("never"), False),
        (DocumentBroken("never"), False),
    ],
)
async def test_what_cannot_be_replayed_keeps_its_log(
    stored: Stored, monkeypatch: pytest.MonkeyPatch, error: Exception, *, is_tried_again: bool
) -> None:
    """PST-8: and others are merged all the same."""
    real, tried = stored.travel.keep, []

    async def keep(name: Any, seq: int) -> None:
        if name == ONE:
            tried.append(seq)
            raise error
        await real(name, seq)

    monkeypatch.setattr(stored.travel, "keep", keep)
    stored.now = BEGIN + 100 * DAY
    assert await stored.retention.merge_all() == 70
    assert await stored.kept() == COUNT
    await stored.retention.merge_all()
    assert len(tried) == (2 if is_tried_again else 1)


async def test_it_goes_on_where_it_was_interrupted(
    stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PST-8: after whatever step, everything reads right and the rest follows."""
    stored.now = BEGIN + 100 * DAY
    real_keep, real_remove = stored.archive.keep, stored.archive.remove_merged
    left = 0

    async def counted(call: Any, *arguments: Any) -> Any:
        nonlocal left
        if not left:
            raise StorageUnavailable("cut")
        left -= 1
        return await call(*arguments)

    monkeypatch.setattr(stored.archive, "keep", lambda *args: counted(real_keep, *args))
    monkeypatch.setattr(stored.archive, "remove_merged", lambda *args: counted(real_remove, *args))
    before = await stored.documents.load(ONE)
    for steps in range(1, 60):
        left = steps
        try:
            await stored.retention.merge_all()
        except StorageUnavailable:
            assert await stored.documents.load(ONE) == before
            for seq in range(0, COUNT + 1, 7):
                shown = await stored.travel.json(ONE, AtSeq(seq), ROOTS)
                assert (
                    json.loads(shown.content["objects"]) == (stored.lived.was[shown.seq]["objects"])
                )
            continue
        break
    assert await stored.kept() == await stored.kept(TWO) == 10


async def test_an_outage_is_waited_out(stored: Stored, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_: Any, **__: Any) -> Any:
        raise StorageUnavailable("gone")

    monkeypatch.setattr(stored.archive, "due", fail)
    running = asyncio.create_task(stored.retention.run())
    await asyncio.sleep(0.01)
    assert not running.done()
    running.cancel()


@pytest.mark.parametrize(("days", "left"), [(90.0, 10), (0.0, COUNT)])
async def test_the_application_merges_unless_everything_is_kept(
    stored: Stored, tmp_path: Path, days: float, left: int
) -> None:
    """PST-7"""
    stores = replace(memory_stores(), documents=stored.documents, archive=stored.archive)

    async def open_stores(*_: object) -> AppStores:
        return stores

    settings = Settings(
        data_dir=tmp_path, jwt_secret=SecretStr(SECRET.decode()), log_retention_days=days
    )
    app = create_app(settings, open_stores=open_stores)
    async with app.router.lifespan_context(app):
        async with asyncio.timeout(20):
            while await stored.kept(TWO) != left:  # noqa: ASYNC110 - it runs by itself
                await asyncio.sleep(0.01)
        assert await stored.kept() == left
