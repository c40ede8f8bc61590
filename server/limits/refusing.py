"""Turning a WebSocket away before its endpoint hears of it."""

from __future__ import annotations

from starlette.types import Receive, Scope, Send

from crdt_docs.messages import CloseCode
from server.authentication import token_from_scope
from server.channels import fitting_reason


async def accept_and_close(
    scope: Scope, receive: Receive, send: Send, code: CloseCode, reason: str
) -> None:
    """Close with a code, which a page can read; of a handshake that is refused it learns nothing.

    The subprotocol that carries a token is accepted, because browsers drop the connection, and the
    code with it, if none of those they offered is.
    """
    _, subprotocol = token_from_scope(scope)
    await receive()  # websocket.connect
    await send({"type": "websocket.accept", "subprotocol": subprotocol})
    await send({"type": "websocket.close", "code": int(code), "reason": fitting_reason(reason)})
