"""Fields of pose messages: what both directions read and write alike (POS-7).

A message is one frame: type 112, a kind, its fields; nothing follows the last one.
Layout: `docs/pose-lane.md`, section 2.
"""

from __future__ import annotations

import struct
from enum import IntEnum
from struct import Struct
from typing import Final

from crdt_docs.errors import Malformed
from crdt_docs.messages import MessageType
from crdt_docs.varint import MAX_SAFE_INTEGER

VERSION: Final = 1
MAX_OBJECT_ID_BYTES: Final = 128


class Kind(IntEnum):
    """Second byte of a frame."""

    HELLO = 1
    POSE = 2
    BEAT = 3
    CLAIM = 4
    RELEASE = 5
    FORCE = 6
    BYE = 7
    WELCOME = 65
    FRAME = 66
    ROSTER = 67
    HOLDS = 68
    DENY = 69


# Fields after type and kind. What has a length of its own follows them.

FIELDS_AT: Final = 2
HELLO: Final = Struct("<BBQ")
TICK: Final = Struct("<I")
RELEASE: Final = Struct("<HI")
WELCOME: Final = Struct("<BHBBII")
FRAME: Final = Struct("<IIH")
COUNT: Final = Struct("<H")
ROSTER_ENTRY: Final = Struct("<HBBBQ")
HOLD: Final = Struct("<HIHB")
DENY: Final = Struct("<BI")


def read_kind(frame: bytes) -> int:
    """The kind of a message.

    Raises:
        Malformed: it is none of the pose lane.
    """
    if len(frame) < FIELDS_AT or frame[0] != MessageType.POSE:
        raise Malformed("a message of the pose lane begins with 112 and a kind")
    return frame[1]


def require_version(frame: bytes) -> None:
    """The version of a hello or a welcome is known (POS-8).

    It is looked at before anything else: what follows it in another version is not known here.
    """
    if len(frame) > FIELDS_AT and frame[FIELDS_AT] != VERSION:
        raise Malformed(f"unknown version {frame[FIELDS_AT]} of the pose lane; {VERSION} is known")


def require_client_id(number: int) -> None:
    """It is one that JavaScript can hold."""
    if number > MAX_SAFE_INTEGER:
        raise Malformed("a client id is larger than 2^53 - 1")


def fixed_fields(layout: Struct, frame: bytes) -> tuple[int, ...]:
    """All fields of a message that has a fixed length.

    Raises:
        Malformed: it has another length.
    """
    if len(frame) != FIELDS_AT + layout.size:
        name = Kind(frame[1]).name.lower()
        raise Malformed(f"a {name} has {FIELDS_AT + layout.size} bytes, not {len(frame)}")
    fields: tuple[int, ...] = layout.unpack_from(frame, FIELDS_AT)
    return fields


def first_u32(frame: bytes) -> int:
    """The first field, of a message that begins with a tick or a sequence; its length was
    checked."""
    number: int = TICK.unpack_from(frame, FIELDS_AT)[0]
    return number


def require_end(frame: bytes, end: int) -> None:
    """The last field ends where the frame does (POS-7)."""
    if end > len(frame):
        raise Malformed(f"the message is {end - len(frame)} bytes too short")
    if end < len(frame):
        raise Malformed(f"{len(frame) - end} bytes follow the message; send one message a frame")


def read_object_id(frame: bytes, at: int) -> tuple[str, int]:
    """An object id, and the position after it.

    Raises:
        Malformed: the bytes end within it, it is empty, too long, or not UTF-8.
    """
    length = frame[at] if at < len(frame) else 0
    if not 1 <= length <= MAX_OBJECT_ID_BYTES:
        raise Malformed(f"an object id has 1 to {MAX_OBJECT_ID_BYTES} bytes")
    end = at + 1 + length
    if end > len(frame):
        raise Malformed(f"an object id of {length} bytes does not fit in the message")
    try:
        return frame[at + 1 : end].decode(), end
    except UnicodeDecodeError:
        raise Malformed("an object id must be UTF-8") from None


def object_id_bytes(object_id: str) -> bytes:
    """An object id with its length before it.

    Raises:
        ValueError: it is empty, too long, or has half a surrogate pair.
    """
    written = object_id.encode()
    if not 1 <= len(written) <= MAX_OBJECT_ID_BYTES:
        raise ValueError(f"an object id has 1 to {MAX_OBJECT_ID_BYTES} bytes, not {len(written)}")
    return bytes((len(written),)) + written


def packed(kind: Kind, layout: Struct, *fields: int) -> bytes:
    """Type, kind and fields.

    Raises:
        ValueError: a number does not fit its field.
    """
    try:
        return bytes((MessageType.POSE, kind)) + layout.pack(*fields)
    except struct.error as error:
        raise ValueError(f"a number of the message does not fit: {error}") from None
