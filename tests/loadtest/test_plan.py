"""What a run is, as it goes to other processes."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from loadtest.plan import Plan
from loadtest.seat import Framing, Seat

PLAN = Plan("whiteboard", 10, 3, 5.0, 2.0, seed=1, processes=1, witnesses=1)
SEAT = Seat(3, 1, "127.0.0.1", 8000, is_tls=False, path="/a?token=b", framing=Framing.HOCUSPOCUS)


def test_plan_and_seat_survive_json() -> None:
    assert Plan.from_json(json.loads(json.dumps(PLAN.to_json()))) == PLAN
    assert Seat.from_json(json.loads(json.dumps(SEAT.to_json()))) == SEAT


def test_people_are_dealt_out_to_rooms_and_arrive_over_the_whole_ramp() -> None:
    assert [PLAN.room_of(number) for number in range(5)] == [0, 1, 2, 0, 1]
    assert PLAN.arrival(0) == 0.0
    assert PLAN.arrival(5) == 1.0
    assert PLAN.arrival(9) < PLAN.ramp


def test_later_meetings_have_the_same_people_and_other_documents() -> None:
    plan = replace(PLAN, meetings=4)
    assert (plan.documents, plan.at_once, plan.seats) == (12, 16, 64)
    first, second = range(plan.at_once), range(plan.at_once, 2 * plan.at_once)
    assert [plan.number_of(place) for place in second] == list(first)
    assert [plan.room_of(each) - 3 for each in second] == [plan.room_of(each) for each in first]
    assert [plan.people_in(document) for document in (0, 1, 2, 9)] == [4, 3, 3, 4]
    assert [len([each for each in first if plan.room_of(each) == room]) for room in range(3)] == [
        plan.people_in(room) + plan.witnesses + 1 for room in range(3)
    ]


def test_rooms_change_one_after_the_other_and_end_together() -> None:
    plan = replace(PLAN, rooms=2, seconds=40.0, meetings=4)
    assert [plan.begin_of(document) for document in range(8)] == [0, 0, 12, 7, 22, 17, 32, 27]
    assert [plan.end_of(document) for document in range(6)] == [12, 7, 22, 17, 32, 27]
    assert plan.end_of(6) == plan.end_of(7) == 42.0
    assert PLAN.end_of(2) == 7.0


@pytest.mark.parametrize(
    "change",
    [
        {"people": 0},
        {"rooms": 11},
        {"processes": 11},
        {"seconds": 0.0},
        {"ramp": -1.0},
        {"processes": 0},
        {"meetings": 0},
    ],
    ids=str,
)
def test_what_nobody_could_run_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"must be|more rooms"):
        replace(PLAN, **change)
