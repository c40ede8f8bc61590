"""The frames of Hocuspocus clients: many documents on one socket (HOC).

A frame is an address, as a string, and one message; sync, awareness and query-awareness messages
within it are those of y-protocols, byte for byte. Layouts as in `@hocuspocus/provider` 2.15, 3.4
and 4.8, `src/OutgoingMessages` and `src/MessageReceiver.ts`.
"""

from __future__ import annotations

import json
from enum import IntEnum, StrEnum
from typing import NamedTuple

from crdt_docs.errors import Malformed
from crdt_docs.messages import MessageType as Yjs
from crdt_docs.varint import read_var_bytes, var_bytes, var_string

MAX_ADDRESS_BYTES = 256

_SESSION = b"\0"
"""Between a document's name and the id that one of several providers on a socket gave itself."""


class MessageType(IntEnum):
    """What follows the address."""

    SYNC = 0
    AWARENESS = 1
    AUTH = 2
    QUERY_AWARENESS = 3
    SYNC_REPLY = 4
    STATELESS = 5
    BROADCAST_STATELESS = 6
    CLOSE = 7
    SYNC_STATUS = 8
    PING = 9
    PONG = 10


class AuthType(IntEnum):
    """What follows an AUTH. In y-protocols 0 says *denied*; here it is, or asks for, a token."""

    TOKEN = 0
    PERMISSION_DENIED = 1
    AUTHENTICATED = 2


class Scope(StrEnum):
    """What a client is told that it may do."""

    READ_WRITE = "read-write"
    READ_ONLY = "readonly"


class Relayed(NamedTuple):
    """A y-protocols frame for the document's room, which checks it."""

    frame: bytes


class Token(NamedTuple):
    """ "This is who I am".

    Attributes:
        version: of the provider; None before version 4, which does not say.
    """

    token: str
    version: str | None


class CloseRequest(NamedTuple):
    """ "I am done with this document"."""


class Stateless(NamedTuple):
    """A message for an application on the server."""


class Ping(NamedTuple):
    """ "Are you there?"."""


class Pong(NamedTuple):
    """ "I am"."""


Message = Relayed | Token | CloseRequest | Stateless | Ping | Pong


class Addressed(NamedTuple):
    """A message and the address it came for, as bytes; None for the socket itself."""

    address: bytes | None
    message: Message


_TO_THE_SOCKET = {
    bytes((MessageType.PING,)): Addressed(None, Ping()),
    bytes((MessageType.PONG,)): Addressed(None, Pong()),
}
_RELAYED = frozenset((MessageType.SYNC, MessageType.AWARENESS, MessageType.QUERY_AWARENESS))


def parse(frame: bytes) -> Addressed:
    """Read one frame. What it relays is not looked into: that is for `messages.parse`.

    Raises:
        Malformed: HOC-1.
    """
    if len(frame) == 1 and frame in _TO_THE_SOCKET:
        return _TO_THE_SOCKET[frame]
    address, start = read_var_bytes(frame, 0)
    if len(address) > MAX_ADDRESS_BYTES:
        raise Malformed(f"an address of {len(address)} bytes; {MAX_ADDRESS_BYTES} are allowed")
    if start == len(frame):
        raise Malformed("a message must follow the address")
    kind = frame[start]
    if kind in _RELAYED:
        return Addressed(address, Relayed(frame[start:]))
    return Addressed(address, _parse_rest(frame, start, kind))


def _parse_rest(frame: bytes, start: int, kind: int) -> Message:
    match kind:
        case MessageType.SYNC_REPLY:  # a sync message whose sender has asked already
            return Relayed(bytes((Yjs.SYNC,)) + frame[start + 1 :])
        case MessageType.AUTH:
            return _parse_auth(frame, start + 1)
        case MessageType.STATELESS:
            _, end = _read_text(frame, start + 1)
            _require_end(frame, end)
            return Stateless()
        case MessageType.CLOSE:
            if start + 1 < len(frame):
                _, end = _read_text(frame, start + 1)
                _require_end(frame, end)
            return CloseRequest()
        case MessageType.PING | MessageType.PONG:
            _require_end(frame, start + 1)
            return Ping() if kind == MessageType.PING else Pong()
        case MessageType.BROADCAST_STATELESS:
            raise Malformed("clients may not broadcast stateless messages")
        case _:
            raise Malformed("unknown message type; clients may send 0 to 5, 7, 9 and 10")


def _parse_auth(frame: bytes, position: int) -> Token:
    if frame[position : position + 1] != bytes((AuthType.TOKEN,)):
        raise Malformed("an auth message of a client is 0 and its token")
    token, position = _read_text(frame, position + 1)
    version = None
    if position < len(frame):
        version, position = _read_text(frame, position)
    _require_end(frame, position)
    return Token(token, version)


def _read_text(frame: bytes, position: int) -> tuple[str, int]:
    payload, end = read_var_bytes(frame, position)
    try:
        return payload.decode(), end
    except UnicodeDecodeError:
        raise Malformed("a string must be UTF-8") from None


def _require_end(frame: bytes, end: int) -> None:
    if end != len(frame):
        raise Malformed(f"{len(frame) - end} bytes follow the message; send one message a frame")


def document_of(address: bytes) -> str:
    """The document's name in an address (HOC-2).

    Raises:
        Malformed: it is not UTF-8.
    """
    try:
        return address.partition(_SESSION)[0].decode()
    except UnicodeDecodeError:
        raise Malformed("an address must be UTF-8") from None


def is_shared(address: bytes) -> bool:
    """Whether others write to the same document under the same address."""
    return _SESSION not in address


# What the server sends. Each is behind an address: `at(address) + …`.


def at(address: bytes) -> bytes:
    """The beginning of a frame for an address: exactly what its client calls itself."""
    return var_bytes(address)


def authenticated(scope: Scope) -> bytes:
    """ "Come in"."""
    return bytes((MessageType.AUTH, AuthType.AUTHENTICATED)) + var_string(scope.value)


def permission_denied(reason: str) -> bytes:
    """ "You may not come in", or "not stay in"."""
    return bytes((MessageType.AUTH, AuthType.PERMISSION_DENIED)) + var_string(reason)


TOKEN_REQUEST = bytes((MessageType.AUTH, AuthType.TOKEN))
"""Asks for a token. Version 2 does not know it, and does nothing."""

PONG = bytes((MessageType.PONG,))
"""Behind an address, or alone to a ping that came alone. Sent to nobody who did not ask: stock
clients do not know it."""


def sync_status(*, is_stored: bool) -> bytes:
    """What became of one update."""
    return bytes((MessageType.SYNC_STATUS, int(is_stored)))


def closed(reason: str) -> bytes:
    """ "This document is closed". Version 2 throws an error on it."""
    return bytes((MessageType.CLOSE,)) + var_string(reason)


def stateless(payload: str) -> bytes:
    """A message for the application in the client."""
    return bytes((MessageType.STATELESS,)) + var_string(payload)


def translated(frame: bytes) -> bytes:
    """A room's y-protocols frame as these clients understand it (HOC-8).

    All but one are the same. A denied edit is `[2][0][reason]` there, which here would ask for a
    token: its reason is told as a stateless message, and that it was refused by its sync status.
    """
    if frame[0] != Yjs.AUTH:
        return frame
    reason, _ = read_var_bytes(frame, 2)
    return stateless(json.dumps({"event": "edit-refused", "reason": reason.decode()}))
