"""Answers to WebSocket handshakes that are refused before the application is asked, or by it
without a word: they have the headers that every answer has (HDR-1).
"""

from __future__ import annotations

from typing import Final

from websockets.http11 import Response
from websockets.server import ServerProtocol

from server.security_headers import plain_headers

_STOCK: Final = ServerProtocol()  # of no connection: `reject` looks at none


def refused_handshake(status: int, text: str, *, is_secure: bool) -> Response:
    """As `ServerProtocol.reject` of websockets, with more headers.

    Args:
        text: the body, for people.
        is_secure: it goes out under TLS (HDR-3).
    """
    answer = _STOCK.reject(status, text)
    for name, value in plain_headers(is_secure=is_secure):
        answer.headers[name.decode()] = value.decode()
    return answer
