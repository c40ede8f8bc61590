"""What every store keeps of objects and their history, in memory and in PostgreSQL (HST)."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, NamedTuple
from uuid import UUID

import pytest

from crdt_docs.gestures import Author, ChangeKind
from crdt_docs.identifiers import ActorKind, DocumentKind, DocumentName, document_name
from crdt_docs.object_changes import ObjectChange, State
from crdt_docs.object_kinds import KINDS, ObjectKind, kinds_in
from crdt_docs.projection import Json, ObjectState
from persistence.cursors import encode_cursor
from persistence.errors import LogConflict, SequenceGap
from persistence.memory_store import MemoryDocumentStore
from persistence.object_history import PostgresObjectReader
from persistence.object_ports import HistoryFilter, HistoryRow, ObjectReader, ObjectRow
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
    XR_OBJECTS,
    Hands,
    box,
    extension,
    model,
    remark,
    state_for,
)
from tests.helpers.proving import few_or_many

EVA = UUID("0e000000-0000-4000-8000-00000000000e")
BOT = Author(UUID("0f000000-0000-4000-8000-00000000000f"), ActorKind.AGENT)
ONE, TWO = document(1), document(2)


def session(name: DocumentName) -> UUID:
    return UUID(name.partition("/")[2])


def stated(state: State) -> dict[str, Any]:
    fields = state._asdict()
    del fields["search_text"]
    return fields


class Store(NamedTuple):
    """Where batches go, and where their objects are read."""

    documents: DocumentStore
    objects: ObjectReader

    async def rows(
        self, name: DocumentName = ONE, kind: ObjectKind = OBJECTS
    ) -> dict[str, ObjectRow]:
        found = await self.objects.objects(session(name), kind, limit=10_000, deleted=True)
        return {row.id: row for row in found}

    async def versions(
        self, identifier: str, name: DocumentName = ONE, kind: ObjectKind = OBJECTS
    ) -> Sequence[HistoryRow]:
        """Oldest first."""
        page = await self.objects.history(
            session(name), kind, HistoryFilter(object_id=identifier), limit=10_000
        )
        assert page.next_cursor is None
        return page.items[::-1]


@pytest.fixture(params=["memory", "postgres"])
def store(request: pytest.FixtureRequest) -> Store:
    if request.param == "memory":
        memory = MemoryDocumentStore()
        return Store(memory, memory.objects)
    pool = request.getfixturevalue("pool")
    return Store(PostgresDocumentStore(pool), PostgresObjectReader(pool))


def entry(seq: int, *changes: ObjectChange, name: DocumentName = ONE) -> Commit:
    return commit(name, seq)._replace(changes=changes)


async def test_what_is_created_is_there(store: Store) -> None:
    """HST-5: its first version has nothing before it."""
    made = Hands().change(CREATE, "box", box(7, "hello"), ANA)
    await store.documents.commit([entry(1, made)])
    row = (await store.rows())["box"]
    assert row.state == stated(box(7, "hello"))
    assert (row.version, row.updated_by, row.deleted_at) == (1, ANA, None)
    [version] = await store.versions("box")
    assert version == HistoryRow(
        object_id="box",
        version=1,
        change_type=CREATE,
        previous_state={},
        changed_by=Author(ANA),
        contributors=(ANA,),
        relayed_by=None,
        changed_at=row.created_at,
        changed_until=row.updated_at,
        update_seq=1,
    )
    assert row.created_at == row.updated_at


@pytest.mark.parametrize("together", [True, False])
async def test_a_gesture_is_one_row(store: Store, together: bool) -> None:  # noqa: FBT001
    """HST-2: in one batch or in several."""
    hands = Hands()
    entries = [
        entry(1, hands.change(CREATE, "box", box(0), ANA)),
        entry(2, hands.change(UPDATE, "box", box(1), BEN)),
        entry(3, hands.change(UPDATE, "box", box(2), ANA)),
    ]
    for batch in [entries] if together else [[each] for each in entries]:
        await store.documents.commit(batch)
    [version] = await store.versions("box")
    assert (version.change_type, version.changed_by) == (CREATE, Author(ANA))
    assert version.contributors == (ANA, BEN)
    assert version.update_seq == 1
    row = (await store.rows())["box"]
    assert (row.version, row.state, row.updated_by) == (1, stated(box(2)), ANA)
    assert version.changed_until == row.updated_at


@pytest.mark.parametrize("together", [True, False])
async def test_the_state_before_is_the_previous_one(store: Store, together: bool) -> None:  # noqa: FBT001
    """HST-5: read from the table, or come with the batch."""
    hands = Hands()
    entries = []
    for seq in range(1, 5):
        kind = CREATE if seq == 1 else UPDATE
        first = hands.change(kind, "box", box(seq * 10), ANA)
        entries.append(entry(seq, first, hands.change(UPDATE, "box", box(seq * 10 + 1), BEN)))
        hands.later()
    for batch in [entries] if together else [[each] for each in entries]:
        await store.documents.commit(batch)
    versions = await store.versions("box")
    assert [each.version for each in versions] == [1, 2, 3, 4]
    assert [each.update_seq for each in versions] == [1, 2, 3, 4]
    expected = [{}, *(stated(box(x)) for x in (11, 21, 31))]
    assert [each.previous_state for each in versions] == expected
    assert (await store.rows())["box"].state == stated(box(41))


async def test_a_batch_may_extend_a_row_and_begin_others(store: Store) -> None:
    """HST-2, HST-5: the rows after the one that was open have their states from the batch."""
    hands = Hands()
    await store.documents.commit([entry(1, hands.change(CREATE, "box", box(1), ANA))])
    extending = hands.change(UPDATE, "box", box(2), BEN)
    hands.later()
    moved = hands.change(UPDATE, "box", box(3), EVA)
    hands.later()
    again = hands.change(UPDATE, "box", box(4), ANA)
    await store.documents.commit([entry(2, extending, moved), entry(3, again)])
    versions = await store.versions("box")
    assert [each.contributors for each in versions] == [(ANA, BEN), (EVA,), (ANA,)]
    assert [each.previous_state for each in versions] == [{}, stated(box(2)), stated(box(3))]
    assert (await store.rows())["box"].version == 3


async def test_what_is_deleted_stays_with_its_last_state(store: Store) -> None:
    """HST-5: in the history it is nothing from then on."""
    hands = Hands()
    await store.documents.commit([entry(1, hands.change(CREATE, "box", box(1), ANA))])
    await store.documents.commit([entry(2, hands.change(DELETE, "box", None, BEN))])
    row = (await store.rows())["box"]
    assert (row.state, row.version, row.updated_by) == (stated(box(1)), 2, BEN)
    assert row.deleted_at == row.updated_at
    assert list(await store.objects.objects(session(ONE), OBJECTS)) == []
    versions = await store.versions("box")
    assert [each.change_type for each in versions] == [CREATE, DELETE]
    assert versions[1].previous_state == stated(box(1))


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("kind", [CREATE, RESTORE])
async def test_versions_go_on_when_an_id_is_used_again(
    store: Store,
    kind: ChangeKind,
    together: bool,  # noqa: FBT001
) -> None:
    """HST-5: there was nothing before, and the version after the deletion's is the next."""
    hands = Hands()
    entries = [
        entry(1, hands.change(CREATE, "box", box(1), ANA)),
        entry(2, hands.change(DELETE, "box", None, ANA)),
        entry(3, hands.change(kind, "box", box(2), BEN)),
        entry(4, hands.change(DELETE, "box", None, BEN)),
        entry(5, hands.change(kind, "box", box(3), ANA)),
    ]
    for batch in [entries] if together else [[each] for each in entries]:
        await store.documents.commit(batch)
    versions = await store.versions("box")
    assert [each.version for each in versions] == [1, 2, 3, 4, 5]
    assert [each.change_type for each in versions] == [CREATE, DELETE, kind, DELETE, kind]
    assert [each.previous_state for each in versions] == [
        {},
        stated(box(1)),
        {},
        stated(box(2)),
        {},
    ]
    row = (await store.rows())["box"]
    assert (row.version, row.state, row.deleted_at) == (5, stated(box(3)), None)
    born = versions[4 if kind is CREATE else 0]
    assert row.created_at == born.changed_at


async def test_annotations_are_a_table_of_their_own(store: Store) -> None:
    hands = Hands()
    batch = [
        entry(1, hands.change(CREATE, "box", box(1), ANA)),
        entry(2, hands.change(CREATE, "box", remark("well done"), BOT)),
    ]
    await store.documents.commit(batch)
    hands.later()
    said = hands.change(UPDATE, "box", remark("very well done"), BEN)
    await store.documents.commit([entry(3, said)])
    assert (await store.rows())["box"].state == stated(box(1))
    row = (await store.rows(kind=ANNOTATIONS))["box"]
    assert (row.state, row.version) == (stated(remark("very well done")), 2)
    first, second = await store.versions("box", kind=ANNOTATIONS)
    assert (first.changed_by, first.contributors) == (BOT, (BOT.user_id,))
    assert second.previous_state == stated(remark("well done"))
    assert len(await store.versions("box")) == 1


async def test_documents_have_objects_of_their_own(store: Store) -> None:
    hands = Hands()
    ours = entry(1, hands.change(CREATE, "box", box(1), ANA))
    theirs = entry(1, Hands().change(CREATE, "box", box(2), BEN), name=TWO)
    await store.documents.commit([ours, theirs])
    assert (await store.rows())["box"].state == stated(box(1))
    assert (await store.rows(TWO))["box"].state == stated(box(2))
    await store.documents.delete(ONE)
    assert await store.rows() == {}
    assert list(await store.versions("box")) == []
    assert len(await store.versions("box", TWO)) == 1
    await store.documents.commit([entry(1, Hands().change(CREATE, "box", box(3), ANA))])
    assert (await store.rows())["box"].version == 1


async def test_a_thread_has_no_rows(store: Store) -> None:
    """It has its log; there are no tables for what is in it."""
    thread = document_name(DocumentKind.THREAD, session(ONE))
    made = Hands().change(CREATE, "box", box(1), ANA)
    await store.documents.commit([entry(1, made, name=thread)])
    assert (await store.documents.load(thread)).last_seq == 1
    assert await store.rows() == {}
    await store.documents.delete(thread)
    assert (await store.documents.load(thread)).last_seq == 0


async def test_a_room_and_a_session_have_nothing_to_do_with_each_other(store: Store) -> None:
    """Though they have one id: what is stored together goes into tables of its own."""
    room, hands = document(1, DocumentKind.XR), Hands()
    made = hands.change(CREATE, "chair", model(1, "hello"), ANA)
    await store.documents.commit(
        [entry(1, made, name=room), entry(1, hands.change(CREATE, "box", box(7), BEN))]
    )
    assert (await store.rows(room, XR_OBJECTS))["chair"].state == stated(model(1, "hello"))
    assert (await store.rows()).keys() == {"box"}
    hands.later()
    moved = hands.change(UPDATE, "chair", model(2), BEN)
    await store.documents.commit([entry(2, moved, name=room)])
    first, second = await store.versions("chair", room, XR_OBJECTS)
    assert (first.previous_state, second.previous_state) == ({}, stated(model(1, "hello")))
    await store.documents.delete(ONE)
    assert await store.rows() == {}
    assert (await store.rows(room, XR_OBJECTS))["chair"].version == 2
    await store.documents.delete(room)
    assert await store.rows(room, XR_OBJECTS) == {}
    assert await store.versions("chair", room, XR_OBJECTS) == ()


async def test_who_relayed_is_kept(store: Store) -> None:
    """HST-4"""
    hands = Hands()
    made = hands.change(CREATE, "box", box(1), ANA)
    await store.documents.commit([entry(1, made)])
    relayed = hands.change(UPDATE, "box", box(2), ANA, relayed_by=BEN)
    await store.documents.commit([entry(2, relayed)])
    [version] = await store.versions("box")
    assert (version.changed_by, version.relayed_by) == (Author(ANA), BEN)


async def test_the_servers_own_changes_have_no_author(store: Store) -> None:
    server = Author(None, ActorKind.SERVICE)
    await store.documents.commit([entry(1, Hands().change(CREATE, "box", box(1), server))])
    [version] = await store.versions("box")
    assert (version.changed_by, version.contributors) == (server, ())
    assert (await store.rows())["box"].updated_by is None


async def test_entries_without_changes_touch_no_rows(store: Store) -> None:
    hands = Hands()
    await store.documents.commit([entry(1, hands.change(CREATE, "box", box(1), ANA))])
    before = await store.rows(), await store.versions("box")
    await store.documents.commit([entry(2), entry(3)])
    assert (await store.rows(), await store.versions("box")) == before


async def test_a_row_that_should_be_there_and_is_not_is_begun(store: Store) -> None:
    """HST-5: as after a refusal. No version is left out."""
    await store.documents.commit([entry(1, extension("box", box(1), ANA, BEN))])
    await store.documents.commit([entry(2, extension("box", box(2), ANA, BEN, EVA))])
    [version] = await store.versions("box")
    assert (version.version, version.previous_state) == (1, {})
    assert version.contributors == (ANA, BEN, EVA)
    row = (await store.rows())["box"]
    assert (row.version, row.state) == (1, stated(box(2)))


async def test_what_is_deleted_without_having_been_there(store: Store) -> None:
    """HST-5: it is noted, and counts."""
    hands = Hands()
    await store.documents.commit([entry(1, hands.change(DELETE, "box", None, ANA))])
    row = (await store.rows())["box"]
    assert row.version == 1
    assert row.deleted_at is not None
    await store.documents.commit([entry(2, hands.change(CREATE, "box", box(1), ANA))])
    assert [each.previous_state for each in await store.versions("box")] == [{}, {}]


async def test_values_of_all_kinds_come_back(store: Store) -> None:
    """Lists, nested and empty; numbers small and large; text of every plane."""
    properties: dict[str, Json] = {
        "points": [[0, 0], [1.5, -2], []],
        "empty": {},
        "null": None,
        "big": 2**53,
        "tiny": 1e-300,
        "huge": 1.7e308,
        "text": "Zoë \U0001f642 \\u0000 \ufffd",
        "": {"": [True, False]},
    }
    state = ObjectState("drawing", properties=properties, rotation=1e-9, layer=-(2**53))
    plain = ObjectState()
    hands = Hands()
    made = [
        hands.change(CREATE, "Zoë \U0001f642", state, ANA),
        hands.change(CREATE, "plain", plain, ANA),
    ]
    await store.documents.commit([entry(1, *made)])
    rows = await store.rows()
    assert rows["Zoë \U0001f642"].state == stated(state)
    assert rows["plain"].state == stated(plain)


async def test_a_batch_sent_again_writes_no_history(store: Store) -> None:
    """HST-6, LOG-8: whole, in part, or with more behind it."""
    hands = Hands()
    entries = []
    for seq in range(1, 7):
        kind = CREATE if seq == 1 else UPDATE
        entries.append(entry(seq, hands.change(kind, "box", box(seq), ANA)))
        hands.later()
    await store.documents.commit(entries[:3])
    before = await store.rows(), await store.versions("box")
    await store.documents.commit(entries[:3])
    await store.documents.commit(entries[:2])
    await store.documents.commit(entries[1:3])
    assert (await store.rows(), await store.versions("box")) == before
    await store.documents.commit(entries[1:])
    versions = await store.versions("box")
    assert [each.version for each in versions] == [1, 2, 3, 4, 5, 6]
    assert [each.previous_state for each in versions[1:]] == [stated(box(x)) for x in range(1, 6)]
    assert (await store.rows())["box"].state == stated(box(6))


async def test_a_batch_that_the_log_refuses_writes_no_rows(store: Store) -> None:
    """HST-6"""
    hands = Hands()
    await store.documents.commit([entry(1, hands.change(CREATE, "box", box(1), ANA))])
    made = hands.change(CREATE, "pen", box(2), ANA)
    with pytest.raises(SequenceGap):
        await store.documents.commit([entry(3, made)])
    with pytest.raises(LogConflict):
        await store.documents.commit(
            [commit(ONE, 1, b"different")._replace(changes=(made,)), entry(2, made)]
        )
    assert list(await store.rows()) == ["box"]
    assert list(await store.versions("pen")) == []


async def test_objects_are_read_in_pages(store: Store) -> None:
    """Ordered by the bytes of their ids, and not as a language would."""
    ids = ["B", "a", "b", "~", "É", "\U0001f642", "\ue000"]
    hands = Hands()
    made = [hands.change(CREATE, each, box(), ANA) for each in ids]
    gone = hands.change(DELETE, "b", None, ANA)
    await store.documents.commit([entry(1, *made, gone)])
    expected = sorted(ids, key=str.encode)
    read: list[str] = []
    while page := await store.objects.objects(
        session(ONE), OBJECTS, after=read[-1] if read else "", limit=2, deleted=True
    ):
        assert len(page) <= 2
        read += [row.id for row in page]
    assert read == expected
    there = await store.objects.objects(session(ONE), OBJECTS, limit=3)
    assert [row.id for row in there] == [each for each in expected if each != "b"][:3]


# --- the history in pages -----------------------------------------------------------------------


async def told(store: Store) -> None:
    """Twenty-four gestures of three people on three objects, some of two of them, in 12 batches."""
    hands = Hands()
    seq = 0
    for turn in range(12):
        entries = []
        for number in (turn % 3, (turn + 1) % 3):
            seq += 1
            identifier = f"object {number}"
            kind = CREATE if turn < 2 else UPDATE
            changes = [hands.change(kind, identifier, box(turn), (ANA, BEN, EVA)[turn % 3])]
            if turn % 4 == 0:
                changes.append(hands.change(UPDATE, identifier, box(turn), ANA))
            entries.append(entry(seq, *changes))
        await store.documents.commit(entries)
        hands.later()


async def all_pages(store: Store, wanted: HistoryFilter, limit: int = 1000) -> Sequence[HistoryRow]:
    found: list[HistoryRow] = []
    cursor = None
    while True:
        page = await store.objects.history(
            session(ONE), OBJECTS, wanted, limit=limit, cursor=cursor
        )
        assert len(page.items) <= limit
        found += page.items
        if page.next_cursor is None:
            return found
        assert len(page.items) == limit
        cursor = page.next_cursor


@pytest.mark.parametrize("limit", [1, 2, 5, 24, 25])
async def test_the_history_is_read_in_pages_newest_first(store: Store, limit: int) -> None:
    await told(store)
    seqs = [row.update_seq for row in await all_pages(store, HistoryFilter(), limit)]
    assert seqs == list(range(24, 0, -1))


@pytest.mark.parametrize("limit", [1, 3, 1000])
@pytest.mark.parametrize("user_id", [ANA, BEN, EVA, UUID(int=9)])
@pytest.mark.parametrize("object_id", [None, "object 1", "object 9"])
async def test_the_history_is_filtered(
    store: Store, object_id: str | None, user_id: UUID, limit: int
) -> None:
    """By who took part, also second, and by object."""
    await told(store)
    everything = await all_pages(store, HistoryFilter())
    expected = [
        row
        for row in everything
        if user_id in row.contributors and object_id in (None, row.object_id)
    ]
    wanted = HistoryFilter(object_id=object_id, user_id=user_id)
    assert await all_pages(store, wanted, limit) == expected


@pytest.mark.parametrize("further", [HistoryFilter(), HistoryFilter(user_id=ANA)])
@pytest.mark.parametrize("limit", [1, 1000])
async def test_the_history_between_two_moments(
    store: Store, further: HistoryFilter, limit: int
) -> None:
    await told(store)
    everything = await all_pages(store, further)
    since, before = everything[-2].changed_at, everything[2].changed_at
    expected = [row for row in everything if since <= row.changed_at < before]
    wanted = HistoryFilter(user_id=further.user_id, since=since, before=before)
    assert await all_pages(store, wanted, limit) == expected
    assert 0 < len(expected) < len(everything)
    after_all = everything[0].changed_at + timedelta(microseconds=1)
    later = HistoryFilter(user_id=further.user_id, since=after_all)
    assert await all_pages(store, later) == []


async def test_another_lists_cursor_is_refused(store: Store) -> None:
    cursor = encode_cursor((await _one(store)).changed_at, ANA)
    for wrong in ("", "nonsense", cursor[::-1]):
        with pytest.raises(InvalidCursor):
            await store.objects.history(session(ONE), OBJECTS, HistoryFilter(), cursor=wrong)


async def _one(store: Store) -> HistoryRow:
    await store.documents.commit([entry(1, Hands().change(CREATE, "box", box(), ANA))])
    return (await store.versions("box"))[0]


# --- random work --------------------------------------------------------------------------------


@dataclass
class Told:
    """What the history of one object should say, noted change by change."""

    state: State | None = None
    last_state: State | None = None
    versions: list[dict[str, Any]] = field(default_factory=list)

    def note(self, change: ObjectChange, *, starts: bool, kind: ChangeKind, seq: int) -> None:
        if starts:
            before = {} if self.state is None else stated(self.state)
            self.versions.append(
                {"kind": kind, "before": before, "by": [], "seq": seq, "first": change.author}
            )
        by = self.versions[-1]["by"]
        if change.author.user_id not in by:
            by.append(change.author.user_id)
        self.state = change.state
        self.last_state = change.state or self.last_state


class RandomWork:
    """Several authors who create, change, delete and restore objects as time goes by."""

    def __init__(self, seed: int, name: DocumentName) -> None:
        self.dice = random.Random(seed)
        self.name = name
        self.hands = Hands()
        self.seq = 0
        self.known: dict[tuple[ObjectKind, str], Told] = {}
        self._last: dict[tuple[ObjectKind, str], tuple[float, float, ChangeKind]] = {}

    def entry(self) -> Commit:
        self.seq += 1
        changes = [self._change() for _ in range(self.dice.choice([0, 1, 1, 1, 2, 5]))]
        self.hands.now += self.dice.choice([0.0, 0.02, 0.1, 0.4, 0.8, 1.5])
        return entry(self.seq, *changes, name=self.name)

    def _change(self) -> ObjectChange:
        kinds = kinds_in(self.name)
        of = self.dice.choice([kinds[0], *kinds])
        identifier = f"thing {self.dice.randrange(4)}"
        told = self.known.setdefault((of, identifier), Told())
        kind = self._kind(told)
        state = None if kind is DELETE else self._state(of)
        author = Author(self.dice.choice([ANA, BEN, EVA]))
        change = self.hands.change_in(of, kind, identifier, state, author)
        told.note(change, starts=self._starts(of, identifier, kind), kind=kind, seq=self.seq)
        return change

    def _kind(self, told: Told) -> ChangeKind:
        if told.state is None:
            return self.dice.choice([CREATE, RESTORE]) if told.versions else CREATE
        return self.dice.choices([UPDATE, DELETE, RESTORE], [8, 1, 1])[0]

    def _state(self, of: ObjectKind) -> State:
        text = self.dice.choice(["", "les chevaux", "horses", "x" * 3_000])
        return state_for(of, self.dice.randrange(100), text)

    def _starts(self, of: ObjectKind, identifier: str, kind: ChangeKind) -> bool:
        """HST-1 and HST-3, once more."""
        now = self.hands.now
        began, last, begun_as = self._last.get((of, identifier), (0.0, -9.0, CREATE))
        starts = kind is not UPDATE or begun_as is DELETE or now - last >= 1 or now - began >= 5
        self._last[of, identifier] = (now, now, kind) if starts else (began, now, begun_as)
        return starts


async def send(store: Store, dice: random.Random, entries: Sequence[Commit]) -> None:
    """In random batches, some of them again, with some of those before."""
    sent = 0
    while sent < len(entries):
        upto = min(len(entries), sent + dice.choice([1, 1, 2, 5, 20]))
        start = max(0, sent - dice.choice([0, 0, 0, 1, 3]))
        await store.documents.commit(entries[start:upto])
        sent = upto


def check(told: Told, row: ObjectRow, versions: Iterable[HistoryRow]) -> None:
    versions = list(versions)
    assert [each.version for each in versions] == list(range(1, len(told.versions) + 1))
    assert row.version == len(versions)
    for each, expected in zip(versions, told.versions, strict=True):
        assert each.change_type is expected["kind"]
        assert each.previous_state == expected["before"]
        assert each.changed_by == expected["first"]
        assert list(each.contributors) == expected["by"]
        assert each.update_seq == expected["seq"]
        assert each.changed_at <= each.changed_until
    assert told.last_state is not None
    assert row.state == stated(told.last_state)
    assert (row.deleted_at is None) == (told.state is not None)


@pytest.mark.parametrize("seed", range(few_or_many(5, 100)))
async def test_random_work_has_the_history_it_should(store: Store, seed: int) -> None:
    """HST-2, HST-5, HST-6: whatever the batches, which hold documents of all kinds, and whatever is
    sent again."""
    works = [RandomWork(seed, document(1, kind)) for kind in DocumentKind if KINDS[kind]]
    entries = [work.entry() for _ in range(60) for work in works]
    await send(store, random.Random(seed), entries)
    for work in works:
        for kind in kinds_in(work.name):
            rows = await store.rows(work.name, kind)
            assert rows.keys() == {key for known, key in work.known if known is kind}
            for identifier, row in rows.items():
                versions = await store.versions(identifier, work.name, kind)
                check(work.known[kind, identifier], row, versions)
