"""Messages of the pose lane, as the server reads and writes them (POS-7 to POS-9).

A message is one frame: type 112, a kind, its fields; nothing follows. Each has one spelling, so
what is read and written again is the same bytes. Layout: `docs/pose-lane.md`, section 2.
The other direction, for clients written in Python, is `crdt_docs/pose_client.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from enum import IntEnum
from struct import Struct
from typing import Final, NamedTuple

from crdt_docs.errors import Malformed
from crdt_docs.messages import MessageType
from crdt_docs.pose_fields import (
    COUNT,
    DENY,
    FIELDS_AT,
    HELLO,
    HOLD,
    RELEASE,
    ROSTER_ENTRY,
    TICK,
    WELCOME,
    Kind,
    first_u32,
    fixed_fields,
    object_id_bytes,
    packed,
    read_kind,
    read_object_id,
    require_client_id,
    require_end,
    require_version,
)
from crdt_docs.poses import (
    PoseHeader,
    read_header,
    read_transform_header,
    record_length,
    transform_length,
)

NOBODY: Final = 0xFFFF
"""The holder's slot in a hold that has ended."""


class Device(IntEnum):
    """What a participant is there with."""

    DESKTOP = 0
    VR_HEADSET = 1
    AR_GLASSES = 2
    MOBILE = 3


class Presence(IntEnum):
    """Of a participant in the roster."""

    THERE = 0
    SILENT = 1
    GONE = 2


class Denial(IntEnum):
    """Why a claim was not granted."""

    HELD = 1
    OLD_SEQUENCE = 2
    NO_OBJECT = 3
    LOCKED = 4
    MAY_NOT_EDIT = 5
    TOO_MANY = 6
    PAUSED = 7


# From clients.


class Hello(NamedTuple):
    """ "I want poses, and this is me"; `client_id` is the one in awareness."""

    version: int
    device: Device
    client_id: int


class TransformUp(NamedTuple):
    """A transform record as it came, valid, and its header."""

    object_slot: int
    sequence: int
    record: bytes


class PoseUp(NamedTuple):
    """ "I am here".

    Attributes:
        ack_tick: of the last frame that arrived; 0: none yet.
        record: as it came; its length is that of its parts.
    """

    ack_tick: int
    header: PoseHeader
    record: bytes
    transforms: tuple[TransformUp, ...]


class Beat(NamedTuple):
    """ "I am still here, and nothing moved"."""

    ack_tick: int


class Claim(NamedTuple):
    """ "I want to hold this"; `sequence` is the ownership sequence it knows, or 0."""

    sequence: int
    object_id: str


class Release(NamedTuple):
    """ "I let go"."""

    object_slot: int
    sequence: int


class Force(NamedTuple):
    """ "I take this from whoever holds it"."""

    object_id: str


class Bye(NamedTuple):
    """ "I go"."""


FromClient = Hello | PoseUp | Beat | Claim | Release | Force | Bye


# From the server.


class Welcome(NamedTuple):
    """The answer to a hello.

    Attributes:
        rate: frames a second that the server means to send.
        base_time: the server's milliseconds at that tick.
    """

    version: int
    slot: int
    generation: int
    rate: int
    tick: int
    base_time: int


class Frame(NamedTuple):
    """What is new since the last one: records as they came."""

    tick: int
    base_time: int
    records: tuple[bytes, ...]
    transforms: tuple[bytes, ...]


class RosterEntry(NamedTuple):
    """One participant."""

    slot: int
    generation: int
    presence: Presence
    device: Device
    client_id: int


class Roster(NamedTuple):
    """Who is there, or whose presence changed."""

    entries: tuple[RosterEntry, ...]


class Hold(NamedTuple):
    """Who holds an object; nobody, if `holder_slot` is NOBODY."""

    object_slot: int
    sequence: int
    holder_slot: int
    holder_generation: int
    object_id: str


class Holds(NamedTuple):
    """What is held, or what changed about it."""

    entries: tuple[Hold, ...]


class Deny(NamedTuple):
    """A claim that was not granted, and the current ownership sequence."""

    reason: Denial
    sequence: int
    object_id: str


FromServer = Welcome | Frame | Roster | Holds | Deny


_FRAME_HEAD: Final = Struct("<BBIIH")
_U32: Final = 0xFFFFFFFF


def parse_from_client(frame: bytes) -> FromClient:
    """Read one frame of type 112.

    Raises:
        Malformed: POS-4, POS-7, POS-8: not exactly one message that clients send, or of another
            version.
    """
    kind = read_kind(frame)
    read = _READERS.get(kind)
    if read is None:
        raise Malformed(f"unknown pose message {kind}; clients send 1 to 7")
    return read(frame)


def _read_hello(frame: bytes) -> Hello:
    require_version(frame)
    version, device, client_id = fixed_fields(HELLO, frame)
    require_client_id(client_id)
    return Hello(version, to_device(device), client_id)


def _read_pose(frame: bytes) -> PoseUp:
    at = FIELDS_AT + TICK.size
    end = at + record_length(frame, at)
    if end == len(frame):
        raise Malformed("the bytes end before the count of transforms")
    record = frame[at:end]
    transforms = _read_transforms(frame, end + 1, frame[end])
    return PoseUp(first_u32(frame), read_header(record), record, transforms)


def _read_transforms(frame: bytes, at: int, count: int) -> tuple[TransformUp, ...]:
    transforms = []
    for _ in range(count):
        end = at + transform_length(frame, at)
        record = frame[at:end]
        object_slot, sequence, _parts = read_transform_header(record)
        transforms.append(TransformUp(object_slot, sequence, record))
        at = end
    require_end(frame, at)
    return tuple(transforms)


def _read_beat(frame: bytes) -> Beat:
    return Beat(*fixed_fields(TICK, frame))


def _read_claim(frame: bytes) -> Claim:
    at = FIELDS_AT + TICK.size
    object_id, end = read_object_id(frame, at)
    require_end(frame, end)
    return Claim(first_u32(frame), object_id)


def _read_release(frame: bytes) -> Release:
    return Release(*fixed_fields(RELEASE, frame))


def _read_force(frame: bytes) -> Force:
    object_id, end = read_object_id(frame, FIELDS_AT)
    require_end(frame, end)
    return Force(object_id)


def _read_bye(frame: bytes) -> Bye:
    require_end(frame, FIELDS_AT)
    return Bye()


_READERS: Final[dict[int, Callable[[bytes], FromClient]]] = {
    Kind.HELLO: _read_hello,
    Kind.POSE: _read_pose,
    Kind.BEAT: _read_beat,
    Kind.CLAIM: _read_claim,
    Kind.RELEASE: _read_release,
    Kind.FORCE: _read_force,
    Kind.BYE: _read_bye,
}


def to_device(number: int) -> Device:
    """Raises:
    Malformed: there is no such device.
    """
    try:
        return Device(number)
    except ValueError:
        raise Malformed(f"unknown device {number}; 0 to 3 are known") from None


# What the server sends. Ticks and times are written modulo 2^32.


def welcome(message: Welcome) -> bytes:
    """Tells a participant who it is."""
    tick, base_time = message.tick & _U32, message.base_time & _U32
    return packed(Kind.WELCOME, WELCOME, *message._replace(tick=tick, base_time=base_time))


def frame(
    tick: int, base_time: int, records: Sequence[bytes], transforms: Sequence[bytes] = ()
) -> bytes:
    """Passes records on, byte for byte (POS-9)."""
    head = _FRAME_HEAD.pack(
        MessageType.POSE, Kind.FRAME, tick & _U32, base_time & _U32, len(records)
    )
    return b"".join((head, *records, COUNT.pack(len(transforms)), *transforms))


def roster(entries: Sequence[RosterEntry]) -> bytes:
    """Tells who is there, or whose presence changed."""
    return _counted(Kind.ROSTER, [ROSTER_ENTRY.pack(*entry) for entry in entries])


def holds(entries: Sequence[Hold]) -> bytes:
    """Tells what is held, or what changed about it."""
    return _counted(
        Kind.HOLDS, [HOLD.pack(*entry[:4]) + object_id_bytes(entry.object_id) for entry in entries]
    )


def deny(message: Deny) -> bytes:
    """Tells a claimer why it was not granted."""
    fields = packed(Kind.DENY, DENY, message.reason, message.sequence)
    return fields + object_id_bytes(message.object_id)


def _counted(kind: Kind, entries: Sequence[bytes]) -> bytes:
    written: Iterable[bytes] = (packed(kind, COUNT, len(entries)), *entries)
    return b"".join(written)
