"""Frames as a server writes them."""

from __future__ import annotations

from loadtest import wire


def server_frame(payload: bytes, first: int = wire.BINARY) -> bytes:
    """One frame, without a mask."""
    length = len(payload)
    if length < 126:
        return bytes((first, length)) + payload
    if length < 1 << 16:
        return bytes((first, 126)) + length.to_bytes(2, "big") + payload
    return bytes((first, 127)) + length.to_bytes(8, "big") + payload
