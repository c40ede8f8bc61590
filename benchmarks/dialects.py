"""How a client introduces itself, in the two framings of the Yjs world."""

from __future__ import annotations

from dataclasses import dataclass

from crdt_docs.varint import read_var_uint, var_string

_SYNC, _SYNC_REPLY = 0, 4
_EMPTY_UPDATE = b"\x02\x00\x00"
_EMPTY_STATE_VECTOR = b"\x01\x00"


@dataclass(frozen=True, slots=True)
class Dialect:
    """Messages around one document.

    Attributes:
        prefix: before every message: nothing, or the document's name (Hocuspocus).
    """

    prefix: bytes = b""

    @classmethod
    def of_hocuspocus(cls, document: str) -> Dialect:
        """The framing in which each message names its document."""
        return cls(var_string(document))

    def opening(self) -> list[bytes]:
        """What a client with an empty document says first."""
        messages = [self.prefix + b"\x00\x00" + _EMPTY_STATE_VECTOR]
        if self.prefix:
            messages.insert(0, self.prefix + b"\x02\x00" + var_string("token"))
        return messages

    def answer(self) -> bytes:
        """The answer to a server's step 1: nothing to bring."""
        return self.prefix + b"\x00\x01" + _EMPTY_UPDATE

    def sync_type(self, payload: bytes | bytearray) -> int | None:
        """0, 1, 2 for a sync message, None for any other."""
        at = len(self.prefix)
        if len(payload) < at + 2 or payload[at] not in (_SYNC, _SYNC_REPLY):
            return None
        return payload[at + 1]

    def stored_count(self, payload: bytes | bytearray) -> int | None:
        """What an acknowledgement of this server says; None when the message is none."""
        if self.prefix or len(payload) < 2 or payload[0] != 113:
            return None
        return read_var_uint(bytes(payload), 1)[0]
