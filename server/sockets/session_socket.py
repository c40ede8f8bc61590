"""`/api/ocw/sessions/{session_id}/ws`: the document of one OCW session, over y-protocols."""

from __future__ import annotations

from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket

from crdt_docs.errors import Malformed
from crdt_docs.identifiers import DocumentKind, document_name, parse_uuid
from crdt_docs.messages import CloseCode
from server.sockets.admission import TurnedAway
from server.sockets.entrance import Address, serve
from server.sockets.services import SocketServices


def session_socket_route(services: SocketServices) -> WebSocketRoute:
    """The route; `services` is what it works with."""

    async def endpoint(websocket: WebSocket) -> None:
        await serve(websocket, services, _document)

    return WebSocketRoute("/api/ocw/sessions/{session_id}/ws", endpoint)


async def _document(websocket: WebSocket) -> Address:
    try:
        session_id = parse_uuid(websocket.path_params["session_id"])
    except Malformed as error:
        raise TurnedAway(CloseCode.NOT_FOUND, str(error)) from None
    return Address(document_name(DocumentKind.OCW, session_id))
