"""The journal over a store in memory: groups, order, outages, refusals. Time is turned by hand."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Iterator, Sequence

import pytest
import pytest_asyncio
import stamina
from stamina.instrumentation import set_on_retry_hooks

from crdt_docs.gestures import ChangeKind
from crdt_docs.identifiers import DocumentName
from crdt_docs.object_changes import ObjectChange
from crdt_docs.projection import ObjectState
from persistence.backlog import ENTRY_OVERHEAD
from persistence.errors import BatchRefused
from persistence.journal import WriteBehindJournal
from persistence.memory_store import MemoryDocumentStore
from persistence.ports import Commit, StorageUnavailable
from tests.helpers.commits import ANA, commit, document, log_of
from tests.helpers.objects import Hands
from tests.helpers.proving import few_or_many
from tests.helpers.waiting import until

ONE, TWO, THREE = document(1), document(2), document(3)


class TurnedTime:
    """A clock that only `sleep` moves, and that remembers for how long it was asked to sleep."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def clock(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)


class PickyStore(MemoryDocumentStore):
    """Refuses every batch in which there is an entry it does not like."""

    def __init__(self) -> None:
        super().__init__()
        self.refuses: Callable[[Commit], bool] = lambda _: False
        self.error: Exception = BatchRefused("not this one")
        self.batches: list[list[Commit]] = []

    async def commit(self, batch: Sequence[Commit]) -> None:
        self.batches.append(list(batch))
        if any(self.refuses(entry) for entry in batch):
            raise self.error
        await super().commit(batch)

    def stored(self, name: DocumentName) -> list[Commit]:
        return self._documents[name].log if name in self._documents else []


class Fixture:
    """A journal with what surrounds it."""

    def __init__(self, **options: int) -> None:
        self.store = PickyStore()
        self.time = TurnedTime()
        self.poisoned: list[tuple[Commit, Exception]] = []
        self.committed: list[int] = []
        self.journal = WriteBehindJournal(
            self.store,
            on_poisoned=lambda entry, error: self.poisoned.append((entry, error)),
            clock=self.time.clock,
            sleep=self.time.sleep,
            **options,
        )
        self.journal.subscribe(self.committed.append)


@pytest.fixture(autouse=True)
def retries_without_pauses() -> Iterator[None]:
    set_on_retry_hooks(())
    with stamina.set_testing(True, attempts=1_000_000):
        yield
    set_on_retry_hooks(None)


@pytest_asyncio.fixture
async def the() -> AsyncIterator[Fixture]:
    fixture = Fixture()
    fixture.journal.start()
    yield fixture
    fixture.store.resume()
    await fixture.journal.close(0.05)


async def rounds(number: int = 20) -> None:
    """Let the event loop go round."""
    for _ in range(number):
        await asyncio.sleep(0)


# Order and groups


async def test_entries_of_all_documents_are_stored_in_order(the: Fixture) -> None:
    """LOG-2"""
    the.journal.append(log_of(ONE, 1, 2))
    the.journal.append([*log_of(TWO, 1, 1), *log_of(ONE, 3, 3)])
    await the.journal.flush()
    assert the.store.stored(ONE) == log_of(ONE, 1, 3)
    assert the.store.stored(TWO) == log_of(TWO, 1, 1)


async def test_positions_count_entries_over_all_documents(the: Fixture) -> None:
    assert the.journal.append(log_of(ONE, 1, 2)) == 2
    assert the.journal.append(log_of(TWO, 1, 3)) == 5
    assert the.journal.append([]) == 5
    assert the.journal.position == 5
    assert the.journal.committed == 0
    await the.journal.flush()
    assert the.journal.committed == 5


async def test_what_arrives_after_quiet_is_stored_at_once(the: Fixture) -> None:
    the.journal.append(log_of(ONE, 1, 1))
    await rounds(4)
    assert the.store.stored(ONE) == log_of(ONE, 1, 1)
    assert the.time.slept == []


async def test_all_that_one_turn_of_the_loop_appends_is_one_group(the: Fixture) -> None:
    for seq in range(1, 51):
        the.journal.append(log_of(ONE, seq, seq))
    await the.journal.flush()
    assert the.store.transactions == the.journal.commits == 1


async def test_groups_start_an_interval_apart(the: Fixture) -> None:
    for seq in range(1, 4):
        the.journal.append(log_of(ONE, seq, seq))
        await the.journal.flush()
    assert the.time.slept == pytest.approx([0.005, 0.005])


class SlowReader:
    """A document whose objects take a while to read."""

    has_lost_changes = False

    def __init__(self, time: TurnedTime, seconds: float) -> None:
        self.time = time
        self.seconds = seconds

    def take_changes(self) -> tuple[ObjectChange, ...]:
        self.time.now += self.seconds
        return ()


@pytest.mark.parametrize(
    ("seconds", "pause"), [(0.001, 0.005), (0.040, 0.120), (0.200, 0.600), (8.0, 8.0)]
)
async def test_reading_what_changed_leaves_time_for_others(
    the: Fixture, seconds: float, pause: float
) -> None:
    """An object of 10,000 members is dragged: it is read a third of the time at most, and at most
    a second more goes by."""
    slow, starts = SlowReader(the.time, seconds), []
    for seq in (1, 2, 3):
        the.journal.append([commit(ONE, seq)], slow)
        await the.journal.flush()
        starts.append(the.time.now)
    assert starts[2] - starts[1] == pytest.approx(pause)


async def test_what_arrives_while_a_group_is_written_is_the_next_group(the: Fixture) -> None:
    the.store.pause()
    the.journal.append(log_of(ONE, 1, 1))
    await the.store.until_called()
    for seq in range(2, 101):
        the.journal.append(log_of(ONE, seq, seq))
    assert the.journal.committed == 0
    the.store.resume()
    await the.journal.flush()
    assert the.store.transactions == 2


async def test_a_group_is_bounded_by_bytes_and_a_large_update_goes_alone() -> None:
    the = Fixture(max_batch_bytes=100)
    sizes = [40, 60, 1, 500, 99, 1, 1]
    the.journal.append([commit(ONE, seq, bytes(size)) for seq, size in enumerate(sizes, 1)])
    the.journal.start()
    await the.journal.flush()
    groups = [[len(entry.update) for entry in batch] for batch in the.store.batches]
    assert groups == [[40, 60], [1], [500], [99, 1], [1]]
    assert await the.journal.close(1.0)


async def test_a_group_is_bounded_by_entries() -> None:
    the = Fixture(max_batch_entries=10)
    the.journal.append(log_of(ONE, 1, 25))
    the.journal.start()
    assert await the.journal.close(1.0)
    assert [len(batch) for batch in the.store.batches] == [10, 10, 5]


# Acknowledging


async def test_nothing_is_committed_before_it_is_stored(the: Fixture) -> None:
    """LOG-1"""
    the.store.pause()
    the.journal.append(log_of(ONE, 1, 3))
    await the.store.until_called()
    await rounds()
    assert the.journal.committed == 0
    assert the.committed == []
    the.store.resume()
    await the.journal.flush()
    assert the.committed == [3]


async def test_one_listeners_fault_does_not_reach_the_others(the: Fixture) -> None:
    reported: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))

    def fail(position: int) -> None:
        raise RuntimeError(f"listener at {position}")

    late: list[int] = []
    the.journal.subscribe(fail)
    the.journal.subscribe(late.append)
    the.journal.append(log_of(ONE, 1, 1))
    await the.journal.flush()
    the.journal.append(log_of(ONE, 2, 2))
    await the.journal.flush()
    assert the.committed == late == [1, 2]
    assert len(reported) == 2


async def test_flush_waits_for_what_was_accepted_before_it_only(the: Fixture) -> None:
    await the.journal.flush()
    the.store.pause()
    the.journal.append(log_of(ONE, 1, 1))
    flushed = asyncio.create_task(the.journal.flush())
    await the.store.until_called()
    the.journal.append(log_of(ONE, 2, 2))
    assert not flushed.done()
    the.store.resume()
    await flushed
    assert the.journal.committed >= 1


async def test_a_flush_that_is_cancelled_harms_nobody(the: Fixture) -> None:
    the.store.pause()
    the.journal.append(log_of(ONE, 1, 1))
    given_up = asyncio.create_task(the.journal.flush())
    await the.store.until_called()
    given_up.cancel()
    the.store.resume()
    await the.journal.flush()
    assert the.journal.committed == 1


# Outages


async def test_an_outage_acknowledges_nothing_and_loses_nothing(the: Fixture) -> None:
    """LOG-3"""
    the.store.fail_with = StorageUnavailable("gone")
    the.journal.append(log_of(ONE, 1, 2))
    for _ in range(3):
        await the.store.until_called()
    the.journal.append(log_of(TWO, 1, 1))
    assert the.journal.committed == 0
    assert the.journal.retries >= 2
    assert the.journal.last_error is the.store.fail_with
    the.store.fail_with = None
    await the.journal.flush()
    assert the.store.stored(ONE) == log_of(ONE, 1, 2)
    assert the.store.stored(TWO) == log_of(TWO, 1, 1)
    assert the.journal.last_error is None


async def test_a_group_whose_answer_was_lost_is_sent_again_and_stored_once(the: Fixture) -> None:
    """LOG-4"""
    the.store.lose_answers = True
    the.journal.append(log_of(ONE, 1, 2))
    for _ in range(3):
        await the.store.until_called()
    assert the.journal.committed == 0
    the.store.lose_answers = False
    await the.journal.flush()
    assert the.store.stored(ONE) == log_of(ONE, 1, 2)
    assert the.store.transactions >= 2


@pytest.mark.parametrize("error", [RuntimeError("a bug"), LookupError("no such table")])
async def test_what_is_neither_outage_nor_refusal_is_waited_out(
    the: Fixture, error: Exception
) -> None:
    """LOG-3: a missing table must not cost anybody an edit."""
    the.store.fail_with = error
    the.journal.append(log_of(ONE, 1, 1))
    for _ in range(3):
        await the.store.until_called()
    assert the.poisoned == []
    the.store.fail_with = None
    await the.journal.flush()
    assert the.store.stored(ONE) == log_of(ONE, 1, 1)


async def test_it_goes_on_where_retrying_is_switched_off(the: Fixture) -> None:
    """LOG-3: stamina can be switched off for a whole process."""
    stamina.set_active(False)
    try:
        the.store.fail_with = StorageUnavailable("gone")
        the.journal.append(log_of(ONE, 1, 1))
        await the.store.until_called()
        await the.store.until_called()
        the.store.fail_with = None
        await the.journal.flush()
    finally:
        stamina.set_active(True)
    assert the.store.stored(ONE) == log_of(ONE, 1, 1)
    assert 1.0 in the.time.slept
    assert the.journal.retries >= 1


# The backlog


async def test_the_backlog_is_bounded_by_bytes_with_hysteresis() -> None:
    """LOG-5"""
    size = 100 + ENTRY_OVERHEAD
    the = Fixture(max_backlog_bytes=10 * size, max_batch_entries=1)
    the.store.pause()
    the.journal.start()
    the.journal.append([commit(ONE, seq, bytes(100)) for seq in range(1, 10)])
    assert not the.journal.is_full
    the.journal.append([commit(ONE, 10, bytes(100))])
    assert the.journal.is_full
    assert the.journal.backlog_bytes == 10 * size
    assert the.journal.backlog_entries == 10
    full: list[bool] = []
    the.journal.subscribe(lambda _: full.append(the.journal.is_full))
    the.store.resume()
    await the.journal.flush()
    assert full == [True, True, *[False] * 8]
    assert the.journal.backlog_bytes == the.journal.backlog_entries == 0
    await the.journal.close(1.0)


async def test_the_age_of_the_oldest_entry(the: Fixture) -> None:
    assert the.journal.oldest_pending_age == 0.0
    the.store.pause()
    the.journal.append(log_of(ONE, 1, 1))
    the.time.now += 7.0
    the.journal.append(log_of(ONE, 2, 2))
    assert the.journal.oldest_pending_age == 7.0
    the.store.resume()
    await the.journal.flush()
    assert the.journal.oldest_pending_age == 0.0


# Refused entries


async def test_a_refused_entry_does_not_hold_up_other_documents(the: Fixture) -> None:
    """LOG-6"""
    the.store.refuses = lambda entry: entry.document == ONE and entry.seq == 3
    the.journal.append(
        [
            entry
            for seq in range(1, 9)
            for name in (ONE, TWO, THREE)
            for entry in log_of(name, seq, seq)
        ]
    )
    await the.journal.flush()
    assert the.store.stored(ONE) == log_of(ONE, 1, 2)
    assert the.store.stored(TWO) == log_of(TWO, 1, 8)
    assert the.store.stored(THREE) == log_of(THREE, 1, 8)
    assert [(entry, type(error)) for entry, error in the.poisoned] == [
        (commit(ONE, 3), BatchRefused)
    ]
    assert the.journal.poisoned == 1
    assert the.journal.dropped == 6


async def test_hst_8_a_halved_group_says_which_rows_may_be_missing(the: Fixture) -> None:
    """LOG-11: what a document's entries changed is with the last; between the halves the worker
    may die."""
    the.store.refuses = lambda entry: entry.document == TWO
    change = Hands().change(ChangeKind.CREATE, "a", ObjectState("sticky"), ANA)
    last = commit(ONE, 3)._replace(changes=(change,))
    the.journal.append([*log_of(ONE, 1, 2), commit(TWO, 1), commit(THREE, 1), last])
    await the.journal.flush()
    assert the.store.stored(ONE) == log_of(ONE, 1, 3)
    halved = next(batch for batch in the.store.batches[1:] if batch[-1].document == ONE)
    assert [entry.has_lost_changes for entry in halved] == [False, True]
    assert (await the.store.load(ONE)).has_lost_changes
    assert not (await the.store.load(THREE)).has_lost_changes


async def test_hst_8_what_is_torn_twice_says_so_as_well(the: Fixture) -> None:
    """The change is with the fourth, the refused one the second, and so the first is alone."""
    the.store.refuses = lambda entry: entry.document == ONE and entry.seq == 2
    change = Hands().change(ChangeKind.CREATE, "a", ObjectState("sticky"), ANA)
    last = commit(ONE, 4)._replace(changes=(change,))
    the.journal.append([*log_of(ONE, 1, 3), last])
    await the.journal.flush()
    assert [entry.seq for entry in the.store.stored(ONE)] == [1]
    assert (await the.store.load(ONE)).has_lost_changes


class Telling:
    """A document that counts how often it was asked what has changed."""

    has_lost_changes = False
    asked = 0

    def take_changes(self) -> tuple[ObjectChange, ...]:
        self.asked += 1
        return ()


async def test_log_11_what_changed_is_told_in_time_while_the_database_is_away(
    the: Fixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("persistence.journal.LONGEST_SEGMENT", 0.002)
    the.store.pause()
    one = Telling()
    the.journal.append([commit(ONE, 1)], one)
    await rounds()
    the.journal.append([commit(ONE, 2)], one)
    await asyncio.sleep(0.01)
    assert one.asked == 1, "for the group that is under way"
    the.time.now += 2.0
    await until(lambda: one.asked == 2)
    the.store.resume()
    await the.journal.flush()


@pytest.mark.parametrize("error", [ValueError("bad"), TypeError("bad"), OverflowError("bad")])
async def test_an_entry_that_cannot_be_encoded_is_refused_too(
    the: Fixture, error: Exception
) -> None:
    """LOG-6"""
    the.store.error = error
    the.store.refuses = lambda entry: entry.document == ONE
    the.journal.append([*log_of(ONE, 1, 1), *log_of(TWO, 1, 1)])
    await the.journal.flush()
    assert the.poisoned == [(commit(ONE, 1), error)]
    assert the.store.stored(TWO) == log_of(TWO, 1, 1)


async def test_the_host_is_told_before_anything_counts_as_committed(the: Fixture) -> None:
    """LOG-1: acknowledgements owed for a refused document are dropped before they fall due."""
    events: list[str] = []
    journal = WriteBehindJournal(
        the.store, on_poisoned=lambda entry, _: events.append(f"poisoned {entry.seq}")
    )
    journal.subscribe(lambda position: events.append(f"committed {position}"))
    the.store.refuses = lambda entry: entry.seq == 2
    journal.append(log_of(ONE, 1, 4))
    journal.start()
    await journal.flush()
    assert events[-1] == "committed 4"
    before = events[: events.index("poisoned 2")]
    assert before in ([], ["committed 1"])
    await journal.close(1.0)


async def test_a_document_loaded_anew_is_stored_again(the: Fixture) -> None:
    """LOG-6: what was appended until the host was told is dropped, what comes later is not."""
    the.store.refuses = lambda entry: entry.update == b"bad"
    the.journal.append([commit(ONE, 1), commit(ONE, 2, b"bad"), commit(ONE, 3, b"stale")])
    await the.journal.flush()
    assert the.journal.dropped == 2
    the.journal.append([commit(ONE, 2, b"anew"), commit(ONE, 3, b"more")])
    await the.journal.flush()
    assert [entry.update for entry in the.store.stored(ONE)] == [
        commit(ONE, 1).update,
        b"anew",
        b"more",
    ]
    assert the.journal.dropped == 2


async def test_a_host_that_appends_on_is_refused_again(the: Fixture) -> None:
    """LOG-1, LOG-9: a stale room cannot write behind the gap it left."""
    the.store.refuses = lambda entry: entry.update == b"bad"
    the.journal.append([commit(ONE, 1, b"bad")])
    await the.journal.flush()
    the.journal.append([commit(ONE, 2, b"stale")])
    await the.journal.flush()
    assert [entry.seq for entry, _ in the.poisoned] == [1, 2]
    assert the.store.stored(ONE) == []


async def test_nothing_passes_a_listener_for_refusals_that_fails(the: Fixture) -> None:
    """LOG-1: it is called again until it has done its work."""
    calls: list[int] = []

    def fail_twice(entry: Commit, error: Exception) -> None:
        calls.append(journal.committed)
        if len(calls) < 3:
            raise RuntimeError("the room does not close") from error

    journal = WriteBehindJournal(
        the.store, on_poisoned=fail_twice, clock=the.time.clock, sleep=the.time.sleep
    )
    the.store.refuses = lambda entry: entry.document == ONE
    journal.append([*log_of(ONE, 1, 1), *log_of(TWO, 1, 1)])
    journal.start()
    await journal.flush()
    assert calls == [0, 0, 0]
    assert the.store.stored(TWO) == log_of(TWO, 1, 1)
    assert journal.poisoned == 1
    await journal.close(1.0)


# Its life


async def test_entries_may_come_before_the_start() -> None:
    the = Fixture()
    the.journal.append(log_of(ONE, 1, 1))
    await rounds()
    assert the.store.stored(ONE) == []
    the.journal.start()
    the.journal.start()
    assert await the.journal.close(1.0)
    assert the.store.transactions == 1


async def test_closing_stores_what_is_left(the: Fixture) -> None:
    the.journal.append(log_of(ONE, 1, 3))
    assert await the.journal.close(1.0) is True
    assert the.store.stored(ONE) == log_of(ONE, 1, 3)


async def test_closing_gives_up_and_says_so(the: Fixture) -> None:
    the.store.pause()
    the.journal.append(log_of(ONE, 1, 1))
    waiting = asyncio.create_task(the.journal.flush())
    await the.store.until_called()
    assert await the.journal.close(0.01) is False
    with pytest.raises(StorageUnavailable, match="closed"):
        await waiting
    assert the.journal.committed == 0


async def test_closing_during_an_outage_gives_up(the: Fixture) -> None:
    the.store.fail_with = StorageUnavailable("gone")
    the.journal.append(log_of(ONE, 1, 1))
    await the.store.until_called()
    assert await the.journal.close(0.01) is False
    assert the.store.stored(ONE) == []


async def test_a_journal_never_started_closes(the: Fixture) -> None:
    assert await Fixture().journal.close(1.0) is True


# Everything together


@pytest.mark.parametrize("seed", range(few_or_many(10, 500)))
async def test_random_outages_lose_and_double_nothing(seed: int) -> None:
    """LOG-1 to LOG-4: listeners only ever see positions that are stored."""
    dice = random.Random(seed)
    the = Fixture(max_batch_entries=dice.randint(1, 20), max_batch_bytes=dice.randint(50, 2000))
    names = [document(number) for number in range(5)]
    sent: dict[DocumentName, list[Commit]] = {name: [] for name in names}
    all_sent: list[Commit] = []

    def check(position: int) -> None:
        for entry in all_sent[:position]:
            assert the.store.stored(entry.document)[entry.seq - 1] == entry

    the.journal.subscribe(check)
    the.journal.start()
    for _ in range(60):
        name = dice.choice(names)
        for _ in range(dice.randint(0, 4)):
            entry = commit(name, len(sent[name]) + 1, dice.randbytes(dice.randint(0, 60)))
            sent[name].append(entry)
            all_sent.append(entry)
            the.journal.append([entry])
        match dice.randint(0, 9):
            case 0:
                the.store.fail_with = StorageUnavailable("gone")
            case 1:
                the.store.lose_answers = True
            case 2:
                the.store.pause()
            case 3 | 4 | 5:
                the.store.fail_with, the.store.lose_answers = None, False
                the.store.resume()
        await rounds(dice.randint(0, 8))
    the.store.fail_with, the.store.lose_answers = None, False
    the.store.resume()
    assert await the.journal.close(10.0)
    for name in names:
        assert the.store.stored(name) == sent[name]
    assert the.poisoned == []
