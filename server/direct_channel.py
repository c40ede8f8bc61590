"""WebSocket messages straight between uvicorn's transport and a room.

Until a handshake is accepted this is uvicorn's own Sans-I/O protocol. Then the endpoint may
`attach` a receiver, and from there on no message passes through ASGI, a queue or a task: frames
that arrive are handed to the receiver, and frames made ready elsewhere are written to the
transport. What the endpoint needed for the handshake is let go.
"""

from __future__ import annotations

import socket
from http import HTTPStatus
from typing import Any, Protocol

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import apply_mask  # type: ignore[attr-defined]  # in C, or else in Python
from websockets.http11 import Request

from server.channels import fitting_reason
from server.frames import FINAL_BINARY, OutgoingFrame

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

_MASKED = 0x80
_TWO_BYTES = 126  # a length of two more bytes follows (RFC 6455, 5.2)


class Receiver(Protocol):
    """What a direct channel tells whoever attached to it. All calls come from the event loop."""

    def on_frame(self, frame: bytes) -> None:
        """A binary message."""

    def on_text(self) -> None:
        """A text message, which this server does not speak."""

    def on_writable(self) -> None:
        """The channel was behind and takes frames again."""

    def on_lost(self) -> None:
        """The connection is gone."""


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

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.last_sent = 0.0
        self.is_behind = False
        self.is_closing = False
        self._receiver: Receiver | None = None
        self._waiting = b""
        self._is_paused = False

    def handle_connect(self, event: Request) -> None:
        """Offer itself to the endpoint in the scope's extensions."""
        super().handle_connect(event)
        if self.response.status_code == HTTPStatus.SWITCHING_PROTOCOLS:
            extensions: dict[str, Any] = self.scope["extensions"]
            extensions[EXTENSION] = self

    def attach(self, receiver: Receiver) -> None:
        """Hand the connection over; the endpoint must return then without another word."""
        self._receiver = receiver
        queue, self.queue = self.queue, _NOWHERE
        self.writable = _NOWHERE
        self.close_timer = _NOWHERE  # without a timer, uvicorn closes when the endpoint returns
        del self.request, self.response, self.scope
        self._keep_buffers_small()
        while not queue.empty():
            self._pass_on(queue.get_nowait(), receiver)
        if self.read_paused:
            self.read_paused = False
            self.resume_reading()

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
        if receiver is None or self.conn.reader.buffer or self.conn.current_size is not None:
            super().data_received(data)
            return
        if self._waiting:
            self._waiting += data  # a transport may still deliver what it had when it was paused
            return
        rest = self._take_small_frames(data, receiver)
        if rest:
            super().data_received(rest)

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
            receiver.on_frame(apply_mask(data[start:end], data[mask_at:start]))
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
        receiver, self._receiver = self._receiver, None
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
        self.last_sent = now
        self.transport.write(frame.wire)

    def pause_writing(self) -> None:
        """The transport holds more than it should."""
        if self._receiver is None:
            super().pause_writing()
        else:
            self.is_behind = True

    def resume_writing(self) -> None:
        """The transport has drained."""
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
