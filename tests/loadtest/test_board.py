"""What a board writes is what stock Yjs writes, and what everybody reads alike."""

from __future__ import annotations

import json
import random
import subprocess
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from pycrdt import Doc, Map, merge_updates

from crdt_docs.object_fields import project
from crdt_docs.object_kinds import ObjectKind
from crdt_docs.object_schema import schema_fault
from crdt_docs.outline import DocumentLimits, Outline
from crdt_docs.update_guard import walk_update
from loadtest import marks
from loadtest.board import Board, prepared, prepared_id
from tests.helpers.node_clients import HARNESS, require_node
from tests.helpers.proving import few_or_many

CLIENT = 0x1234_5678
MARK = "~ld~00100010000000"


class Typist:
    """A board, with all that it wrote."""

    def __init__(self, client: int = CLIENT) -> None:
        self.board = Board(client, self._mark)
        self.updates: list[bytes] = []
        self.marks = 0

    def _mark(self) -> str:
        self.marks += 1
        return marks.mark(1, self.marks, 1_000).decode()

    def make(self, edit: tuple[str, bytes]) -> str:
        """Note an edit that made something; what it made."""
        self.updates.append(edit[1])
        return edit[0]

    def note(self, update: bytes) -> None:
        """Note an edit."""
        self.updates.append(update)


def read(updates: Sequence[bytes], root: str = "objects") -> dict[str, Any]:
    """A root map of the document that these updates make."""
    doc: Doc[Any] = Doc()
    for update in updates:
        doc.apply_update(update)
    found: Map[Any] = doc.get(root, type=Map)
    return found.to_py() or {}


@pytest.fixture
def typist() -> Typist:
    return Typist()


def test_a_sticky_is_typed_into_moved_and_reads_as_stock_clients_have_it(typist: Typist) -> None:
    board = typist.board
    sticky = typist.make(board.sticky(10.4, 20, "né 😀 "))
    typist.note(board.type_word(sticky, "later"))
    typist.note(board.move(sticky, -3, 2**40))

    assert read(typist.updates)[sticky] == {
        "object_type": "sticky",
        "position": {"x": -3, "y": 2**40, "mark": "~ld~00100030000001"},
        "size": {"width": 180, "height": 180},
        "rotation": 0,
        "layer": 1,
        "is_locked": False,
        "properties": {"text": "né 😀 later ~ld~00100020000001 ", "color": "#fde68a"},
    }


def test_what_is_erased_at_the_end_of_a_text_is_gone_and_typing_goes_on_behind_it(
    typist: Typist,
) -> None:
    board = typist.board
    sticky = typist.make(board.sticky(0, 0, "abc"))
    typist.note(board.erase(sticky, 2))
    typist.note(board.type_word(sticky))
    typist.note(board.erase(sticky, marks.LENGTH))  # the space behind it, and all but its first
    typist.note(board.erase(sticky, 1000))
    typist.note(board.type_word(sticky, "d"))

    assert read(typist.updates)[sticky]["properties"]["text"] == "d ~ld~00100030000001 "


def test_a_drawing_grows_at_its_end(typist: Typist) -> None:
    board = typist.board
    drawing = typist.make(board.drawing(5, 6))
    typist.note(board.extend(drawing, [(1, 2.5), (3.1, -4)]))
    typist.note(board.extend(drawing, [(7, 8)]))

    points = read(typist.updates)[drawing]["properties"]["points"]
    assert [(each["x"], each["y"]) for each in points] == [(1, 2.5), (3.1, -4), (7, 8)]
    assert ["mark" in each for each in points] == [False, True, True]


def test_a_comment_is_resolved_with_words(typist: Typist) -> None:
    comment = typist.make(typist.board.annotate("some sticky", 1, 2, "Why?"))
    typist.note(typist.board.resolve(comment, "Done."))

    assert read(typist.updates, "annotations")[comment] == {
        "annotation_type": "comment",
        "content": "Why? ~ld~00100010000001\nDone. ~ld~00100020000001",
        "object_id": "some sticky",
        "position": {"x": 1, "y": 2},
        "resolved": True,
    }


def test_furniture_stands_where_it_was_carried_with_the_mark_in_its_position(
    typist: Typist,
) -> None:
    box = typist.make(typist.board.furniture(0, 0, 0))
    typist.note(typist.board.carry(box, 1.25, 0, -2))

    state = read(typist.updates)[box]
    assert project(ObjectKind.XR_OBJECT, state).is_valid
    assert state["transform"] == {
        "position": {"x": 1.25, "y": 0, "z": -2, "mark": "~ld~00100020000001"},
        "rotation": {"x": 0, "y": 0, "z": 0, "w": 1},
        "scale": {"x": 0.4, "y": 0.4, "z": 0.4},
    }


def test_what_is_deleted_is_gone_with_all_that_is_in_it(typist: Typist) -> None:
    board = typist.board
    sticky, drawing = typist.make(board.sticky(0, 0, "abc")), typist.make(board.drawing(0, 0))
    stays = typist.make(board.shape(1, 1))
    typist.note(board.move(sticky, 4, 4))
    typist.note(board.delete(sticky))
    typist.note(board.extend(drawing, [(1, 1)]))
    typist.note(board.delete(drawing))

    assert list(read(typist.updates)) == [stays] == board.objects
    with pytest.raises(KeyError):
        board.move(sticky, 1, 1)


def random_edits(seed: int, count: int) -> Typist:
    """Somebody who does everything, again and again."""
    dice, typist = random.Random(seed), Typist()
    for update in edits_of(typist.board, dice, count):
        typist.note(update)
    return typist


def edits_of(board: Board, dice: random.Random, count: int) -> Iterator[bytes]:
    """Updates of random edits."""
    stickies, drawings, comments = [], [], []
    for _ in range(count):
        x, y = dice.uniform(-9, 9), dice.uniform(-1e10, 1e10)
        match dice.randrange(9):
            case 0:
                made, update = board.sticky(x, y, "é" * dice.randrange(3))
                stickies.append(made)
            case 1:
                made, update = board.drawing(x, y)
                drawings.append(made)
            case 2:
                made, update = board.annotate(None, x, y, "é")
                comments.append(made)
            case 3 if drawings:
                update = board.extend(dice.choice(drawings), [(x, y), (y, x)])
            case 4 if comments:
                update = board.resolve(dice.choice(comments), "")
            case 5 if stickies:
                update = board.type_word(dice.choice(stickies), "à")
            case 6 if stickies:
                update = board.erase(dice.choice(stickies), 2 * dice.randrange(1, 9))
            case 7 if stickies:
                update = board.delete(stickies.pop(dice.randrange(len(stickies))))
            case _ if board.objects:
                update = board.move(dice.choice(board.objects), x, y)
            case _:
                continue
        yield update


@pytest.mark.parametrize("seed", range(few_or_many(10, 300)))
def test_everything_connects_passes_the_guard_and_is_valid(seed: int) -> None:
    typist, outline = random_edits(seed, 200), Outline()
    for update in typist.updates:
        facts = walk_update(update)
        assert outline.connects(facts)
        outline.admit(facts, DocumentLimits())

    assert outline.clocks == {CLIENT: typist.board.clock}
    whole = read(typist.updates)
    assert sorted(whole) == sorted(typist.board.objects)
    for key, state in whole.items():
        assert schema_fault(ObjectKind.OCW_OBJECT, key, state) is None
    for key, state in read(typist.updates, "annotations").items():
        assert schema_fault(ObjectKind.OCW_ANNOTATION, key, state) is None


@pytest.mark.parametrize("seed", range(few_or_many(10, 300)))
def test_merged_it_reads_the_same(seed: int) -> None:
    updates = random_edits(seed, 100).updates

    assert read([merge_updates(*updates)]) == read(updates)


def test_two_write_the_same_document(typist: Typist) -> None:
    other = Typist(client=7)
    ids = [typist.make(typist.board.sticky(0, 0)), other.make(other.board.sticky(0, 0))]

    assert sorted(read(typist.updates + other.updates)) == sorted(ids)


def test_a_prepared_board_has_known_ids_and_no_marks() -> None:
    updates = list(prepared(250))

    whole = read(updates)
    assert len(updates) == 3
    assert set(whole) == {prepared_id(number) for number in range(250)}
    assert whole[prepared_id(249)]["properties"]["text"] == "Note number 249"
    assert sum(map(marks.count, updates)) == 0
    assert all(project(ObjectKind.OCW_OBJECT, each).is_valid for each in whole.values())


def test_each_edit_has_one_mark_unless_it_says_otherwise(typist: Typist) -> None:
    board = typist.board
    sticky, box = typist.make(board.sticky(0, 0)), typist.make(board.furniture(0, 0, 0))
    drawing, comment = typist.make(board.drawing(0, 0)), typist.make(board.annotate(None, 0, 0, ""))
    typist.note(board.move(sticky, 1, 1))
    typist.note(board.carry(box, 1, 1, 1))
    typist.note(board.extend(drawing, [(1, 1), (2, 2)]))
    typist.note(board.resolve(comment, "ok"))
    typist.note(board.type_word(sticky))

    assert [marks.count(each) for each in typist.updates] == [1] * 9
    for update in (board.lift(sticky, 9), board.erase(sticky, 3), board.delete(sticky)):
        assert marks.count(update) == 0


def test_the_bytes_are_those_of_stock_yjs() -> None:
    board, edits, updates = Board(CLIENT, lambda: MARK), [], []

    def expect(update: bytes, *edit: object) -> None:
        edits.append(edit)
        updates.append(update.hex())

    sticky, update = board.sticky(1, -2, "né 😀")
    expect(update, "sticky", sticky, {"x": 1, "y": -2, "mark": MARK}, 1, "né 😀")
    shape, update = board.shape(3, 4, "ellipse")
    expect(update, "shape", shape, {"x": 3, "y": 4, "mark": MARK}, 2, "ellipse")
    drawing, update = board.drawing(5, 6)
    expect(update, "drawing", drawing, {"x": 5, "y": 6, "mark": MARK}, 3)
    for x, y in ((0.5, 0.1), (2.0**31, -(2.0**31)), (2.0**31 - 1, -64), (63, -63), (1e300, 1e-40)):
        points = [{"x": y, "y": x}, {"x": x, "y": y, "mark": MARK}]
        expect(board.extend(drawing, [(y, x), (x, y)]), "extend", drawing, points)
        expect(board.move(sticky, x, y), "move", sticky, placed(round(x), round(y)))
    for count in (3, 20, 1):
        expect(board.type_word(sticky, "ok"), "type", sticky, f"ok {MARK} ")
        expect(board.type_word(shape), "type", shape, f"{MARK} ")
        expect(board.erase(sticky, count), "erase", sticky, count)
    comment, update = board.annotate(sticky, 7, 8, "Why?")
    expect(update, "annotate", comment, sticky, {"x": 7, "y": 8}, f"Why? {MARK}")
    expect(board.resolve(comment, "So."), "resolve", comment, f"\nSo. {MARK}")
    box, update = board.furniture(0.1, 1.7, -3)
    expect(update, "furniture", box, {"x": 0.1, "y": 1.7, "z": -3, "mark": MARK})
    expect(board.carry(box, 1, 2, 3), "carry", box, {"x": 1, "y": 2, "z": 3, "mark": MARK})
    for each in (drawing, sticky, box):
        expect(board.delete(each), "delete", each)

    assert updates == of_stock_yjs(edits)


def placed(x: float, y: float) -> dict[str, object]:
    """A position as a board has it."""
    return {"x": x, "y": y, "mark": MARK}


def of_stock_yjs(edits: Sequence[Sequence[object]]) -> list[str]:
    """What Yjs emits for each, as hex."""
    done = subprocess.run(
        [require_node(), "board.mjs"],
        cwd=HARNESS,
        input=json.dumps({"client": CLIENT, "edits": edits}).encode(),
        capture_output=True,
        check=True,
    )
    updates: list[str] = json.loads(done.stdout)
    return updates
