"""What became of a document's objects, whose change it was, and how often it is told."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from pycrdt import Doc, Map, Text, UndoManager

from crdt_docs.document import Document, StoredState
from crdt_docs.gestures import Author, ChangeKind
from crdt_docs.identifiers import ActorKind, Identity
from crdt_docs.object_changes import ObjectChange
from crdt_docs.object_kinds import ObjectKind
from crdt_docs.ownership import Entry
from crdt_docs.projection import AnnotationState, ObjectState, project_object
from crdt_docs.projector import Projector
from crdt_docs.turn import Emitted
from tests.helpers.proving import few_or_many

ADA, BEN, CLERK = (Identity(UUID(int=number)) for number in (1, 2, 3))
ROBOT = Identity(UUID(int=9), kind=ActorKind.AGENT)


class Board:
    """A document on the server with its projector, and people with documents of their own."""

    def __init__(self, *people: Identity, stored: StoredState | None = None) -> None:
        self.document = Document(stored, with_owners=True)
        self.authors: dict[int, UUID | None] = {}
        self.projector = Projector(self.document, self.authors)
        self.docs = {who: Doc[Any](client_id=100 + who.user_id.int) for who in people}
        self.known = {who: doc.get_state() for who, doc in self.docs.items()}
        self.now = 0.0
        for who, doc in self.docs.items():
            doc.get("objects", type=Map)
            self.authors[doc.client_id] = who.user_id

    def edit(self, who: Identity, change: Callable[[Doc[Any]], object]) -> None:
        """Somebody changes something, for themselves up to now."""
        with self.docs[who].transaction():
            change(self.docs[who])

    def bring(self, who: Identity, *, by: Identity | None = None) -> None:
        """What somebody did reaches the server, on somebody's socket."""
        update = self.docs[who].get_update(self.known[who])
        self.known[who] = self.docs[who].get_state()
        uploader = by or who
        emitted = self.document.apply([update], uploader.user_id.bytes)
        if emitted is not None:
            self.document.outline.absorb(emitted)  # as the room does before it applies
            self.projector.note(Emitted(emitted, uploader, ()), self.now)

    def hear(self, who: Identity) -> None:
        """Somebody gets what the server has."""
        self.docs[who].apply_update(self.document.full_state())

    def do(self, who: Identity, change: Callable[[Doc[Any]], object]) -> None:
        """The same, online."""
        self.hear(who)
        self.edit(who, change)
        self.bring(who)

    def by_server(
        self, who: Identity, change: Callable[[Doc[Any]], object], *, is_restore: bool = False
    ) -> None:
        """The server edits in somebody's name."""
        _, emitted = self.document.edit(change)
        if emitted is not None:
            edit = Emitted(emitted, who, (), by_server=True, is_restore=is_restore)
            self.projector.note(edit, self.now)

    def take(self) -> list[ObjectChange]:
        return sorted(self.projector.take(), key=lambda change: (change.kind, change.id))

    def take_one(self) -> ObjectChange:
        (change,) = self.projector.take()
        return change


def put(key: str, root: str = "objects", **fields: Any) -> Callable[[Doc[Any]], None]:
    def change(doc: Doc[Any]) -> None:
        doc.get(root, type=Map)[key] = Map({"object_type": "sticky", **fields})

    return change


def move(key: str, x: float) -> Callable[[Doc[Any]], None]:
    def change(doc: Doc[Any]) -> None:
        doc.get("objects", type=Map)[key]["position"] = {"x": x, "y": 0}

    return change


def remove(*keys: str) -> Callable[[Doc[Any]], None]:
    def change(doc: Doc[Any]) -> None:
        for key in keys:
            del doc.get("objects", type=Map)[key]

    return change


def test_an_object_is_created_changed_and_deleted() -> None:
    board = Board(ADA)
    board.do(ADA, put("a"))
    created = board.take_one()
    assert created.kind is ObjectKind.OCW_OBJECT
    assert created.state == ObjectState(object_type="sticky")
    assert (created.id, created.author) == ("a", Author(ADA.user_id))
    assert created.step.starts
    assert created.step.kind is ChangeKind.CREATE
    assert created.size > 0
    board.do(ADA, move("a", 5))
    moved = board.take_one()
    assert moved.state == ObjectState(object_type="sticky", position={"x": 5, "y": 0})
    assert (moved.step.starts, moved.step.kind) == (False, ChangeKind.CREATE), "one gesture"
    board.now += 2
    board.do(ADA, move("a", 6))
    assert board.take_one().step.kind is ChangeKind.UPDATE
    board.do(ADA, remove("a"))
    gone = board.take_one()
    assert gone.state is None
    assert (gone.step.starts, gone.step.kind) == (True, ChangeKind.DELETE)
    assert board.projector.take() == ()


def test_what_happened_in_between_is_read_once() -> None:
    board = Board(ADA)
    board.do(ADA, put("a"))
    for x in range(100):
        board.do(ADA, move("a", x))
    change = board.take_one()
    assert change.state == ObjectState(object_type="sticky", position={"x": 99, "y": 0})
    assert change.step.kind is ChangeKind.CREATE


def test_what_came_and_went_in_between_leaves_nothing() -> None:
    board = Board(ADA)
    board.do(ADA, put("a"))
    board.do(ADA, remove("a"))
    assert board.projector.take() == ()


def test_what_went_and_came_back_in_between_was_changed() -> None:
    board = Board(ADA)
    board.do(ADA, put("a"))
    board.take()
    board.now += 10
    board.do(ADA, remove("a"))
    board.do(ADA, put("a", layer=2))
    change = board.take_one()
    assert (change.step.kind, change.state) == (
        ChangeKind.UPDATE,
        ObjectState(object_type="sticky", layer=2),
    )


def test_annotations_have_their_own_root() -> None:
    board = Board(ADA)
    board.do(
        ADA,
        lambda doc: doc.get("annotations", type=Map).update(
            {"a": Map({"annotation_type": "comment", "content": Text("hm")})}
        ),
    )
    board.do(ADA, put("a"))
    note, thing = board.take()
    assert note.kind is ObjectKind.OCW_ANNOTATION
    assert note.state == AnnotationState("comment", "hm", search_text="hm")
    assert isinstance(thing.state, ObjectState)


def test_prj_2_what_has_no_row_is_left_out() -> None:
    board = Board(ADA)
    board.do(ADA, put("x" * 3000))
    board.do(ADA, put("\x00"))
    board.do(ADA, put("else", root="other"))
    assert board.projector.take() == ()


def test_hst_4_a_change_is_its_authors_whoever_brings_it() -> None:
    board = Board(ADA, BEN)
    board.edit(ADA, put("a"))
    board.bring(ADA, by=BEN)
    change = board.take_one()
    assert (change.author, change.step.changed_by) == (Author(ADA.user_id),) * 2
    assert change.step.relayed_by == BEN.user_id
    assert change.step.contributors == (ADA.user_id,)


def test_hst_4_an_agent_is_one() -> None:
    board = Board(ROBOT)
    board.do(ROBOT, put("a"))
    assert board.take_one().author == Author(ROBOT.user_id, ActorKind.AGENT)


def test_a_deletion_is_whose_socket_it_came_on() -> None:
    board = Board(ADA, BEN)
    board.do(ADA, put("a"))
    board.take()
    board.do(BEN, remove("a"))
    change = board.take_one()
    assert (change.author, change.step.contributors) == (Author(BEN.user_id), (BEN.user_id,))
    assert change.step.relayed_by is None


def test_hst_2_all_who_took_part_are_named_in_order() -> None:
    board = Board(ADA, BEN)
    board.do(ADA, put("a"))
    board.take()
    board.now += 10
    board.do(BEN, move("a", 1))
    board.do(ADA, move("a", 2))
    board.do(BEN, move("a", 3))
    change = board.take_one()
    assert change.step.starts
    assert change.step.changed_by == Author(BEN.user_id)
    assert change.step.contributors == (BEN.user_id, ADA.user_id)
    assert change.author == Author(ADA.user_id), "of those in this round the last to appear"


def test_who_created_an_object_did_so_whoever_touched_it_at_once() -> None:
    board = Board(ADA, BEN)
    board.do(ADA, put("a"))
    board.do(BEN, move("a", 1))
    change = board.take_one()
    assert (change.step.changed_by, change.author) == (Author(ADA.user_id), Author(BEN.user_id))
    assert board.projector.creator_of(Entry("objects", "a")) == ADA.user_id


def test_who_changed_what_somebody_deleted_at_once_took_part() -> None:
    board = Board(ADA, BEN)
    board.do(ADA, put("a"))
    board.take()
    board.do(ADA, move("a", 1))
    board.do(BEN, remove("a"))
    change = board.take_one()
    assert change.step.kind is ChangeKind.DELETE
    assert change.step.changed_by == Author(BEN.user_id)
    assert change.step.contributors == (BEN.user_id, ADA.user_id)


def replace_and_remove(doc: Doc[Any]) -> None:
    put("a", layer=2)(doc)
    remove("a")(doc)


def set_to_nothing(doc: Doc[Any]) -> None:
    doc.get("objects", type=Map)["a"] = None


@pytest.mark.parametrize("deletes", [remove("a"), replace_and_remove, set_to_nothing])
def test_a_deletion_is_whose_it_is_also_where_they_wrote_besides(
    deletes: Callable[[Doc[Any]], None],
) -> None:
    board = Board(ADA, BEN)
    board.do(ADA, put("a"))
    board.take()
    board.do(ADA, move("a", 1))
    board.do(BEN, deletes)
    change = board.take_one()
    assert change.step.kind is ChangeKind.DELETE
    assert change.step.changed_by == Author(BEN.user_id)
    assert change.step.contributors == (BEN.user_id, ADA.user_id)


def test_who_writes_in_what_is_deleted_already_did_not_delete_it() -> None:
    board = Board(ADA, BEN)
    board.do(ADA, put("a"))
    board.take()
    board.hear(ADA)
    board.do(BEN, remove("a"))
    board.edit(ADA, move("a", 1))
    board.edit(ADA, replace_and_remove)
    board.bring(ADA)
    assert board.take_one().step.changed_by == Author(BEN.user_id)


def test_hst_4_who_wrote_besides_is_who_deleted_whoever_brings_it() -> None:
    board = Board(ADA, BEN)
    board.do(BEN, put("a"))
    board.take()
    board.hear(ADA)
    board.edit(ADA, replace_and_remove)
    board.bring(ADA, by=BEN)
    change = board.take_one()
    assert (change.step.kind, change.step.changed_by) == (ChangeKind.DELETE, Author(ADA.user_id))
    assert change.step.relayed_by == BEN.user_id


def test_one_update_may_hold_the_edits_of_several() -> None:
    board = Board(ADA, BEN)
    board.do(ADA, put("a"))
    board.hear(BEN)
    board.take()
    board.now += 10
    board.edit(ADA, move("a", 1))
    board.docs[BEN].apply_update(board.docs[ADA].get_update())
    board.edit(BEN, move("a", 2))
    board.edit(BEN, put("b"))
    board.bring(BEN)
    first, second = board.take()
    assert set(first.step.contributors) == {ADA.user_id, BEN.user_id}
    assert first.step.relayed_by == BEN.user_id
    assert second.step.contributors == (BEN.user_id,)
    assert second.step.relayed_by is None


@pytest.mark.parametrize("was_used", [False, True])
@pytest.mark.parametrize(("first", "second"), [(ADA, BEN), (BEN, ADA)])
def test_hst_4_what_one_created_and_another_changed_is_the_first_one_s_whoever_brings_both(
    first: Identity,
    second: Identity,
    was_used: bool,  # noqa: FBT001
) -> None:
    """Whatever client ids they have, and whether the id was in use before."""
    board = Board(ADA, BEN)
    if was_used:
        board.do(second, put("a"))
        board.do(second, remove("a"))
        board.take()
    board.hear(first)
    board.hear(second)
    board.known[second] = board.docs[second].get_state()
    board.edit(first, put("a"))
    board.docs[second].apply_update(board.docs[first].get_update())
    board.edit(second, move("a", 1))
    board.bring(second)
    change = board.take_one()
    assert change.step.kind is ChangeKind.CREATE
    assert change.step.changed_by == Author(first.user_id)
    assert change.step.contributors == (first.user_id, second.user_id)
    assert change.step.relayed_by == second.user_id
    assert change.author == Author(second.user_id)
    assert board.projector.creator_of(Entry("objects", "a")) == first.user_id


def test_hst_3_a_restored_object_begins_a_gesture_of_that_kind() -> None:
    board = Board(ADA)
    board.do(ADA, put("a"))
    board.take()
    board.by_server(CLERK, move("a", 7), is_restore=True)
    change = board.take_one()
    assert (change.step.starts, change.step.kind) == (True, ChangeKind.RESTORE)
    assert change.author == Author(CLERK.user_id)
    board.by_server(CLERK, remove("a"), is_restore=True)
    gone = board.take_one()
    assert (gone.state, gone.step.kind) == (None, ChangeKind.RESTORE)
    board.do(ADA, put("a"))
    assert board.take_one().step.kind is ChangeKind.CREATE


def test_the_servers_edits_are_of_whom_it_edits_for() -> None:
    board = Board(ADA)
    board.by_server(CLERK, put("a"))
    board.authors[board.document.own_client] = None
    assert board.take_one().author == Author(CLERK.user_id)
    board.by_server(ADA, move("a", 1))
    change = board.take_one()
    assert (change.author, change.step.relayed_by) == (Author(ADA.user_id), None)


def test_what_is_made_and_deleted_before_anybody_looks_is_of_who_brings_it_back() -> None:
    """It was in no version, so the first one tells of who undid the deletion alone."""
    board = Board(ADA, BEN)
    board.do(ADA, lambda doc: doc["objects"].__setitem__("box", Map({"by": "ada"})))
    board.hear(BEN)
    undo = UndoManager(scopes=[board.docs[BEN].get("objects", type=Map)])
    board.do(BEN, lambda doc: doc["objects"].__delitem__("box"))
    assert board.take() == []
    undo.undo()
    board.bring(BEN)
    change = board.take_one()
    assert (change.step.kind, change.author.user_id) == (ChangeKind.CREATE, BEN.user_id)
    assert change.step.contributors == (BEN.user_id,)


def test_an_undone_deletion_is_a_creation_by_who_undoes() -> None:
    board = Board(ADA)
    board.do(ADA, put("a"))
    undo = UndoManager(scopes=[board.docs[ADA].get("objects", type=Map)])
    board.do(ADA, remove("a"))
    board.take()
    undo.undo()
    board.bring(ADA)
    change = board.take_one()
    assert (change.step.kind, change.state) == (ChangeKind.CREATE, ObjectState("sticky"))


@pytest.mark.parametrize("with_structure", [True, False])
def test_what_was_there_before_is_known(with_structure: bool) -> None:  # noqa: FBT001
    before = Board(ADA)
    before.do(ADA, put("a"))
    before.do(ADA, put("b"))
    before.take()  # as is done before it is stored
    structure = before.document.structure() if with_structure else None
    tail = before.docs[ADA].get_state()
    state = before.document.full_state()
    before.edit(ADA, put("c"))
    stored = StoredState(state, structure, [before.docs[ADA].get_update(tail)])
    board = Board(ADA, stored=stored)
    board.docs[ADA] = before.docs[ADA]
    board.do(ADA, move("b", 1))
    board.do(ADA, remove("a", "c"))
    assert [(change.id, change.step.kind) for change in board.take()] == [
        ("a", ChangeKind.DELETE),
        ("b", ChangeKind.UPDATE),
        ("c", ChangeKind.DELETE),
    ]


def test_prj_7_what_takes_long_to_read_is_read_once() -> None:
    board = Board(ADA)
    seconds = [0.0]

    def clock() -> float:
        seconds[0] += 0.2  # whatever is timed takes so long
        return seconds[0]

    board.projector = Projector(board.document, board.authors, clock=clock)
    board.do(ADA, put("a", properties=Map({f"k{number}": "x" * 10 for number in range(900)})))
    board.do(ADA, put("small"))
    assert all(change.state is not None and change.state.is_valid for change in board.take())
    board.do(ADA, move("a", 1))
    board.do(ADA, move("small", 1))
    heavy, small = board.take()
    assert (heavy.state, heavy.size) == (ObjectState(is_valid=False), 0)
    assert small.state == ObjectState(object_type="sticky", position={"x": 1, "y": 0})
    stored = StoredState(board.document.full_state(), board.document.structure())
    again = Board(ADA, stored=stored)
    again.docs = board.docs
    again.do(ADA, move("a", 2))
    assert again.take_one().state == ObjectState(is_valid=False), "also after it was opened anew"
    again.do(ADA, remove("a"))
    assert again.take_one().state is None
    again.do(ADA, put("a"))
    assert again.take_one().state == ObjectState(object_type="sticky")


def test_a_document_without_owners_cannot_be_projected() -> None:
    with pytest.raises(ValueError, match="which object"):
        Projector(Document(), {})


@pytest.mark.parametrize("seed", range(few_or_many(5, 200)))
def test_rows_made_of_the_changes_are_the_document(seed: int) -> None:
    """Whenever it is taken, whoever did what: rows and versions follow the document."""
    draw = random.Random(seed)
    board = Board(ADA, BEN)
    rows: dict[str, ObjectState] = {}
    versions: dict[str, int] = {}
    for _ in range(300):
        who = draw.choice([ADA, BEN])
        if draw.random() < 0.7:
            board.hear(who)
        there = sorted(board.docs[who].get("objects", type=Map).keys())
        key = draw.choice(there or ["k0"])
        match draw.randrange(4):
            case 0:
                board.edit(who, put(f"k{draw.randrange(8)}", layer=draw.randrange(5)))
            case 1 if there:
                board.edit(who, remove(key))
            case 2 if there:
                board.edit(who, move(key, draw.randrange(100)))
        if draw.random() < 0.6:
            board.bring(who)
        if draw.random() < 0.2:
            board.now += draw.choice([0.01, 0.6, 3.0])
            _store(board.projector.take(), rows, versions)
    for who in (ADA, BEN):
        board.bring(who)
    _store(board.projector.take(), rows, versions)
    reader = board.document.objects()
    shown = {key: project_object(reader.read("objects", key)) for key in reader.keys("objects")}
    assert rows == shown


def _store(
    changes: tuple[ObjectChange, ...], rows: dict[str, ObjectState], versions: dict[str, int]
) -> None:
    for change in changes:
        starts = change.step.starts
        assert starts or versions.get(change.id), "only a row that is there can be extended"
        versions[change.id] = versions.get(change.id, 0) + starts
        if change.step.kind is ChangeKind.CREATE and starts:
            assert change.id not in rows
        if change.state is None:
            del rows[change.id]
        else:
            assert isinstance(change.state, ObjectState)
            rows[change.id] = change.state
