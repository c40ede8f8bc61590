"""`/api/ocw/sessions/{session_id}/ws`: the document of one OCW session, over y-protocols.

The handshake is accepted first and refused by a close code then, because a browser cannot see
why an upgrade failed.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from datetime import UTC, datetime

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
from persistence.ports import StorageUnavailable
from server.access_decision import Allowed, Denied, Ended, NotFound, decide_access
from server.authentication import (
    Authenticator,
    Credentials,
    InvalidToken,
    token_from_scope,
)
from server.channels import AsgiChannel, Channel, fitting_reason
from server.counters import Counters
from server.direct_channel import EXTENSION
from server.room_directory import RoomDirectory
from server.room_host import RoomHost
from server.signing_keys import KeysUnavailable
from server.standings import StandingReader

log = structlog.get_logger(__name__)

CLOSE_SECONDS = 10.0
DATABASE_AWAY = "the database does not answer; retry later"

STEP2_PREFIX = bytes((MessageType.SYNC, SyncType.STEP2))


@dataclass(frozen=True, slots=True)
class SocketServices:
    """What the sockets need. Built by `server.app`.

    Attributes:
        max_frame_bytes: of anything but a step 2, which may be as large as a document.
    """

    directory: RoomDirectory
    standings: StandingReader
    authenticator: Authenticator
    counters: Counters
    max_frame_bytes: int


@dataclass(frozen=True, slots=True)
class Admitted:
    """Somebody who may come in."""

    document: DocumentName
    identity: Identity
    role: Role
    expires_at: datetime
    max_participants: int


class TurnedAway(Exception):  # noqa: N818 - an outcome, not a fault
    """Somebody may not come in: the close code, and a sentence that helps."""

    def __init__(self, code: CloseCode, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


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
        host = await _open(admitted.document, services.directory)
        _check_still_open(admitted, host, services.directory.closed_since(host.name, began))
    except TurnedAway as turned:
        services.counters.count_close(turned.code)
        log.info("socket turned away", code=int(turned.code), why=turned.reason)
        await websocket.close(turned.code, fitting_reason(turned.reason))
        return
    await _take_part(websocket, host, admitted, services)


async def _admit(session_id: str, token: str | None, services: SocketServices) -> Admitted:
    try:
        identifier = parse_uuid(session_id)
    except Malformed as error:
        raise TurnedAway(CloseCode.NOT_FOUND, str(error)) from None
    credentials = await _authenticate(token, services.authenticator)
    try:
        standing = await services.standings.read(identifier, credentials.identity.user_id)
    except StorageUnavailable:
        raise TurnedAway(CloseCode.TRY_LATER, DATABASE_AWAY) from None
    session = standing.session
    match decide_access(credentials, session, standing.participant):
        case Allowed(role) if session is not None:
            return Admitted(
                document_name(DocumentKind.OCW, identifier),
                credentials.identity,
                role,
                credentials.expires_at,
                session.max_participants,
            )
        case Denied(reason):
            raise TurnedAway(CloseCode.FORBIDDEN, reason)
        case NotFound() | Allowed():
            raise TurnedAway(CloseCode.NOT_FOUND, "there is no such session")
        case Ended():
            raise TurnedAway(CloseCode.ENDED, "the session has ended")


async def _authenticate(token: str | None, authenticator: Authenticator) -> Credentials:
    if token is None:
        reason = "a token is needed: ?token=…, or the subprotocol bearer.<token>"
        raise TurnedAway(CloseCode.UNAUTHENTICATED, reason)
    try:
        return await authenticator.authenticate(token)
    except InvalidToken as error:
        raise TurnedAway(CloseCode.UNAUTHENTICATED, str(error)) from None
    except KeysUnavailable:
        reason = "the issuer's keys cannot be fetched; retry later"
        raise TurnedAway(CloseCode.TRY_LATER, reason) from None


async def _open(document: DocumentName, directory: RoomDirectory) -> RoomHost:
    try:
        return await directory.open(document)
    except StorageUnavailable:
        raise TurnedAway(CloseCode.TRY_LATER, DATABASE_AWAY) from None
    except DocumentBroken:
        raise TurnedAway(CloseCode.INTERNAL, "") from None


def _check_still_open(
    admitted: Admitted, host: RoomHost, closed: tuple[CloseCode, str] | None
) -> None:
    if closed is not None:
        raise TurnedAway(*closed)
    if host.connections >= admitted.max_participants:
        reason = f"the session is full: {admitted.max_participants} may take part; retry later"
        raise TurnedAway(CloseCode.TRY_LATER, reason)


async def _take_part(
    websocket: WebSocket, host: RoomHost, admitted: Admitted, services: SocketServices
) -> None:
    """Be in the room until the socket is closed; returns at once on a direct channel."""
    seat = Seat(host, services.max_frame_bytes)
    wants_receipts = websocket.query_params.get("ack") == "1"
    direct = websocket.scope.get("extensions", {}).get(EXTENSION)
    if direct is not None:
        seat.take(direct, admitted, wants_receipts=wants_receipts)
        direct.attach(seat)
        return
    channel = AsgiChannel(websocket, on_writable=seat.on_writable)
    seat.take(channel, admitted, wants_receipts=wants_receipts)
    sender = asyncio.create_task(channel.run())
    try:
        await _receive(websocket, channel, seat)
    finally:
        seat.on_lost()
        if channel.is_closing:
            # The close frame is on its way; a peer that does not read must not hold us.
            await asyncio.wait([sender], timeout=CLOSE_SECONDS)
        sender.cancel()


async def _receive(websocket: WebSocket, channel: AsgiChannel, seat: Seat) -> None:
    """Pass frames on until the socket is closed from either side."""
    while True:
        await channel.readable()
        message = await websocket.receive()
        if message["type"] == "websocket.disconnect":
            return
        frame = message.get("bytes")
        if frame is None:
            seat.on_text()
        else:
            seat.on_frame(frame)


class Seat:
    """A socket's place in a room: what arrives, on its way to the host."""

    __slots__ = ("_host", "_max_frame_bytes", "_member")

    def __init__(self, host: RoomHost, max_frame_bytes: int) -> None:
        self._host = host
        self._max_frame_bytes = max_frame_bytes
        self._member: Member | None = None

    def take(self, channel: Channel, admitted: Admitted, *, wants_receipts: bool) -> None:
        """Enter the room."""
        lifetime = (admitted.expires_at - datetime.now(UTC)).total_seconds()
        self._member = self._host.join(
            channel,
            admitted.identity,
            admitted.role,
            wants_receipts=wants_receipts,
            expires_at=self._host.now + lifetime,
        )

    def on_frame(self, frame: bytes) -> None:
        """A binary message (FRM-5)."""
        member = self._member
        if member is None:
            return
        if len(frame) > self._max_frame_bytes and not frame.startswith(STEP2_PREFIX):
            reason = f"a frame of {len(frame)} bytes; {self._max_frame_bytes} are allowed"
            self._host.expel(member, CloseCode.TOO_BIG, reason)
        else:
            self._host.receive(member, frame)

    def on_text(self) -> None:
        """A text message (FRM-5)."""
        if self._member is not None:
            reason = "text frames are not spoken here; send binary"
            self._host.expel(self._member, CloseCode.MALFORMED, reason)

    def on_writable(self) -> None:
        """The socket takes bytes again."""
        if self._member is not None:
            self._host.writable(self._member)

    def on_lost(self) -> None:
        """The socket is gone."""
        member, self._member = self._member, None
        if member is not None:
            self._host.leave(member)
