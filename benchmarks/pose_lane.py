"""What the pose lane of a room costs in this process, without a socket.

`python -m benchmarks lane` prints these alone. Everybody walks about a hall and sends a pose with
both hands 30 times a second; shares are of a core, at 30 ticks a second, in the least disturbed
second of the run.
"""

from __future__ import annotations

import gc
import random
from collections.abc import Iterator
from dataclasses import dataclass
from time import process_time_ns
from typing import Final

from benchmarks.report import Row, at_most
from benchmarks.scale import Scale
from crdt_docs import pose_client
from crdt_docs.pose_lane import PoseLane
from crdt_docs.pose_messages import Device, Hello, PoseUp, parse_from_client
from crdt_docs.poses import Placed, Pose, encode_pose

RATE: Final = 30
HALL_METRES: Final = 20.0
STEP_METRES: Final = 0.04
"""In a tick: somebody who walks."""
UPRIGHT: Final = (0.0, 0.0, 0.0, 1.0)

SHARE_BOUND: Final = 15.0
"""Per cent of a core for the ticks of 200."""
BYTES_BOUND: Final = 80_000.0


def measure(scale: Scale) -> Iterator[Row]:
    """A shared frame, and frames of their own."""
    seconds = scale.pick(9, 2)
    for participants, name in ((50, "one frame for all"), (100, "own frames"), (200, "own frames")):
        yield from _rows(f"{participants} who all move, {name}", participants, seconds)


def _rows(name: str, participants: int, seconds: int) -> Iterator[Row]:
    cost = _Walk(participants, seconds).cost()
    bound = at_most(SHARE_BOUND) if participants == 200 else None
    yield Row(
        f"{name}: ticks",
        cost.ticks,
        "%",
        bound,
        details={"longest_tick_ms": cost.longest, "mean_over_all_seconds": cost.mean},
    )
    yield Row(f"{name}: what comes in", cost.intake, "%")
    yield Row(f"{name}: to each", cost.size, "B/s", at_most(BYTES_BOUND))


@dataclass(frozen=True, slots=True)
class _Cost:
    """Attributes:
    ticks, intake: per cent of a core, in the least disturbed second.
    mean: of the ticks, over all seconds.
    longest: milliseconds of one tick.
    size: bytes of frames for each participant, a second.
    """

    ticks: float
    intake: float
    mean: float
    longest: float
    size: float


class _Walk:
    """A room in which everybody walks; what they send is written before it is measured."""

    def __init__(self, participants: int, seconds: int) -> None:
        self._dice = random.Random(participants)
        self._lane: PoseLane[int] = PoseLane()
        self._now = 100.0
        for key in range(participants):
            hello = Hello(1, Device.VR_HEADSET, key + 1)
            self._lane.seat(key, hello, key, self._now)
        self._lane.tick(self._now)
        self._places = [self._somewhere() for _ in range(participants)]
        self._participants = participants
        self._seconds = seconds
        self._size = 0

    def cost(self) -> _Cost:
        """Walk for so many seconds, after one that is not counted."""
        self._second(0)
        self._size = 0
        gc.collect()
        gc.disable()
        try:
            walked = [self._second(number + 1) for number in range(self._seconds)]
        finally:
            gc.enable()
        ticks = [sum(each) for each, _ in walked]
        return _Cost(
            ticks=min(ticks) / 1e7,
            intake=min(intake for _, intake in walked) / 1e7,
            mean=sum(ticks) / len(ticks) / 1e7,
            longest=min(max(each) for each, _ in walked) / 1e6,
            size=self._size / self._participants / self._seconds,
        )

    def _second(self, number: int) -> tuple[list[int], int]:
        """Nanoseconds of each tick, and of taking in what came between them."""
        ticks, intake = [], 0
        for tick in range(RATE):
            messages = self._messages(number * RATE + tick)
            begun = process_time_ns()
            self._take(messages)
            taken = process_time_ns()
            self._now += 1 / RATE
            turn = self._lane.tick(self._now)
            ticks.append(process_time_ns() - taken)
            intake += taken - begun
            self._size += sum(len(frame.data) * len(frame.to) for frame in turn.frames)
        return ticks, intake

    def _take(self, messages: list[bytes]) -> None:
        for key, data in enumerate(messages):
            message = parse_from_client(data)
            if isinstance(message, PoseUp):
                self._lane.take_pose(key, message, self._now)

    def _messages(self, sequence: int) -> list[bytes]:
        return [self._message(key, sequence) for key in range(self._participants)]

    def _message(self, key: int, sequence: int) -> bytes:
        x, y, z = self._places[key]
        x += self._dice.uniform(-STEP_METRES, STEP_METRES)
        z += self._dice.uniform(-STEP_METRES, STEP_METRES)
        self._places[key] = (x, y, z)
        seat = self._lane.seat_of(key)
        assert seat is not None
        hand = Placed((x + 0.3, y - 0.5, z), UPRIGHT)
        head = Placed((x, y, z), UPRIGHT)
        pose = Pose(seat.slot, seat.generation, sequence & 0xFFFF, 0, head, hand, hand)
        return pose_client.pose(self._lane.coming - 1, encode_pose(pose))

    def _somewhere(self) -> tuple[float, float, float]:
        reach = HALL_METRES
        return self._dice.uniform(-reach, reach), 1.7, self._dice.uniform(-reach, reach)
