"""Gestures told once more: as the history has them, and by the clock where it has none (HST-9)."""

from __future__ import annotations

from uuid import UUID

from crdt_docs.gestures import Author, ChangeKind, Step
from crdt_docs.recorded_gestures import Recorded, RecordedGestures

CREATE, UPDATE, DELETE, RESTORE = ChangeKind
ADA, BEN = Author(UUID(int=1)), Author(UUID(int=2))
BOX = ("objects", "box")


class Telling:
    """Changes of one box, told at positions of the log and seconds."""

    def __init__(self, *recorded: Recorded) -> None:
        self._gestures = RecordedGestures({BOX: recorded} if recorded else {})

    def note(
        self, seq: int, at: float, kind: ChangeKind = UPDATE, author: Author = ADA
    ) -> tuple[bool, ChangeKind, int]:
        """Whether it begins a row, of which kind, and how many have taken part."""
        self._gestures.seq = seq
        step: Step = self._gestures.note(BOX, kind, author, at)
        return step.starts, step.kind, len(step.contributors)


def test_hst_9_without_a_history_the_clock_decides() -> None:
    telling = Telling()
    assert telling.note(1, 0, CREATE) == (True, CREATE, 1)
    assert telling.note(2, 0.5, author=BEN) == (False, CREATE, 2)
    assert telling.note(3, 1.6) == (True, UPDATE, 1)
    assert telling.note(4, 1.7, DELETE) == (True, DELETE, 1)


def test_hst_9_a_row_begins_where_it_began() -> None:
    """The clock would have gone on with the one before."""
    telling = Telling(Recorded(1, 0.2, CREATE), Recorded(3, 0.4, UPDATE))
    assert telling.note(1, 0.0, CREATE) == (True, CREATE, 1)
    assert telling.note(2, 0.2) == (False, CREATE, 1)
    assert telling.note(3, 0.3) == (True, UPDATE, 1)
    assert telling.note(3, 0.3, author=BEN) == (False, UPDATE, 2), "of the same entry"
    assert telling.note(4, 0.4) == (False, UPDATE, 2)


def test_hst_9_a_row_lasts_as_long_as_it_lasted() -> None:
    """The times of commits may be further apart than those of the edits were."""
    telling = Telling(Recorded(1, 7.0, CREATE))
    assert telling.note(1, 0, CREATE) == (True, CREATE, 1)
    assert telling.note(2, 6.0, author=BEN) == (False, CREATE, 2)
    assert telling.note(3, 7.0) == (False, CREATE, 2)
    assert telling.note(4, 7.5) == (False, CREATE, 2), "by the clock it is the same one still"
    assert telling.note(5, 9.0) == (True, UPDATE, 1)


def test_hst_9_a_restore_stays_one() -> None:
    telling = Telling(Recorded(1, 0, CREATE), Recorded(2, 1, RESTORE))
    assert telling.note(1, 0, CREATE) == (True, CREATE, 1)
    assert telling.note(2, 1) == (True, RESTORE, 1)


def test_hst_9_a_row_that_began_before_what_is_told_is_gone_on_with() -> None:
    telling = Telling(Recorded(1, 5, CREATE))
    assert telling.note(8, 4.9) == (False, UPDATE, 1)
    assert telling.note(9, 6) == (True, UPDATE, 1)


def test_hst_9_rows_of_entries_that_tell_nothing_are_passed_over() -> None:
    telling = Telling(Recorded(1, 0, CREATE), Recorded(2, 0, UPDATE), Recorded(3, 9, UPDATE))
    assert telling.note(1, 0, CREATE) == (True, CREATE, 1)
    assert telling.note(3, 5) == (True, UPDATE, 1)
    assert telling.note(4, 9) == (False, UPDATE, 1)


def test_hst_3_nothing_is_added_to_a_deletion() -> None:
    telling = Telling(Recorded(1, 0, CREATE), Recorded(2, 50, DELETE))
    assert telling.note(1, 0, CREATE) == (True, CREATE, 1)
    assert telling.note(2, 1, DELETE) == (True, DELETE, 1)
    assert telling.note(3, 1.1, CREATE) == (True, CREATE, 1)
