"""Somebody with a headset in a hall: where it is, written before it is needed."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from random import Random
from struct import Struct
from typing import Final

from crdt_docs import pose_client
from crdt_docs.pose_messages import Device
from crdt_docs.pose_numbers import Quaternion
from crdt_docs.poses import HEAD, LEFT, RIGHT, Placed, Pose, encode_pose

HALL_METRES: Final = 20.0
"""From its middle to each side."""

SWAY_METRES: Final = 0.1
STEPS: Final = 64
"""Poses in one round of swaying."""

UPRIGHT: Final[Quaternion] = (0.0, 0.0, 0.0, 1.0)

_FIELDS: Final = Struct("<IHBBHH")
"""Of a pose message, after type and kind: ack tick, slot, generation, parts, sequence, time."""
_FIELDS_AT: Final = 2


class Walker:
    """Somebody who stands in the hall and sways: so who is near whom stays as it is."""

    def __init__(self, dice: Random, device: Device = Device.VR_HEADSET) -> None:
        self.spot = dice.uniform(-HALL_METRES, HALL_METRES), dice.uniform(-HALL_METRES, HALL_METRES)
        self._has_hands = device is Device.VR_HEADSET
        self._parts = HEAD | LEFT | RIGHT if self._has_hands else HEAD
        self._messages = [bytearray(pose_client.pose(0, record)) for record in self._records()]

    def _records(self) -> Iterator[bytes]:
        for step in range(STEPS):
            angle = math.tau * step / STEPS
            x = self.spot[0] + SWAY_METRES * math.cos(angle)
            z = self.spot[1] + SWAY_METRES * math.sin(angle)
            hand = Placed((x + 0.3, 1.2, z), UPRIGHT) if self._has_hands else None
            yield encode_pose(Pose(0, 0, 0, 0, Placed((x, 1.7, z), UPRIGHT), hand, hand))

    def message(
        self,
        ack: int,
        slot: int,
        generation: int,
        *,
        sequence: int,
        captured: int,
        transforms: Sequence[bytes] = (),
    ) -> bytes:
        """The next pose, as a message.

        Args:
            captured: milliseconds, modulo 65,536; so is `sequence`.
            transforms: records of what it holds.
        """
        message = self._messages[sequence % STEPS]
        fields = (ack, slot, generation, self._parts, sequence, captured)
        _FIELDS.pack_into(message, _FIELDS_AT, *fields)
        if not transforms:
            return bytes(message)
        return b"".join((message[:-1], bytes((len(transforms),)), *transforms))
