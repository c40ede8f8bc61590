"""The y-protocols frames of one socket: bytes to messages and back (FRM).

A frame is one WebSocket binary message and holds exactly one protocol message (FRM-1): stock
clients up to version 3 read only the first one in a frame, and send one.
Layout as in y-protocols `sync.js`, `awareness.js` and `auth.js`.
"""

from __future__ import annotations

from collections.abc import Collection
from enum import IntEnum
from typing import NamedTuple

from crdt_docs.errors import LimitExceeded, Malformed
from crdt_docs.varint import read_var_bytes, read_var_uint, var_bytes, var_string, var_uint


class MessageType(IntEnum):
    """First number of a frame."""

    SYNC = 0
    AWARENESS = 1
    AUTH = 2
    QUERY_AWARENESS = 3
    POSE = 112  # this server's own: see `pose_messages`
    STORED = 113  # this server's own: see `stored`


class SyncType(IntEnum):
    """Second number of a sync frame."""

    STEP1 = 0
    STEP2 = 1
    UPDATE = 2


class CloseCode(IntEnum):
    """Why a socket is closed. y-websocket 3.1 never comes back after 4400 to 4499."""

    GOING_AWAY = 1001
    TOO_BIG = 1009
    INTERNAL = 1011
    RESTART = 1012
    MALFORMED = 4400
    UNAUTHENTICATED = 4401
    FORBIDDEN = 4403
    NOT_FOUND = 4404
    IDLE = 4408
    ENDED = 4410
    TOKEN_EXPIRED = 4501
    TRY_LATER = 4503


class SyncStep1(NamedTuple):
    """ "This is what I have": a state vector; asks for a step 2."""

    state_vector: bytes


class SyncStep2(NamedTuple):
    """ "This is what you lack": an update; answers a step 1."""

    update: bytes


class SyncUpdate(NamedTuple):
    """ "This just changed": an update."""

    update: bytes


class AwarenessUpdate(NamedTuple):
    """Presence entries, still encoded; `read_awareness` opens them."""

    payload: bytes


class QueryAwareness(NamedTuple):
    """ "Who is here?"."""


class Renewal(NamedTuple):
    """ "This token counts from now on": sent before the old one expires."""

    token: str


Message = SyncStep1 | SyncStep2 | SyncUpdate | AwarenessUpdate | QueryAwareness | Renewal


class AwarenessEntry(NamedTuple):
    """One client's presence: JSON text as UTF-8; `null` says that it is gone."""

    client_id: int
    clock: int
    state: bytes


GONE = b"null"

MOST_ENTRIES = 10_000
"""In one presence message: to read them takes some milliseconds. A frame has room for a million."""


def parse(frame: bytes) -> Message:
    """Read one frame.

    Raises:
        Malformed: FRM-1, FRM-2: not exactly one message of a kind that clients send.
    """
    if len(frame) < 2:
        if frame == b"\x03":
            return QueryAwareness()
        raise Malformed("a frame must hold one y-protocols message")
    kind = frame[0]
    if kind == MessageType.SYNC:
        sync_type = frame[1]
        payload, end = read_var_bytes(frame, 2)
        _require_end(frame, end)
        if sync_type == SyncType.UPDATE:
            return SyncUpdate(payload)
        if sync_type == SyncType.STEP1:
            return SyncStep1(payload)
        if sync_type == SyncType.STEP2:
            return SyncStep2(payload)
        raise Malformed(f"unknown sync message {sync_type}; 0, 1 and 2 are known")
    if kind == MessageType.AWARENESS:
        payload, end = read_var_bytes(frame, 1)
        _require_end(frame, end)
        return AwarenessUpdate(payload)
    if kind == MessageType.AUTH and frame[1] == 0:
        payload, end = read_var_bytes(frame, 2)
        _require_end(frame, end)
        return Renewal(_text(payload))
    raise Malformed(
        "unknown message type; clients may send 0 (sync), 1 and 3 (awareness), 2 0 (token)"
    )


def is_step1(frame: bytes) -> bool:
    """Whether a frame asks for what its sender lacks."""
    return frame.startswith(b"\x00\x00")


def is_step2(frame: bytes) -> bool:
    """Whether a frame answers a step 1."""
    return frame.startswith(b"\x00\x01")


def _text(payload: bytes) -> str:
    try:
        return payload.decode()
    except UnicodeDecodeError:
        raise Malformed("a token must be UTF-8") from None


def _require_end(frame: bytes, end: int) -> None:
    if end != len(frame):
        raise Malformed(f"{len(frame) - end} bytes follow the message; send one message a frame")


def read_awareness(payload: bytes) -> list[AwarenessEntry]:
    """Open an awareness payload (FRM-3). States are neither parsed nor checked here.

    Raises:
        Malformed: a count or length does not fit the bytes.
        LimitExceeded: there are more entries than people could be in a room.
    """
    count, position = read_var_uint(payload, 0)
    if count * 3 > len(payload) - position:  # an entry takes three bytes at least
        raise Malformed(f"{count} awareness entries do not fit in {len(payload)} bytes")
    if count > MOST_ENTRIES:
        raise LimitExceeded(f"{count} awareness entries in one message; {MOST_ENTRIES} are read")
    entries = []
    try:
        for _ in range(count):
            client_id, position = read_var_uint(payload, position)
            clock = payload[position]
            position += 1
            if clock >= 0x80:
                clock, position = read_var_uint(payload, position - 1)
            length = payload[position]
            position += 1
            if length >= 0x80:
                length, position = read_var_uint(payload, position - 1)
            start, position = position, position + length
            entries.append(AwarenessEntry(client_id, clock, payload[start:position]))
    except IndexError:
        raise Malformed("the presence ends before it is complete") from None
    if position > len(payload):
        raise Malformed("a presence state does not fit in the bytes that remain")
    if position != len(payload):
        raise Malformed("bytes follow the last awareness entry")
    return entries


def sync_step1(state_vector: bytes) -> bytes:
    """Frame that asks for what this state vector lacks."""
    return b"\x00\x00" + var_bytes(state_vector)


def sync_step2(update: bytes) -> bytes:
    """Frame that answers a step 1."""
    return b"\x00\x01" + var_bytes(update)


def sync_update(update: bytes) -> bytes:
    """Frame that passes an update on."""
    return b"\x00\x02" + var_bytes(update)


def awareness_payload(entries: Collection[AwarenessEntry]) -> bytes:
    """Presence entries, encoded: what `read_awareness` opens."""
    parts = [var_uint(len(entries))]
    for client_id, clock, state in entries:
        parts += (var_uint(client_id), var_uint(clock), var_uint(len(state)), state)
    return b"".join(parts)


def awareness_frame(payload: bytes) -> bytes:
    """Frame with a presence payload."""
    return b"\x01" + var_bytes(payload)


def awareness(entries: Collection[AwarenessEntry]) -> bytes:
    """Frame with presence entries."""
    return awareness_frame(awareness_payload(entries))


KEEPALIVE = awareness(())
"""Says nothing; keeps a stock client from closing after 30 s without a frame."""


QUERY_AWARENESS = bytes((MessageType.QUERY_AWARENESS,))
"""Asks a client for its presence; stock clients answer with all that they know (AWR-14)."""


def renewal(token: str) -> bytes:
    """Frame with a token that takes the place of the one its sender came with."""
    return bytes((MessageType.AUTH, 0)) + var_string(token)


def denied(reason: str) -> bytes:
    """Frame that tells a client why its edit was refused (y-protocols auth, permission denied)."""
    return b"\x02\x00" + var_string(reason)


def stored(count: int) -> bytes:
    """Frame `[113][n]`: the first n step 2 and update messages of this socket are answered for.

    Each of them is stored in the database, or was refused and said so before.
    """
    return bytes((MessageType.STORED,)) + var_uint(count)
