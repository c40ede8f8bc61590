"""People with headsets in a hall: where each is, written before it is needed."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from struct import Struct
from typing import Final

from crdt_docs import pose_client
from crdt_docs.poses import HEAD, LEFT, RIGHT, Placed, Pose, encode_pose

HALL_METRES: Final = 20.0
"""From its middle to each side."""

SWAY_METRES: Final = 0.1
STEPS: Final = 64
"""Poses in one round of swaying."""

PARTS: Final = HEAD | LEFT | RIGHT
_FIELDS: Final = Struct("<IHBBHH")
"""Of a pose message, after type and kind: ack tick, slot, generation, parts, sequence, time."""
_FIELDS_AT: Final = 2

_UPRIGHT: Final = (0.0, 0.0, 0.0, 1.0)


class Walker:
    """Somebody who stands in the hall and sways: so who is near whom stays as it is."""

    def __init__(self, dice: random.Random) -> None:
        reach = HALL_METRES
        self.spot = dice.uniform(-reach, reach), dice.uniform(-reach, reach)
        self._messages = [bytearray(pose_client.pose(0, record)) for record in self._records()]

    def _records(self) -> Iterator[bytes]:
        for step in range(STEPS):
            angle = 2 * math.pi * step / STEPS
            x = self.spot[0] + SWAY_METRES * math.cos(angle)
            z = self.spot[1] + SWAY_METRES * math.sin(angle)
            hand = Placed((x + 0.3, 1.2, z), _UPRIGHT)
            yield encode_pose(Pose(0, 0, 0, 0, Placed((x, 1.7, z), _UPRIGHT), hand, hand))

    def message(self, ack: int, slot: int, generation: int, sequence: int) -> bytes:
        """The next pose."""
        message = self._messages[sequence % STEPS]
        captured = sequence * 33 & 0xFFFF
        fields = (ack, slot, generation, PARTS, sequence & 0xFFFF, captured)
        _FIELDS.pack_into(message, _FIELDS_AT, *fields)
        return bytes(message)

    def distance(self, other: Walker) -> float:
        """Metres to somebody else."""
        return math.dist(self.spot, other.spot)
