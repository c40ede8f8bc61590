"""`/api/ocw/sessions/{session_id}/ws`: the document of one OCW session, over y-protocols.

The handshake is accepted first and refused by a close code then, because a browser cannot see
why an upgrade failed.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from uuid import UUID

import structlog
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket

from crdt_docs.access import Role
from crdt_docs.document import DocumentBroken
from crdt_docs.errors import Malformed
from crdt_docs.identifiers import (
    DocumentKind,
    DocumentName,
    Identity,
    document_name,
    parse_uuid,
)
from crdt_docs.member import Member
from crdt_docs.messages import CloseCode, MessageType, SyncType
from persistence.ports import SessionStore, StorageUnavailable
from server.access_decision import Allowed, Denied, Ended, NotFound, decide_access
from server.authentication import (
    Authenticator,
    Credentials,
    InvalidToken,
    token_from_scope,
)
from server.channels import AsgiChannel
from server.counters import Counters
from server.room_directory import RoomDirectory
from server.room_host import RoomHost
from server.signing_keys import KeysUnavailable

log = structlog.get_logger(__name__)

CLOSE_SECONDS = 10.0

STEP2_PREFIX = bytes((MessageType.SYNC, SyncType.STEP2))


@dataclass(frozen=True, slots=True)
class SocketServices:
    """What the sockets need. Built by `server.app`.

    Attributes:
        max_frame_bytes: of anything but a step 2, which may be as large as a document.
    """

    directory: RoomDirectory
    sessions: SessionStore
    authenticator: Authenticator
    counters: Counters
    max_frame_bytes: int


@dataclass(frozen=True, slots=True)
class Admitted:
    """Somebody who may come in."""

    document: DocumentName
    identity: Identity
    role: Role


@dataclass(frozen=True, slots=True)
class Turned:
    """Somebody who may not: the close code and a sentence that helps."""

    code: CloseCode
    reason: str


def session_socket_route(services: SocketServices) -> WebSocketRoute:
    """The route; `services` is what it works with."""

    async def endpoint(websocket: WebSocket) -> None:
        await _serve(websocket, services)

    return WebSocketRoute("/api/ocw/sessions/{session_id}/ws", endpoint)


async def _serve(websocket: WebSocket, services: SocketServices) -> None:
    token, subprotocol = token_from_scope(websocket.scope)
    await websocket.accept(subprotocol=subprotocol)
    services.counters.connections += 1
    admission = await _admit(websocket, token, services)
    if isinstance(admission, Turned):
        await _turn_away(websocket, admission, services)
        return
    try:
        host = await services.directory.open(admission.document)
    except StorageUnavailable:
        turned = Turned(CloseCode.TRY_LATER, "the database does not answer; retry later")
        await _turn_away(websocket, turned, services)
        return
    except DocumentBroken:
        await _turn_away(websocket, Turned(CloseCode.INTERNAL, ""), services)
        return
    await _take_part(websocket, host, admission, services.max_frame_bytes)


async def _turn_away(websocket: WebSocket, turned: Turned, services: SocketServices) -> None:
    services.counters.count_close(turned.code)
    log.info("socket turned away", code=int(turned.code), why=turned.reason)
    await websocket.close(turned.code, turned.reason)


async def _admit(
    websocket: WebSocket, token: str | None, services: SocketServices
) -> Admitted | Turned:
    try:
        session_id = parse_uuid(websocket.path_params["session_id"])
    except Malformed as error:
        return Turned(CloseCode.NOT_FOUND, str(error))
    if token is None:
        return Turned(CloseCode.UNAUTHENTICATED, "a token is needed: ?token=… or bearer.<token>")
    try:
        credentials = await services.authenticator.authenticate(token)
    except InvalidToken as error:
        return Turned(CloseCode.UNAUTHENTICATED, str(error))
    except KeysUnavailable:
        return Turned(CloseCode.TRY_LATER, "the issuer's keys cannot be fetched; retry later")
    try:
        session = await services.sessions.get(session_id)
        participant = await services.sessions.participant(
            session_id, credentials.identity.user_id
        )
    except StorageUnavailable:
        return Turned(CloseCode.TRY_LATER, "the database does not answer; retry later")
    match decide_access(credentials, session, participant):
        case Allowed(role):
            return _admitted(session_id, credentials, role)
        case Denied(reason):
            return Turned(CloseCode.FORBIDDEN, reason)
        case NotFound():
            return Turned(CloseCode.NOT_FOUND, "there is no such session")
        case Ended():
            return Turned(CloseCode.ENDED, "the session has ended")


def _admitted(session_id: UUID, credentials: Credentials, role: Role) -> Admitted:
    document = document_name(DocumentKind.OCW, session_id)
    return Admitted(document, credentials.identity, role)


async def _take_part(
    websocket: WebSocket, host: RoomHost, admitted: Admitted, max_frame_bytes: int
) -> None:
    channel = AsgiChannel(websocket, on_writable=lambda: host.writable(member))
    member: Member = host.join(
        channel,
        admitted.identity,
        admitted.role,
        wants_receipts=websocket.query_params.get("ack") == "1",
    )
    sender = asyncio.create_task(channel.run())
    try:
        await _receive(websocket, host, member, channel, max_frame_bytes)
    finally:
        host.leave(member)
        if channel.is_closing:
            # The close frame is on its way; a peer that does not read must not hold us.
            await asyncio.wait([sender], timeout=CLOSE_SECONDS)
        sender.cancel()


async def _receive(
    websocket: WebSocket,
    host: RoomHost,
    member: Member,
    channel: AsgiChannel,
    max_frame_bytes: int,
) -> None:
    """Pass frames to the room until the socket is closed from either side."""
    while not channel.is_closing:
        await channel.readable()
        message = await websocket.receive()
        if message["type"] == "websocket.disconnect":
            return
        frame = message.get("bytes")
        if frame is None:
            host.expel(member, CloseCode.MALFORMED, "text frames are not spoken here; send binary")
        elif len(frame) > max_frame_bytes and not frame.startswith(STEP2_PREFIX):
            reason = f"a frame of {len(frame)} bytes; {max_frame_bytes} are allowed"
            host.expel(member, CloseCode.TOO_BIG, reason)
        else:
            host.receive(member, frame)
