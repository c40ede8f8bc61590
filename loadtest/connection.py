"""One WebSocket of one person: counts what comes, and shows its listener what has to be seen."""

from __future__ import annotations

import asyncio
import ssl
from time import monotonic_ns
from typing import Final, Protocol, cast

from loadtest import marks, wire
from loadtest.dialects import Dialect
from loadtest.frames import FrameStream
from loadtest.measures import Count, Delay, Measures
from loadtest.seat import Seat

SAMPLED: Final = 8
ONE_IN: Final = 4
"""Of the marks of one read the delays of one in four are looked at, of one at least and of eight
at most; each stands for its share of them. Another place in the bytes begins it each time."""

_STRIDE: Final = 997

NO_CLOSE_FRAME: Final = 0
"""Close code of a connection that just broke."""

CLOSE_SECONDS: Final = 2.0
"""For the server's answer to a goodbye."""


class Listener(Protocol):
    """Who is at a connection."""

    def hear(self, message: bytes) -> None:
        """A whole message came that is neither an update nor presence (unless all is seen)."""

    def ended(self, code: int, reason: str) -> None:
        """The connection is gone, whoever wanted that; told once."""


class Connection(asyncio.Protocol):
    """A client's end.

    Attributes:
        is_open: the server has accepted it, and it has not ended.
    """

    def __init__(
        self, seat: Seat, listener: Listener, measures: Measures, *, sees_all: bool = False
    ) -> None:
        """
        Args:
            sees_all: the listener hears updates and presence, too.
        """
        self.is_open = False
        self._seat = seat
        self._number = seat.number
        self._begin = 0
        self._listener = listener
        self._measures = measures
        self._frames = FrameStream(self._hear, Dialect.of(seat).prefix, sees_all=sees_all)
        self._marks = marks.MarkStream(seat.number)
        self._counts_from: int | None = None
        self._behind: int | None = None
        self._is_slow = False
        self._handshake: bytes | None = b""
        self._fragments: list[bytes] = []
        self._transport: asyncio.Transport | None = None
        loop = asyncio.get_running_loop()
        self._opened: asyncio.Future[None] = loop.create_future()
        self._ended: asyncio.Future[None] = loop.create_future()

    # Coming and going

    async def connect(self, tls: ssl.SSLContext | None = None) -> None:
        """Returns when the server has accepted the WebSocket.

        Args:
            tls: whom to trust, where the seat wants TLS; by default whom the machine trusts.

        Raises:
            OSError: nobody answers there, or not with a certificate that is trusted.
            NotAWebSocket: somebody does, and refuses.
        """
        seat = self._seat
        loop = asyncio.get_running_loop()
        await loop.create_connection(
            lambda: self, seat.host, seat.port, ssl=(tls or True) if seat.is_tls else None
        )
        self.send_raw(wire.upgrade_request(seat.host, seat.port, seat.path))
        await self._opened

    async def close(self) -> None:
        """Say goodbye, and wait for the answer for a moment."""
        if self._transport is not None and not self._ended.done():
            self.read_again()
            self.send_raw(wire.close_frame())
            await asyncio.wait((self._ended,), timeout=CLOSE_SECONDS)
        self.cut()

    def cut(self) -> None:
        """Break it, without a word. Its listener hears of it at once."""
        if self._transport is not None:
            self._transport.abort()
        self._end(NO_CLOSE_FRAME, "cut")

    def count_marks(self) -> None:
        """From behind the message that is just heard marks count: those before are of the past."""
        if self._counts_from is None:
            self._behind = self._frames.behind
            self._counts_from = monotonic_ns()

    # Sending

    def send(self, message: bytes) -> None:
        """Send one message; it waits in memory while the server takes none."""
        self.send_raw(wire.frame(message))

    def send_raw(self, data: bytes) -> None:
        """Send bytes as they are; dropped when the connection is gone."""
        if self._transport is None or self._transport.is_closing():
            return
        self._measures.count(Count.BYTES_OUT, len(data))
        self._transport.write(data)

    @property
    def unsent(self) -> int:
        """Bytes that the system has not taken yet."""
        return 0 if self._transport is None else self._transport.get_write_buffer_size()

    # Not reading

    def stop_reading(self) -> None:
        """Take nothing from the system any more, as a page does that hangs. From now on no delays
        are measured here: they would be its own."""
        self._is_slow = True
        if self._transport is not None and self._transport.is_reading():
            self._transport.pause_reading()

    def read_again(self) -> None:
        """Take everything that lies there, and go on."""
        if self._transport is None or self._transport.is_closing():
            return
        if not self._transport.is_reading():
            self._transport.resume_reading()

    # What the loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """There is a connection."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Something came: the hot path, once a read, whatever the number of messages."""
        if self._handshake is not None:
            data = self._take_handshake(data)
            if not data:
                return
        frames = self._frames.take(data)
        self._measures.count(Count.BYTES_IN, len(data))
        if frames:
            self._measures.count(Count.FRAMES_IN, frames)
        if self._counts_from is not None:
            self._count(data, self._counts_from)

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone: an end without a close frame, unless there was one before."""
        self._end(NO_CLOSE_FRAME, str(exc or "the connection broke"))

    # Parts of it

    def _take_handshake(self, data: bytes) -> bytes:
        """Returns what comes behind the handshake."""
        answer = (self._handshake or b"") + data
        try:
            begin = wire.accepted_at(answer)
        except wire.NotAWebSocket as error:
            self._refuse(error)
            return b""
        self._handshake = None if begin else answer
        if begin:
            self.is_open = True
            if not self._opened.done():
                self._opened.set_result(None)
        return answer[begin:] if begin else b""

    def _refuse(self, error: wire.NotAWebSocket) -> None:
        fail(self._opened, error)
        self._end(NO_CLOSE_FRAME, str(error))
        self.cut()

    def _count(self, data: bytes, since: int) -> None:
        if self._behind is not None:
            data, self._behind = data[len(data) - self._behind :], None
        whole, edits, cursors = self._marks.take(data)
        if found := edits + cursors:
            self._measures.count(Count.MARKS_SEEN, found)
        if self._is_slow:
            return
        if edits:
            self._sample(whole, edits, since, marks.EDIT, Delay.SEEN)
        if cursors:
            self._sample(whole, cursors, since, marks.CURSOR, Delay.CURSOR)

    def _sample(self, data: bytes, found: int, since: int, start: bytes, what: Delay) -> None:
        """Delays of some; of those only that were made since their receiver is there."""
        now, own = monotonic_ns(), self._number
        most = min(1 + found // ONE_IN, SAMPLED)
        self._begin = (self._begin + _STRIDE) % len(data)
        looked_at = marks.sample(data, most, now, self._begin, start)
        sampled = [at for who, at in looked_at if who != own]
        if not sampled:
            return
        weight, further = divmod(found, len(sampled))
        for at in sampled:
            if at >= since:
                self._measures.delay(what, now, now - at, weight + further)
            further = 0

    def _hear(self, first: int, payload: bytes) -> None:
        match first:
            case wire.BINARY:
                self._listener.hear(payload)
            case wire.PING:
                self.send_raw(wire.frame(payload, wire.PONG))
            case wire.CLOSE:
                self._goodbye(*wire.closing(payload))
            case wire.FIRST_PART | wire.PART:
                self._fragments.append(payload)
            case wire.LAST_PART:
                message = b"".join((*self._fragments, payload))
                self._fragments = []
                self._listener.hear(message)

    def _goodbye(self, code: int, reason: str) -> None:
        self.send_raw(wire.close_frame(1000 if code == 1005 else code))
        if self._transport is not None:
            self._transport.close()
        self._end(code, reason)

    def _end(self, code: int, reason: str) -> None:
        if self._ended.done():
            return
        self.is_open = False
        self._ended.set_result(None)
        fail(self._opened, ConnectionResetError(reason))
        self._listener.ended(code, reason)


def fail(waited_for: asyncio.Future[None], error: Exception) -> None:
    """Tell whoever waits, if anybody does: who went before is not to blame for not asking."""
    if not waited_for.done():
        waited_for.set_exception(error)
        waited_for.exception()  # else it is logged as never retrieved
