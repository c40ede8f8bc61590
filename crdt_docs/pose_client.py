"""Messages of the pose lane, as a client reads and writes them: for headless participants.

The server's side is `crdt_docs/pose_messages.py`; records are in `crdt_docs/poses.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from crdt_docs.errors import Malformed
from crdt_docs.messages import MessageType
from crdt_docs.pose_fields import (
    COUNT,
    DENY,
    FIELDS_AT,
    FRAME,
    HELLO,
    HOLD,
    RELEASE,
    ROSTER_ENTRY,
    TICK,
    WELCOME,
    Kind,
    fixed_fields,
    object_id_bytes,
    packed,
    read_kind,
    read_object_id,
    require_client_id,
    require_end,
    require_version,
)
from crdt_docs.pose_messages import (
    Beat,
    Claim,
    Denial,
    Deny,
    Force,
    Frame,
    FromServer,
    Hello,
    Hold,
    Holds,
    Presence,
    Release,
    Roster,
    RosterEntry,
    Welcome,
    to_device,
)
from crdt_docs.poses import record_length, transform_length
from crdt_docs.varint import MAX_SAFE_INTEGER

BYE: Final = bytes((MessageType.POSE, Kind.BYE))
"""A whole message; it has no fields."""


def hello(message: Hello) -> bytes:
    """Asks for poses."""
    if message.client_id > MAX_SAFE_INTEGER:
        raise ValueError("a client id is at most 2^53 - 1")
    return packed(Kind.HELLO, HELLO, *message)


def pose(ack_tick: int, record: bytes, transforms: Sequence[bytes] = ()) -> bytes:
    """Tells where its sender is, and the objects that it holds."""
    head = packed(Kind.POSE, TICK, ack_tick)
    return b"".join((head, record, bytes((len(transforms),)), *transforms))


def beat(message: Beat) -> bytes:
    """Tells that its sender is still there."""
    return packed(Kind.BEAT, TICK, *message)


def claim(message: Claim) -> bytes:
    """Asks to hold an object."""
    return packed(Kind.CLAIM, TICK, message.sequence) + object_id_bytes(message.object_id)


def release(message: Release) -> bytes:
    """Lets go of an object."""
    return packed(Kind.RELEASE, RELEASE, *message)


def force(message: Force) -> bytes:
    """Takes an object from whoever holds it."""
    return bytes((MessageType.POSE, Kind.FORCE)) + object_id_bytes(message.object_id)


def parse_from_server(frame: bytes) -> FromServer:
    """Read one frame of type 112.

    Raises:
        Malformed: POS-4, POS-7, POS-8: not exactly one message that the server sends, or of
            another version.
    """
    kind = read_kind(frame)
    read = _READERS.get(kind)
    if read is None:
        raise Malformed(f"unknown pose message {kind}; the server sends 65 to 69")
    return read(frame)


def _read_welcome(frame: bytes) -> Welcome:
    require_version(frame)
    return Welcome(*fixed_fields(WELCOME, frame))


def _read_frame(frame: bytes) -> Frame:
    if len(frame) < FIELDS_AT + FRAME.size:
        raise Malformed("the bytes end within a frame")
    tick, base_time, count = FRAME.unpack_from(frame, FIELDS_AT)
    records, at = _read_records(frame, FIELDS_AT + FRAME.size, count, record_length)
    moved, at = _read_count(frame, at)
    transforms, at = _read_records(frame, at, moved, transform_length)
    require_end(frame, at)
    return Frame(tick, base_time, records, transforms)


def _read_records(
    frame: bytes, at: int, count: int, length: Callable[[bytes, int], int]
) -> tuple[tuple[bytes, ...], int]:
    """Records, and the position after them."""
    records = []
    for _ in range(count):
        end = at + length(frame, at)
        records.append(frame[at:end])
        at = end
    return tuple(records), at


def _read_roster(frame: bytes) -> Roster:
    count, at = _read_count(frame, FIELDS_AT)
    require_end(frame, at + count * ROSTER_ENTRY.size)
    return Roster(tuple(_read_entry(*fields) for fields in ROSTER_ENTRY.iter_unpack(frame[at:])))


def _read_entry(
    slot: int, generation: int, presence: int, device: int, client_id: int
) -> RosterEntry:
    try:
        known = Presence(presence)
    except ValueError:
        raise Malformed(f"unknown state {presence} of a participant; 0 to 2 are known") from None
    require_client_id(client_id)
    return RosterEntry(slot, generation, known, to_device(device), client_id)


def _read_holds(frame: bytes) -> Holds:
    count, at = _read_count(frame, FIELDS_AT)
    entries = []
    for _ in range(count):
        if len(frame) - at < HOLD.size:
            raise Malformed("the bytes end within a hold")
        object_slot, sequence, holder, generation = HOLD.unpack_from(frame, at)
        object_id, at = read_object_id(frame, at + HOLD.size)
        entries.append(Hold(object_slot, sequence, holder, generation, object_id))
    require_end(frame, at)
    return Holds(tuple(entries))


def _read_deny(frame: bytes) -> Deny:
    object_id, end = read_object_id(frame, FIELDS_AT + DENY.size)
    require_end(frame, end)
    reason, sequence = DENY.unpack_from(frame, FIELDS_AT)
    try:
        return Deny(Denial(reason), sequence, object_id)
    except ValueError:
        raise Malformed(f"unknown reason {reason} of a denial; 1 to 7 are known") from None


def _read_count(frame: bytes, at: int) -> tuple[int, int]:
    """A count, and the position after it."""
    end = at + COUNT.size
    if end > len(frame):
        raise Malformed("the bytes end before a count")
    return *COUNT.unpack_from(frame, at), end


_READERS: Final[dict[int, Callable[[bytes], FromServer]]] = {
    Kind.WELCOME: _read_welcome,
    Kind.FRAME: _read_frame,
    Kind.ROSTER: _read_roster,
    Kind.HOLDS: _read_holds,
    Kind.DENY: _read_deny,
}
