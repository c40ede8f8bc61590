"""What must hold of every message of the pose lane, in either direction (POS-2, POS-4, POS-7).

What is read and written again is the same bytes; every record in it is a pose or a transform.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from crdt_docs import pose_client, pose_messages, poses
from crdt_docs.errors import Malformed
from crdt_docs.pose_messages import (
    Beat,
    Bye,
    Claim,
    Deny,
    Force,
    Frame,
    FromClient,
    FromServer,
    Hello,
    Holds,
    PoseUp,
    Release,
    Roster,
    Welcome,
)
from crdt_docs.pose_numbers import Quaternion
from crdt_docs.poses import Placed
from tests.crdt_docs.pose_vectors import VECTORS


def check_pose_message(data: bytes) -> None:
    """The target: one frame of type 112. Those of a client are none of the server."""
    up, down = _up(data), _down(data)
    assert up is None or down is None
    if isinstance(up, PoseUp):
        _check_pose(up.record)
        assert poses.read_header(up.record) == up.header
        for moved in up.transforms:
            _check_transform(moved.record)
    if isinstance(down, Frame):
        for record in down.records:
            _check_pose(record)
        for record in down.transforms:
            _check_transform(record)


def seeds() -> Iterator[bytes]:
    """The messages that every codec is held to."""
    for name in ("from_client", "from_server", "malformed_from_server"):
        for vector in VECTORS[name]:
            yield bytes.fromhex(vector["frame"])


def _up(data: bytes) -> FromClient | None:
    try:
        message = pose_messages.parse_from_client(data)
    except Malformed:
        return None
    assert _written_up(message) == data
    return message


def _down(data: bytes) -> FromServer | None:
    try:
        message = pose_client.parse_from_server(data)
    except Malformed:
        return None
    assert _written_down(message) == data
    return message


def _written_up(message: FromClient) -> bytes:  # noqa: PLR0911 - one for each kind
    match message:
        case Hello():
            return pose_client.hello(message)
        case PoseUp(ack_tick, _, record, transforms):
            return pose_client.pose(ack_tick, record, [moved.record for moved in transforms])
        case Beat():
            return pose_client.beat(message)
        case Claim():
            return pose_client.claim(message)
        case Release():
            return pose_client.release(message)
        case Force():
            return pose_client.force(message)
        case Bye():
            return pose_client.BYE


def _written_down(message: FromServer) -> bytes:
    match message:
        case Welcome():
            return pose_messages.welcome(message)
        case Frame():
            return pose_messages.frame(*message)
        case Roster(entries):
            return pose_messages.roster(entries)
        case Holds(entries):
            return pose_messages.holds(entries)
        case Deny():
            return pose_messages.deny(message)


def _check_pose(record: bytes) -> None:
    pose = poses.decode_pose(record)
    again = poses.decode_pose(poses.encode_pose(pose))
    assert again[:4] == pose[:4]
    assert _are_alike((again.head, again.left, again.right), (pose.head, pose.left, pose.right))
    alone = poses.decode_pose(poses.head_only(record))
    assert alone == pose._replace(left=None, right=None)


def _check_transform(record: bytes) -> None:
    moved = poses.decode_transform(record)
    again = poses.decode_transform(poses.encode_transform(moved))
    assert again._replace(rotation=moved.rotation) == moved
    assert _is_near(again.rotation, moved.rotation)


def _are_alike(one: tuple[Placed | None, ...], other: tuple[Placed | None, ...]) -> bool:
    return all(
        a is b is None
        or (
            a is not None
            and b is not None
            and a.position == b.position
            and _is_near(a.rotation, b.rotation)
        )
        for a, b in zip(one, other, strict=True)
    )


def _is_near(one: Quaternion, other: Quaternion) -> bool:
    """Both of length 1, and 0.02 degrees apart at most; a sign makes no difference."""
    assert abs(math.hypot(*one) - 1.0) < 1e-12
    opposite = tuple(-component for component in other)
    return min(math.dist(one, other), math.dist(one, opposite)) <= math.radians(0.01)
