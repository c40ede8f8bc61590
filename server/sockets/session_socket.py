"""`/api/ocw/sessions/{session_id}/ws`: the document of one OCW session, over y-protocols.

The handshake is accepted first and refused by a close code then, because a browser cannot see
why an upgrade failed.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from functools import partial

import structlog
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket

from crdt_docs.errors import Malformed
from crdt_docs.identifiers import DocumentKind, DocumentName, document_name, parse_uuid
from crdt_docs.messages import CloseCode
from server.authentication import token_from_scope
from server.channels import fitting_reason
from server.limits.metered import Metered
from server.receipts import StoredCounts
from server.sockets.admission import (
    TurnedAway,
    admit,
    authenticate,
    count_room,
    let_pass,
    open_room,
    tell,
)
from server.sockets.attachment import attach
from server.sockets.seat import Seat
from server.sockets.services import SocketServices
from server.witness import visitor_of

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
    with ExitStack() as stack:
        try:
            await _come_in(websocket, token, services, stack)
        except TurnedAway as turned:
            services.counters.count_close(turned.code)
            session_id = websocket.path_params["session_id"]
            tell(services.audit, turned, session_id, visitor_of(websocket.scope))
            log.info("socket turned away", code=int(turned.code), why=turned.reason)
            await websocket.close(turned.code, fitting_reason(turned.reason))


async def _come_in(
    websocket: WebSocket, token: str | None, services: SocketServices, stack: ExitStack
) -> None:
    """Be in the room until the socket is closed; returns at once on a direct channel.

    Args:
        stack: undoes what was begun, unless it is somebody else's at the end.
    """
    began = time.monotonic()
    document = _document(websocket.path_params["session_id"])
    if token is None:
        raise TurnedAway(CloseCode.UNAUTHENTICATED, TOKEN_NEEDED)
    credentials = await authenticate(token, services.authenticator)
    passage = let_pass(credentials, services.users)
    stack.callback(passage.leave)
    visitor = visitor_of(websocket.scope)
    admitted = await admit(document, credentials, services, visitor)
    count_room(passage)
    host = await open_room(admitted, services.directory, since=began)
    receipts = StoredCounts() if websocket.query_params.get("ack") == "1" else None
    seat = Seat(host, services.max_frame_bytes)
    take = partial(seat.take, admitted=admitted, receipts=receipts)
    await attach(websocket, Metered(seat, passage, let_go=seat.expel), take)
    stack.pop_all()  # the passage is left with the socket


def _document(session_id: str) -> DocumentName:
    try:
        return document_name(DocumentKind.OCW, parse_uuid(session_id))
    except Malformed as error:
        raise TurnedAway(CloseCode.NOT_FOUND, str(error)) from None
