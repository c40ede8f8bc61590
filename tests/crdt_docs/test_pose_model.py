"""Random life in a room: in the end everybody knows exactly who is there, and where.

Each headset checks its frames and rosters as they come (`tests/helpers/headsets.py`): no record is
of somebody it does not know to be there.
"""

from __future__ import annotations

import random

import pytest

from crdt_docs.pose_rates import PoseSettings
from crdt_docs.poses import head_only, head_position_mm
from tests.helpers.headsets import Hall, Headset
from tests.helpers.proving import few_or_many

TIGHT = PoseSettings(small_room=3, shared_up_to=6, near=3, middle=4)
"""Rooms in which a dozen people are a crowd."""

SETTLED_SECONDS = 20.0
"""Until everybody is sent all there is again, from the worst level on."""


class Life:
    """People who come, move, stop reading, fall silent and go."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.room = Hall(TIGHT)
        self.names = 0
        self.silent: set[str] = set()
        self.most = self.rng.choice([3, 6, 8, 14, 25])

    def step(self) -> None:
        people = list(self.room.headsets.values())
        one = self.rng.choice(people) if people else None
        match self.rng.randrange(12):
            case 0 | 1 if len(people) < self.most:
                self.names += 1
                self.room.come(f"n{self.names}")
            case 2 if one is not None:
                self._go(one)
            case 3 if one is not None and one.unread is None:
                self.room.hello(one)
            case 4 if one is not None:
                self._come_back(one)
            case 5 if one is not None:
                self.room.behind ^= {one.name}
            case 6 if one is not None and one.name not in self.silent:
                one.unread = [] if one.unread is None else one.unread
            case 7 if one is not None:
                one.read_again(self.room.now)
                self.silent.discard(one.name)
            case 8 if one is not None and self.rng.random() < 0.1:
                one.unread = one.unread or []
                self.silent.add(one.name)
            case _:
                self._move(people)
        self._pass_time()

    def settle(self) -> None:
        """Nothing moves any more, and everybody reads."""
        self.room.behind.clear()
        self.silent.clear()
        for headset in self.room.headsets.values():
            headset.read_again(self.room.now)
        self.room.run(SETTLED_SECONDS)

    def _go(self, headset: Headset) -> None:
        self.room.go(headset)
        self.room.behind.discard(headset.name)
        self.silent.discard(headset.name)

    def _come_back(self, headset: Headset) -> None:
        """On a new socket; the old one ends before, or after."""
        is_killed = self.rng.random() < 0.5
        if not is_killed:
            self._go(headset)
        self.names += 1
        self.room.come(f"n{self.names}", user=headset.user, client_id=headset.client_id)
        if is_killed:
            self._go(headset)

    def _move(self, people: list[Headset]) -> None:
        for headset in people:
            if headset.welcome and headset.name not in self.silent and self.rng.random() < 0.6:
                place = tuple(self.rng.uniform(-20, 20) for _ in range(3))
                self.room.move(headset, (place[0], place[1], place[2]))

    def _pass_time(self) -> None:
        pause = self.rng.choice([0.001, 0.01, 0.03, 0.03, 0.1, 1.2])
        end = self.room.now + pause
        for headset in self.room.headsets.values():
            if headset.name not in self.silent:
                self.room.beat(headset)
        due = self.room.lane.next_tick_at
        while due is not None and due <= end:
            self.room.tick()
            due = self.room.lane.next_tick_at
        self.room.now = max(end, self.room.now)


def _check(room: Hall) -> None:
    lane = room.lane
    seats = {name: lane.seat_of(name) for name in room.headsets}
    there = {seat.slot: seat.client_id for seat in seats.values() if seat is not None}
    assert len(lane) == len(there) == len(room.headsets)
    latest = {seat.slot: lane.latest(name) for name, seat in seats.items() if seat is not None}
    latest = {slot: record for slot, record in latest.items() if record}
    for name, headset in room.headsets.items():
        assert headset.present == there
        seat = seats[name]
        assert seat is not None
        assert headset.welcome is not None
        assert (headset.welcome.slot, headset.welcome.generation) == (seat.slot, seat.generation)
        _check_poses(room, headset, latest, seat.slot)


def _check_poses(room: Hall, headset: Headset, latest: dict[int, bytes], own: int) -> None:
    """Everybody's latest record; of those who are far the head, at least."""
    assert room.lane.level_of(headset.name) == (len(room.lane) > TIGHT.small_room)
    others = {slot: record for slot, record in latest.items() if slot != own}
    assert set(headset.poses) - {own} == set(others)
    nearest = sorted(others, key=lambda slot: _distance(latest, own, slot))
    with_hands = (
        len(room.lane) if len(room.lane) <= TIGHT.shared_up_to else TIGHT.near + TIGHT.middle
    )
    for slot in nearest[:with_hands]:
        assert headset.poses[slot] == others[slot]
    for slot in nearest[with_hands:]:
        assert headset.poses[slot] in (others[slot], head_only(others[slot]))


def _distance(latest: dict[int, bytes], own: int, slot: int) -> int:
    here = head_position_mm(latest[own]) if own in latest else (0, 0, 0)
    there = head_position_mm(latest[slot])
    return sum((a - b) ** 2 for a, b in zip(here, there, strict=True))


@pytest.mark.parametrize("seed", range(few_or_many(25, 1000)))
def test_pos_13_pos_19_pos_26_everybody_ends_up_with_the_truth(seed: int) -> None:
    life = Life(seed)
    for _ in range(4):
        for _ in range(life.rng.randrange(60)):
            life.step()
        life.settle()
        _check(life.room)
