"""Headsets that put a load on a server, and the plain relay beside it."""

from __future__ import annotations

import random
import select
import socket

from benchmarks.headset_client import Address, HeadsetClient, poses_in
from benchmarks.headsets import Relay
from benchmarks.scale import Scale
from crdt_docs.pose_messages import PoseUp, frame, parse_from_client
from crdt_docs.poses import head_only
from loadtest import wire
from loadtest.walker import Walker


def said(walker: Walker, slot: int, sequence: int) -> PoseUp:
    """What the server reads of what somebody sends."""
    message = parse_from_client(walker.message(9, slot, 2, sequence=sequence, captured=0))
    assert isinstance(message, PoseUp)
    return message


def test_the_poses_in_a_frame_are_found_whatever_parts_they_have() -> None:
    walker = Walker(random.Random(1))
    records = [said(walker, slot, slot + 7).record for slot in range(3)]
    records[1] = head_only(records[1])
    assert list(poses_in(frame(5, 6, records))) == [(0, 7), (1, 8), (2, 9)]
    assert list(poses_in(walker.message(0, 4, 0, sequence=5, captured=0))) == [(4, 5)]


def test_pings_are_answered() -> None:
    """Whoever answers none is sent away, after 40 s: in the middle of a long run."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = Address(listener.getsockname()[1], "/", is_relay=True)
        client = HeadsetClient(0, address, Walker(random.Random(1)), lambda *_: None)
        peer, _ = listener.accept()
        with peer, client.sock:
            client.flush()
            assert peer.recv(4096).endswith(b"\r\n\r\n")
            peer.sendall(b"HTTP/1.1 101 Switching Protocols\r\n\r\n\x89\x04ping")
            select.select([client.sock], [], [], 10)
            client.read()
            assert client.is_there
            assert peer.recv(4096) == wire.frame(b"ping", wire.PONG)


def test_what_is_relayed_arrives_at_everybody() -> None:
    with Relay() as relay:
        course = relay.crowd(4, Scale(is_quick=True))
    assert course.headsets == 4
    assert course.held_back == 0
    assert 2 * course.sent < course.records <= 8 * course.sent
    assert course.ages.percentile(0.5) > 0
