"""Rows beside their documents, in memory and in PostgreSQL: compared, and written anew."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import NamedTuple

import pytest

from crdt_docs.gestures import ChangeKind
from crdt_docs.identifiers import DocumentKind, DocumentName
from crdt_docs.object_kinds import KINDS, ObjectKind, kinds_in
from persistence.archive import PostgresArchive
from persistence.archive_ports import Archive
from persistence.inspection import PostgresInspection
from persistence.inspection_ports import InspectedRow, Inspection, RebuiltRow
from persistence.memory_store import MemoryDocumentStore
from persistence.object_ports import HistoryRow
from persistence.pool import DatabasePool
from persistence.ports import DocumentStore
from persistence.update_log import PostgresDocumentStore
from server.rebuilding import Rebuilt, rebuild
from server.verification import Verification
from tests.helpers.commits import commit, document
from tests.helpers.stored_board import ADA, BEN, EVE, StoredBoard, box

OCW, XR = DocumentKind.OCW, DocumentKind.XR
NEVER = datetime(2999, 1, 1, tzinfo=UTC)


class Store(NamedTuple):
    """Where documents are stored, and how they are looked at."""

    documents: DocumentStore
    inspection: Inspection
    archive: Archive
    one: DocumentName
    two: DocumentName

    @property
    def kinds(self) -> Sequence[ObjectKind]:
        """What has tables in these documents."""
        return kinds_in(self.one)

    async def faults(self, *, whole_log: bool = True) -> list[str]:
        verification = Verification(self.inspection, whole_log=whole_log)
        return [str(finding) async for finding in verification.document(self.one)]

    async def rebuild(self) -> Rebuilt:
        return await rebuild(self.inspection, self.one)

    async def history(self, name: DocumentName | None = None) -> Sequence[HistoryRow]:
        name = name or self.one
        async with self.inspection.moment(name) as moment:
            return [row for kind in kinds_in(name) async for row in moment.versions(kind)]

    async def rows(self, name: DocumentName | None = None) -> Sequence[InspectedRow]:
        name = name or self.one
        async with self.inspection.moment(name) as moment:
            return [row for kind in kinds_in(name) async for row in moment.rows(kind)]


@pytest.fixture(params=[kind for kind in DocumentKind if KINDS[kind]])
def names(request: pytest.FixtureRequest) -> tuple[DocumentName, DocumentName]:
    """Two documents of each kind that has tables."""
    return document(1, request.param), document(2, request.param)


@pytest.fixture(params=["memory", "postgres"])
def store(request: pytest.FixtureRequest, names: tuple[DocumentName, DocumentName]) -> Store:
    if request.param == "memory":
        memory = MemoryDocumentStore()
        return Store(memory, memory.inspection, memory.archive, *names)
    pool: DatabasePool = request.getfixturevalue("pool")
    stored, inspection = PostgresDocumentStore(pool), PostgresInspection(pool)
    return Store(stored, inspection, PostgresArchive(pool), *names)


@pytest.fixture
def board(store: Store) -> StoredBoard:
    return StoredBoard(store.one, store.documents)


async def some_work(board: StoredBoard) -> None:
    """A bit of everything, by several people; the last root map is that of annotations, or the
    only one."""
    root = kinds_in(board.name)[-1].root
    await board.edit(ADA, lambda o: o.update({"a": box(), "b": box(text="words")}))
    await board.edit(BEN, lambda o: o["a"].update({"position": {"x": 5, "y": 5}}))
    board.later()
    await board.edit(ADA, lambda o: o["a"].update({"layer": 3}))
    await board.edit(EVE, lambda notes: notes.update({"n": box()}), root=root)
    await board.snapshot()
    board.later()
    await board.edit(ADA, lambda o: o.pop("b"), by=BEN)
    board.later()
    await board.edit(EVE, lambda o: o.update({"b": box(9)}), is_restore=True)
    await board.edit(BEN, lambda o: o.update({"x" * 200: box(), "broken": 7}))


async def test_hst_9_what_was_stored_as_it_should_be_is_as_it_should_be(
    store: Store, board: StoredBoard
) -> None:
    await some_work(board)
    verification = Verification(store.inspection, whole_log=True)
    assert [str(each) async for each in verification.document(store.one)] == []
    assert verification.counts.as_dict() == {
        "documents": 1,
        "objects": 4,
        "versions": 7,
        "findings": 0,
        "notes": 0,
    }
    assert await store.rebuild() == Rebuilt()


async def test_documents_are_listed_in_order_also_in_pages(store: Store) -> None:
    names = [document(number, kind) for kind in (OCW, XR) for number in range(1, 8)]
    for name in [*reversed(names), document(1, DocumentKind.THREAD)]:
        await StoredBoard(name, store.documents).edit(ADA, lambda o: o.update({"a": box()}))
    for limit in (3, 7, 100):
        found: list[DocumentName] = []
        while page := await store.inspection.documents(
            after=found[-1] if found else "", limit=limit
        ):
            assert len(page) <= limit
            found += page
        assert found == names
    assert await store.inspection.knows(names[0])
    assert await store.inspection.knows(names[-1])
    assert not await store.inspection.knows(document(99))
    assert not await store.inspection.knows(document(99, XR))


async def test_an_empty_document_has_nothing_wrong(store: Store) -> None:
    assert await store.faults() == []
    assert await store.rebuild() == Rebuilt()


async def test_rows_of_a_document_that_is_older_than_rows_are_made(
    store: Store, board: StoredBoard
) -> None:
    for step in (
        lambda o: o.update({"a": box(), "b": box()}),
        lambda o: o["a"].update({"object_type": "frame"}),
        lambda o: o.pop("b"),
    ):
        board.type(ADA, step)
        await board.save(silently=True)
    told = await store.faults(whole_log=False)
    assert told == [f"{store.one} objects/a: has no row"]
    assert await store.rebuild() == Rebuilt(objects=2)
    assert await store.faults() == []
    kinds = [(row.object_id, row.version, row.change_type) for row in await store.history()]
    assert kinds == [
        ("a", 1, ChangeKind.CREATE),  # moved at once: it is one gesture
        ("b", 1, ChangeKind.CREATE),
        ("b", 2, ChangeKind.DELETE),
    ]
    row, gone = await store.rows()
    assert (row.id, row.state["object_type"], row.deleted_at) == ("a", "frame", None)
    assert gone.deleted_at is not None
    assert await store.rebuild() == Rebuilt(), "twice changes nothing"


async def test_versions_go_on_after_rebuilding(store: Store, board: StoredBoard) -> None:
    board.type(ADA, lambda o: o.update({"a": box()}))
    await board.save(silently=True)
    await store.rebuild()
    board.later()
    await board.edit(BEN, lambda o: o["a"].update({"layer": 1}))
    assert await store.faults() == []
    assert [row.version for row in await store.history()] == [1, 2]


async def test_a_change_that_was_stored_without_its_row_is_told_afterwards(
    store: Store, board: StoredBoard
) -> None:
    """Versions before it are as they were, restores included."""
    await some_work(board)
    before = {(row.object_id, row.version): row for row in await store.history()}
    board.later()
    board.type(EVE, lambda o: o["a"].update({"created_by": "Eve"}), by=BEN)
    await board.save(silently=True)
    assert await store.faults(whole_log=False) == [f"{store.one} objects/a: differs in created_by"]
    assert await store.rebuild() == Rebuilt(objects=1)
    assert await store.faults() == []
    after = {(row.object_id, row.version): row for row in await store.history()}
    new = after.keys() - before.keys()
    assert all(after[key] == row for key, row in before.items() if key != ("a", 2))
    last = after[max(key for key in after if key[0] == "a")]
    assert EVE.user_id in last.contributors
    assert last.relayed_by == BEN.user_id
    assert len(new) <= 1, "by the times of commits it may be the same gesture"


async def test_only_the_whole_log_shows_what_is_missing_of_a_history(
    store: Store, board: StoredBoard
) -> None:
    """There and back again: the row is right, and nobody would know."""
    await board.edit(ADA, lambda o: o.update({"a": box(layer=1)}))
    for change in (
        lambda o: o["a"]["properties"].update({"layer": 2}),
        lambda o: o["a"]["properties"].update({"layer": 1}),
    ):
        board.later()
        board.type(BEN, change)
        await board.save(silently=True)
    assert await store.faults(whole_log=False) == []
    assert await store.faults()
    assert await store.rebuild() == Rebuilt()
    await rebuild(store.inspection, store.one, whole_log=True)
    assert await store.faults() == []


async def test_whether_changes_were_lost_is_told(store: Store) -> None:
    for seq, is_lost in ((1, False), (2, True)):
        entry = commit(store.one, seq)._replace(has_lost_changes=is_lost)
        await store.documents.commit([entry])
        async with store.inspection.moment(store.one) as moment:
            assert (await moment.document()).has_lost_changes is is_lost


async def test_hst_9_history_that_is_older_than_the_log_is_kept(
    store: Store, board: StoredBoard
) -> None:
    await some_work(board)
    before = await store.history()
    await board.snapshot()
    merged = board.seq
    async with store.inspection.moment(store.one) as moment:
        snapshot = (await moment.document()).snapshot
    assert snapshot is not None
    await store.archive.keep(store.one, merged, snapshot.state)
    while await store.archive.remove_merged(store.one, merged):
        pass
    board.later()
    await board.edit(ADA, lambda o: o.update({"late": box()}))
    assert await store.faults() == []
    board.type(ADA, lambda o: (o["a"].update({"created_by": "Ada"}), o.pop("late")))
    await board.save(silently=True)
    assert await store.rebuild() == Rebuilt(objects=2)
    assert await store.faults() == []
    after = await store.history()
    kept = [replace(row, changed_until=row.changed_at) for row in after if row in before]
    assert len(kept) == len(before)
    told = [row for row in after if row not in before]
    assert [(row.object_id, row.change_type) for row in told] == [
        ("a", ChangeKind.UPDATE),
        ("late", ChangeKind.CREATE),
        ("late", ChangeKind.DELETE),
    ]


async def test_what_was_deleted_before_the_log_begins_keeps_its_last_state(
    store: Store, board: StoredBoard
) -> None:
    await some_work(board)
    board.later()
    await board.edit(ADA, lambda o: o.pop("a"))
    await board.snapshot()
    async with store.inspection.moment(store.one) as moment:
        snapshot = (await moment.document()).snapshot
    assert snapshot is not None
    await store.archive.keep(store.one, board.seq, snapshot.state)
    assert await store.archive.remove_merged(store.one, board.seq)
    before = await store.rows()
    async with store.inspection.repair(store.one) as repair:
        gone = replace_state(next(row for row in before if row.id == "a"))
        assert await repair.put_rows(store.kinds[0], [gone]) == 0
    assert await store.rows() == before
    assert await store.faults() == []


def replace_state(row: InspectedRow) -> RebuiltRow:
    """The same, by somebody who does not know the state."""
    return RebuiltRow(
        id=row.id,
        state=None,
        version=row.version,
        created_at=row.created_at,
        updated_by=row.updated_by,
        updated_at=row.updated_at,
        deleted_at=row.deleted_at,
    )


async def test_what_is_older_than_the_log_and_has_no_history_gets_one(
    store: Store, board: StoredBoard
) -> None:
    board.type(ADA, lambda o: o.update({"a": box(), "b": box()}))
    await board.save(silently=True)
    await board.snapshot()
    async with store.inspection.moment(store.one) as moment:
        snapshot = (await moment.document()).snapshot
    assert snapshot is not None
    await store.archive.keep(store.one, 1, snapshot.state)
    assert await store.archive.remove_merged(store.one, 1)
    board.type(BEN, lambda o: o.pop("b"))
    await board.save(silently=True)
    assert await store.rebuild() == Rebuilt(objects=2)
    assert await store.faults() == []
    assert [(r.object_id, r.version, r.changed_by.user_id) for r in await store.history()] == [
        ("a", 1, None),
        ("b", 1, None),
        ("b", 2, BEN.user_id),
    ]


async def test_nothing_is_changed_if_rebuilding_fails(store: Store, board: StoredBoard) -> None:
    await some_work(board)
    before = await store.history(), await store.rows()
    with pytest.raises(ZeroDivisionError):
        await _begin_and_fail(store)
    assert (await store.history(), await store.rows()) == before


async def _begin_and_fail(store: Store) -> None:
    async with store.inspection.repair(store.one) as repair:
        await repair.cut(store.kinds[0], ["a", "b"], after=0)
        await repair.forget(store.kinds[-1], ["n"])
        raise ZeroDivisionError


async def test_what_is_cut_is_numbered_anew(store: Store, board: StoredBoard) -> None:
    await some_work(board)
    async with store.inspection.repair(store.one) as repair:
        kept = await repair.cut(store.kinds[0], ["a", "b", "nothing"], after=3)
    assert kept == {"a": 2, "b": 1, "nothing": 0}
    assert [(r.object_id, r.version) for r in await store.history()] == [
        ("a", 1),
        ("a", 2),
        ("b", 1),
        ("broken", 1),
        ("n", 1),
    ]


async def test_one_document_has_nothing_to_do_with_another(
    store: Store, board: StoredBoard
) -> None:
    other = StoredBoard(store.two, store.documents)
    await some_work(other)
    before = await store.history(store.two), await store.rows(store.two)
    board.type(ADA, lambda o: o.update({"a": box()}))
    await board.save(silently=True)
    await store.rebuild()
    assert (await store.history(store.two), await store.rows(store.two)) == before
