"""Headsets on the pose lane: what they say is what the server reads, and the other way round."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from random import Random
from time import monotonic_ns

import pytest

from crdt_docs import pose_messages
from crdt_docs.errors import Malformed
from crdt_docs.pose_fields import VERSION
from crdt_docs.pose_messages import (
    NOBODY,
    Claim,
    Denial,
    Deny,
    Device,
    Hello,
    Hold,
    PoseUp,
    Release,
    Welcome,
    parse_from_client,
)
from crdt_docs.poses import HEAD, LEFT, RIGHT, decode_pose, decode_transform
from loadtest.headset import Headset
from loadtest.measures import Measures, Totals
from loadtest.timeline import Timeline
from loadtest.walker import Walker

WELCOME = pose_messages.welcome(Welcome(VERSION, 300, 2, 30, 77, 0))


class Wearer:
    """Keeps what its headset says."""

    def __init__(self) -> None:
        self.client = 123
        self.random = Random(1)
        self.measures = Measures()
        self.measures.begin(0)
        self.timeline = Timeline(monotonic_ns(), lambda *_: None)
        self.unsent = 0
        self.said: list[bytes] = []

    def say(self, message: bytes) -> None:
        """Keep it."""
        self.said.append(message)

    def poses(self) -> list[PoseUp]:
        """Those it said."""
        parsed = [parse_from_client(each) for each in self.said]
        return [each for each in parsed if isinstance(each, PoseUp)]

    def counted(self, name: str) -> int:
        """How many of these."""
        return Totals.merge([self.measures.dump()]).counts[name]


@pytest.fixture
def wearer() -> Wearer:
    """Somebody."""
    return Wearer()


@pytest.fixture
async def headset(wearer: Wearer) -> AsyncIterator[Headset]:
    """One that was welcomed."""
    made = Headset(wearer)
    greeting = asyncio.create_task(made.hello())
    await asyncio.sleep(0)
    made.hear(WELCOME)
    await greeting
    await asyncio.sleep(0)
    yield made
    made.ended(ConnectionError())


async def test_it_says_hello_and_then_where_it_is(wearer: Wearer, headset: Headset) -> None:
    assert parse_from_client(wearer.said[0]) == Hello(VERSION, Device.VR_HEADSET, 123)
    pose = wearer.poses()[0]
    header = pose.header
    assert (pose.ack_tick, header.slot, header.generation) == (77, 300, 2)
    assert header.parts == HEAD | LEFT | RIGHT
    assert (monotonic_ns() // 1_000_000 - header.captured) & 0xFFFF < 10_000
    assert wearer.counted("poses_sent") == 1


async def test_a_desktop_has_no_hands(wearer: Wearer) -> None:
    message = Walker(Random(1), Device.DESKTOP).message(9, 1, 2, sequence=3, captured=4)
    pose = parse_from_client(message)
    assert isinstance(pose, PoseUp)
    assert pose.header == (1, 2, HEAD, 3, 4)
    assert decode_pose(pose.record).left is None


async def test_who_walks_stays_near_its_spot(wearer: Wearer) -> None:
    walker = Walker(Random(1))
    for sequence in (1, 63, 64, 65_535):
        pose = parse_from_client(walker.message(0, 0, 0, sequence=sequence, captured=0))
        assert isinstance(pose, PoseUp)
        x, _, z = decode_pose(pose.record).head.position
        assert abs(x - walker.spot[0]) + abs(z - walker.spot[1]) < 0.2


async def test_what_was_said_before_has_to_be_gone(wearer: Wearer, headset: Headset) -> None:
    wearer.unsent = 1
    headset._move(Walker(Random(1)), monotonic_ns())
    assert len(wearer.poses()) == 1
    assert headset.held_back == 1


async def test_what_is_granted_is_held_until_it_is_released(
    wearer: Wearer, headset: Headset
) -> None:
    claim = asyncio.create_task(headset.claim("chair"))
    await asyncio.sleep(0)
    assert parse_from_client(wearer.said[-1]) == Claim(0, "chair")
    headset.hear(pose_messages.holds([Hold(5, 70_000, 300, 2, "chair")]))
    assert await claim
    headset.hold("chair", 1.0, 2.0, 3.0)
    headset.release("chair")
    (moved,) = wearer.poses()[-1].transforms
    transform = decode_transform(moved.record)
    assert (transform.object_slot, transform.sequence) == (5, 70_000 & 0xFFFF)
    assert transform.position == (1.0, 2.0, 3.0)
    assert parse_from_client(wearer.said[-1]) == Release(5, 70_000)
    assert not headset.holding


async def test_what_is_denied_is_not_held(wearer: Wearer, headset: Headset) -> None:
    claim = asyncio.create_task(headset.claim("chair"))
    await asyncio.sleep(0)
    headset.hear(pose_messages.deny(Deny(Denial.HELD, 8, "chair")))
    assert not await claim
    headset.hold("chair", 1.0, 2.0, 3.0)
    headset.release("chair")
    again = asyncio.create_task(headset.claim("chair"))
    await asyncio.sleep(0)
    assert parse_from_client(wearer.said[-1]) == Claim(8, "chair")
    headset.ended(ConnectionError())
    assert not await again


async def test_what_others_hold_is_not_its_own(headset: Headset) -> None:
    headset.hear(pose_messages.holds([Hold(5, 1, 300, 2, "chair")]))
    assert list(headset.holding) == ["chair"]
    headset.hear(pose_messages.holds([Hold(5, 2, NOBODY, 0, "chair"), Hold(6, 1, 9, 1, "lamp")]))
    assert not headset.holding


async def test_frames_are_acknowledged(wearer: Wearer, headset: Headset) -> None:
    headset.hear(pose_messages.frame(99, 0, []))
    headset._move(Walker(Random(1)), monotonic_ns())
    assert wearer.poses()[-1].ack_tick == 99


async def test_an_end_before_the_welcome_is_told(wearer: Wearer) -> None:
    headset = Headset(wearer)
    greeting = asyncio.create_task(headset.hello())
    await asyncio.sleep(0)
    headset.ended(ConnectionError("gone"))
    with pytest.raises(ConnectionError, match="gone"):
        await greeting


@pytest.mark.parametrize("message", [WELCOME[:-1], b"\x70\x42\x01", b"\x70\x44\x01"])
async def test_what_is_cut_short_is_malformed(headset: Headset, message: bytes) -> None:
    with pytest.raises(Malformed):
        headset.hear(message)
