"""Requests that say twice how long they are.

- LEN-1: a request with a length and with chunks, or with two lengths, is refused with 400, and the
  connection ends: what follows could be its body to one reader and the next request to another,
  such as a proxy before this server (RFC 9112, 6.1).
"""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

REFUSED = "a request has a Content-Length or a Transfer-Encoding, not both"


class OneLength:
    """ASGI middleware (LEN-1)."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and _says_twice(Headers(scope=scope)):
            refusal = PlainTextResponse(REFUSED, 400, headers={"Connection": "close"})
            await refusal(scope, receive, send)
        else:
            await self._app(scope, receive, send)


def _says_twice(headers: Headers) -> bool:
    told = headers.getlist("content-length") + headers.getlist("transfer-encoding")
    return len(told) > 1
