"""How many WebSocket handshakes an address may begin.

- LIM-9: from an address so many handshakes a minute are taken; more are closed with 4503, and at
  twice as many the connection is cut without a word.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from starlette.types import ASGIApp, Receive, Scope, Send

from crdt_docs.messages import CloseCode
from server.counters import Counters
from server.direct_channel import EXTENSION
from server.limits.addresses import client_key
from server.limits.names import Limit
from server.limits.refusing import accept_and_close
from server.limits.windows import PerMinute

PATIENCE = 2
"""Times the limit up to which one is told."""


class HandshakeLimit:
    """ASGI middleware (LIM-9)."""

    def __init__(
        self,
        app: ASGIApp,
        most: int,
        counters: Counters,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._app = app
        self._counters = counters
        self._handshakes = PerMinute(most, clock=clock)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "websocket" or self._handshakes.hit(key := client_key(scope)):
            await self._app(scope, receive, send)
            return
        self._counters.count_limited(Limit.HANDSHAKES)
        if self._handshakes.count(key) > PATIENCE * self._handshakes.most:
            await _cut(scope, send)
            return
        wait = self._handshakes.seconds_left(key)
        reason = f"too many connections from this address; retry in {wait} s"
        self._counters.count_close(CloseCode.TRY_LATER)
        await accept_and_close(scope, receive, send, CloseCode.TRY_LATER, reason)


async def _cut(scope: Scope, send: Send) -> None:
    direct = scope.get("extensions", {}).get(EXTENSION)
    if direct is not None:
        direct.cut()
    else:
        await send({"type": "websocket.close"})  # before accept: the server answers 403
