"""The client's side of WebSocket (RFC 6455), as little of it as a load generator needs."""

from __future__ import annotations

from websockets.speedups import apply_mask

BINARY, CLOSE, PING, PONG = 0x82, 0x88, 0x89, 0x8A
_MASK = bytes.fromhex("37fa213d")
_MASKED = 0x80


def upgrade_request(port: int, path: str) -> bytes:
    """The handshake's request; no extensions are offered."""
    return (
        f"GET {path} HTTP/1.1\r\n"
        f"Host: 127.0.0.1:{port}\r\n"
        "Upgrade: websocket\r\n"
        "Connection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        "Sec-WebSocket-Version: 13\r\n"
        "\r\n"
    ).encode()


def frame(payload: bytes, first: int = BINARY) -> bytes:
    """One masked frame. The mask is always the same: whoever removes it has the same work."""
    length = len(payload)
    if length < 126:
        header = bytes((first, _MASKED | length))
    elif length < 1 << 16:
        header = bytes((first, _MASKED | 126)) + length.to_bytes(2, "big")
    else:
        header = bytes((first, _MASKED | 127)) + length.to_bytes(8, "big")
    return header + _MASK + apply_mask(payload, _MASK)


def read_header(data: bytes | bytearray, at: int) -> tuple[int, int] | None:
    """(where the payload of an unmasked frame begins, its length); None: the header is not all
    there yet."""
    size = len(data) - at
    if size < 2:
        return None
    length = data[at + 1]
    if length < 126:
        return at + 2, length
    if length == 126:
        return (at + 4, int.from_bytes(data[at + 2 : at + 4], "big")) if size >= 4 else None
    return (at + 10, int.from_bytes(data[at + 2 : at + 10], "big")) if size >= 10 else None
