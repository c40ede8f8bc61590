"""The client's side of WebSocket (RFC 6455), as little of it as a load test needs."""

from __future__ import annotations

from typing import Final

from websockets.speedups import apply_mask

BINARY: Final = 0x82
TEXT: Final = 0x81
CLOSE: Final = 0x88
PING: Final = 0x89
PONG: Final = 0x8A
FIRST_PART: Final = 0x02
"""Of a message that comes in several frames."""
PART: Final = 0x00
LAST_PART: Final = 0x80

_MASKED: Final = 0x80
_MASK: Final = bytes.fromhex("37fa213d")
_KEY: Final = "dGhlIHNhbXBsZSBub25jZQ=="
_ACCEPT: Final = b"s3pplmbitxaq9kygzzhzrbk+xoo="
"""What a server that understood the key answers; in lower case, as headers are compared here."""


class NotAWebSocket(Exception):  # noqa: N818 - says what is the case
    """What answers there does not accept the connection; says how it answered."""


def upgrade_request(host: str, port: int, path: str) -> bytes:
    """The handshake's request. No extensions are offered: what is counted is what was said."""
    return (
        f"GET {path} HTTP/1.1\r\n"
        f"Host: {host}:{port}\r\n"
        "Upgrade: websocket\r\n"
        "Connection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {_KEY}\r\n"
        "Sec-WebSocket-Version: 13\r\n"
        "\r\n"
    ).encode()


def accepted_at(data: bytes) -> int:
    """Where the frames begin behind the answer to the request; 0: it is not all there yet.

    Raises:
        NotAWebSocket: the server refused, or is none.
    """
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return 0
    if not data.startswith(b"HTTP/1.1 101") or _ACCEPT not in data[:end].lower():
        line = data.partition(b"\r\n")[0][:80].decode("ascii", "replace")
        raise NotAWebSocket(f"the server answered {line!r}")
    return end + 4


def frame(payload: bytes, first: int = BINARY) -> bytes:
    """One masked frame. The mask is always the same: whoever removes it has the same work."""
    length = len(payload)
    if length < 126:
        header = bytes((first, _MASKED | length))
    elif length < 1 << 16:
        header = bytes((first, _MASKED | 126)) + length.to_bytes(2, "big")
    else:
        header = bytes((first, _MASKED | 127)) + length.to_bytes(8, "big")
    return b"".join((header, _MASK, apply_mask(payload, _MASK)))


def close_frame(code: int = 1000) -> bytes:
    """Says goodbye."""
    return frame(code.to_bytes(2, "big"), CLOSE)


def closing(payload: bytes) -> tuple[int, str]:
    """(code, reason) of a close frame; 1005, as RFC 6455 has it, when it gives none."""
    if len(payload) < 2:
        return 1005, ""
    return int.from_bytes(payload[:2], "big"), payload[2:].decode("utf-8", "replace")


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
