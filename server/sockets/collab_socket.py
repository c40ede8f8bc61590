"""`/api/collab`: many documents on one socket, for Hocuspocus clients (HOC).

Every address of a socket is a member of its room like any other; this module lets it in, takes it
out, and passes messages on.
"""

from __future__ import annotations

import asyncio
import time
from functools import partial

import structlog
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket

from crdt_docs import hocuspocus, messages
from crdt_docs.access import Role, may_edit
from crdt_docs.errors import Malformed
from crdt_docs.hocuspocus import Message, Scope
from crdt_docs.messages import CloseCode
from crdt_docs.sync_statuses import SyncStatuses
from server.authentication import token_from_scope
from server.channels import Channel
from server.frames import OutgoingFrame
from server.limits.metered import TOO_FAST
from server.room_host import RoomHost
from server.sockets.address_channel import AddressChannel, SharedSocket, SyncReceipts
from server.sockets.admission import Admitted, TurnedAway, open_room
from server.sockets.attachment import attach
from server.sockets.collab_places import CollabLimits, Keeping, Open, Place, Refused, Waiting
from server.sockets.collab_user import TOKEN_NEEDED, CollabUser
from server.sockets.seat import NO_TEXT, Seat
from server.sockets.services import SocketServices
from server.witness import visitor_of

log = structlog.get_logger(__name__)

FOR_GOOD = frozenset(
    (CloseCode.UNAUTHENTICATED, CloseCode.FORBIDDEN, CloseCode.NOT_FOUND, CloseCode.ENDED)
)
"""Reasons that coming back does not change: they end one document, not the socket (HOC-11)."""


def collab_socket_route(services: SocketServices, limits: CollabLimits) -> WebSocketRoute:
    """The route; `services` is what it works with."""

    async def endpoint(websocket: WebSocket) -> None:
        token, subprotocol = token_from_scope(websocket.scope)
        await websocket.accept(subprotocol=subprotocol)
        services.counters.connections += 1
        user = CollabUser(services, limits, token, visitor_of(websocket.scope))
        receiver = CollabSocket(services, limits, user)
        await attach(websocket, receiver, receiver.take)

    return WebSocketRoute("/api/collab", endpoint)


class CollabSocket:
    """What one socket has open; a `direct_channel.Receiver`."""

    def __init__(self, services: SocketServices, limits: CollabLimits, user: CollabUser) -> None:
        self._services = services
        self._limits = limits
        self._user = user
        self._keeping = Keeping(limits)
        self._loop = asyncio.get_running_loop()
        self._places: dict[bytes, Place] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._empty_since = time.monotonic()
        self._socket: SharedSocket | None = None
        self._timer: asyncio.TimerHandle | None = None

    def take(self, channel: Channel) -> None:
        """Begin; before the first message."""
        self._socket = SharedSocket(channel)
        self._timer = self._loop.call_later(self._limits.look_seconds, self._look)

    @property
    def is_known(self) -> bool:
        """Somebody has proved who they are."""
        return self._user.is_known

    # What arrives

    def on_frame(self, frame: bytes, *, more: bool = False) -> None:
        """A binary message."""
        if not self._is_open:
            return
        try:
            address, message = hocuspocus.parse(frame)
            if not self._user.may_send(message, len(frame)):
                self._expel(CloseCode.TRY_LATER, TOO_FAST)
            elif address is not None:
                self._take(address, message, len(frame), more=more)
            elif isinstance(message, hocuspocus.Ping):
                self._write(hocuspocus.PONG)
        except Malformed as error:
            self._expel(CloseCode.MALFORMED, str(error))

    def on_control(self, size: int) -> None:
        """A ping or a pong of the WebSocket itself."""
        if not self._user.may_take(size):
            self._expel(CloseCode.TRY_LATER, TOO_FAST)

    def on_text(self) -> None:
        """A text message (FRM-5)."""
        self._expel(CloseCode.MALFORMED, NO_TEXT)

    def on_writable(self) -> None:
        """The socket takes bytes again."""
        for place in list(self._places.values()):
            if isinstance(place, Open):
                place.seat.on_writable()

    def on_lost(self) -> None:
        """The socket is gone."""
        self._end()
        self._leave_all()
        self._user.leave()

    def _take(self, address: bytes, message: Message, size: int, *, more: bool) -> None:
        place = self._places.get(address)
        match place:
            case Open():
                self._pass_on(address, place, message, more=more)
            case Waiting():
                if isinstance(message, hocuspocus.CloseRequest):
                    self._forget(address)
                elif place.opening is None and isinstance(message, hocuspocus.Token):
                    self._begin(address, place, message)
                else:
                    self._keep(place, message, size)
            case Refused() | None:
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
                    if self._user.token is not None and self._is_open:
                        self._begin(address, waiting, hocuspocus.Token("", None))
            case hocuspocus.CloseRequest():
                self._places.pop(address, None)
            case _:
                pass  # whoever was refused is told so once, not with every message

    def _wait(self, address: bytes) -> Waiting | None:
        """Make room for an address; None, and it is told, if there are too many (HOC-12)."""
        document = hocuspocus.document_of(address)
        if address not in self._places and len(self._places) >= self._limits.documents:
            stale = (key for key, place in self._places.items() if isinstance(place, Refused))
            oldest = next(stale, None)
            if oldest is None:
                reason = f"at most {self._limits.documents} documents may be open on one socket"
                log.info("document refused", document=document, why=reason)
                self._deny(address, reason)
                return None
            del self._places[oldest]
        waiting = self._places[address] = Waiting(time.monotonic())
        return waiting

    def _keep(self, waiting: Waiting, message: Message, size: int) -> None:
        """HOC-3: clients do not wait for the answer to their token."""
        if not self._keeping.keep(waiting, message, size):
            self._expel(CloseCode.TRY_LATER, "too much was sent before the token was checked")

    def _pass_on(
        self, address: bytes, place: Open, message: Message, *, more: bool = False
    ) -> None:
        match message:
            case hocuspocus.Relayed(frame):
                place.statuses.hear(frame)
                place.seat.on_frame(frame, more=more)  # if that is for another document: no harm
            case hocuspocus.Token(token):  # HOC-10
                place.seat.on_frame(messages.renewal(token or self._user.token or ""))
            case hocuspocus.CloseRequest():
                self._forget(address)
            case hocuspocus.Stateless():
                self._services.counters.ignored_stateless += 1
            case hocuspocus.Ping():
                place.channel.say(hocuspocus.PONG, time.monotonic())
            case hocuspocus.Pong():
                pass

    # Coming in

    def _begin(self, address: bytes, waiting: Waiting, token: hocuspocus.Token) -> None:
        opening = self._loop.create_task(self._come_in(address, waiting, token))
        waiting.opening = opening
        self._tasks.add(opening)
        opening.add_done_callback(self._look_at_failure)

    def _look_at_failure(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a document could not be opened", exc_info=error)
            self._expel(CloseCode.INTERNAL, "")

    async def _come_in(self, address: bytes, waiting: Waiting, token: hocuspocus.Token) -> None:
        began = time.monotonic()
        try:
            admitted = await self._user.admit(address, token.token)
            host = await open_room(admitted, self._services.directory, since=began)
        except TurnedAway as turned:
            self._turn_away(address, waiting, turned)
            return
        if self._places.get(address) is waiting and self._is_open:
            self._sit_down(address, waiting, host, admitted, token.version)

    def _sit_down(
        self,
        address: bytes,
        waiting: Waiting,
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
        place = self._places[address] = Open(seat, channel, statuses, version, scope)
        channel.say(hocuspocus.authenticated(scope), time.monotonic())
        seat.take(channel, admitted, receipts=SyncReceipts(statuses), is_asked_back=True)
        for message in self._keeping.release(waiting):
            if self._places.get(address) is place:
                self._pass_on(address, place, message)

    def _turn_away(self, address: bytes, waiting: Waiting, turned: TurnedAway) -> None:
        if self._places.get(address) is not waiting or not self._is_open:
            return
        log.info("document refused", code=int(turned.code), why=turned.reason)
        self._user.note_refusal(address, turned)
        self._keeping.release(waiting)
        self._places[address] = Refused()
        if self._user.is_guessing:  # HOC-13
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
        return any(not isinstance(place, Refused) for place in self._places.values())

    def _forget(self, address: bytes) -> None:
        """The client is done with a document, or we are."""
        place = self._places.pop(address, None)
        match place:
            case Open():
                place.channel.shut()
                place.seat.on_lost()
            case Waiting():
                self._keeping.release(place)
                if place.opening is not None:
                    place.opening.cancel()

    def _closed(self, address: bytes, code: int, reason: str) -> None:
        """The room has let go of a member (HOC-11)."""
        place = self._places.get(address)
        if not isinstance(place, Open):
            return
        if code not in FOR_GOOD:
            self._close(code, reason)
            return
        now = time.monotonic()
        place.channel.say(hocuspocus.permission_denied(reason), now)
        if place.version is not None:
            place.channel.say(hocuspocus.closed(reason), now)
        place.channel.shut()
        self._places[address] = Refused()

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
            self._user.note_expulsion(code)
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
                case Open():
                    self._look_at(place, now)
                case Waiting(since, _, None) if now - since >= limits.token_seconds:
                    turned = TurnedAway(CloseCode.UNAUTHENTICATED, TOKEN_NEEDED)
                    self._turn_away(address, place, turned)
        if self._has_others:
            self._empty_since = now
        is_known = self._user.is_known or bool(self._places)
        patience = limits.empty_seconds if is_known else limits.token_seconds
        if now - self._empty_since >= patience:
            self._expel(CloseCode.IDLE, "no document is open on this socket")
        elif self._is_open:
            self._timer = self._loop.call_later(limits.look_seconds, self._look)

    def _look_at(self, place: Open, now: float) -> None:
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
