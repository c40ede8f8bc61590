"""`/api/xr/sessions/{session_id}/ws`: the document of the room that an XR session plays in, over
y-protocols, and the pose lane beside it.

`?connection_id=` is what joining by REST has given; without it the socket is a connection of its
own.
"""

from __future__ import annotations

from uuid import UUID, uuid4

from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket

from crdt_docs.errors import Malformed
from crdt_docs.identifiers import DocumentKind, document_name, parse_uuid
from crdt_docs.messages import CloseCode
from persistence.ports import StorageUnavailable
from persistence.xr_ports import XrSession, XrSessionStore, XrStatus
from server.sockets.admission import DATABASE_AWAY, TurnedAway
from server.sockets.entrance import Address, serve
from server.sockets.services import SocketServices
from server.witness import Connection

REMEMBERED = 4_096
"""Sessions whose rooms are known while the database is away."""


def xr_socket_route(services: SocketServices, sessions: XrSessionStore) -> WebSocketRoute:
    """The route; `services` is what it works with."""
    rooms = _Rooms(sessions)

    async def endpoint(websocket: WebSocket) -> None:
        await serve(websocket, services, rooms.find)

    return WebSocketRoute("/api/xr/sessions/{session_id}/ws", endpoint)


class _Rooms:
    """In which room a session is. It stays there, so what was found once counts."""

    def __init__(self, sessions: XrSessionStore) -> None:
        self._sessions = sessions
        self._known: dict[UUID, UUID] = {}

    async def find(self, websocket: WebSocket) -> Address:
        """The document of a socket's session.

        Raises:
            TurnedAway: there is no such session, or it cannot be told now.
        """
        try:
            session_id = parse_uuid(websocket.path_params["session_id"])
            connection_id = _connection_id(websocket.query_params.get("connection_id"))
        except Malformed as error:
            raise TurnedAway(CloseCode.NOT_FOUND, str(error)) from None
        room_id, is_over = await self._room_of(session_id)
        document = document_name(DocumentKind.XR, room_id)
        return Address(document, Connection(session_id, connection_id), is_over=is_over)

    async def _room_of(self, session_id: UUID) -> tuple[UUID, bool]:
        """The room of a session, and whether that has ended."""
        try:
            session = await self._sessions.get(session_id)
        except StorageUnavailable:
            known = self._known.get(session_id)
            if known is None:
                raise TurnedAway(CloseCode.TRY_LATER, DATABASE_AWAY) from None
            return known, False
        if session is None:
            raise TurnedAway(CloseCode.NOT_FOUND, "there is no such session")
        is_over = session.status is XrStatus.ENDED
        self._remember(session, is_over=is_over)
        return session.room_id, is_over

    def _remember(self, session: XrSession, *, is_over: bool) -> None:
        if is_over:
            self._known.pop(session.id, None)
            return
        self._known[session.id] = session.room_id
        if len(self._known) > REMEMBERED:
            del self._known[next(iter(self._known))]


def _connection_id(text: str | None) -> UUID:
    return uuid4() if text is None else parse_uuid(text)
