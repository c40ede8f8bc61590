"""Messages on their way out: encoded as a WebSocket frame once, whoever they go to."""

from __future__ import annotations

FINAL_BINARY = 0x82
"""First byte of a whole, unfragmented binary message."""


class OutgoingFrame:
    """One binary message."""

    __slots__ = ("_joined", "_under", "_wire", "payload")

    def __init__(self, payload: bytes) -> None:
        self.payload = payload
        self._wire: bytes | None = None
        self._under: tuple[bytes, OutgoingFrame] | None = None
        self._joined: tuple[OutgoingFrame, bytes] | None = None

    def under(self, prefix: bytes) -> OutgoingFrame:
        """The same message behind a prefix. The last one is kept: of a broadcast to many clients
        that use the same prefix, one copy is made."""
        kept = self._under
        if kept is None or kept[0] != prefix:
            kept = self._under = (prefix, OutgoingFrame(prefix + self.payload))
        return kept[1]

    @property
    def wire(self) -> bytes:
        """The message as one unmasked WebSocket frame (RFC 6455, 5.2)."""
        wire = self._wire
        if wire is None:
            wire = self._wire = _header(len(self.payload)) + self.payload
        return wire

    def and_then(self, other: OutgoingFrame) -> bytes:
        """Both on the wire. The last one is kept, as above."""
        kept = self._joined
        if kept is None or kept[0] is not other:
            kept = self._joined = (other, self.wire + other.wire)
        return kept[1]


def _header(length: int) -> bytes:
    if length < 126:
        return bytes((FINAL_BINARY, length))
    if length < 1 << 16:
        return bytes((FINAL_BINARY, 126)) + length.to_bytes(2, "big")
    return bytes((FINAL_BINARY, 127)) + length.to_bytes(8, "big")
