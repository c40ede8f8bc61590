"""Which changes are one gesture, who took part in it, and that what is over is forgotten."""

from __future__ import annotations

import random
import time
from uuid import UUID

import pytest

from crdt_docs.gestures import Author, ChangeKind, Gestures, ObjectKey, Step
from crdt_docs.identifiers import ActorKind

ANA = Author(UUID(int=1))
BEN = Author(UUID(int=2))
EVA = Author(UUID(int=3))
BOT = Author(UUID(int=4), ActorKind.AGENT)
SERVER = Author(None, ActorKind.SERVICE)

CREATE, UPDATE, DELETE, RESTORE = ChangeKind
BOX: ObjectKey = ("objects", "box")
PEN: ObjectKey = ("objects", "pen")


def ids(*authors: Author) -> tuple[UUID | None, ...]:
    return tuple(author.user_id for author in authors)


def row(*, starts: bool, kind: ChangeKind, began: Author, by: tuple[UUID, ...]) -> Step:
    """What the history is told of a change that nobody relayed."""
    return Step(starts, kind, began, by, None)


def test_the_first_change_starts_a_row() -> None:
    """HST-2"""
    step = Gestures().note(BOX, UPDATE, BOT, 100.0)
    assert step == row(starts=True, kind=UPDATE, began=BOT, by=(UUID(int=4),))


def test_later_changes_extend_it_with_their_contributors_in_order() -> None:
    """HST-2: `changed_by` stays who began it."""
    gestures = Gestures()
    gestures.note(BOX, UPDATE, BEN, 0.0)
    for author, contributors in [
        (ANA, (BEN, ANA)),
        (BEN, (BEN, ANA)),
        (EVA, (BEN, ANA, EVA)),
        (ANA, (BEN, ANA, EVA)),
    ]:
        step = gestures.note(BOX, UPDATE, author, 0.5)
        assert not step.starts
        assert step.changed_by == BEN
        assert step.contributors == ids(*contributors)


@pytest.mark.parametrize(("pause", "starts"), [(0.999, False), (1.0, True), (60.0, True)])
def test_a_second_of_quiet_ends_it(pause: float, starts: bool) -> None:  # noqa: FBT001 - a table
    """HST-1"""
    gestures = Gestures()
    gestures.note(BOX, UPDATE, ANA, 1000.0)
    step = gestures.note(BOX, UPDATE, BEN, 1000.0 + pause)
    assert step.starts is starts
    assert step.contributors == (ids(BEN) if starts else ids(ANA, BEN))


def test_five_seconds_end_it_however_busy_it_is() -> None:
    """HST-1"""
    gestures = Gestures()
    starts = [gestures.note(BOX, UPDATE, ANA, tick / 10).starts for tick in range(101)]
    assert [tick for tick, started in enumerate(starts) if started] == [0, 50, 100]


def test_objects_have_gestures_of_their_own() -> None:
    """HST-1: also an object and an annotation of the same id."""
    gestures = Gestures()
    assert gestures.note(BOX, UPDATE, ANA, 0.0).starts
    assert gestures.note(PEN, UPDATE, BEN, 0.1).starts
    assert gestures.note(("annotations", "box"), UPDATE, BEN, 0.1).starts
    assert gestures.note(BOX, UPDATE, EVA, 0.2).contributors == ids(ANA, EVA)


@pytest.mark.parametrize("kind", [CREATE, DELETE, RESTORE])
def test_creating_deleting_and_restoring_start_a_row(kind: ChangeKind) -> None:
    """HST-3: in the midst of a gesture."""
    gestures = Gestures()
    gestures.note(BOX, UPDATE, ANA, 0.0)
    step = gestures.note(BOX, kind, BEN, 0.1)
    assert step == row(starts=True, kind=kind, began=BEN, by=(UUID(int=2),))


@pytest.mark.parametrize("kind", [CREATE, RESTORE])
def test_what_follows_a_creation_is_part_of_it(kind: ChangeKind) -> None:
    """HST-2: who draws a box creates it and drags its corner."""
    gestures = Gestures()
    gestures.note(BOX, kind, ANA, 0.0)
    step = gestures.note(BOX, UPDATE, BEN, 0.1)
    assert step == row(starts=False, kind=kind, began=ANA, by=(UUID(int=1), UUID(int=2)))


def test_nothing_is_added_to_a_deletion() -> None:
    """HST-3: deleted and there again without having been created, as after an undo."""
    gestures = Gestures()
    gestures.note(BOX, DELETE, ANA, 0.0)
    assert gestures.note(BOX, UPDATE, BEN, 0.0).starts


def test_a_gesture_that_was_begun_anew_lasts_from_then_on() -> None:
    """HST-1: its five seconds begin with its own first change."""
    gestures = Gestures()
    gestures.note(BOX, UPDATE, ANA, 0.0)
    gestures.note(BOX, RESTORE, ANA, 0.9)
    for tick in range(10, 59):
        assert not gestures.note(BOX, UPDATE, ANA, tick / 10).starts
    assert gestures.note(BOX, UPDATE, ANA, 5.9).starts


def test_who_relayed_is_noted() -> None:
    """HST-4: the first who did so in a gesture."""
    gestures = Gestures()
    assert gestures.note(BOX, UPDATE, ANA, 0.0).relayed_by is None
    assert gestures.note(BOX, UPDATE, ANA, 0.1, relayed_by=BEN.user_id).relayed_by == BEN.user_id
    assert gestures.note(BOX, UPDATE, ANA, 0.2, relayed_by=EVA.user_id).relayed_by == BEN.user_id
    assert gestures.note(BOX, UPDATE, ANA, 9.0).relayed_by is None
    assert gestures.note(PEN, UPDATE, ANA, 9.0, relayed_by=EVA.user_id).relayed_by == EVA.user_id


def test_the_server_is_no_contributor() -> None:
    """HST-2"""
    gestures = Gestures()
    assert gestures.note(BOX, UPDATE, SERVER, 0.0).contributors == ()
    step = gestures.note(BOX, UPDATE, ANA, 0.1)
    assert step == row(starts=False, kind=UPDATE, began=SERVER, by=(UUID(int=1),))


def test_what_is_over_is_forgotten() -> None:
    """However many objects have been touched, the memory is that of the last five seconds."""
    gestures = Gestures()
    for number in range(10_000):
        gestures.note(("objects", str(number)), UPDATE, ANA, number / 100)
        assert len(gestures) <= 501
    gestures.forget_ended(105.0)
    assert len(gestures) == 0


def test_more_at_once_than_are_remembered() -> None:
    """The one that began first is ended; the others go on."""
    gestures = Gestures(max_open=3)
    keys = [("objects", str(number)) for number in range(4)]
    for key in keys:
        gestures.note(key, UPDATE, ANA, 0.0)
    assert len(gestures) == 3
    assert [gestures.note(key, UPDATE, BEN, 0.1).starts for key in keys[1:]] == [False] * 3
    assert gestures.note(keys[0], UPDATE, BEN, 0.1).starts


@pytest.mark.parametrize("seed", range(20))
def test_random_changes_have_the_gestures_that_the_rules_say(seed: int) -> None:
    """HST-1, HST-2, HST-3: against a list of all changes, looked through from the start."""
    dice = random.Random(seed)
    gestures = Gestures()
    now = 0.0
    rows: dict[ObjectKey, list[list[tuple[float, ChangeKind, Author]]]] = {}
    for _ in range(400):
        now += dice.choice([0.0, 0.05, 0.3, 0.6, 1.0])
        key = ("objects", str(dice.randrange(3)))
        kind = dice.choices([UPDATE, CREATE, DELETE, RESTORE], [12, 1, 1, 1])[0]
        author = dice.choice([ANA, BEN, EVA])
        known = rows.setdefault(key, [])
        starts = (
            not known
            or kind is not UPDATE
            or known[-1][0][1] is DELETE
            or now - known[-1][-1][0] >= 1.0
            or now - known[-1][0][0] >= 5.0
        )
        if starts:
            known.append([])
        known[-1].append((now, kind, author))
        step = gestures.note(key, kind, author, now)
        _, begun_as, begun_by = known[-1][0]
        in_order = dict.fromkeys(by.user_id for _, _, by in known[-1] if by.user_id)
        assert step == row(starts=starts, kind=begun_as, began=begun_by, by=tuple(in_order))


def test_many_more_than_are_remembered_cost_no_more_each() -> None:
    """With a plain dict the looking for the oldest passed over all that were forgotten before it:
    100,000 objects moved together took five times as long."""

    def seconds(count: int) -> float:
        gestures = Gestures()
        begun = time.thread_time()
        for number in range(count):
            gestures.note(("objects", str(number)), UPDATE, ANA, 1.0)
        return time.thread_time() - begun

    few = min(seconds(20_000) for _ in range(3))
    assert seconds(100_000) < 12 * few
