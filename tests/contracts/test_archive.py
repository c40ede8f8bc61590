"""What every `archive_ports.Archive` keeps, in memory and in PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Protocol
from uuid import uuid4

import pytest

from crdt_docs.identifiers import DocumentName
from persistence import archive as postgres_archive
from persistence import checkpoints, memory_archive
from persistence.archive import PostgresArchive
from persistence.archive_ports import (
    MAX_NAMED,
    Archive,
    AtSeq,
    AtSnapshot,
    AtTime,
    Merge,
    Moment,
    PastDocument,
    PastTooLarge,
    TooManySnapshots,
    UnknownMoment,
    UnknownSnapshot,
)
from persistence.memory_store import MemoryDocumentStore
from persistence.pool import DatabasePool
from persistence.ports import DocumentStore, InvalidCursor, Snapshot
from persistence.update_log import PostgresDocumentStore
from tests.helpers.commits import ANA, BEN, document, log_of

ONE, TWO = document(1), document(2)
NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
LATER = NOON + 30 * DAY


class Stored(Protocol):
    """A store whose commits happen when a test says."""

    @property
    def documents(self) -> DocumentStore:
        """Whose past it is."""

    @property
    def archive(self) -> Archive:
        """What is tested."""

    async def commit(self, name: DocumentName, first: int, last: int, at: datetime) -> None:
        """Store these entries, at that time."""


class InMemory:
    def __init__(self) -> None:
        self.documents = MemoryDocumentStore(clock=lambda: self.now)
        self.archive = self.documents.archive
        self.now = NOON

    async def commit(self, name: DocumentName, first: int, last: int, at: datetime) -> None:
        self.now = at
        await self.documents.commit(log_of(name, first, last))


class InPostgres:
    def __init__(self, pool: DatabasePool) -> None:
        self.documents = PostgresDocumentStore(pool)
        self.archive = PostgresArchive(pool)
        self.pool = pool

    async def commit(self, name: DocumentName, first: int, last: int, at: datetime) -> None:
        await self.documents.commit(log_of(name, first, last))
        async with self.pool.borrow() as connection:
            await connection.execute(
                "UPDATE document_updates SET committed_at = $4 WHERE seq BETWEEN $2 AND $3"
                " AND document_id = (SELECT id FROM documents WHERE name = $1)",
                name,
                first,
                last,
                at,
            )
            if first == 1:
                await connection.execute(
                    "UPDATE documents SET created_at = $2 WHERE name = $1", name, at
                )


@pytest.fixture(params=["memory", "postgres"])
def stored(request: pytest.FixtureRequest) -> Stored:
    if request.param == "memory":
        return InMemory()
    return InPostgres(request.getfixturevalue("pool"))


def state(seq: int) -> bytes:
    return f"state {seq}".encode()


async def save(stored: Stored, seq: int, name: DocumentName = ONE) -> None:
    await stored.documents.save_snapshot(name, Snapshot(seq, state(seq), b"outline"))


def updates(first: int, last: int, name: DocumentName = ONE) -> tuple[bytes, ...]:
    return tuple(entry.update for entry in log_of(name, first, last))


async def hourly(stored: Stored, count: int, *, first: int = 1) -> None:
    """Entry `n` is committed at noon and `n` hours."""
    for seq in range(first, first + count):
        await stored.commit(ONE, seq, seq, NOON + seq * HOUR)


async def merge(stored: Stored, seq: int) -> None:
    """Merge everything up to a position, as if it were old."""
    assert await stored.archive.keep(ONE, seq, state(seq))
    while await stored.archive.remove_merged(ONE, seq):
        pass


# Moments


@pytest.mark.parametrize("moment", [AtTime(NOON), AtSeq(0)])
async def test_what_does_not_exist_was_always_empty(stored: Stored, moment: Moment) -> None:
    """PST-1"""
    assert await stored.archive.past(ONE, moment) == PastDocument()
    assert await stored.archive.last_seq(ONE) == 0


async def test_a_moment_shows_what_was_committed_by_then(stored: Stored) -> None:
    """PST-1: every entry of that time and before, none after; nothing before the first."""
    await hourly(stored, 5)
    for minutes in range(-60, 8 * 60, 20):
        past = await stored.archive.past(ONE, AtTime(NOON + timedelta(minutes=minutes)))
        seq = max(min(minutes // 60, 5), 0)
        assert past.seq == seq
        assert past.tail == updates(1, seq)
        assert past.at == (NOON + seq * HOUR if seq else None)
        assert not past.is_rounded


async def test_what_was_committed_together_is_seen_together(stored: Stored) -> None:
    """PST-1"""
    await stored.commit(ONE, 1, 7, NOON)
    await stored.commit(ONE, 8, 9, NOON + HOUR)
    assert (await stored.archive.past(ONE, AtTime(NOON - timedelta.resolution))).seq == 0
    assert (await stored.archive.past(ONE, AtTime(NOON))).seq == 7
    assert (await stored.archive.past(ONE, AtTime(NOON + HOUR - timedelta.resolution))).seq == 7


async def test_a_position_is_exact(stored: Stored) -> None:
    """PST-1"""
    await hourly(stored, 4)
    for seq in range(5):
        past = await stored.archive.past(ONE, AtSeq(seq))
        assert (past.seq, past.tail, past.is_rounded) == (seq, updates(1, seq), False)


async def test_what_is_not_there_yet_is_unknown(stored: Stored) -> None:
    """PST-1"""
    await hourly(stored, 4)
    for name in (ONE, TWO):
        with pytest.raises(UnknownMoment, match="the log ends at"):
            await stored.archive.past(name, AtSeq(5))
        with pytest.raises(UnknownSnapshot):
            await stored.archive.past(name, AtSnapshot(uuid4()))


async def test_documents_are_kept_apart(stored: Stored) -> None:
    await stored.commit(ONE, 1, 3, NOON)
    await stored.commit(TWO, 1, 5, NOON + HOUR)
    assert (await stored.archive.past(ONE, AtTime(LATER))).tail == updates(1, 3)
    assert (await stored.archive.past(TWO, AtTime(NOON))).seq == 0
    named = await stored.archive.name(TWO, 5, "two", ANA)
    with pytest.raises(UnknownMoment):
        await stored.archive.past(ONE, AtSnapshot(named.id))
    assert await stored.archive.find_named(ONE, named.id) is None
    assert not await stored.archive.forget_named(ONE, named.id)


async def test_the_nearest_snapshot_is_taken(stored: Stored) -> None:
    """PST-2: the current one, or a checkpoint before it, and only the log from there."""
    await hourly(stored, 9)
    await save(stored, 8)
    assert await stored.archive.keep(ONE, 3, state(3))
    found = [await stored.archive.past(ONE, AtSeq(seq)) for seq in (2, 3, 7, 8, 9)]
    assert [(past.after, past.state) for past in found] == [
        (0, None),
        (3, state(3)),
        (3, state(3)),
        (8, state(8)),
        (8, state(8)),
    ]
    assert [past.tail for past in found] == [
        updates(1, 2),
        (),
        updates(4, 7),
        (),
        updates(9, 9),
    ]


async def test_from_a_known_state_only_the_log_is_read(stored: Stored) -> None:
    """PST-2"""
    await hourly(stored, 9)
    await save(stored, 8)
    past = await stored.archive.past(ONE, AtSeq(9), known_seq=4)
    assert (past.after, past.state, past.tail) == (4, None, updates(5, 9))
    past = await stored.archive.past(ONE, AtSeq(4), known_seq=4)
    assert (past.after, past.state, past.tail) == (4, None, ())
    past = await stored.archive.past(ONE, AtSeq(3), known_seq=4)
    assert (past.after, past.tail) == (0, updates(1, 3))


async def test_from_a_state_known_long_ago_a_checkpoint_is_nearer(
    stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PST-2"""
    monkeypatch.setattr(checkpoints, "MOST_KNOWN", 4)
    await hourly(stored, 9)
    await save(stored, 8)
    assert (await stored.archive.past(ONE, AtSeq(9), known_seq=4)).after == 8
    assert (await stored.archive.past(ONE, AtSeq(9), known_seq=5)).after == 5


async def test_more_than_memory_should_hold_is_not_read(
    stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PST-4"""
    await hourly(stored, 3)
    size = sum(map(len, updates(1, 3)))
    for module in (postgres_archive, memory_archive):
        monkeypatch.setattr(module, "MAX_PAST_BYTES", size - 1)
    assert (await stored.archive.past(ONE, AtSeq(2))).size < size
    with pytest.raises(PastTooLarge):
        await stored.archive.past(ONE, AtSeq(3))


# Checkpoints


async def kept(stored: Stored, last: int) -> list[int]:
    """Where checkpoints are (or the snapshot), told by where moments begin."""
    found = {(await stored.archive.past(ONE, AtSeq(seq))).after for seq in range(last + 1)}
    return sorted(found - {0})


async def test_a_replaced_snapshot_usually_goes(stored: Stored) -> None:
    """PST-3"""
    await stored.commit(ONE, 1, 9, NOON)
    for seq in (3, 6, 9):
        await save(stored, seq)
    assert await kept(stored, 9) == [9]


async def test_the_last_snapshot_of_a_day_stays(stored: Stored) -> None:
    """PST-3"""
    await hourly(stored, 36)
    for seq in (3, 8, 11, 14, 20, 36):
        await save(stored, seq)
    assert await kept(stored, 36) == [11, 20, 36]
    assert (await stored.archive.past(ONE, AtSeq(11))).state == state(11)


async def test_a_snapshot_stays_after_many_updates(stored: Stored) -> None:
    """PST-3"""
    many = checkpoints.MOST_UPDATES
    await stored.commit(ONE, 1, many + 3, NOON)
    for seq in (many - 1, many, many + 1, many + 2, many + 3):
        await save(stored, seq)
    found = {(await stored.archive.past(ONE, AtSeq(seq))).after for seq in range(many, many + 4)}
    assert found == {many, many + 3}


async def test_a_snapshot_stays_after_many_bytes(stored: Stored) -> None:
    """PST-3"""
    entries = [
        entry._replace(update=b"x" * (checkpoints.MOST_BYTES // 2)) for entry in log_of(ONE, 1, 5)
    ]
    await stored.documents.commit(entries)
    for seq in range(1, 6):
        await save(stored, seq)
    assert await kept(stored, 5) == [2, 4, 5]


async def test_a_checkpoint_is_kept_where_there_is_a_log(stored: Stored) -> None:
    """PST-3"""
    await hourly(stored, 3)
    assert not await stored.archive.keep(ONE, 4, state(4))
    assert not await stored.archive.keep(TWO, 1, state(1))
    assert await stored.archive.keep(ONE, 2, state(2))
    assert await stored.archive.keep(ONE, 2, b"another")
    assert (await stored.archive.past(ONE, AtSeq(2))).state == state(2)


async def test_what_is_deleted_has_no_past(stored: Stored) -> None:
    await hourly(stored, 3)
    assert await stored.archive.keep(ONE, 2, state(2))
    named = await stored.archive.name(ONE, 2, "two", ANA)
    await stored.documents.delete(ONE)
    assert await stored.archive.past(ONE, AtTime(LATER)) == PastDocument()
    assert await stored.archive.find_named(ONE, named.id) is None
    assert not await stored.archive.keep(ONE, 2, state(2))


# Views


async def test_a_view_is_of_use_until_the_next_edit(stored: Stored) -> None:
    """PST-11"""
    assert await stored.archive.view(ONE) is None
    assert await stored.archive.viewed_seq(ONE) == 0
    await stored.archive.keep_view(ONE, 0, b"{}")
    assert await stored.archive.view(ONE) is None
    for last in (3, 4):
        await stored.commit(ONE, 4 if last == 4 else 1, last, NOON)
        assert await stored.archive.view(ONE) is None
        await stored.archive.keep_view(ONE, last, b'{"last": %d}' % last)
        assert await stored.archive.view(ONE) == b'{"last": %d}' % last
        assert await stored.archive.viewed_seq(ONE) == last
    assert await stored.archive.view(TWO) is None


async def test_a_view_of_another_moment_is_ignored(stored: Stored) -> None:
    """PST-11"""
    await stored.commit(ONE, 1, 3, NOON)
    for seq in (2, 4):
        await stored.archive.keep_view(ONE, seq, b"{}")
        await stored.archive.keep_view(TWO, seq, b"{}")
    assert await stored.archive.viewed_seq(ONE) == 0
    assert await stored.archive.view(ONE) is None


# Names


async def test_a_position_gets_a_name(stored: Stored) -> None:
    """PST-6"""
    await hourly(stored, 5)
    named = await stored.archive.name(ONE, 3, "Before lunch", BEN)
    assert (named.label, named.seq, named.created_by) == ("Before lunch", 3, BEN)
    assert named.at == NOON + 3 * HOUR
    assert await stored.archive.find_named(ONE, named.id) == named
    past = await stored.archive.past(ONE, AtSnapshot(named.id))
    assert (past.seq, past.tail) == (3, updates(1, 3))


@pytest.mark.parametrize(("name", "seq"), [(ONE, 0), (ONE, 4), (TWO, 1)])
async def test_only_what_is_there_gets_a_name(stored: Stored, name: DocumentName, seq: int) -> None:
    """PST-6"""
    await hourly(stored, 3)
    with pytest.raises(UnknownMoment):
        await stored.archive.name(name, seq, "nowhere", ANA)


async def test_a_name_can_be_taken_away(stored: Stored) -> None:
    """PST-6"""
    await hourly(stored, 2)
    named = await stored.archive.name(ONE, 2, "two", ANA)
    assert await stored.archive.forget_named(ONE, named.id)
    assert not await stored.archive.forget_named(ONE, named.id)
    assert await stored.archive.find_named(ONE, named.id) is None
    with pytest.raises(UnknownMoment):
        await stored.archive.past(ONE, AtSnapshot(named.id))
    assert (await stored.archive.past(ONE, AtSeq(2))).seq == 2


async def test_there_are_only_so_many_names(stored: Stored) -> None:
    """PST-6"""
    await hourly(stored, 1)
    for number in range(MAX_NAMED):
        await stored.archive.name(ONE, 1, f"{number}", None)
    with pytest.raises(TooManySnapshots):
        await stored.archive.name(ONE, 1, "one more", None)


async def test_names_come_in_pages_newest_first(stored: Stored) -> None:
    """PST-6"""
    await hourly(stored, 2)
    made = [await stored.archive.name(ONE, 1, f"{number}", ANA) for number in range(7)]
    newest_first = sorted(made, key=lambda each: (each.created_at, each.id), reverse=True)
    seen: list[object] = []
    cursor: str | None = None
    for size in (3, 3, 1):
        page = await stored.archive.named(ONE, limit=3, cursor=cursor)
        assert len(page.items) == size
        seen += page.items
        cursor = page.next_cursor
    assert seen == newest_first
    assert cursor is None
    assert (await stored.archive.named(TWO)).items == ()
    with pytest.raises(InvalidCursor):
        await stored.archive.named(ONE, cursor="no cursor")


# Merging


async def test_a_merged_log_is_rounded_to_its_checkpoint(stored: Stored) -> None:
    """PST-7"""
    await hourly(stored, 9)
    await save(stored, 8)
    assert await stored.archive.keep(ONE, 2, state(2))
    named = await stored.archive.name(ONE, 2, "two", ANA)
    await merge(stored, 5)
    shown = [await stored.archive.past(ONE, AtSeq(seq)) for seq in range(10)]
    assert [past.seq for past in shown] == [0, 0, 2, 2, 2, 5, 6, 7, 8, 9]
    assert [seq for seq, past in enumerate(shown) if past.is_rounded] == [1, 3, 4]
    assert shown[7].state == state(5)
    assert shown[7].tail == updates(6, 7)
    assert (await stored.archive.past(ONE, AtSnapshot(named.id))).state == state(2)


@pytest.mark.parametrize(
    ("hours", "shown"),
    [
        (0.5, (0, False)),  # before the first edit
        (1, (0, True)),
        (2, (2, True)),
        (4.9, (2, True)),
        (5, (5, False)),
        (5.5, (5, False)),
        (6, (6, False)),
        (100, (9, False)),
    ],
)
async def test_a_time_before_the_kept_log_is_rounded(
    stored: Stored, hours: float, shown: tuple[int, bool]
) -> None:
    """PST-7: and says so; when it is told is the time of what is shown."""
    await hourly(stored, 9)
    await save(stored, 8)
    assert await stored.archive.keep(ONE, 2, state(2))
    await stored.archive.name(ONE, 2, "two", ANA)
    await merge(stored, 5)
    past = await stored.archive.past(ONE, AtTime(NOON + hours * HOUR))
    assert (past.seq, past.is_rounded) == shown
    assert past.at == (NOON + past.seq * HOUR if past.seq else None)


async def test_a_merged_log_opens_and_goes_on(stored: Stored) -> None:
    """PST-8: opening reads what it read before, also when all of the log is gone."""
    await hourly(stored, 9)
    await save(stored, 6)
    before = await stored.documents.load(ONE)
    await merge(stored, 6)
    assert await stored.documents.load(ONE) == before
    await save(stored, 9)
    await merge(stored, 9)
    assert list(await stored.documents.read_log(ONE)) == []
    assert (await stored.documents.load(ONE)).last_seq == 9
    await stored.commit(ONE, 10, 11, LATER)
    loaded = await stored.documents.load(ONE)
    assert (loaded.snapshot, loaded.tail) == (
        Snapshot(9, state(9), b"outline"),
        updates(10, 11),
    )
    assert (await stored.archive.past(ONE, AtTime(LATER))).tail == updates(10, 11)
    assert (await stored.archive.past(ONE, AtTime(LATER - HOUR))).seq == 9
    assert await stored.archive.last_seq(ONE) == 11
    await save(stored, 11)
    assert (await stored.archive.past(ONE, AtSeq(10))).state == state(9)


async def test_nothing_goes_without_a_checkpoint_or_past_the_snapshot(stored: Stored) -> None:
    """PST-8"""
    await hourly(stored, 9)
    assert await stored.archive.keep(ONE, 5, state(5))
    assert await stored.archive.remove_merged(ONE, 5) == 0, "there is no snapshot to open from"
    await save(stored, 4)
    assert await stored.archive.remove_merged(ONE, 5) == 0, "it is in the tail"
    await save(stored, 7)
    assert await stored.archive.remove_merged(ONE, 6) == 0, "no checkpoint"
    assert await stored.archive.remove_merged(TWO, 6) == 0, "no document"
    assert len(await stored.documents.read_log(ONE)) == 9
    assert await stored.archive.remove_merged(ONE, 5) == 5
    assert len(await stored.documents.read_log(ONE)) == 4


async def test_a_long_log_goes_in_portions_each_of_which_leaves_it_right(
    stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PST-8: wherever it is interrupted."""
    for module in (postgres_archive, memory_archive):
        monkeypatch.setattr(module, "REMOVED_AT_ONCE", 2)
    await hourly(stored, 9)
    await save(stored, 8)
    assert await stored.archive.keep(ONE, 5, state(5))
    for gone in (2, 4, 5):
        assert await stored.archive.remove_merged(ONE, 5)
        shown = [await stored.archive.past(ONE, AtSeq(seq)) for seq in range(10)]
        assert [past.seq for past in shown] == [0, 0, 0, 0, 0, 5, 6, 7, 8, 9], gone
        times = [await stored.archive.past(ONE, AtTime(NOON + n * HOUR)) for n in range(10)]
        assert [past.seq for past in times] == [0, 0, 0, 0, 0, 5, 6, 7, 8, 9], gone
        assert (await stored.documents.load(ONE)).tail == updates(9, 9)
    assert await stored.archive.remove_merged(ONE, 5) == 0


async def due(stored: Stored, before: datetime) -> Sequence[DocumentName]:
    return await stored.archive.due(before)


async def test_what_begins_long_ago_is_due(stored: Stored) -> None:
    """PST-8: a document without a snapshot, such as a laborious one, never is."""
    await hourly(stored, 3)
    await stored.commit(TWO, 1, 3, NOON + DAY)
    assert list(await due(stored, LATER)) == []
    await save(stored, 2)
    await save(stored, 2, TWO)
    assert list(await due(stored, LATER)) == [ONE, TWO]
    assert list(await stored.archive.due(LATER, after=ONE)) == [TWO]
    assert list(await stored.archive.due(LATER, limit=1)) == [ONE]
    assert list(await due(stored, NOON + DAY)) == [ONE]
    assert list(await due(stored, NOON + HOUR)) == []
    await merge(stored, 2)
    assert list(await due(stored, LATER)) == [TWO]


async def test_days_are_merged_one_after_the_other(stored: Stored) -> None:
    """PST-8: 11 entries on the first day, 24 on the second, the rest on the third."""
    await hourly(stored, 40)
    await save(stored, 38)
    assert await stored.archive.next_merge(ONE, NOON + 12 * HOUR - timedelta.resolution) is None
    assert await stored.archive.next_merge(ONE, LATER) == Merge(11, is_kept=False)
    assert await stored.archive.next_merge(TWO, LATER) is None
    await merge(stored, 11)
    assert await stored.archive.next_merge(ONE, LATER) == Merge(35, is_kept=False)
    assert await stored.archive.next_merge(ONE, NOON + DAY) is None
    await merge(stored, 35)
    assert await stored.archive.next_merge(ONE, LATER) == Merge(38, is_kept=True)
    while await stored.archive.remove_merged(ONE, 38):
        pass
    assert await stored.archive.next_merge(ONE, LATER) is None
    assert await kept(stored, 40) == [11, 35, 38]


async def test_a_name_without_a_checkpoint_is_merged_to(stored: Stored) -> None:
    """PST-6: what has a name is kept."""
    await hourly(stored, 10)
    await save(stored, 10)
    for seq in (3, 6):
        await stored.archive.name(ONE, seq, "x", ANA)
    assert await stored.archive.keep(ONE, 3, state(3))
    assert await stored.archive.next_merge(ONE, LATER) == Merge(6, is_kept=False)
    await merge(stored, 6)
    assert await stored.archive.next_merge(ONE, LATER) == Merge(10, is_kept=True)


async def test_one_checkpoint_a_day_is_left_and_those_with_names(stored: Stored) -> None:
    """PST-7"""
    await hourly(stored, 20)
    await save(stored, 20)
    for seq in (5, 13, 14, 15):
        assert await stored.archive.keep(ONE, seq, state(seq))
    await stored.archive.name(ONE, 14, "x", ANA)
    await merge(stored, 11)
    await merge(stored, 17)
    assert await kept(stored, 20) == [11, 14, 17, 20]
