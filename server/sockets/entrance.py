"""How a socket of y-protocols comes into a room, whatever its address is.

The handshake is accepted first and refused by a close code then, because a browser cannot see
why an upgrade failed.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial

import structlog
from starlette.websockets import WebSocket

from crdt_docs.identifiers import DocumentName
from crdt_docs.messages import CloseCode
from server.authentication import token_from_scope
from server.channels import fitting_reason
from server.limits.metered import Metered
from server.receipts import StoredCounts
from server.sockets.admission import (
    SESSION_ENDED,
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
from server.witness import Connection, visitor_of

log = structlog.get_logger(__name__)

TOKEN_NEEDED = "a token is needed: ?token=…, or the subprotocol bearer.<token>"  # noqa: S105 - says so


@dataclass(frozen=True, slots=True)
class Address:
    """What a socket's address means.

    Attributes:
        connection: as which somebody takes part in a session of a room.
        is_over: that session has ended, which only they are told who could have taken part.
    """

    document: DocumentName
    connection: Connection | None = None
    is_over: bool = False


FindDocument = Callable[[WebSocket], Awaitable[Address]]
"""Which document a socket's address means; raises TurnedAway where it means none."""


async def serve(websocket: WebSocket, services: SocketServices, find: FindDocument) -> None:
    """Let somebody in, or turn them away."""
    token, subprotocol = token_from_scope(websocket.scope)
    await websocket.accept(subprotocol=subprotocol)
    services.counters.connections += 1
    with ExitStack() as stack:
        try:
            await _come_in(websocket, token, services, find, stack)
        except TurnedAway as turned:
            services.counters.count_close(turned.code)
            session_id = websocket.path_params["session_id"]
            tell(services.audit, turned, session_id, visitor_of(websocket.scope))
            log.info("socket turned away", code=int(turned.code), why=turned.reason)
            await websocket.close(turned.code, fitting_reason(turned.reason))


async def _come_in(
    websocket: WebSocket,
    token: str | None,
    services: SocketServices,
    find: FindDocument,
    stack: ExitStack,
) -> None:
    """Be in the room until the socket is closed; returns at once on a direct channel.

    Args:
        stack: undoes what was begun, unless it is somebody else's at the end.
    """
    began = time.monotonic()
    if token is None:
        raise TurnedAway(CloseCode.UNAUTHENTICATED, TOKEN_NEEDED)
    credentials = await authenticate(token, services.authenticator)
    passage = let_pass(credentials, services.users)
    stack.callback(passage.leave)
    address = await find(websocket)
    visitor = replace(visitor_of(websocket.scope), connection=address.connection)
    admitted = await admit(address.document, credentials, services, visitor)
    if address.is_over:  # ACC-16
        raise TurnedAway(CloseCode.ENDED, SESSION_ENDED)
    count_room(passage)
    host = await open_room(admitted, services.directory, since=began)
    receipts = StoredCounts() if websocket.query_params.get("ack") == "1" else None
    seat = Seat(host, services.max_frame_bytes)
    take = partial(seat.take, admitted=admitted, receipts=receipts)
    await attach(websocket, Metered(seat, passage, let_go=seat.expel), take)
    stack.pop_all()  # the passage is left with the socket
