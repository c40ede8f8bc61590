"""What of somebody's writing is stored, and what is sent again."""

from __future__ import annotations

from typing import Any

from pycrdt import Doc, Map

from loadtest.board import Board
from loadtest.dialects import EMPTY_UPDATE
from loadtest.unanswered import KEPT, Unanswered


def written(edits: int, *, is_answered: bool = True) -> tuple[Board, Unanswered]:
    """Somebody who has written so much: each edit was due when its number says, from 1."""
    board = Board(1 << 28, lambda: "")
    unanswered = Unanswered(is_answered=is_answered)
    sticky, update = board.sticky(0, 0)
    unanswered.wrote(board.clock, update, 1)
    for number in range(2, edits + 1):
        update = board.move(sticky, number, 0)
        unanswered.wrote(board.clock, update, number)
    return board, unanswered


def test_each_edit_is_answered_once() -> None:
    board, unanswered = written(5)
    assert unanswered.stored(2, is_total=True) == [1, 2]
    assert unanswered.stored(2, is_total=True) == []
    assert unanswered.stored(1, is_total=False) == [3]
    assert unanswered.acknowledged == board.clock - 2
    assert unanswered.stored(5, is_total=True) == [4, 5]
    assert (unanswered.acknowledged, unanswered.waiting) == (board.clock, 0)


def test_a_step_2_is_answered_too_but_is_no_edit() -> None:
    _, unanswered = written(1)
    unanswered.connected()
    assert unanswered.missing(0) != EMPTY_UPDATE
    assert unanswered.stored(1, is_total=True) == []
    assert unanswered.missing(unanswered.sent) == EMPTY_UPDATE
    assert unanswered.stored(2, is_total=True) == []
    assert unanswered.waiting == 0


def test_more_answers_than_edits_are_nothing() -> None:
    _, unanswered = written(2)
    assert unanswered.stored(100, is_total=True) == [1, 2]


def test_what_the_server_lacks_is_one_update_in_order() -> None:
    board, unanswered = written(20)
    doc: Doc[Any] = Doc()
    doc.apply_update(unanswered.missing(0))
    objects: Map[Any] = doc.get("objects", type=Map)
    assert objects[board.objects[0]]["position"]["x"] == 20
    doc.apply_update(unanswered.missing(board.clock - 3))


def test_a_deletion_is_sent_again_until_it_is_answered_whatever_clocks_are_known() -> None:
    board, unanswered = written(2)
    doc: Doc[Any] = Doc()
    doc.apply_update(unanswered.missing(0))
    unanswered.wrote(board.clock, board.delete(board.objects[0]), 3)
    unanswered.connected()

    doc.apply_update(unanswered.missing(board.clock))

    assert len(doc.get("objects", type=Map)) == 0
    assert unanswered.stored(1, is_total=True) == []
    assert unanswered.missing(board.clock) == EMPTY_UPDATE


def test_an_answer_to_what_came_before_a_deletion_is_none_to_it() -> None:
    board, unanswered = written(2)
    unanswered.wrote(board.clock, board.delete(board.objects[0]), 3)

    unanswered.stored(2, is_total=True)

    assert unanswered.acknowledged == board.clock
    assert unanswered.missing(board.clock) != EMPTY_UPDATE


def test_a_new_connection_counts_from_the_beginning() -> None:
    _, unanswered = written(3)
    unanswered.stored(3, is_total=True)
    unanswered.connected()
    unanswered.wrote(unanswered.sent + 1, b"", 9)
    assert unanswered.stored(1, is_total=True) == [9]


def test_after_a_refusal_nothing_is_said_to_be_stored() -> None:
    _, unanswered = written(3)
    before = unanswered.stored(1, is_total=False)
    known = unanswered.acknowledged
    unanswered.refused(is_answer=True)
    assert before == [1]
    assert unanswered.stored(1, is_total=False) == [3]
    assert unanswered.acknowledged == known


def test_where_nothing_is_answered_the_last_edits_are_kept() -> None:
    board, unanswered = written(KEPT + 10, is_answered=False)
    assert unanswered.waiting == 0
    assert unanswered.acknowledged == 0
    assert unanswered.sent == board.clock
    assert len(unanswered._edits) == KEPT
