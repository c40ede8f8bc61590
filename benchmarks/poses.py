"""What the pose lane's bytes cost in this process, without a socket.

`python -m benchmarks poses` prints these alone. The server reads what comes in, looks at heads to
see who is near, and writes frames; writing and reading poses is what clients do.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Final

from benchmarks.report import Row
from benchmarks.scale import Scale
from benchmarks.timing import cost_each
from crdt_docs import pose_client, pose_messages, poses
from crdt_docs.pose_numbers import Quaternion, Vector
from crdt_docs.poses import Placed, Pose, Transform

CROWD: Final = 50
"""Records in a frame, each with a head and two hands."""


def measure(scale: Scale) -> Iterator[Row]:
    """The server's side, then that of clients."""
    people = list(_people(scale.pick(9_000, 90)))
    records = [poses.encode_pose(pose) for pose in people]
    yield from _server(records)
    yield Row("write a pose of head and hands", cost_each(poses.encode_pose, people), "us")
    yield Row("read one", cost_each(poses.decode_pose, records), "us")


def _server(records: list[bytes]) -> Iterator[Row]:
    moved = poses.encode_transform(Transform(3, 4, (1.0, 2.0, 3.0), (0.0, 0.0, 0.0, 1.0)))
    parse = pose_messages.parse_from_client
    sent = [pose_client.pose(9, record) for record in records]
    yield Row("message: parse a pose of head and hands", cost_each(parse, sent), "us")
    holding = [pose_client.pose(9, record, [moved]) for record in records]
    yield Row("message: parse one with a held object", cost_each(parse, holding), "us")
    yield Row("record: where the head is", cost_each(poses.head_position_mm, records), "us")
    yield Row("record: the head without hands", cost_each(poses.head_only, records), "us")
    crowds = [records[start : start + CROWD] for start in range(len(records) - CROWD)]
    yield Row(
        f"frame: {CROWD} records",
        cost_each(lambda crowd: pose_messages.frame(1, 2, crowd), crowds),
        "us",
        details={"bytes": len(pose_messages.frame(1, 2, crowds[0]))},
    )


def _people(count: int) -> Iterator[Pose]:
    """People in a hall, their hands before them."""
    dice = random.Random(0)
    for number in range(count):
        head = _somewhere(dice, (0.0, 1.7, 0.0), 20.0)
        left, right = (_placed(dice, head, 0.6) for _ in range(2))
        yield Pose(number, 1, number, number, Placed(head, _turned(dice)), left, right)


def _placed(dice: random.Random, near: Vector, reach: float) -> Placed:
    return Placed(_somewhere(dice, near, reach), _turned(dice))


def _somewhere(dice: random.Random, near: Vector, reach: float) -> Vector:
    x, y, z = (axis + dice.uniform(-reach, reach) for axis in near)
    return x, y, z


def _turned(dice: random.Random) -> Quaternion:
    x, y, z, w = (dice.gauss(0.0, 1.0) for _ in range(4))
    return x, y, z, w
