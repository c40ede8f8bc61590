"""Answers to WebSocket handshakes that are refused before the application is asked, or by it
without a word: they have the headers that every answer has (HDR-1).
"""

from __future__ import annotations

import email.utils
from http import HTTPStatus

from websockets.datastructures import Headers
from websockets.http11 import Response

from server.security_headers import plain_headers


def refused_handshake(status: int, text: str, *, is_secure: bool) -> Response:
    """As `ServerProtocol.reject` of websockets, with more headers.

    Args:
        text: the body, for people.
        is_secure: it goes out under TLS (HDR-3).
    """
    known = HTTPStatus(status)
    body = text.encode()
    headers = Headers(
        [
            ("Date", email.utils.formatdate(usegmt=True)),
            ("Connection", "close"),
            ("Content-Length", str(len(body))),
            ("Content-Type", "text/plain; charset=utf-8"),
        ]
    )
    for name, value in plain_headers(is_secure=is_secure):
        headers[name.decode()] = value.decode()
    return Response(known.value, known.phrase, headers, body)
