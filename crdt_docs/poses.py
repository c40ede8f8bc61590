"""Records of the pose lane: where somebody's head and hands are, and where a held object is (POS).

A *record* is the bytes that are sent; the server passes poses on as they came (POS-9).
Layout: `docs/pose-lane.md`, section 2. All numbers are little-endian.

What the server does with each record is done without decoding it: `read_header`,
`head_position_mm` and `head_only` look at a few bytes of one that `record_length` accepted.
"""

from __future__ import annotations

import struct
from math import isfinite
from struct import Struct
from typing import Final, NamedTuple

from crdt_docs.errors import Malformed
from crdt_docs.pose_numbers import (
    FARTHEST_NEAR_MM,
    Millimetres,
    Quaternion,
    Vector,
    from_bits,
    to_bits,
    to_metres,
    to_millimetres,
)

HEAD: Final = 1
LEFT: Final = 2
RIGHT: Final = 4

_HEADER: Final = Struct("<HBBHH")
_POSITION: Final = Struct("<HbHbHb")  # low 16 bits and high 8 of each coordinate
_HEAD: Final = Struct("<HBBHHHbHbHbIH")
_HAND: Final = Struct("<hhhIH")
_TRANSFORM: Final = Struct("<HHBHbHbHbIH")
_SCALE: Final = Struct("<fff")

HEAD_SIZE: Final = _HEAD.size
"""Bytes of a record without hands."""
POSE_SIZES: Final = {
    HEAD: HEAD_SIZE,
    HEAD | LEFT: HEAD_SIZE + _HAND.size,
    HEAD | RIGHT: HEAD_SIZE + _HAND.size,
    HEAD | LEFT | RIGHT: HEAD_SIZE + 2 * _HAND.size,
}
"""Bytes of a pose record, by its parts."""
TRANSFORM_SIZES: Final = {0: _TRANSFORM.size, 1: _TRANSFORM.size + _SCALE.size}
"""Bytes of a transform record, by its parts: 1 is a scale."""

_PARTS_AT: Final = 3
_POSITION_AT: Final = _HEADER.size
_TRANSFORM_PARTS_AT: Final = 4


class Placed(NamedTuple):
    """Where something is, from the room's origin, and how it is turned."""

    position: Vector
    rotation: Quaternion


class Pose(NamedTuple):
    """Where a participant is.

    Attributes:
        slot, generation: whose it is.
        sequence: counts the sender's poses, modulo 65,536.
        captured: the sender's milliseconds, modulo 65,536.
    """

    slot: int
    generation: int
    sequence: int
    captured: int
    head: Placed
    left: Placed | None = None
    right: Placed | None = None


class PoseHeader(NamedTuple):
    """The first eight bytes of a pose record; `parts` is HEAD, and LEFT and RIGHT if they are
    there."""

    slot: int
    generation: int
    parts: int
    sequence: int
    captured: int


class Transform(NamedTuple):
    """Where a held object is.

    Attributes:
        sequence: the lowest 16 bits of the ownership sequence under which it is held.
        scale: None: as it was.
    """

    object_slot: int
    sequence: int
    position: Vector
    rotation: Quaternion
    scale: Vector | None = None


class TransformHeader(NamedTuple):
    """The first five bytes of a transform record; `parts` is 1 with a scale, else 0."""

    object_slot: int
    sequence: int
    parts: int


def is_newer(later: int, earlier: int) -> bool:
    """Whether a 16-bit number that wraps comes after another, the shorter way around (POS-6)."""
    return 0 < (later - earlier) & 0xFFFF < 0x8000


# Pose records.


def record_size(parts: int) -> int:
    """Bytes of a pose record with these parts.

    Raises:
        Malformed: POS-4: there are no such parts, or the head is not among them.
    """
    size = POSE_SIZES.get(parts)
    if size is None:
        raise Malformed(f"a pose has no parts {parts}; 1 is the head, 2 and 4 add hands")
    return size


def record_length(data: bytes, at: int) -> int:
    """How many bytes the pose record at a position takes.

    Raises:
        Malformed: POS-4: it has unknown parts, or the bytes end within it.
    """
    if len(data) - at < _HEADER.size:
        raise Malformed("the bytes end within a pose record")
    size = record_size(data[at + _PARTS_AT])
    if len(data) - at < size:
        raise Malformed(f"a pose record of {size} bytes does not fit in the {len(data) - at} left")
    return size


def read_header(record: bytes) -> PoseHeader:
    """Whose record it is, and when it was made; of one whose length was checked."""
    return PoseHeader._make(_HEADER.unpack_from(record))


def head_position_mm(record: bytes) -> Millimetres:
    """Where the head is; of a record whose length was checked."""
    return _read_position(record, _POSITION_AT)


def head_only(record: bytes) -> bytes:
    """The same record without hands (POS-5)."""
    return record[:_PARTS_AT] + b"\x01" + record[_PARTS_AT + 1 : HEAD_SIZE]


def encode_pose(pose: Pose) -> bytes:
    """Write a pose as a record.

    Raises:
        ValueError: POS-3: it is not finite, is farther away than there is room for, or a number
            does not fit its field.
    """
    head = to_millimetres(pose.head.position)
    parts = HEAD | (LEFT if pose.left else 0) | (RIGHT if pose.right else 0)
    bits = to_bits(pose.head.rotation)
    try:
        written = _HEAD.pack(
            pose.slot, pose.generation, parts, pose.sequence, pose.captured,
            *_split_position(head), *_split_bits(bits),
        )  # fmt: skip
    except struct.error as error:
        raise ValueError(f"a number of the pose does not fit: {error}") from None
    return b"".join(
        [written, *(_encode_hand(hand, head) for hand in (pose.left, pose.right) if hand)]
    )


def decode_pose(record: bytes) -> Pose:
    """Read a record.

    Raises:
        Malformed: POS-4: the bytes are not exactly one pose record.
    """
    if record_length(record, 0) != len(record):
        raise Malformed(f"{len(record)} bytes are more than one pose record")
    slot, generation, parts, sequence, captured = _HEADER.unpack_from(record)
    head_mm = _read_position(record, _POSITION_AT)
    head = Placed(to_metres(head_mm), _read_rotation(record, HEAD_SIZE - 6))
    left = _decode_hand(record, HEAD_SIZE, head_mm) if parts & LEFT else None
    right = _decode_hand(record, len(record) - _HAND.size, head_mm) if parts & RIGHT else None
    return Pose(slot, generation, sequence, captured, head, left, right)


def _encode_hand(hand: Placed, head: Millimetres) -> bytes:
    """A hand, counted from the head as it was written: the two errors do not add up (POS-1)."""
    near = to_millimetres(hand.position, head, FARTHEST_NEAR_MM)
    return _HAND.pack(*near, *_split_bits(to_bits(hand.rotation)))


def _decode_hand(record: bytes, at: int, head: Millimetres) -> Placed:
    x, y, z, low, high = _HAND.unpack_from(record, at)
    position = to_metres((head[0] + x, head[1] + y, head[2] + z))
    return Placed(position, from_bits(high << 32 | low))


# Transform records.


def transform_length(data: bytes, at: int) -> int:
    """How many bytes the transform record at a position takes.

    Raises:
        Malformed: POS-4: it has unknown parts, the bytes end within it, or its scale is not
            finite and above 0.
    """
    if len(data) - at < _TRANSFORM.size:
        raise Malformed("the bytes end within a transform record")
    parts = data[at + _TRANSFORM_PARTS_AT]
    size = TRANSFORM_SIZES.get(parts)
    if size is None:
        raise Malformed(f"a transform has no parts {parts}; 0 is none, 1 a scale")
    if len(data) - at < size:
        raise Malformed(f"a transform of {size} bytes does not fit in the {len(data) - at} left")
    if parts:
        _check_scale(_SCALE.unpack_from(data, at + _TRANSFORM.size))
    return size


def read_transform_header(record: bytes) -> TransformHeader:
    """Which object is meant; of a record whose length was checked."""
    object_slot, sequence = struct.unpack_from("<HH", record)
    return TransformHeader(object_slot, sequence, record[_TRANSFORM_PARTS_AT])


def encode_transform(transform: Transform) -> bytes:
    """Write a transform as a record.

    Raises:
        ValueError: POS-3: it is not finite, is farther away than there is room for, a scale is not
            above 0, or a number does not fit its field.
    """
    position = to_millimetres(transform.position)
    bits = to_bits(transform.rotation)
    try:
        written = _TRANSFORM.pack(
            transform.object_slot, transform.sequence, 0 if transform.scale is None else 1,
            *_split_position(position), *_split_bits(bits),
        )  # fmt: skip
    except struct.error as error:
        raise ValueError(f"a number of the transform does not fit: {error}") from None
    return written if transform.scale is None else written + _encode_scale(transform.scale)


def decode_transform(record: bytes) -> Transform:
    """Read a record.

    Raises:
        Malformed: POS-4: the bytes are not exactly one transform record.
    """
    if transform_length(record, 0) != len(record):
        raise Malformed(f"{len(record)} bytes are more than one transform record")
    object_slot, sequence, parts = read_transform_header(record)
    position = to_metres(_read_position(record, _TRANSFORM_PARTS_AT + 1))
    rotation = _read_rotation(record, _TRANSFORM.size - 6)
    scale: Vector | None = _SCALE.unpack_from(record, _TRANSFORM.size) if parts else None
    return Transform(object_slot, sequence, position, rotation, scale)


def _encode_scale(scale: Vector) -> bytes:
    """Three 32-bit floats. What is too small for one would be read as 0: it is refused, too."""
    try:
        written = _SCALE.pack(*scale)
    except (OverflowError, struct.error):
        raise ValueError(f"{scale} is no scale: a number does not fit in 32 bits") from None
    if not _is_scale(_SCALE.unpack(written)):
        raise ValueError(f"{scale} is no scale: its numbers have to be finite and above 0")
    return written


def _check_scale(scale: Vector) -> None:
    if not _is_scale(scale):
        raise Malformed("the numbers of a scale have to be finite and above 0")


def _is_scale(scale: Vector) -> bool:
    return all(factor > 0.0 and isfinite(factor) for factor in scale)


# What both are made of.


def _split_position(position: Millimetres) -> tuple[int, int, int, int, int, int]:
    x, y, z = position
    return x & 0xFFFF, x >> 16, y & 0xFFFF, y >> 16, z & 0xFFFF, z >> 16


def _read_position(record: bytes, at: int) -> Millimetres:
    x, x_high, y, y_high, z, z_high = _POSITION.unpack_from(record, at)
    return x_high << 16 | x, y_high << 16 | y, z_high << 16 | z


def _split_bits(bits: int) -> tuple[int, int]:
    return bits & 0xFFFFFFFF, bits >> 32


def _read_rotation(record: bytes, at: int) -> Quaternion:
    low, high = struct.unpack_from("<IH", record, at)
    return from_bits(high << 32 | low)
