"""What people say to a server and hear from it, in the two framings of the Yjs world."""

from __future__ import annotations

from typing import Final, NamedTuple

from crdt_docs import hocuspocus, messages
from crdt_docs.errors import Malformed
from crdt_docs.messages import MessageType, SyncType
from crdt_docs.varint import read_var_bytes, read_var_uint, var_bytes, var_string
from loadtest.seat import Framing, Seat

EMPTY_UPDATE: Final = b"\x00\x00"
EMPTY_STATE_VECTOR: Final = b"\x00"
_SYNC_KINDS: Final = (hocuspocus.MessageType.SYNC, hocuspocus.MessageType.SYNC_REPLY)
_ANYTHING: Final = "token"
"""Hocuspocus asks for a token; what it is nobody asks in a server without accounts."""


class Asked(NamedTuple):
    """ "What do you have that I lack?", with a state vector."""

    state_vector: bytes


class Answered(NamedTuple):
    """ "This is what you lacked": the document."""

    update: bytes


class Updated(NamedTuple):
    """ "This just changed"."""

    update: bytes


class Stored(NamedTuple):
    """ "So many of your steps 2 and updates are dealt with".

    Attributes:
        number: how many.
        is_total: counted from the first one of the socket; else these are further ones.
    """

    number: int
    is_total: bool


class Refused(NamedTuple):
    """ "You may not": an edit, or coming in.

    Attributes:
        is_answer: it answers the next of the steps 2 and updates, in the place of `Stored`.
    """

    reason: str
    is_answer: bool = False


Heard = Asked | Answered | Updated | Stored | Refused | None
"""None: something that nobody here waits for."""


class Dialect:
    """Messages around one document.

    Attributes:
        prefix: goes before every message: nothing, or the document's name (Hocuspocus).
    """

    __slots__ = ("_token", "prefix")

    def __init__(self, prefix: bytes = b"", token: str = _ANYTHING) -> None:
        self.prefix = prefix
        self._token = token

    @classmethod
    def of(cls, seat: Seat) -> Dialect:
        """The one that is spoken at a seat."""
        if seat.framing is Framing.YJS:
            return cls()
        return cls(var_string(seat.document), seat.token or _ANYTHING)

    # To say

    def opening(self) -> list[bytes]:
        """What a client with an empty document says first."""
        asks = self.prefix + messages.sync_step1(EMPTY_STATE_VECTOR)
        if not self.prefix:
            return [asks]
        token = bytes((hocuspocus.MessageType.AUTH, hocuspocus.AuthType.TOKEN))
        return [self.prefix + token + var_string(self._token), asks]

    def answer(self, update: bytes = EMPTY_UPDATE) -> bytes:
        """The answer to a server that asked: by default there is nothing to bring."""
        return self.prefix + messages.sync_step2(update)

    def update(self, update: bytes) -> bytes:
        """An edit."""
        return b"".join((self.prefix, b"\x00\x02", var_bytes(update)))

    def awareness(self, payload: bytes) -> bytes:
        """Presence entries, encoded."""
        return b"".join((self.prefix, b"\x01", var_bytes(payload)))

    # To hear

    def hear(self, message: bytes) -> Heard:
        """What a message of the server says.

        Raises:
            Malformed: it is cut short.
        """
        if not message.startswith(self.prefix) or len(message) < len(self.prefix) + 2:
            return None
        at = len(self.prefix)
        if message[at] in _SYNC_KINDS and not (message[at] and not self.prefix):
            return _hear_sync(message, at + 1)
        return self._hear_hocuspocus(message, at) if self.prefix else _hear_yjs(message)

    def _hear_hocuspocus(self, message: bytes, at: int) -> Heard:
        match message[at], message[at + 1]:
            case hocuspocus.MessageType.SYNC_STATUS, 0:
                return Refused("an edit was not taken", is_answer=True)
            case hocuspocus.MessageType.SYNC_STATUS, _:
                return Stored(1, is_total=False)
            case hocuspocus.MessageType.AUTH, hocuspocus.AuthType.PERMISSION_DENIED:
                return Refused(_text(message, at + 2))
            case _:
                return None


def _hear_sync(message: bytes, at: int) -> Heard:
    match message[at]:
        case SyncType.STEP1:
            return Asked(read_var_bytes(message, at + 1)[0])
        case SyncType.STEP2:
            return Answered(read_var_bytes(message, at + 1)[0])
        case SyncType.UPDATE:
            return Updated(read_var_bytes(message, at + 1)[0])
        case kind:
            raise Malformed(f"unknown sync message {kind}")


def _hear_yjs(message: bytes) -> Heard:
    match message[0]:
        case MessageType.STORED:
            return Stored(read_var_uint(message, 1)[0], is_total=True)
        case MessageType.AUTH:
            return Refused(_text(message, 2))
        case _:
            return None


def _text(message: bytes, at: int) -> str:
    return read_var_bytes(message, at)[0].decode("utf-8", "replace")
