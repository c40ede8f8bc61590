"""`/api/collab`: many documents on one socket, for Hocuspocus clients (HOC).

Every address of a socket is a member of its room like any other; this module lets it in, takes it
out, and passes messages on.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from functools import partial

import structlog
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket

from crdt_docs import hocuspocus, messages
from crdt_docs.access import Role, may_edit
from crdt_docs.errors import Malformed
from crdt_docs.hocuspocus import Message, Scope
from crdt_docs.identifiers import DocumentKind, parse_uuid
from crdt_docs.messages import CloseCode
from crdt_docs.sync_statuses import SyncStatuses
from server.authentication import token_from_scope
from server.channels import Channel
from server.frames import OutgoingFrame
from server.limits.message_budget import MessageBudget, Rates
from server.limits.metered import TOO_FAST
from server.limits.users import Passage
from server.room_host import RoomHost
from server.sockets.address_channel import AddressChannel, SharedSocket, SyncReceipts
from server.sockets.admission import (
    Admitted,
    TurnedAway,
    admit_to_session,
    authenticate,
    count_room,
    let_pass,
    open_room,
    tell,
)
from server.sockets.attachment import attach
from server.sockets.seat import NO_TEXT, Seat, is_step2
from server.sockets.services import SocketServices
from server.witness import SOMEBODY, Visitor, visitor_of

log = structlog.get_logger(__name__)

FOR_GOOD = frozenset(
    (CloseCode.UNAUTHENTICATED, CloseCode.FORBIDDEN, CloseCode.NOT_FOUND, CloseCode.ENDED)
)
"""Reasons that coming back does not change: they end one document, not the socket (HOC-11)."""

STRANGER = Rates(messages=50, bytes=256 * 1024, burst=5.0)

TOKEN_NEEDED = "a token is needed: the provider's `token`, or ?token= in the address"  # noqa: S105 - says so


@dataclass(frozen=True, slots=True)
class CollabLimits:
    """What one socket may have open.

    Attributes:
        documents: addresses, also those whose token is not checked yet.
        queued_messages: for addresses whose token is being checked, over all of them; likewise
            `queued_bytes`.
        token_seconds: how long a token may be awaited.
        empty_seconds: how long a socket may be without a document.
        renewal_seconds: how long before a token ends a new one is asked for.
        look_seconds: how often to look at all of these.
        stranger: what may be sent before anybody has proved who they are.
    """

    documents: int = 64
    queued_messages: int = 256
    queued_bytes: int = 4 * 1024 * 1024
    token_seconds: float = 10.0
    empty_seconds: float = 60.0
    renewal_seconds: float = 60.0
    look_seconds: float = 5.0
    stranger: Rates = STRANGER


@dataclass(slots=True)
class _Waiting:
    """An address whose token is awaited, or being checked; what came for it meanwhile is kept."""

    since: float
    kept: list[tuple[Message, int]] = field(default_factory=list)
    opening: asyncio.Task[None] | None = None


@dataclass(slots=True)
class _Open:
    """An address that is a member of its room.

    Attributes:
        version: of the provider, if it says so.
        scope: what it was told that it may do.
        asked_for: end of the token in whose place another was asked for.
    """

    seat: Seat
    channel: AddressChannel
    statuses: SyncStatuses
    version: str | None
    scope: Scope
    asked_for: float | None = None


@dataclass(frozen=True, slots=True)
class _Refused:
    """An address that may come again with another token; what else comes for it is ignored."""


_Place = _Waiting | _Open | _Refused


def collab_socket_route(services: SocketServices, limits: CollabLimits) -> WebSocketRoute:
    """The route; `services` is what it works with."""

    async def endpoint(websocket: WebSocket) -> None:
        token, subprotocol = token_from_scope(websocket.scope)
        await websocket.accept(subprotocol=subprotocol)
        services.counters.connections += 1
        receiver = CollabSocket(services, limits, token, visitor_of(websocket.scope))
        await attach(websocket, receiver, receiver.take)

    return WebSocketRoute("/api/collab", endpoint)


class CollabSocket:
    """What one socket has open; a `direct_channel.Receiver`."""

    def __init__(
        self,
        services: SocketServices,
        limits: CollabLimits,
        token: str | None,
        visitor: Visitor = SOMEBODY,
    ) -> None:
        """
        Args:
            token: that came with the handshake; for addresses that bring none of their own.
        """
        self._services = services
        self._limits = limits
        self._token = token
        self._visitor = visitor
        self._loop = asyncio.get_running_loop()
        self._places: dict[bytes, _Place] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._kept_messages = 0
        self._kept_bytes = 0
        self._empty_since = time.monotonic()
        self._stranger = MessageBudget(limits.stranger)
        self._failures = 0
        self._passage: Passage | None = None
        self._user: object = None
        self._socket: SharedSocket | None = None
        self._timer: asyncio.TimerHandle | None = None

    def take(self, channel: Channel) -> None:
        """Begin; before the first message."""
        self._socket = SharedSocket(channel)
        self._timer = self._loop.call_later(self._limits.look_seconds, self._look)

    # What arrives

    def on_frame(self, frame: bytes) -> None:
        """A binary message."""
        if not self._is_open:
            return
        try:
            address, message = hocuspocus.parse(frame)
            if not self._may_come(message, len(frame)):
                self._expel(CloseCode.TRY_LATER, TOO_FAST)
            elif address is not None:
                self._take(address, message, len(frame))
            elif isinstance(message, hocuspocus.Ping):
                self._write(hocuspocus.PONG)
        except Malformed as error:
            self._expel(CloseCode.MALFORMED, str(error))

    def on_control(self, size: int) -> None:
        """A ping or a pong of the WebSocket itself."""
        if not self._may_take(size):
            self._expel(CloseCode.TRY_LATER, TOO_FAST)

    def on_text(self) -> None:
        """A text message (FRM-5)."""
        self._expel(CloseCode.MALFORMED, NO_TEXT)

    def on_writable(self) -> None:
        """The socket takes bytes again."""
        for place in list(self._places.values()):
            if isinstance(place, _Open):
                place.seat.on_writable()

    def on_lost(self) -> None:
        """The socket is gone."""
        self._end()
        self._leave_all()
        if self._passage is not None:
            self._passage.leave()

    def _may_come(self, message: Message, size: int) -> bool:
        """LIM-2, LIM-3, HOC-13."""
        passage = self._passage
        if (
            passage is not None
            and isinstance(message, hocuspocus.Relayed)
            and is_step2(message.frame)
        ):
            return passage.take_step2(size)
        return self._may_take(size)

    def _may_take(self, size: int) -> bool:
        passage = self._passage
        if passage is None:
            return self._stranger.take(size, time.monotonic())
        return passage.take(size)

    def _take(self, address: bytes, message: Message, size: int) -> None:
        place = self._places.get(address)
        match place:
            case _Open():
                self._pass_on(address, place, message)
            case _Waiting():
                if isinstance(message, hocuspocus.CloseRequest):
                    self._forget(address)
                elif place.opening is None and isinstance(message, hocuspocus.Token):
                    self._begin(address, place, message)
                else:
                    self._keep(place, message, size)
            case _Refused() | None:
                self._take_first(address, message, size, is_new=place is None)

    def _take_first(self, address: bytes, message: Message, size: int, *, is_new: bool) -> None:
        """A message for an address that is not open."""
        match message:
            case hocuspocus.Token() as token:
                waiting = self._wait(address)
                if waiting is not None:
                    self._begin(address, waiting, token)
            case hocuspocus.Relayed() | hocuspocus.Stateless() if is_new:
                # A provider without a token says nothing of one, and begins with its step 1.
                waiting = self._wait(address)
                if waiting is not None:
                    self._keep(waiting, message, size)
                    if self._token is not None:
                        self._begin(address, waiting, hocuspocus.Token("", None))
            case hocuspocus.CloseRequest():
                self._places.pop(address, None)
            case _:
                pass  # whoever was refused is told so once, not with every message

    def _wait(self, address: bytes) -> _Waiting | None:
        """Make room for an address; None, and it is told, if there are too many (HOC-12)."""
        document = hocuspocus.document_of(address)
        if address not in self._places and len(self._places) >= self._limits.documents:
            stale = (key for key, place in self._places.items() if isinstance(place, _Refused))
            oldest = next(stale, None)
            if oldest is None:
                reason = f"at most {self._limits.documents} documents may be open on one socket"
                log.info("document refused", document=document, why=reason)
                self._deny(address, reason)
                return None
            del self._places[oldest]
        waiting = self._places[address] = _Waiting(time.monotonic())
        return waiting

    def _keep(self, waiting: _Waiting, message: Message, size: int) -> None:
        """HOC-3: clients do not wait for the answer to their token."""
        if (
            self._kept_messages >= self._limits.queued_messages
            or self._kept_bytes + size > self._limits.queued_bytes
        ):
            self._expel(CloseCode.TRY_LATER, "too much was sent before the token was checked")
            return
        waiting.kept.append((message, size))
        self._kept_messages += 1
        self._kept_bytes += size

    def _release(self, waiting: _Waiting) -> list[Message]:
        kept, waiting.kept = waiting.kept, []
        self._kept_messages -= len(kept)
        self._kept_bytes -= sum(size for _, size in kept)
        return [message for message, _ in kept]

    def _pass_on(self, address: bytes, place: _Open, message: Message) -> None:
        match message:
            case hocuspocus.Relayed(frame):
                place.statuses.hear(frame)
                place.seat.on_frame(frame)
            case hocuspocus.Token(token):  # HOC-10
                place.seat.on_frame(messages.renewal(token or self._token or ""))
            case hocuspocus.CloseRequest():
                self._forget(address)
            case hocuspocus.Stateless():
                self._services.counters.ignored_stateless += 1
            case hocuspocus.Ping():
                place.channel.say(hocuspocus.PONG, time.monotonic())
            case hocuspocus.Pong():
                pass

    # Coming in

    def _begin(self, address: bytes, waiting: _Waiting, token: hocuspocus.Token) -> None:
        opening = self._loop.create_task(self._come_in(address, waiting, token))
        waiting.opening = opening
        self._tasks.add(opening)
        opening.add_done_callback(self._look_at_failure)

    def _look_at_failure(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a document could not be opened", exc_info=error)
            self._expel(CloseCode.INTERNAL, "")

    async def _come_in(self, address: bytes, waiting: _Waiting, token: hocuspocus.Token) -> None:
        began = time.monotonic()
        try:
            admitted = await self._admit(address, token.token or self._token)
            host = await open_room(admitted, self._services.directory, since=began)
        except TurnedAway as turned:
            self._turn_away(address, waiting, turned)
            return
        if self._places.get(address) is waiting and self._is_open:
            self._sit_down(address, waiting, host, admitted, token.version)

    async def _admit(self, address: bytes, token: str | None) -> Admitted:
        kind, _, identifier = hocuspocus.document_of(address).partition("/")
        if kind in {DocumentKind.XR, DocumentKind.THREAD}:
            raise TurnedAway(CloseCode.NOT_FOUND, f"this server has no {kind}/… documents yet")
        if kind != DocumentKind.OCW:
            reason = "a document is named ocw/ and the id of its session"
            raise TurnedAway(CloseCode.NOT_FOUND, reason)
        try:
            session_id = parse_uuid(identifier)
        except Malformed as error:
            raise TurnedAway(CloseCode.NOT_FOUND, str(error)) from None
        if not token:
            raise TurnedAway(CloseCode.UNAUTHENTICATED, TOKEN_NEEDED)
        credentials = await authenticate(token, self._services.authenticator)
        user = credentials.identity.user_id
        if self._passage is None:
            self._passage = let_pass(credentials, self._services.users)
            self._user = user
        elif self._user != user:
            raise TurnedAway(CloseCode.FORBIDDEN, "this socket is another user's; open one more")
        admitted = await admit_to_session(session_id, credentials, self._services)
        admitted.visitor = self._visitor
        count_room(self._passage)
        return admitted

    def _sit_down(
        self,
        address: bytes,
        waiting: _Waiting,
        host: RoomHost,
        admitted: Admitted,
        version: str | None,
    ) -> None:
        socket = self._socket
        if socket is None:
            raise AssertionError("messages come after the channel")
        statuses = SyncStatuses()
        channel = AddressChannel(socket, address, statuses, partial(self._closed, address))
        seat = Seat(host, self._services.max_frame_bytes)
        scope = _scope(admitted.role)
        place = self._places[address] = _Open(seat, channel, statuses, version, scope)
        channel.say(hocuspocus.authenticated(scope), time.monotonic())
        seat.take(channel, admitted, receipts=SyncReceipts(statuses), is_asked_back=True)
        for message in self._release(waiting):
            if self._places.get(address) is place:
                self._pass_on(address, place, message)

    def _turn_away(self, address: bytes, waiting: _Waiting, turned: TurnedAway) -> None:
        if self._places.get(address) is not waiting or not self._is_open:
            return
        log.info("document refused", code=int(turned.code), why=turned.reason)
        self._services.counters.refused_documents += 1
        session_id = hocuspocus.document_of(address).partition("/")[2]
        tell(self._services.audit, turned, session_id, self._visitor)
        self._release(waiting)
        self._places[address] = _Refused()
        self._failures += turned.code == CloseCode.UNAUTHENTICATED
        if self._failures > self._limits.documents:  # HOC-13: it is guessing
            self._expel(CloseCode.UNAUTHENTICATED, "too many tokens were refused")
        elif turned.code in FOR_GOOD or self._has_others:
            self._deny(address, turned.reason)
        else:  # a stock provider comes back only when its socket was closed
            self._expel(turned.code, turned.reason)

    # Going

    @property
    def _is_open(self) -> bool:
        return self._socket is not None and self._socket.is_open

    @property
    def _has_others(self) -> bool:
        return any(not isinstance(place, _Refused) for place in self._places.values())

    def _forget(self, address: bytes) -> None:
        """The client is done with a document, or we are."""
        place = self._places.pop(address, None)
        match place:
            case _Open():
                place.channel.shut()
                place.seat.on_lost()
            case _Waiting():
                self._release(place)
                if place.opening is not None:
                    place.opening.cancel()

    def _closed(self, address: bytes, code: int, reason: str) -> None:
        """The room has let go of a member (HOC-11)."""
        place = self._places.get(address)
        if not isinstance(place, _Open):
            return
        if code not in FOR_GOOD:
            self._close(code, reason)
            return
        now = time.monotonic()
        place.channel.say(hocuspocus.permission_denied(reason), now)
        if place.version is not None:
            place.channel.say(hocuspocus.closed(reason), now)
        place.channel.shut()
        self._places[address] = _Refused()

    def _deny(self, address: bytes, reason: str) -> None:
        self._write(hocuspocus.at(address) + hocuspocus.permission_denied(reason))

    def _write(self, payload: bytes) -> None:
        if self._socket is not None and self._socket.is_open:
            self._socket.channel.write(OutgoingFrame(payload), time.monotonic())

    def _expel(self, code: CloseCode, reason: str) -> None:
        """Close the socket for what it sent, or cannot be given now."""
        if self._is_open:
            self._services.counters.count_close(code)
            log.info("socket closed", code=int(code), why=reason)
            self._close(code, reason)

    def _close(self, code: int, reason: str) -> None:
        socket = self._socket
        if socket is None or not socket.is_open:
            return
        self._end()
        socket.channel.close(code, reason)
        # Not now: one of the rooms may be in the middle of the turn that led here.
        self._loop.call_soon(self._leave_all)

    def _end(self) -> None:
        """Nothing more is sent or taken."""
        if self._socket is not None:
            self._socket.is_open = False
        if self._timer is not None:
            self._timer.cancel()
        for task in self._tasks:
            task.cancel()

    def _leave_all(self) -> None:
        for address in list(self._places):
            self._forget(address)

    # Now and then

    def _look(self) -> None:
        """Ask for new tokens before the old ones end, and wait for nobody for ever."""
        now = time.monotonic()
        limits = self._limits
        for address, place in list(self._places.items()):
            match place:
                case _Open():
                    self._look_at(place, now)
                case _Waiting(since, _, None) if now - since >= limits.token_seconds:
                    turned = TurnedAway(CloseCode.UNAUTHENTICATED, TOKEN_NEEDED)
                    self._turn_away(address, place, turned)
        if self._has_others:
            self._empty_since = now
        is_known = self._passage is not None or bool(self._places)
        patience = limits.empty_seconds if is_known else limits.token_seconds
        if now - self._empty_since >= patience:
            self._expel(CloseCode.IDLE, "no document is open on this socket")
        elif self._is_open:
            self._timer = self._loop.call_later(limits.look_seconds, self._look)

    def _look_at(self, place: _Open, now: float) -> None:
        scope = _scope(place.seat.role)
        if scope is not place.scope:
            place.scope = scope
            place.channel.say(hocuspocus.authenticated(scope), now)
        ends = place.seat.expires_at
        if ends != place.asked_for and ends - now <= self._limits.renewal_seconds:
            place.asked_for = ends
            place.channel.say(hocuspocus.TOKEN_REQUEST, now)


def _scope(role: Role) -> Scope:
    return Scope.READ_WRITE if may_edit(role) else Scope.READ_ONLY
