"""How old the poses of those are who are near."""

from __future__ import annotations

import pytest

from crdt_docs.errors import Malformed
from crdt_docs.pose_messages import frame
from crdt_docs.poses import Placed, Pose, encode_pose, head_only
from loadtest.sightings import NEAREST, SAMPLED, Sightings

MS = 1_000_000
NOW = 200_000 * MS
"""Captured times have wrapped three times by then."""

OWN = 500


def record(slot: int, sequence: int, age: int, *, x: float = 0.0, hands: bool = True) -> bytes:
    """Of somebody who was captured so many milliseconds ago."""
    place = Placed((x, 1.7, 0.0), (0.0, 0.0, 0.0, 1.0))
    hand = place if hands else None
    captured = (NOW // MS - age) & 0xFFFF
    return encode_pose(Pose(slot, 1, sequence, captured, place, hand, hand))


def ages(seen: Sightings, *records: bytes) -> list[int]:
    """Milliseconds, of the next frame that is looked at."""
    message = frame(1, 2, records)
    found: list[int] = []
    for _ in range(SAMPLED):
        found += [age // MS for age in seen.ages(message, len(records), OWN, NOW)]
    return found


def test_ages_are_of_one_in_some_frames() -> None:
    assert ages(Sightings((0, 0)), record(1, 1, 20), record(2, 1, 40, hands=False)) == [20, 40]


def test_ones_own_pose_has_no_age() -> None:
    assert ages(Sightings((0, 0)), record(OWN, 1, 20), record(1, 1, 30)) == [30]


def test_the_same_pose_with_more_parts_is_no_new_one() -> None:
    seen = Sightings((0, 0))
    pose = record(1, 65_535, 20)
    assert ages(seen, head_only(pose)) == [20]
    assert ages(seen, pose) == []
    assert ages(seen, record(1, 0, 10)) == [10]
    assert ages(seen, record(1, 65_534, 60)) == []


def test_only_the_nearest_count() -> None:
    seen = Sightings((100.0, 0.0))
    crowd = [record(slot, 1, slot, x=float(slot)) for slot in range(101)]
    assert ages(seen, *crowd) == list(range(101 - NEAREST, 101))


def test_a_capture_a_little_ahead_is_now() -> None:
    assert ages(Sightings((0, 0)), record(1, 1, -1)) == [0]


@pytest.mark.parametrize("cut", [1, 40])
def test_a_frame_that_is_cut_short_is_malformed(cut: int) -> None:
    message = frame(1, 2, [record(1, 1, 20)])[:-cut]
    with pytest.raises(Malformed):
        list(Sightings((0, 0)).ages(message, 2, OWN, NOW))
