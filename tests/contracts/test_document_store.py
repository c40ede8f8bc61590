"""What every `ports.DocumentStore` keeps, in memory and in PostgreSQL."""

from __future__ import annotations

import os
import random
from collections.abc import Sequence
from itertools import count

import pytest

from crdt_docs.identifiers import ActorKind, DocumentName
from crdt_docs.varint import MAX_SAFE_INTEGER
from persistence.errors import LogConflict, SequenceGap
from persistence.memory_store import MemoryDocumentStore
from persistence.ports import Commit, DocumentStore, Snapshot, StoredDocument
from persistence.update_log import PostgresDocumentStore
from tests.helpers.commits import ANA, BEN, commit, document, log_of
from tests.helpers.proving import few_or_many

ONE, TWO, THREE = document(1), document(2), document(3)


@pytest.fixture(params=["memory", "postgres"])
def store(request: pytest.FixtureRequest) -> DocumentStore:
    if request.param == "memory":
        return MemoryDocumentStore()
    return PostgresDocumentStore(request.getfixturevalue("pool"))


async def log(store: DocumentStore, name: DocumentName) -> Sequence[Commit]:
    return await store.read_log(name, limit=100_000)


async def test_an_unknown_document_is_empty(store: DocumentStore) -> None:
    assert await store.load(ONE) == StoredDocument()
    assert list(await store.read_log(ONE)) == []


async def test_an_empty_batch_is_nothing(store: DocumentStore) -> None:
    await store.commit([])
    assert await store.load(ONE) == StoredDocument()


async def test_what_is_committed_is_loaded_in_order(store: DocumentStore) -> None:
    await store.commit(log_of(ONE, 1, 3))
    await store.commit(log_of(ONE, 4, 4))
    stored = await store.load(ONE)
    assert stored.tail == tuple(entry.update for entry in log_of(ONE, 1, 4))
    assert stored.last_seq == 4
    assert stored.snapshot is None


async def test_a_batch_holds_many_documents(store: DocumentStore) -> None:
    batch = [
        entry
        for seq in range(1, 6)
        for name in (ONE, TWO, THREE)
        for entry in log_of(name, seq, seq)
    ]
    await store.commit(batch)
    for name in (ONE, TWO, THREE):
        assert list(await log(store, name)) == log_of(name, 1, 5)


async def test_every_field_comes_back(store: DocumentStore) -> None:
    entries = [
        commit(ONE, 1, b"", user_id=ANA, introduced=(0, MAX_SAFE_INTEGER)),
        commit(ONE, 2, bytes(range(256)), user_id=None, actor_kind=ActorKind.SERVICE),
        commit(ONE, 3, b"\x00", user_id=BEN, actor_kind=ActorKind.AGENT, introduced=(7,)),
    ]
    await store.commit(entries)
    assert list(await log(store, ONE)) == entries


async def test_large_updates_come_back(store: DocumentStore) -> None:
    update = os.urandom(3_000_000)
    await store.commit([commit(ONE, 1, update)])
    assert (await store.load(ONE)).tail == (update,)


async def test_committing_again_changes_nothing(store: DocumentStore) -> None:
    """LOG-8"""
    batch = [commit(ONE, 1, introduced=(5,)), commit(ONE, 2), *log_of(TWO, 1, 1)]
    await store.commit(batch)
    before = await store.load(ONE), await store.load(TWO)
    await store.commit(batch)
    await store.commit(batch[:1])
    assert (await store.load(ONE), await store.load(TWO)) == before


async def test_what_is_new_in_a_batch_sent_again_is_stored(store: DocumentStore) -> None:
    """LOG-8"""
    await store.commit(log_of(ONE, 1, 3))
    await store.commit([*log_of(ONE, 2, 6), *log_of(TWO, 1, 2)])
    assert list(await log(store, ONE)) == log_of(ONE, 1, 6)
    assert list(await log(store, TWO)) == log_of(TWO, 1, 2)


async def test_another_update_at_a_taken_position_is_refused(store: DocumentStore) -> None:
    """LOG-8: and nothing of its batch is stored."""
    await store.commit(log_of(ONE, 1, 2))
    with pytest.raises(LogConflict):
        await store.commit([*log_of(TWO, 1, 1), commit(ONE, 2, b"different"), commit(ONE, 3)])
    assert list(await log(store, ONE)) == log_of(ONE, 1, 2)
    assert await store.load(TWO) == StoredDocument()


@pytest.mark.parametrize("first", [2, 5])
async def test_a_gap_is_refused(store: DocumentStore, first: int) -> None:
    """LOG-9: before a known document's end, or at an unknown one's beginning; all or nothing."""
    await store.commit(log_of(ONE, 1, 1))
    for name in (ONE, TWO):
        with pytest.raises(SequenceGap):
            await store.commit([*log_of(THREE, 1, 1), commit(name, first + 1)])
    assert (await store.load(ONE)).last_seq == 1
    assert await store.load(TWO) == StoredDocument()
    assert await store.load(THREE) == StoredDocument()


@pytest.mark.parametrize("seqs", [(1, 3), (2, 1), (1, 1)])
async def test_a_batch_must_be_in_order(store: DocumentStore, seqs: tuple[int, ...]) -> None:
    """LOG-9"""
    with pytest.raises(SequenceGap):
        await store.commit([commit(ONE, seq) for seq in seqs])
    assert await store.load(ONE) == StoredDocument()


async def test_the_first_who_introduced_a_client_is_its_author(store: DocumentStore) -> None:
    await store.commit(
        [
            commit(ONE, 1, user_id=ANA, introduced=(1, 2)),
            commit(ONE, 2, user_id=BEN, introduced=(2, 3)),
            commit(TWO, 1, user_id=BEN, introduced=(1,)),
        ]
    )
    await store.commit([commit(ONE, 3, user_id=None, introduced=(3, 4))])
    assert (await store.load(ONE)).authors == {1: ANA, 2: ANA, 3: BEN, 4: None}
    assert (await store.load(TWO)).authors == {1: BEN}


async def test_a_snapshot_shortens_what_is_loaded_but_not_the_log(store: DocumentStore) -> None:
    """ROM-11"""
    await store.commit(log_of(ONE, 1, 5))
    snapshot = Snapshot(3, b"state", b"outline")
    await store.save_snapshot(ONE, snapshot)
    stored = await store.load(ONE)
    assert stored.snapshot == snapshot
    assert stored.tail == tuple(entry.update for entry in log_of(ONE, 4, 5))
    assert stored.last_seq == 5
    assert list(await log(store, ONE)) == log_of(ONE, 1, 5)


async def test_a_snapshot_of_everything_leaves_no_tail(store: DocumentStore) -> None:
    await store.commit(log_of(ONE, 1, 2))
    await store.save_snapshot(ONE, Snapshot(2, b"", b""))
    assert await store.load(ONE) == StoredDocument(Snapshot(2, b"", b""), (), 2, {})
    await store.commit(log_of(ONE, 3, 3))
    assert (await store.load(ONE)).tail == (log_of(ONE, 3, 3)[0].update,)


async def test_an_older_snapshot_is_ignored(store: DocumentStore) -> None:
    """ROM-11"""
    await store.commit(log_of(ONE, 1, 5))
    await store.save_snapshot(ONE, Snapshot(4, b"newer", b""))
    await store.save_snapshot(ONE, Snapshot(2, b"older", b""))
    await store.save_snapshot(ONE, Snapshot(4, b"same age", b""))
    assert (await store.load(ONE)).snapshot == Snapshot(4, b"newer", b"")


async def test_a_snapshot_ahead_of_the_log_is_refused(store: DocumentStore) -> None:
    """LOG-10: it would hold edits that are acknowledged to nobody, under positions to come."""
    await store.commit(log_of(ONE, 1, 2))
    for name in (ONE, TWO):
        with pytest.raises(SequenceGap):
            await store.save_snapshot(name, Snapshot(3, b"state", b""))
    assert (await store.load(ONE)).snapshot is None


async def test_a_snapshot_of_nothing_is_nothing(store: DocumentStore) -> None:
    await store.save_snapshot(ONE, Snapshot(0, b"\0\0", b""))
    assert await store.load(ONE) == StoredDocument()


async def test_the_log_is_read_in_pieces(store: DocumentStore) -> None:
    await store.commit(log_of(ONE, 1, 10))
    assert list(await store.read_log(ONE, limit=4)) == log_of(ONE, 1, 4)
    assert list(await store.read_log(ONE, after=4, limit=4)) == log_of(ONE, 5, 8)
    assert list(await store.read_log(ONE, after=8, limit=4)) == log_of(ONE, 9, 10)
    assert list(await store.read_log(ONE, after=10)) == []


async def test_a_deleted_document_is_forgotten_with_its_log(store: DocumentStore) -> None:
    await store.commit([commit(ONE, 1, introduced=(1,)), *log_of(ONE, 2, 3), *log_of(TWO, 1, 1)])
    await store.save_snapshot(ONE, Snapshot(2, b"state", b""))
    await store.delete(ONE)
    await store.delete(THREE)
    assert await store.load(ONE) == StoredDocument()
    assert list(await log(store, ONE)) == []
    assert (await store.load(TWO)).last_seq == 1
    await store.commit([commit(ONE, 1, b"anew")])
    assert await store.load(ONE) == StoredDocument(None, (b"anew",), 1, {})


async def test_hst_8_that_changes_were_lost_is_known_until_they_are_found(
    store: DocumentStore,
) -> None:
    lost = commit(ONE, 2)._replace(has_lost_changes=True)
    await store.commit([commit(ONE, 1), lost, commit(TWO, 1)])
    await store.commit([commit(ONE, 3)])
    assert (await store.load(ONE)).has_lost_changes
    assert not (await store.load(TWO)).has_lost_changes
    assert list(await log(store, ONE)) == log_of(ONE, 1, 3)
    await store.note_repaired(ONE)
    await store.note_repaired(THREE)
    assert not (await store.load(ONE)).has_lost_changes
    await store.commit([commit(ONE, 3)._replace(has_lost_changes=True)])  # half of what was sent
    assert (await store.load(ONE)).has_lost_changes
    await store.delete(ONE)
    await store.commit([commit(ONE, 1)])
    assert not (await store.load(ONE)).has_lost_changes


@pytest.mark.parametrize("seed", range(few_or_many(3, 60)))
async def test_random_batches_with_repetitions_give_the_log(
    store: DocumentStore, seed: int
) -> None:
    """LOG-8, LOG-9: whatever is sent again, every position is there once, in order."""
    dice = random.Random(seed)
    names = [document(number) for number in range(4)]
    written = dict.fromkeys(names, 0)
    clients = count(1)
    sent: dict[DocumentName, list[Commit]] = {name: [] for name in names}
    for _ in range(20):
        batch = []
        for name in dice.sample(names, dice.randint(1, len(names))):
            again = dice.randint(0, min(3, written[name]))
            batch += sent[name][len(sent[name]) - again :] if again else []
            for _ in range(dice.randint(1, 5)):
                written[name] += 1
                new = (next(clients),) if dice.random() < 0.3 else ()
                entry = commit(name, written[name], dice.randbytes(30), introduced=new)
                sent[name].append(entry)
                batch.append(entry)
        await store.commit(batch)
        if dice.random() < 0.3:
            name = dice.choice(names)
            seq = dice.randint(0, written[name])
            await store.save_snapshot(name, Snapshot(seq, b"state", b""))
    for name in names:
        assert list(await log(store, name)) == sent[name]
        stored = await store.load(name)
        start = stored.snapshot.seq if stored.snapshot else 0
        assert stored.tail == tuple(entry.update for entry in sent[name][start:])
        assert stored.authors == {c: ANA for entry in sent[name] for c in entry.introduced}
