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


@pytest.mark.parametrize(
    "change",
    [
        {"people": 0},
        {"rooms": 11},
        {"processes": 11},
        {"seconds": 0.0},
        {"ramp": -1.0},
        {"processes": 0},
    ],
    ids=str,
)
def test_what_nobody_could_run_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"must be|more rooms"):
        replace(PLAN, **change)
