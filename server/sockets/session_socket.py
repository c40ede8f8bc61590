"""`/api/ocw/sessions/{session_id}/ws`: the document of one OCW session, over y-protocols.

The handshake is accepted first and refused by a close code then, because a browser cannot see
why an upgrade failed.
"""

from __future__ import annotations

import time
from functools import partial

import structlog
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket

from crdt_docs.errors import Malformed
from crdt_docs.identifiers import parse_uuid
from crdt_docs.messages import CloseCode
from server.authentication import token_from_scope
from server.channels import fitting_reason
from server.receipts import StoredCounts
from server.sockets.admission import (
    Admitted,
    TurnedAway,
    admit_to_session,
    authenticate,
    open_room,
)
from server.sockets.attachment import attach
from server.sockets.seat import Seat
from server.sockets.services import SocketServices

log = structlog.get_logger(__name__)

TOKEN_NEEDED = "a token is needed: ?token=…, or the subprotocol bearer.<token>"  # noqa: S105 - says so


def session_socket_route(services: SocketServices) -> WebSocketRoute:
    """The route; `services` is what it works with."""

    async def endpoint(websocket: WebSocket) -> None:
        await _serve(websocket, services)

    return WebSocketRoute("/api/ocw/sessions/{session_id}/ws", endpoint)


async def _serve(websocket: WebSocket, services: SocketServices) -> None:
    token, subprotocol = token_from_scope(websocket.scope)
    await websocket.accept(subprotocol=subprotocol)
    services.counters.connections += 1
    began = time.monotonic()
    try:
        admitted = await _admit(websocket.path_params["session_id"], token, services)
        host = await open_room(admitted, services.directory, since=began)
    except TurnedAway as turned:
        services.counters.count_close(turned.code)
        log.info("socket turned away", code=int(turned.code), why=turned.reason)
        await websocket.close(turned.code, fitting_reason(turned.reason))
        return
    receipts = StoredCounts() if websocket.query_params.get("ack") == "1" else None
    seat = Seat(host, services.max_frame_bytes)
    take = partial(seat.take, admitted=admitted, receipts=receipts)
    await attach(websocket, seat, take)


async def _admit(session_id: str, token: str | None, services: SocketServices) -> Admitted:
    try:
        identifier = parse_uuid(session_id)
    except Malformed as error:
        raise TurnedAway(CloseCode.NOT_FOUND, str(error)) from None
    if token is None:
        raise TurnedAway(CloseCode.UNAUTHENTICATED, TOKEN_NEEDED)
    credentials = await authenticate(token, services.authenticator)
    return await admit_to_session(identifier, credentials, services)
