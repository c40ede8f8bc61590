"""What every store tells of single objects and of what happened in a session (HST)."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from uuid import UUID, uuid4

import pytest

from crdt_docs.gestures import Author
from crdt_docs.identifiers import DocumentKind, DocumentName
from crdt_docs.object_changes import ObjectChange, State
from crdt_docs.object_kinds import ObjectKind, kinds_in
from persistence.cursors import encode_cursor
from persistence.lookup_ports import Event, ObjectLookup
from persistence.memory_lookup import MemoryObjectLookup
from persistence.memory_store import MemoryDocumentStore
from persistence.object_lookup import PostgresObjectLookup
from persistence.object_ports import HistoryFilter, HistoryRow
from persistence.object_rows import stated
from persistence.ports import Commit, DocumentStore, InvalidCursor
from persistence.update_log import PostgresDocumentStore
from tests.helpers.commits import ANA, BEN, commit, document
from tests.helpers.objects import (
    ANNOTATIONS,
    CREATE,
    DELETE,
    OBJECTS,
    RESTORE,
    UPDATE,
    Hands,
    box,
    model,
    remark,
    state_for,
)

ONE = document(1)
SESSION = UUID(ONE.partition("/")[2])


class Store(NamedTuple):
    """Where batches go, and where their objects are looked up."""

    documents: DocumentStore
    objects: ObjectLookup


@pytest.fixture(params=["memory", "postgres"])
def store(request: pytest.FixtureRequest) -> Store:
    if request.param == "memory":
        memory = MemoryDocumentStore()
        return Store(memory, memory.objects)
    pool = request.getfixturevalue("pool")
    return Store(PostgresDocumentStore(pool), PostgresObjectLookup(pool))


def entry(seq: int, *changes: ObjectChange) -> Commit:
    """In the document that has a table for it."""
    name = document(1, changes[0].kind.document) if changes else ONE
    return commit(name, seq)._replace(changes=changes)


@pytest.mark.parametrize("kind", ObjectKind)
async def test_a_row_is_found_by_its_id(store: Store, kind: ObjectKind) -> None:
    hands = Hands()
    await store.documents.commit(
        [
            entry(1, hands.change(CREATE, "a", state_for(kind, 1), ANA)),
            entry(2, hands.change(CREATE, "b", state_for(kind, 2), ANA)),
            entry(3, hands.change_in(kind, DELETE, "b", None, BEN)),
        ]
    )
    rows = await store.objects.objects(SESSION, kind, deleted=True)
    for row in rows:
        assert await store.objects.row(SESSION, kind, row.id) == row
    assert [row.id for row in rows] == ["a", "b"]
    assert rows[1].deleted_at is not None
    assert await store.objects.row(SESSION, kind, "c") is None
    for other in set(ObjectKind) - {kind}:
        assert await store.objects.row(SESSION, other, "a") is None
    assert await store.objects.row(uuid4(), kind, "a") is None


@pytest.mark.parametrize("kind", ObjectKind)
async def test_the_creator_is_whoever_created_it_last(store: Store, kind: ObjectKind) -> None:
    """HST-4: not who restored it, nor who the document says it was."""
    hands = Hands()
    steps = [
        hands.change(CREATE, "a", state_for(kind, 1), ANA),
        hands.change(UPDATE, "a", state_for(kind, 2), BEN),
        hands.change_in(kind, DELETE, "a", None, BEN),
    ]
    await store.documents.commit([entry(i, step) for i, step in enumerate(steps, 1)])
    assert await store.objects.creator(SESSION, kind, "a") == Author(ANA)
    restored = hands.change(RESTORE, "a", state_for(kind, 2), BEN)
    await store.documents.commit([entry(4, restored)])
    assert await store.objects.creator(SESSION, kind, "a") == Author(ANA)
    gone = hands.change_in(kind, DELETE, "a", None, ANA)
    again = hands.change(CREATE, "a", state_for(kind, 3), BEN)
    await store.documents.commit([entry(5, gone), entry(6, again)])
    assert await store.objects.creator(SESSION, kind, "a") == Author(BEN)
    assert await store.objects.creator(SESSION, kind, "b") is None


async def test_lif_2_what_somebody_owns_in_a_room_is_found_by_them(store: Store) -> None:
    hands = Hands()

    def cup(lifetime: str, owner: UUID | None) -> State:
        return model(1)._replace(lifetime=lifetime, created_by=str(owner) if owner else None)

    changes = [
        hands.change(CREATE, "cup", cup("owner", ANA), BEN),
        hands.change(CREATE, "jug", cup("owner", ANA), BEN),
        hands.change(CREATE, "pen", cup("owner", BEN), BEN),
        hands.change(CREATE, "old", cup("owner", ANA), BEN),
        hands.change(CREATE, "wall", cup("room", ANA), BEN),
        hands.change(CREATE, "note", cup("session", ANA), BEN),
        hands.change(CREATE, "lost", cup("owner", None), BEN),
        hands.change_in(ObjectKind.XR_OBJECT, DELETE, "old", None, BEN),
    ]
    await store.documents.commit([entry(i, each) for i, each in enumerate(changes, 1)])
    found = await store.objects.owned(SESSION, [ANA, uuid4()])
    assert {person: sorted(ids) for person, ids in found.items()} == {ANA: ["cup", "jug"]}
    assert set(await store.objects.owned(SESSION, [ANA, BEN])) == {ANA, BEN}
    assert await store.objects.owned(SESSION, []) == {}
    assert await store.objects.owned(uuid4(), [ANA]) == {}


@pytest.mark.parametrize("kind", ObjectKind)
async def test_hst_5_every_version_has_its_state(store: Store, kind: ObjectKind) -> None:
    hands = Hands()
    one, two, three = (state_for(kind, number) for number in (1, 2, 3))
    steps = []
    for change, state in ((CREATE, one), (UPDATE, two), (DELETE, None), (CREATE, three)):
        steps.append(hands.change_in(kind, change, "a", state, ANA))
        hands.later()
    await store.documents.commit([entry(i, step) for i, step in enumerate(steps, 1)])
    wanted = [None, stated(one), stated(two), {}, stated(three), None]
    found = [await store.objects.state_of(SESSION, kind, "a", version) for version in range(6)]
    assert found == wanted
    assert await store.objects.state_of(SESSION, kind, "b", 1) is None
    gone = hands.change_in(kind, DELETE, "a", None, ANA)
    await store.documents.commit([entry(5, gone)])
    assert await store.objects.state_of(SESSION, kind, "a", 5) == {}


async def test_annotations_of_an_object_in_pages(store: Store) -> None:
    hands = Hands()
    changes = [
        hands.change(CREATE, f"n{i}", remark("x")._replace(object_id="ab"[i % 2]), ANA)
        for i in range(7)
    ]
    changes.append(hands.change_in(ANNOTATIONS, DELETE, "n2", None, ANA))
    await store.documents.commit([entry(i, each) for i, each in enumerate(changes, 1)])

    async def ids(object_id: str, after: str = "", limit: int = 9, *, deleted: bool = False) -> str:
        rows = await store.objects.annotations_of(
            SESSION, object_id, after=after, limit=limit, deleted=deleted
        )
        return " ".join(row.id for row in rows)

    assert await ids("a") == "n0 n4 n6"
    assert await ids("a", deleted=True) == "n0 n2 n4 n6"
    assert await ids("a", after="n0", limit=1) == "n4"
    assert await ids("b") == "n1 n3 n5"
    assert await ids("c") == ""


@pytest.mark.parametrize("name", [ONE, document(1, DocumentKind.XR)])
async def test_the_history_of_a_document_in_pages(store: Store, name: DocumentName) -> None:
    """All kinds of objects together; nothing twice and nothing left out, also of what was
    committed at the same moment."""
    hands = Hands()
    draw = random.Random(1)
    for seq in range(1, 9):
        changes = []
        for _ in range(5):
            state = state_for(draw.choice(kinds_in(name)), draw.randrange(100))
            kind = draw.choice([CREATE, UPDATE, RESTORE])
            changes.append(hands.change(kind, draw.choice("ab"), state, draw.choice([ANA, BEN])))
        hands.later()
        await store.documents.commit([entry(seq, *changes)])
    for wanted in (HistoryFilter(), HistoryFilter(user_id=BEN), HistoryFilter(object_id="a")):
        whole = await events(store, wanted, name, limit=1000)
        assert whole == sorted(whole, key=lambda event: event.row.changed_at, reverse=True)
        for limit in (1, 2, 3, 7):
            assert await events(store, wanted, name, limit=limit) == whole
        of_kinds: list[HistoryRow] = []
        for of in kinds_in(name):
            page = await store.objects.history(SESSION, of, wanted, limit=1000)
            assert [event.row for event in whole if event.root is of.root] == list(page.items)
            of_kinds += page.items
        assert len(of_kinds) == len(whole) > 0


async def events(
    store: Store, wanted: HistoryFilter, name: DocumentName = ONE, *, limit: int
) -> list[Event]:
    found: list[Event] = []
    cursor = None
    while True:
        page = await store.objects.document_history(name, wanted, limit=limit, cursor=cursor)
        assert len(page.items) <= limit
        found += page.items
        if page.next_cursor is None:
            return found
        cursor = page.next_cursor


async def test_the_history_between_two_moments(store: Store) -> None:
    hands = Hands()
    for seq in range(1, 4):
        await store.documents.commit([entry(seq, hands.change(CREATE, f"o{seq}", box(1), ANA))])
    newest = await events(store, HistoryFilter(), limit=10)
    times = [event.row.changed_at for event in newest]
    assert [e.row.object_id for e in newest] == ["o3", "o2", "o1"]
    middle = HistoryFilter(since=times[1], before=times[0])
    assert [e.row.object_id for e in await events(store, middle, limit=1)] == ["o2"]
    future = datetime.now(UTC) + timedelta(days=1)
    assert await events(store, HistoryFilter(since=future), limit=5) == []


async def test_a_cursor_of_another_list_is_refused(store: Store) -> None:
    foreign = encode_cursor(datetime.now(UTC), UUID(int=2**128 - 1))
    is_memory = isinstance(store.objects, MemoryObjectLookup)  # where rows have any number
    for cursor in ["x"] if is_memory else ["x", foreign]:
        with pytest.raises(InvalidCursor):
            await store.objects.document_history(ONE, HistoryFilter(), cursor=cursor)
        with pytest.raises(InvalidCursor):
            await store.objects.history(SESSION, OBJECTS, HistoryFilter(), cursor=cursor)


async def test_who_created_what_is_told_together(store: Store) -> None:
    hands = Hands()
    await store.documents.commit(
        [
            entry(1, hands.change(CREATE, "a", box(), ANA), hands.change(CREATE, "b", box(), BEN)),
            entry(2, hands.change(DELETE, "a", None, BEN)),
        ]
    )
    assert await store.objects.creators(SESSION, OBJECTS) == {"a": ANA, "b": BEN}
    await store.documents.commit([entry(3, hands.change(CREATE, "a", box(), BEN))])
    assert await store.objects.creators(SESSION, OBJECTS) == {"a": BEN, "b": BEN}
    assert await store.objects.creators(SESSION, ANNOTATIONS) == {}
