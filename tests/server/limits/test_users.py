"""What one user's sockets may do together."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest

from crdt_docs.messages import MessageType
from crdt_docs.pose_fields import Kind
from server.counters import Counters
from server.limits.message_budget import Rates
from server.limits.names import Limit
from server.limits.users import STEP2_PER_MINUTE, OverLimit, Passage, SocketLimits, Users

ADA = UUID(int=1)
BEN = UUID(int=2)


class Crowd:
    """Users on a clock that is turned by hand."""

    def __init__(self, **limits: Any) -> None:
        self.now = 100.0
        self.counters = Counters()
        given = {"connections": 2, "rooms": 3, "all_connections": 5, **limits}
        self.users = Users(
            SocketLimits(Rates(messages=10, bytes=1000, burst=1.0), **given),
            self.counters,
            clock=lambda: self.now,
            most_quiet=10,
        )

    def enter(self, user: UUID = ADA, *, is_service: bool = False) -> Passage:
        return self.users.enter(user, is_service=is_service)


def flood(passage: Passage, size: int = 1) -> int:
    """How many messages are taken at once."""
    return next(count for count in range(10_000) if not passage.take(size))


def test_a_user_has_so_many_sockets_at_once() -> None:
    """LIM-1"""
    crowd = Crowd()
    first, _ = crowd.enter(), crowd.enter()
    with pytest.raises(OverLimit, match="2 connections") as refused:
        crowd.enter()
    assert refused.value.limit is Limit.CONNECTIONS
    assert crowd.counters.limited == {"connections": 1}
    crowd.enter(BEN)
    first.leave()
    crowd.enter()


def test_there_are_so_many_sockets_in_all() -> None:
    """LIM-1, LIM-5"""
    crowd = Crowd()
    sockets = [crowd.enter(uuid4()) for _ in range(4)] + [crowd.enter(is_service=True)]
    for is_service in (False, True):
        with pytest.raises(OverLimit, match="full"):
            crowd.enter(uuid4(), is_service=is_service)
    for socket in sockets:
        socket.leave()
    assert crowd.users.connections == 0
    crowd.enter()


def test_leaving_twice_frees_one_place() -> None:
    crowd = Crowd()
    first, _ = crowd.enter(), crowd.enter()
    first.leave()
    first.leave()
    assert crowd.users.connections == 1
    crowd.enter()
    with pytest.raises(OverLimit):
        crowd.enter()


def test_the_sockets_of_a_user_share_one_budget() -> None:
    """LIM-2"""
    crowd = Crowd()
    first, second = crowd.enter(), crowd.enter()
    assert flood(first) == 10
    assert not second.take(1)
    assert crowd.enter(BEN).take(1)


def test_coming_back_gives_no_new_budget() -> None:
    """LIM-2"""
    crowd = Crowd()
    socket = crowd.enter()
    assert flood(socket) == 10
    socket.leave()
    assert not crowd.enter().take(1)
    crowd.now += 0.5
    assert flood(crowd.enter()) == 5


def test_those_who_have_left_and_are_quiet_are_forgotten() -> None:
    crowd = Crowd(all_connections=1000)
    for _ in range(100):
        socket = crowd.enter(uuid4())
        socket.take(1)
        socket.leave()
    assert len(crowd.users) == 10
    socket = crowd.enter(uuid4())
    socket.leave()
    assert len(crowd.users) == 10, "who sent nothing is not remembered"


def test_a_step_2_costs_nothing() -> None:
    """LIM-3"""
    crowd = Crowd()
    socket = crowd.enter()
    assert socket.take_step2(10_000_000)
    assert flood(socket) == 10


def test_many_step_2_cost_what_other_messages_cost() -> None:
    """LIM-3"""
    crowd = Crowd()
    socket = crowd.enter()
    taken = next(n for n in range(10_000) if not socket.take_step2(1))
    assert taken == STEP2_PER_MINUTE + 10
    crowd.now += 60
    assert socket.take_step2(10_000_000)


def test_a_user_enters_so_many_rooms_a_minute() -> None:
    """LIM-4"""
    crowd = Crowd()
    socket = crowd.enter()
    for _ in range(3):
        socket.enter_room()
    with pytest.raises(OverLimit, match=r"3 rooms a minute; retry in 60 s") as refused:
        crowd.enter().enter_room()
    assert refused.value.limit is Limit.ROOMS
    crowd.enter(BEN).enter_room()
    crowd.now += 60
    socket.enter_room()


def test_services_are_exempt() -> None:
    """LIM-5"""
    crowd = Crowd()
    sockets = [crowd.enter(is_service=True) for _ in range(4)]
    for socket in sockets:
        assert all(socket.take(10_000) for _ in range(100))
        assert all(socket.take_step2(10_000) for _ in range(100))
        for _ in range(10):
            socket.enter_room()
    assert crowd.counters.limited == {}


@pytest.mark.parametrize("frame", [b"\x01\x01\x00", b"\x70\x02\x00", b"\x70\x03\x00"])
def test_presence_poses_and_beats_count_a_quarter(frame: bytes) -> None:
    """LIM-2"""
    socket = Crowd().enter()
    taken = next(n for n in range(1000) if not socket.take_frame(frame, 3))
    assert taken == 37  # the last one begins before the burst is spent


@pytest.mark.parametrize("kind", [Kind.HELLO, Kind.CLAIM, Kind.RELEASE, Kind.FORCE])
def test_what_else_is_said_on_the_pose_lane_counts_like_any_message(kind: Kind) -> None:
    """LIM-2: a claim, a move and a release are an edit."""
    socket = Crowd().enter()
    frame = bytes((MessageType.POSE, kind, 0))
    assert next(n for n in range(1000) if not socket.take_frame(frame, 3)) == 10


def test_messages_are_told_apart_by_their_beginning() -> None:
    """LIM-2, LIM-3"""
    socket = Crowd().enter()
    assert all(socket.take_frame(b"\x00\x01\x02\x00\x00", 5) for _ in range(STEP2_PER_MINUTE))
    taken = next(n for n in range(1000) if not socket.take_frame(b"\x00\x02\x02\x00\x00", 5))
    assert taken == 10
