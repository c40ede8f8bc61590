"""WebSocket messages straight between uvicorn's transport and a room.

Until a handshake is accepted this is uvicorn's own Sans-I/O protocol. Then the endpoint may
`attach` a receiver, and from there on no message passes through ASGI, a queue or a task: frames
that arrive are handed to the receiver, and frames made ready elsewhere are written to the
transport. What the endpoint needed for the handshake is let go.
"""

from __future__ import annotations

import socket
from asyncio import AbstractEventLoop, BaseTransport
from functools import partial
from http import HTTPStatus
from types import GeneratorType
from typing import Any, Protocol, runtime_checkable

from uvicorn.config import Config
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState
from websockets.frames import (  # type: ignore[attr-defined]  # apply_mask: in C, else in Python
    Frame,
    apply_mask,
)
from websockets.http11 import Request
from websockets.streams import StreamReader

from crdt_docs.messages import CloseCode
from server.channels import fitting_reason
from server.frames import FINAL_BINARY, OutgoingFrame
from server.limits.connections import (
    CONTROL_FRAMES,
    MOST_FRAGMENTS,
    ConnectionGuard,
    GuardedState,
    Place,
)
from server.limits.message_budget import MessageBudget
from server.limits.names import Limit
from server.limits.stalling import StallWatch
from server.refused_handshakes import refused_handshake

EXTENSION = "collab.direct"
"""Key in the scope's extensions under which an endpoint finds the protocol."""

HIGH_WATER = 64 * 1024
"""Bytes waiting in user space from which a member counts as behind."""

SEND_BUFFER = 128 * 1024
"""SO_SNDBUF, which Linux doubles: small, so that a slow reader is noticed soon."""

NOT_SENT_LOW_WATER = 64 * 1024
"""TCP_NOTSENT_LOWAT: the kernel takes more only while less than this is unsent."""

RECEIVE_BUFFER = 64 * 1024
"""SO_RCVBUF, which Linux doubles: what a flooding client can have waiting for us."""

FRAMES_AT_ONCE = 64
"""Frames taken from one socket before the others have their turn."""

GOODBYE_SECONDS = 5.0
"""How long a closing handshake may take before the connection is cut."""

_BETWEEN_FRAMES = StreamReader.at_eof.__code__
"""Where the general parser waits when it has taken all of a frame and nothing of the next."""

_MASKED = 0x80
_TWO_BYTES = 126  # a length of two more bytes follows (RFC 6455, 5.2)


class Receiver(Protocol):
    """What a direct channel tells whoever attached to it. All calls come from the event loop."""

    def on_frame(self, frame: bytes, *, more: bool = False) -> None:
        """A binary message.

        Args:
            more: further bytes were read with it: another message is likely to follow at once.
        """

    def on_text(self) -> None:
        """A text message, which this server does not speak."""

    def on_writable(self) -> None:
        """The channel was behind and takes frames again."""

    def on_lost(self) -> None:
        """The connection is gone."""


@runtime_checkable
class ControlReceiver(Protocol):
    """A receiver that also wants to know of pings and pongs."""

    def on_control(self, size: int) -> None:
        """One came, of so many bytes."""


@runtime_checkable
class Stranger(Protocol):
    """A receiver that learns only from messages who sends them."""

    @property
    def is_known(self) -> bool:
        """Whether it has; until then no large message is taken (CON-6)."""


class _Nowhere:
    """Takes what uvicorn's protocol still says to the endpoint that has gone."""

    def put_nowait(self, message: object) -> None:
        """A message for the endpoint."""

    def set(self) -> None:
        """The endpoint might write."""

    def cancel(self) -> None:
        """There is no hurry to close any more."""


_NOWHERE: Any = _Nowhere()


class DirectProtocol(WebSocketsSansIOProtocol):
    """uvicorn's protocol, which can be taken over; itself a `channels.Channel` then."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.last_sent = 0.0
        self.is_behind = False
        self.is_closing = False
        self._receiver: Receiver | None = None
        self._waiting = b""
        self._is_paused = False
        self._is_unread = False  # what was written has not gone out
        self._is_amid = True  # the general parser has something of a message, or of the handshake
        self._received = 0  # by the general parser
        self._message: StallWatch | None = None
        self._controls: MessageBudget | None = None
        self._control_receiver: ControlReceiver | None = None
        self._stranger: Stranger | None = None
        self.place: Place | None = None
        """What the connection takes of the server's; given back when it is gone."""
        self._guard = server_state.guard if isinstance(server_state, GuardedState) else None
        if self._guard is not None:
            self.conn.max_message_size = self._guard.early_message_bytes

    def connection_made(self, transport: BaseTransport) -> None:
        """Refuse handshakes in our words (HDR-1); everything that refuses one asks for them."""
        super().connection_made(transport)
        refuse = partial(refused_handshake, is_secure=self.scheme == "wss")
        # No subclass: uvicorn makes the object, and a second one would be garbage in a circle.
        self.conn.reject = refuse  # type: ignore[method-assign]  # in the place of its own

    def handle_connect(self, event: Request) -> None:
        """Offer itself to the endpoint in the scope's extensions."""
        super().handle_connect(event)
        if self.response.status_code == HTTPStatus.SWITCHING_PROTOCOLS:
            extensions: dict[str, Any] = self.scope["extensions"]
            extensions[EXTENSION] = self

    def attach(self, receiver: Receiver) -> None:
        """Hand the connection over; the endpoint must return then without another word."""
        self._receiver = receiver
        self._control_receiver = receiver if isinstance(receiver, ControlReceiver) else None
        self._stranger = receiver if isinstance(receiver, Stranger) else None
        if self._stranger is None:
            self.conn.max_message_size = self.config.ws_max_size
        queue, self.queue = self.queue, _NOWHERE
        self.writable = _NOWHERE
        self.close_timer = _NOWHERE  # without a timer, uvicorn closes when the endpoint returns
        self._forget_handshake()
        if not self.transport.is_closing():
            self._keep_buffers_small()
        while not queue.empty():
            self._pass_on(queue.get_nowait(), receiver)
        if self.disconnected:  # meanwhile: nobody will say so any more
            self.is_closing = True
            self._receiver = self._control_receiver = self._stranger = None
            return
        if self.read_paused:
            self.read_paused = False
            self.resume_reading()

    def _forget_handshake(self) -> None:
        """Its headers and its token are of no more use, and a seventh of what a connection costs.

        The parser that has read them keeps them for as long as it runs, so another takes its place.
        """
        del self.request, self.response, self.scope
        if not self._is_amid and not self.disconnected:
            self.conn.parser = self.conn.parse()
            next(self.conn.parser)

    def _pass_on(self, message: Any, receiver: Receiver) -> None:
        """What came while the endpoint was asking who this is."""
        if message["type"] == "websocket.disconnect":
            receiver.on_lost()
        elif (frame := message.get("bytes")) is not None:
            receiver.on_frame(frame)
        else:
            receiver.on_text()

    def _keep_buffers_small(self) -> None:
        """Let backpressure be felt within seconds: what is in a buffer is stale already."""
        self.transport.set_write_buffer_limits(high=HIGH_WATER)
        raw = self.transport.get_extra_info("socket")
        if raw is not None and raw.family in (socket.AF_INET, socket.AF_INET6):
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
            if hasattr(socket, "TCP_NOTSENT_LOWAT"):
                raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, NOT_SENT_LOW_WATER)

    # Receiving

    def data_received(self, data: bytes) -> None:
        """Hand on what arrived."""
        receiver = self._receiver
        if receiver is None or self._is_amid:
            self._parse(data)
            return
        if self._waiting:
            self._waiting += data  # a transport may still deliver what it had when it was paused
            return
        rest = self._take_small_frames(data, receiver)
        if rest:
            self._parse(rest)

    def _parse(self, data: bytes) -> None:
        """Give the general parser what is not for the fast path; watch what it begins (CON-3)."""
        self._received += len(data)
        if self._stranger is not None and self._stranger.is_known:
            self._stranger = None
            self.conn.max_message_size = self.config.ws_max_size
        super().data_received(data)
        conn = self.conn
        self._is_amid = conn.current_size is not None or not _is_between_frames(conn.parser)
        if not self._is_amid or not self.handshake_complete:
            self._stop_watching_message()
        elif self._guard is not None and not self.transport.is_closing():
            self._watch_message(self._guard)

    def _watch_message(self, guard: ConnectionGuard) -> None:
        if self._message is None:
            self._message = StallWatch(
                self.loop,
                seconds=guard.patience.stall,
                least_per_second=guard.patience.least,
                amount=lambda: self._received,
                on_stall=self._on_stall,
                is_excused=lambda: self._is_paused or self.read_paused,
            )
        self._message.start()

    def _stop_watching_message(self) -> None:
        if self._message is not None:
            self._message.stop()
            self._message = None  # it knows this object, and circles are looked for seldom

    def _on_stall(self) -> None:
        self._refuse(Limit.SLOW_MESSAGE, CloseCode.TRY_LATER, "a message came too slowly")

    def _refuse(self, limit: Limit, code: CloseCode, reason: str) -> None:
        """End the connection for what it does."""
        if self.is_closing:
            return
        if self._guard is not None:
            self._guard.count(limit)
        if self._receiver is None:
            self.cut()
        else:
            self.close(code, reason)

    def _take_small_frames(self, data: bytes, receiver: Receiver) -> bytes:
        """Hand over whole, final, masked binary frames of up to 64 KiB from the front of `data`;
        return the rest. Anything else is for the general parser, which knows all the rules.

        After FRAMES_AT_ONCE the rest waits for the loop's next round, in which everybody else has
        a turn, too.
        """
        position, size = 0, len(data)
        frames = 0
        while position + 6 <= size and data[position] == FINAL_BINARY and not self.is_closing:
            length = data[position + 1] - _MASKED
            mask_at = position + 2
            if length == _TWO_BYTES and position + 8 <= size:
                length = data[mask_at] << 8 | data[mask_at + 1]
                mask_at += 2
                if length < _TWO_BYTES:
                    break
            elif not 0 <= length < _TWO_BYTES:
                break
            start = mask_at + 4
            end = start + length
            if end > size:
                break
            if frames == FRAMES_AT_ONCE:
                self._waiting = data[position:]
                self.transport.pause_reading()
                self.loop.call_soon(self._go_on)
                return b""
            frame = apply_mask(data[start:end], data[mask_at:start])
            receiver.on_frame(frame, more=end < size)
            position = end
            frames += 1
        return data[position:] if position else data

    def _go_on(self) -> None:
        """Take what waited, unless the room has asked to wait longer."""
        if self._is_paused or self._receiver is None or self.is_closing:
            return
        data, self._waiting = self._waiting, b""
        self.data_received(data)
        if not self._waiting and not self._is_paused:
            self.resume_reading()

    def handle_cont(self, event: Frame) -> None:
        """A further fragment (CON-5)."""
        if self.is_closing:
            self.frames = []
        elif len(self.frames) >= MOST_FRAGMENTS:
            self.frames = []
            reason = f"a message may come in {MOST_FRAGMENTS} fragments"
            self._refuse(Limit.FRAGMENTS, CloseCode.TOO_BIG, reason)
        else:
            super().handle_cont(event)

    def handle_ping(self) -> None:
        """Answer, unless nobody reads it (CON-5): RFC 6455 (5.5.3) asks for the latest alone."""
        if self._is_unread or self.is_closing:
            self.conn.data_to_send()
        else:
            super().handle_ping()
        self._count_control(0)

    def handle_pong(self, event: Frame) -> None:
        """A pong, asked for or not."""
        super().handle_pong(event)
        self._count_control(len(event.data))

    def _count_control(self, size: int) -> None:
        if self.is_closing:
            return
        if self._controls is None:
            self._controls = MessageBudget(CONTROL_FRAMES)
        if not self._controls.take(size, self.loop.time()):
            reason = f"more than {CONTROL_FRAMES.messages:.0f} pings or pongs a second"
            self._refuse(Limit.CONTROL_FRAMES, CloseCode.TRY_LATER, reason)
        elif self._control_receiver is not None:
            self._control_receiver.on_control(size)

    def send_receive_event_to_app(self) -> None:
        """A whole message from the general parser."""
        receiver = self._receiver
        if receiver is None:
            super().send_receive_event_to_app()
            return
        data = self.frames[0] if len(self.frames) == 1 else b"".join(self.frames)
        self.frames = []
        if self.is_closing:
            return
        if self.curr_msg_data_type == "text":
            receiver.on_text()
        else:
            receiver.on_frame(bytes(data))

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone, whoever ended it."""
        super().connection_lost(exc)
        self.conn.parser.close()  # else a circle, which waits for the garbage collector
        self._stop_watching_message()
        if self.place is not None:
            self.place.leave()
        receiver, self._receiver = self._receiver, None
        self._control_receiver = self._stranger = None
        if receiver is not None:
            self.is_closing = True
            receiver.on_lost()

    def cut(self) -> None:
        """End the connection without a word."""
        self.is_closing = True
        self.handshake_complete = True  # nothing is to be answered any more
        self.transport.abort()

    def pause_reading(self) -> None:
        """Take no more from the socket; a little of what was read already may still arrive."""
        self._is_paused = True
        self.transport.pause_reading()

    def resume_reading(self) -> None:
        """Take from the socket again."""
        self._is_paused = False
        if self._waiting:
            self.loop.call_soon(self._go_on)
        elif not self.transport.is_closing():
            self.transport.resume_reading()

    # Sending

    def write(self, frame: OutgoingFrame, now: float) -> None:
        """Write one message; `is_behind` says afterwards whether it was one too many."""
        self._write(frame.wire, now)

    def write_both(self, first: OutgoingFrame, second: OutgoingFrame, now: float) -> None:
        """Write two. What costs is the kernel, to which uvloop gives each write by itself."""
        self._write(first.and_then(second), now)

    def _write(self, wire: bytes, now: float) -> None:
        self.last_sent = now
        try:
            self.transport.write(wire)
        except RuntimeError:  # it was closed beneath us; to be told is on its way
            self.is_closing = True

    def pause_writing(self) -> None:
        """The transport holds more than it should."""
        self._is_unread = True
        if self._receiver is None:
            super().pause_writing()
        else:
            self.is_behind = True

    def resume_writing(self) -> None:
        """The transport has drained."""
        self._is_unread = False
        if self._receiver is None:
            super().resume_writing()
        else:
            self.is_behind = False
            self._receiver.on_writable()

    def close(self, code: int, reason: str) -> None:
        """Begin the closing handshake; a peer that does not finish it is cut off."""
        if self.is_closing:
            return
        self.is_closing = True
        if self.transport.is_closing():
            return
        self.conn.send_close(code, fitting_reason(reason))
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        self._waiting = b""
        self.close_timer = self.loop.call_later(GOODBYE_SECONDS, self.transport.abort)
        self.resume_reading()

    def keepalive_timeout(self) -> None:
        """The peer answers no ping: whatever waits to be sent will never be.

        ROM-8: one that is behind has not read the ping, and one whose socket is not read now
        (ROM-16) may have answered. How long that may last is for the room to say.
        """
        if (
            (self.is_behind or self._is_paused)
            and not self.is_closing
            and self.ping_timeout is not None
        ):
            self.pong_timer = self.loop.call_later(self.ping_timeout, self.keepalive_timeout)
            return
        super().keepalive_timeout()
        self.transport.abort()


def _is_between_frames(parser: object) -> bool:
    """Whether a parser of websockets waits for the first byte of a frame.

    Its buffer does not tell: it is empty also after a header, before the payload.
    """
    while isinstance(parser, GeneratorType) and parser.gi_yieldfrom is not None:
        parser = parser.gi_yieldfrom
    return isinstance(parser, GeneratorType) and parser.gi_code is _BETWEEN_FRAMES
