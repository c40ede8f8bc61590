"""POS-23: ticks that take long, with a clock that is turned and a loop that is a list."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from crdt_docs import pose_client
from crdt_docs.member import Member
from crdt_docs.pose_messages import Device, Hello
from crdt_docs.pose_rates import FULL, PoseSettings
from crdt_docs.poses import Placed, Pose, encode_pose
from server.counters import Counters
from server.frames import OutgoingFrame
from server.pose_host import PoseHost
from server.room_host import RoomHost
from tests.helpers.people import Person
from tests.server.rooms import House, Seat
from tests.server.test_pose_host import AHEAD, XR

CROWD = PoseSettings(shared_up_to=1)
"""Somebody always has a turn: the next tick is planned at the end of each."""


@dataclass
class Timer:
    """What `call_later` gives."""

    at: float
    call: Callable[[], None]
    is_cancelled: bool = False

    def cancel(self) -> None:
        self.is_cancelled = True


class SlowPoses:
    """The lane of a room in which each frame that is written takes a while."""

    def __init__(self, host: RoomHost, monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
        self.now = 0.0
        self.timers: list[Timer] = []
        self.begun: list[float] = []
        self.seconds = seconds
        self._write = host.write
        monkeypatch.setattr(host, "write", self.write)
        self.poses = PoseHost(host, Counters(), CROWD, lambda: self.now)
        monkeypatch.setattr(self.poses, "_loop", self)
        host.poses = self.poses

    def call_later(self, delay: float, call: Callable[[], None]) -> Timer:
        """As of an event loop."""
        self.timers.append(Timer(self.now + delay, call))
        return self.timers[-1]

    def write(self, member: Member, frame: OutgoingFrame, now: float) -> None:
        """As of a room, slowly."""
        self.now += self.seconds
        self._write(member, frame, now)

    def go_on(self) -> None:
        """Let time pass until the next tick is over."""
        (timer,) = [each for each in self.timers if not each.is_cancelled]
        self.timers.clear()
        self.now = max(self.now, timer.at)
        self.begun.append(self.now)
        timer.call()


def come(seat: Seat) -> None:
    """Say hello."""
    hello = Hello(1, Device.VR_HEADSET, seat.person.client_id)
    seat.host.receive(seat.member, pose_client.hello(hello))


def move(seat: Seat, slot: int, sequence: int) -> None:
    """Be somewhere else."""
    head = Placed((sequence / 100, 0.0, 0.0), AHEAD)
    record = encode_pose(Pose(slot, 1, sequence, 0, head))
    seat.host.receive(seat.member, pose_client.pose(0, record))


async def test_pos_23_how_long_a_tick_takes_does_not_make_the_next_one_late(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with House(name=XR) as house:
        seats = [await house.sit(Person(number)) for number in (1, 2)]
        await house.settle()
        slow = SlowPoses(seats[0].host, monkeypatch, seconds=0.005)
        for seat in seats:
            come(seat)
        for sequence in range(1, 60):
            slow.go_on()
            for slot, seat in enumerate(seats):
                move(seat, slot, sequence)
        assert slow.poses.lane.level_of(seats[0].member) == FULL
        slow.poses.close()
