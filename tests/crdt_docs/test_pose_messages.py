"""POS-7 to POS-9: messages of the pose lane, in both directions."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crdt_docs import messages, pose_client, pose_messages, poses
from crdt_docs.errors import Malformed
from crdt_docs.pose_client import parse_from_server
from crdt_docs.pose_fields import VERSION, Kind
from crdt_docs.pose_messages import (
    Beat,
    Bye,
    Claim,
    Denial,
    Deny,
    Device,
    Force,
    Frame,
    FromClient,
    FromServer,
    Hello,
    Hold,
    Holds,
    PoseUp,
    Presence,
    Release,
    Roster,
    RosterEntry,
    TransformUp,
    Welcome,
    parse_from_client,
)
from tests.crdt_docs.pose_vectors import VECTORS

POSES = [bytes.fromhex(vector["record"]) for vector in VECTORS["poses"]]
TRANSFORMS = [bytes.fromhex(vector["record"]) for vector in VECTORS["transforms"]]

u8 = st.integers(0, 0xFF)
u16 = st.integers(0, 0xFFFF)
u32 = st.integers(0, 0xFFFFFFFF)
client_ids = st.integers(0, 2**53 - 1)
devices = st.sampled_from(Device)
object_ids = st.text(st.characters(codec="utf-8"), min_size=1, max_size=32)
records = st.sampled_from(POSES)
transforms = st.sampled_from(TRANSFORMS)


# Written and read.


@given(client_ids, devices)
def test_a_hello_reads_back(client_id: int, device: Device) -> None:
    hello = Hello(VERSION, device, client_id)
    assert parse_from_client(pose_client.hello(hello)) == hello


@given(u32, records, st.lists(transforms, max_size=255))
def test_a_pose_reads_back_as_the_bytes_that_came(
    ack: int, record: bytes, moved: list[bytes]
) -> None:
    read = parse_from_client(pose_client.pose(ack, record, moved))
    assert read == PoseUp(
        ack,
        poses.read_header(record),
        record,
        tuple(TransformUp(*poses.read_transform_header(each)[:2], each) for each in moved),
    )


@given(u32, u16, object_ids)
def test_what_else_clients_send_reads_back(number: int, slot: int, object_id: str) -> None:
    written = [
        (Beat(number), pose_client.beat(Beat(number))),
        (Claim(number, object_id), pose_client.claim(Claim(number, object_id))),
        (Release(slot, number), pose_client.release(Release(slot, number))),
        (Force(object_id), pose_client.force(Force(object_id))),
        (Bye(), pose_client.BYE),
    ]
    assert [parse_from_client(frame) for _, frame in written] == [each for each, _ in written]


@given(st.builds(Welcome, st.just(VERSION), u16, u8, u8, u32, u32))
def test_a_welcome_reads_back(welcome: Welcome) -> None:
    assert parse_from_server(pose_messages.welcome(welcome)) == welcome


@given(u32, u32, st.lists(records, max_size=60), st.lists(transforms, max_size=20))
def test_pos_9_a_frame_holds_the_records_as_they_came(
    tick: int, base_time: int, told: list[bytes], moved: list[bytes]
) -> None:
    frame = pose_messages.frame(tick, base_time, told, moved)
    assert parse_from_server(frame) == Frame(tick, base_time, tuple(told), tuple(moved))
    assert b"".join(told) in frame


def test_pos_9_a_rotation_that_no_client_writes_is_passed_on() -> None:
    record = POSES[1][:-6] + b"\xff" * 6
    read = parse_from_client(pose_client.pose(0, record))
    assert isinstance(read, PoseUp)
    assert parse_from_server(pose_messages.frame(1, 2, [read.record])) == Frame(1, 2, (record,), ())


@given(
    st.lists(st.builds(RosterEntry, u16, u8, st.sampled_from(Presence), devices, client_ids)),
    st.lists(st.builds(Hold, u16, u32, u16, u8, object_ids)),
    st.builds(Deny, st.sampled_from(Denial), u32, object_ids),
)
def test_what_else_the_server_sends_reads_back(
    people: list[RosterEntry], held: list[Hold], denied: Deny
) -> None:
    assert parse_from_server(pose_messages.roster(people)) == Roster(tuple(people))
    assert parse_from_server(pose_messages.holds(held)) == Holds(tuple(held))
    assert parse_from_server(pose_messages.deny(denied)) == denied


def test_ticks_and_times_of_the_server_wrap() -> None:
    assert parse_from_server(pose_messages.frame(2**32 + 5, 2**33 + 6, ())) == Frame(5, 6, (), ())
    welcome = Welcome(VERSION, 1, 2, 30, 2**32 + 5, 2**33 + 6)
    assert parse_from_server(pose_messages.welcome(welcome)) == Welcome(VERSION, 1, 2, 30, 5, 6)


# The bytes that both codecs agree on.


def _posed(ack: int, record: str, moved: list[str]) -> bytes:
    return pose_client.pose(ack, bytes.fromhex(record), [*map(bytes.fromhex, moved)])


CLIENT_WRITES: dict[str, Callable[..., bytes]] = {
    "hello": lambda *fields: pose_client.hello(Hello(*fields)),
    "pose": _posed,
    "beat": lambda *fields: pose_client.beat(Beat(*fields)),
    "claim": lambda *fields: pose_client.claim(Claim(*fields)),
    "release": lambda *fields: pose_client.release(Release(*fields)),
    "force": lambda *fields: pose_client.force(Force(*fields)),
    "bye": lambda: pose_client.BYE,
}


def _server_says(kind: str, fields: list[Any]) -> FromServer:
    match kind:
        case "welcome":
            return Welcome(*fields)
        case "frame":
            tick, base_time, told, moved = fields
            return Frame(
                tick, base_time, tuple(map(bytes.fromhex, told)), tuple(map(bytes.fromhex, moved))
            )
        case "roster":
            return Roster(tuple(RosterEntry(*entry) for entry in fields[0]))
        case "holds":
            return Holds(tuple(Hold(*entry) for entry in fields[0]))
        case _:
            return Deny(*fields)


def _server_writes(message: FromServer) -> bytes:
    match message:
        case Welcome():
            return pose_messages.welcome(message)
        case Frame():
            return pose_messages.frame(*message)
        case Roster(people):
            return pose_messages.roster(people)
        case Holds(held):
            return pose_messages.holds(held)
        case Deny():
            return pose_messages.deny(message)


@pytest.mark.parametrize("vector", VECTORS["from_client"], ids=lambda each: each["kind"])
def test_pos_7_clients_send_these_bytes(vector: dict[str, Any]) -> None:
    frame = bytes.fromhex(vector["frame"])
    assert CLIENT_WRITES[vector["kind"]](*vector["fields"]) == frame
    assert Kind(frame[1]) is Kind[vector["kind"].upper()]
    parse_from_client(frame)


@pytest.mark.parametrize("vector", VECTORS["from_server"], ids=lambda each: each["kind"])
def test_pos_7_the_server_sends_these_bytes(vector: dict[str, Any]) -> None:
    frame = bytes.fromhex(vector["frame"])
    message = _server_says(vector["kind"], vector["fields"])
    assert parse_from_server(frame) == message
    assert _server_writes(message) == frame


# What is malformed.


@pytest.mark.parametrize("vector", VECTORS["from_client"], ids=lambda each: each["kind"])
def test_pos_7_a_message_of_a_client_is_complete_and_nothing_follows(
    vector: dict[str, Any],
) -> None:
    _assert_only_whole(bytes.fromhex(vector["frame"]), parse_from_client)


@pytest.mark.parametrize("vector", VECTORS["from_server"], ids=lambda each: each["kind"])
def test_pos_7_a_message_of_the_server_is_complete_and_nothing_follows(
    vector: dict[str, Any],
) -> None:
    _assert_only_whole(bytes.fromhex(vector["frame"]), parse_from_server)


def _assert_only_whole(
    frame: bytes, parse: Callable[[bytes], FromClient] | Callable[[bytes], FromServer]
) -> None:
    for length in range(len(frame)):
        with pytest.raises(Malformed):
            parse(frame[:length])
    with pytest.raises(Malformed, match=r"1 bytes follow|bytes, not"):
        parse(frame + b"\x00")


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        ("", "begins with 112"),
        ("70", "begins with 112"),
        ("0001", "begins with 112"),
        ("7000", "unknown pose message 0; clients send 1 to 7"),
        ("7008", "unknown pose message 8;"),
        ("7042" + "00" * 12, "unknown pose message 66;"),
        ("7001", "a hello has 12 bytes, not 2"),
        ("700101", "a hello has 12 bytes, not 3"),
        ("7001010400000000000000", "a hello has 12 bytes, not 11"),
        ("700101040000000000000000", "unknown device 4; 0 to 3 are known"),
        ("700101010000000000002000", "a client id is larger"),
        ("70010101ffffffffffffffff", "a client id is larger"),
        ("7002", "end within a pose record"),
        ("700200000000" + "00000001" + "00" * 18, "does not fit in the 22 left"),
        ("700200000000" + "00000001" + "00" * 19, "before the count of transforms"),
        ("700200000000" + "00000001" + "00" * 19 + "01", "end within a transform"),
        ("700200000000" + "00000001" + "00" * 19 + "0000", "1 bytes follow"),
        ("700200000000" + "00000000" + "00" * 43, "a pose has no parts 0"),
        ("700200000000" + "00000006" + "00" * 43, "a pose has no parts 6"),
        (
            "700200000000" + "00000001" + "00" * 19 + "01" + "00" * 4 + "02" + "00" * 27,
            "no parts 2",
        ),
        ("700200000000" + "00000001" + "00" * 19 + "01" + "00" * 4 + "01" + "00" * 27, "a scale"),
        ("7003000000", "a beat has 6 bytes, not 5"),
        ("700400000000", "an object id has 1 to 128"),
        ("70040000000000", "an object id has 1 to 128"),
        ("7004000000000261", "an object id of 2 bytes does not fit"),
        ("700400000000016161", "1 bytes follow"),
        ("70040000000001ff", "must be UTF-8"),
        ("70040000000003eda080", "must be UTF-8"),
        ("7005", "a release has 8 bytes, not 2"),
        ("700681" + "61" * 129, "an object id has 1 to 128"),
        ("700700", "1 bytes follow"),
    ],
)
def test_pos_4_pos_7_what_is_wrong_is_said(frame: str, reason: str) -> None:
    with pytest.raises(Malformed, match=reason):
        parse_from_client(bytes.fromhex(frame))


@pytest.mark.parametrize("frame", ["700102", "70010201", "7001ff" + "00" * 40, "700100"])
def test_pos_8_another_version_is_named_whatever_follows_it(frame: str) -> None:
    version = int(frame[4:6], 16)
    with pytest.raises(Malformed, match=f"unknown version {version} of the pose lane; 1 is known"):
        parse_from_client(bytes.fromhex(frame))
    with pytest.raises(Malformed, match=f"unknown version {version}"):
        parse_from_server(bytes.fromhex("7041" + frame[4:]))


@pytest.mark.parametrize("vector", VECTORS["malformed_from_server"], ids=lambda each: each["name"])
def test_pos_7_clients_do_not_read_these(vector: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        parse_from_server(bytes.fromhex(vector["frame"]))


@given(st.binary(max_size=80).map(lambda rest: b"\x70" + rest))
def test_pos_7_any_bytes_are_a_message_or_malformed(frame: bytes) -> None:
    for parse in (parse_from_client, parse_from_server):
        with suppress(Malformed):
            parse(frame)


def test_a_room_without_a_pose_lane_takes_none_of_it() -> None:
    for vector in VECTORS["from_client"]:
        with pytest.raises(Malformed):
            messages.parse(bytes.fromhex(vector["frame"]))


# What is not written.


@pytest.mark.parametrize(
    "write",
    [
        lambda: pose_client.hello(Hello(VERSION, Device.DESKTOP, 2**53)),
        lambda: pose_client.hello(Hello(VERSION, Device.DESKTOP, -1)),
        lambda: pose_client.pose(2**32, POSES[0]),
        lambda: pose_client.pose(0, POSES[0], TRANSFORMS[:1] * 256),
        lambda: pose_client.beat(Beat(-1)),
        lambda: pose_client.claim(Claim(0, "")),
        lambda: pose_client.claim(Claim(2**32, "a")),
        lambda: pose_client.force(Force("é" * 65)),
        lambda: pose_client.force(Force("\ud800")),
        lambda: pose_client.release(Release(0x10000, 0)),
        lambda: pose_messages.welcome(Welcome(VERSION, 1, 256, 30, 0, 0)),
        lambda: pose_messages.deny(Deny(Denial.HELD, 0, "x" * 129)),
    ],
)
def test_pos_3_what_does_not_fit_is_not_written(write: Callable[[], bytes]) -> None:
    with pytest.raises(ValueError, match=r"fit|object id|surrogates|2\^53|range"):
        write()
