"""POS-1 to POS-6: records of poses and of held objects."""

from __future__ import annotations

import math
import random
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crdt_docs import poses
from crdt_docs.errors import Malformed
from crdt_docs.pose_numbers import Quaternion, Vector, from_bits, to_bits
from crdt_docs.poses import Placed, Pose, PoseHeader, Transform, TransformHeader
from tests.crdt_docs.pose_vectors import VECTORS, pose_of, transform_of
from tests.helpers.proving import few_or_many

HALF_A_MILLIMETRE = 0.0005 + 1e-9  # and what 64 bits make of a product with 1,000
IDENTITY: Quaternion = (0.0, 0.0, 0.0, 1.0)
HERE = Placed((0.0, 0.0, 0.0), IDENTITY)


def degrees_between(one: Quaternion, other: Quaternion) -> float:
    """The angle between two rotations, exact also where it is small; a sign makes no difference."""
    length = math.dist(one, (0, 0, 0, 0))
    unit = tuple(component / length for component in one)
    near = min(math.dist(unit, other), math.dist(unit, tuple(-each for each in other)))
    return math.degrees(4.0 * math.asin(min(1.0, near / 2.0)))


def random_rotation(dice: random.Random) -> Quaternion:
    """Of all rotations, each as likely as any other."""
    x, y, z, w = (dice.gauss(0.0, 1.0) for _ in range(4))
    return x, y, z, w


def coordinates(reach: float) -> st.SearchStrategy[Vector]:
    axis = st.floats(-reach, reach)
    return st.tuples(axis, axis, axis)


rotations = st.tuples(*[st.floats(-1.0, 1.0)] * 4).filter(any)


@st.composite
def pose_values(draw: st.DrawFn) -> Pose:
    def hand() -> Placed | None:
        if draw(st.booleans()):
            return None
        x, y, z = (a + b for a, b in zip(head, draw(coordinates(32.76)), strict=True))
        return Placed((x, y, z), draw(rotations))

    head = draw(coordinates(8_000.0))
    return Pose(
        slot=draw(st.integers(0, 0xFFFF)),
        generation=draw(st.integers(0, 0xFF)),
        sequence=draw(st.integers(0, 0xFFFF)),
        captured=draw(st.integers(0, 0xFFFF)),
        head=Placed(head, draw(rotations)),
        left=hand(),
        right=hand(),
    )


def assert_placed_near(read: Placed | None, written: Placed | None) -> None:
    if read is None or written is None:
        assert read is written
        return
    for axis, other in zip(read.position, written.position, strict=True):
        assert abs(axis - other) <= HALF_A_MILLIMETRE
    assert degrees_between(written.rotation, read.rotation) <= 0.02


# Numbers.


@given(pose_values())
def test_pos_1_pos_2_a_pose_reads_back_within_half_a_millimetre_and_0_02_degrees(
    pose: Pose,
) -> None:
    read = poses.decode_pose(poses.encode_pose(pose))
    assert read[:4] == pose[:4]
    assert_placed_near(read.head, pose.head)
    assert_placed_near(read.left, pose.left)
    assert_placed_near(read.right, pose.right)


def test_pos_1_errors_of_head_and_hand_do_not_add_up() -> None:
    pose = Pose(0, 0, 0, 0, Placed((0.0004, 0, 0), IDENTITY), Placed((0.5008, 0, 0), IDENTITY))
    read = poses.decode_pose(poses.encode_pose(pose))
    assert read.left is not None
    assert read.left.position[0] == 0.501


@pytest.mark.parametrize(
    ("metres", "millimetres"),
    [(0.0005, 1), (-0.0005, -1), (0.0015, 2), (-0.0015, -2), (0.0004, 0), (8388.607, 0x7FFFFF)],
)
def test_pos_1_half_a_millimetre_is_rounded_away_from_zero(metres: float, millimetres: int) -> None:
    record = poses.encode_pose(Pose(0, 0, 0, 0, Placed((0.0, metres, 0.0), IDENTITY)))
    assert poses.head_position_mm(record) == (0, millimetres, 0)


def test_pos_2_the_worst_of_many_rotations_is_within_0_02_degrees() -> None:
    dice = random.Random(48)
    count = few_or_many(4_000, 200_000)
    worst = 0.0
    for _ in range(count):
        rotation = random_rotation(dice)
        worst = max(worst, degrees_between(rotation, from_bits(to_bits(rotation))))
    print(f"worst of {count:,} random rotations: {worst:.5f} degrees")  # noqa: T201 - measured
    assert worst <= 0.02


@given(st.integers(0, 2**48 - 1))
def test_pos_2_any_bits_are_a_unit_quaternion(bits: int) -> None:
    read = from_bits(bits)
    assert math.dist(read, (0, 0, 0, 0)) == pytest.approx(1.0, abs=1e-15)
    assert degrees_between(read, from_bits(to_bits(read))) <= 0.02
    assert read == from_bits(bits | 1 << 47) == from_bits(bits & ~(1 << 47))


def test_pos_2_a_count_beyond_the_last_reads_as_the_last() -> None:
    assert from_bits(0x7FFF) == from_bits(0x7FFE)


@pytest.mark.parametrize("vector", VECTORS["rotations"], ids=lambda each: each["name"])
def test_pos_2_rotations_have_these_bits(vector: dict[str, Any]) -> None:
    x, y, z, w = vector["rotation"]
    assert f"{to_bits((x, y, z, w)):012x}" == vector["bits"]
    assert from_bits(int(vector["bits"], 16)) == tuple(vector["read"])


@pytest.mark.parametrize("vector", VECTORS["bits"], ids=lambda each: each["bits"])
def test_pos_2_bits_that_nobody_writes_read_as_these_rotations(vector: dict[str, Any]) -> None:
    assert from_bits(int(vector["bits"], 16)) == tuple(vector["read"])


# Records.


@pytest.mark.parametrize("vector", VECTORS["poses"], ids=lambda each: each["name"])
def test_pos_4_poses_have_these_bytes(vector: dict[str, Any]) -> None:
    record = bytes.fromhex(vector["record"])
    assert poses.encode_pose(pose_of(vector["pose"])) == record
    assert poses.decode_pose(record) == pose_of(vector["read"])


@pytest.mark.parametrize("vector", VECTORS["transforms"], ids=lambda each: each["name"])
def test_pos_4_transforms_have_these_bytes(vector: dict[str, Any]) -> None:
    record = bytes.fromhex(vector["record"])
    assert poses.encode_transform(transform_of(vector["transform"])) == record
    assert poses.decode_transform(record) == transform_of(vector["read"])


def test_pos_4_records_have_these_sizes() -> None:
    whole = Pose(1, 2, 3, 4, HERE, HERE, HERE)
    sizes = [
        len(poses.encode_pose(pose))
        for pose in (whole._replace(left=None, right=None), whole._replace(left=None), whole)
    ]
    assert sizes == [23, 35, 47]
    assert [poses.record_size(parts) for parts in (1, 3, 5, 7)] == [23, 35, 35, 47]
    assert poses.TRANSFORM_SIZES == {0: 20, 1: 32}


@given(pose_values())
def test_what_the_server_looks_at_is_what_is_read(pose: Pose) -> None:
    record = poses.encode_pose(pose)
    read = poses.decode_pose(record)
    parts = 1 | (2 if pose.left else 0) | (4 if pose.right else 0)
    assert poses.read_header(record) == PoseHeader(
        pose.slot, pose.generation, parts, pose.sequence, pose.captured
    )
    x, y, z = poses.head_position_mm(record)
    assert (x / 1000, y / 1000, z / 1000) == read.head.position
    assert poses.record_length(b"before" + record + b"behind", 6) == len(record)


@given(pose_values())
def test_pos_5_a_record_without_its_hands(pose: Pose) -> None:
    record = poses.encode_pose(pose)
    assert poses.head_only(record) == poses.encode_pose(pose._replace(left=None, right=None))


@given(st.binary(max_size=60))
def test_pos_4_any_bytes_are_a_record_or_malformed(data: bytes) -> None:
    try:
        pose = poses.decode_pose(data)
    except Malformed:
        return
    assert_same_pose(pose)


@given(st.sampled_from([1, 3, 5, 7]), st.data())
def test_pos_4_a_record_with_known_parts_means_the_same_when_it_is_written_again(
    parts: int, data: st.DataObject
) -> None:
    length = poses.record_size(parts) - 1
    rest = data.draw(st.binary(min_size=length, max_size=length))
    assert_same_pose(poses.decode_pose(rest[:3] + bytes((parts,)) + rest[3:]))


def assert_same_pose(pose: Pose) -> None:
    read = poses.decode_pose(poses.encode_pose(pose))
    assert read[:4] == pose[:4]
    for one, other in zip(read[4:], pose[4:], strict=True):
        assert (one is None) == (other is None)
        if isinstance(one, Placed) and isinstance(other, Placed):
            assert one.position == other.position
            assert degrees_between(other.rotation, one.rotation) <= 0.02


@given(st.binary(max_size=40))
def test_pos_4_any_bytes_are_a_transform_or_malformed(data: bytes) -> None:
    try:
        transform = poses.decode_transform(data)
    except Malformed:
        return
    read = poses.decode_transform(poses.encode_transform(transform))
    assert read._replace(rotation=IDENTITY) == transform._replace(rotation=IDENTITY)
    assert degrees_between(transform.rotation, read.rotation) <= 0.02


@given(
    st.integers(0, 0xFFFF),
    st.integers(0, 0xFFFF),
    coordinates(8_388.0),
    rotations,
    st.none() | st.tuples(*[st.floats(2.0**-140, 2.0**120, width=32)] * 3),
)
def test_pos_1_a_transform_reads_back(
    slot: int, sequence: int, position: Vector, rotation: Quaternion, scale: Vector | None
) -> None:
    record = poses.encode_transform(Transform(slot, sequence, position, rotation, scale))
    read = poses.decode_transform(record)
    assert (read.object_slot, read.sequence, read.scale) == (slot, sequence, scale)
    assert_placed_near(Placed(read.position, read.rotation), Placed(position, rotation))
    assert poses.read_transform_header(record) == TransformHeader(
        slot, sequence, 0 if scale is None else 1
    )


# What is refused.

NOWHERE = (math.nan, math.inf, -math.inf, 8388.6076, -8388.6086, 1e300)


@pytest.mark.parametrize("wrong", NOWHERE)
def test_pos_3_a_position_that_does_not_fit_is_not_written(wrong: float) -> None:
    nowhere = Placed((0.0, wrong, 0.0), IDENTITY)
    with pytest.raises(ValueError, match=r"coordinate|farther"):
        poses.encode_pose(Pose(0, 0, 0, 0, nowhere))
    with pytest.raises(ValueError, match=r"coordinate|farther"):
        poses.encode_pose(Pose(0, 0, 0, 0, HERE, right=nowhere))
    with pytest.raises(ValueError, match=r"coordinate|farther"):
        poses.encode_transform(Transform(0, 0, nowhere.position, IDENTITY))


def test_pos_3_a_hand_beyond_reach_is_not_written() -> None:
    with pytest.raises(ValueError, match="farther"):
        poses.encode_pose(Pose(0, 0, 0, 0, HERE, Placed((32.768, 0.0, 0.0), IDENTITY)))


@pytest.mark.parametrize("rotation", [(0.0,) * 4, (math.nan, 0, 0, 1), (0, math.inf, 0, 0)])
def test_pos_3_what_has_no_direction_is_not_written(rotation: Quaternion) -> None:
    with pytest.raises(ValueError, match="rotation"):
        poses.encode_pose(Pose(0, 0, 0, 0, Placed((0.0, 0.0, 0.0), rotation)))
    with pytest.raises(ValueError, match="rotation"):
        poses.encode_transform(Transform(0, 0, (0.0, 0.0, 0.0), rotation))


@pytest.mark.parametrize("scale", [0.0, -1.0, math.nan, math.inf, 1e39, 1e-60])
def test_pos_3_a_scale_that_makes_nothing_of_an_object_is_not_written(scale: float) -> None:
    with pytest.raises(ValueError, match="scale"):
        poses.encode_transform(Transform(0, 0, (0.0, 0.0, 0.0), IDENTITY, (1.0, scale, 1.0)))


@pytest.mark.parametrize(
    "wrong",
    [{"slot": 0x10000}, {"slot": -1}, {"generation": 256}, {"sequence": -1}, {"captured": 65536}],
)
def test_pos_3_a_number_too_large_for_its_field_is_not_written(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="does not fit"):
        poses.encode_pose(Pose(0, 0, 0, 0, HERE)._replace(**wrong))


def test_pos_3_a_transform_with_a_number_too_large_is_not_written() -> None:
    with pytest.raises(ValueError, match="does not fit"):
        poses.encode_transform(Transform(0x10000, 0, (0.0, 0.0, 0.0), IDENTITY))


WHOLE = poses.encode_pose(Pose(1, 2, 3, 4, HERE, HERE, HERE))


@pytest.mark.parametrize("parts", sorted({*range(16), 128, 255} - {1, 3, 5, 7}))
def test_pos_4_unknown_parts_are_malformed(parts: int) -> None:
    wrong = WHOLE[:3] + bytes((parts,)) + WHOLE[4:]
    with pytest.raises(Malformed, match=f"no parts {parts};"):
        poses.decode_pose(wrong)
    with pytest.raises(Malformed, match=f"no parts {parts};"):
        poses.record_size(parts)


def test_pos_4_other_lengths_are_malformed() -> None:
    for length in range(len(WHOLE)):
        with pytest.raises(Malformed, match=r"end within|does not fit"):
            poses.decode_pose(WHOLE[:length])
    with pytest.raises(Malformed, match="more than one"):
        poses.decode_pose(WHOLE + b"\x00")


SCALED = poses.encode_transform(Transform(1, 2, (0.0, 0.0, 0.0), IDENTITY, (1.0, 1.0, 1.0)))


def test_pos_4_other_lengths_and_parts_of_a_transform_are_malformed() -> None:
    for length in range(len(SCALED)):
        with pytest.raises(Malformed, match=r"end within|does not fit"):
            poses.decode_transform(SCALED[:length])
    with pytest.raises(Malformed, match="more than one"):
        poses.decode_transform(SCALED + b"\x00")
    with pytest.raises(Malformed, match="no parts 2;"):
        poses.decode_transform(SCALED[:4] + b"\x02" + SCALED[5:])


@pytest.mark.parametrize("scale", [0.0, -0.0, -1.0, math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("axis", range(3))
def test_pos_4_a_scale_that_makes_nothing_of_an_object_is_malformed(
    scale: float, axis: int
) -> None:
    wrong = bytearray(SCALED)
    struct.pack_into("<f", wrong, 20 + 4 * axis, scale)
    with pytest.raises(Malformed, match="scale"):
        poses.decode_transform(bytes(wrong))


@pytest.mark.parametrize(("later", "earlier", "is_newer"), VECTORS["sequences"])
def test_pos_6_sequences_are_compared_over_the_shorter_way(
    later: int, earlier: int, *, is_newer: bool
) -> None:
    assert poses.is_newer(later, earlier) is is_newer
