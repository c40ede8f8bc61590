"""uvicorn's HTTP protocol, which is asked to be patient for ever, with an end to its patience."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import h11
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from server.direct_channel import DirectProtocol
from server.limits.connections import HEAD_BYTES, GuardedState, Place
from server.limits.names import Limit
from server.limits.stalling import StallWatch
from server.security_headers import plain_headers


class GuardedHttpProtocol(H11Protocol):
    """One connection, until it becomes a WebSocket."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        """`server_state` is a `GuardedState`."""
        super().__init__(config, server_state, app_state, _loop)
        assert isinstance(server_state, GuardedState)  # noqa: S101 - for the type checker
        self._guard = server_state.guard
        self._place: Place | None = None
        self._received = 0
        self._is_upgraded = False
        self._head_timer: asyncio.TimerHandle | None = None
        # Made when they are needed, and dropped when they are not: they know this object, and
        # garbage in circles is looked for seldom.
        self._body: StallWatch | None = None
        self._answer: StallWatch | None = None

    def _watch(
        self, amount: Callable[[], int], is_excused: Callable[[], bool] = lambda: False
    ) -> StallWatch:
        watch = StallWatch(
            self.loop,
            seconds=self._guard.patience.stall,
            least_per_second=self._guard.patience.least,
            amount=amount,
            on_stall=lambda: self._cut(Limit.SLOW_BODY),
            is_excused=is_excused,
        )
        watch.start()
        return watch

    def _watch_body(self) -> None:
        if self._body is None:
            self._body = self._watch(lambda: self._received, lambda: self.flow.read_paused)

    def _watch_answer(self) -> None:
        if self._answer is None:
            self._answer = self._watch(lambda: -self.transport.get_write_buffer_size())

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        """Take a place, or none (CON-1)."""
        super().connection_made(transport)
        self._place = self._guard.enter(self.client[0] if self.client else "")
        if self._place is None:
            transport.abort()
        else:
            self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self._stop_watching()
        self._stop_watching_answer()
        if self._place is not None:
            self._place.leave()
        super().connection_lost(exc)

    # Receiving

    def data_received(self, data: bytes) -> None:
        """Read on; of what may be a head, no more at once than it may have (CON-4)."""
        self._received += len(data)
        while data and not self._is_upgraded and not self.transport.is_closing():
            size = HEAD_BYTES + 1 if self.conn.their_state is h11.IDLE else len(data)
            super().data_received(data[:size])
            data = data[size:]
        self._watch_what_comes()

    def _watch_what_comes(self) -> None:
        state = self.conn.their_state
        if self._is_upgraded or self.transport.is_closing():
            self._stop_watching()
        elif state is h11.IDLE:
            self._stop_watching_body()
            self._await_head()
        elif state is h11.SEND_BODY:
            self._stop_awaiting_head()
            self._watch_body()
        else:
            self._stop_watching()

    def _await_head(self) -> None:
        if self._head_timer is None:
            seconds = self._guard.patience.head
            self._head_timer = self.loop.call_later(seconds, self._cut, Limit.SLOW_HEAD)

    def _stop_awaiting_head(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _stop_watching(self) -> None:
        self._stop_awaiting_head()
        self._stop_watching_body()

    def _stop_watching_body(self) -> None:
        if self._body is not None:
            self._body.stop()
            self._body = None

    def _stop_watching_answer(self) -> None:
        if self._answer is not None:
            self._answer.stop()
            self._answer = None

    def _cut(self, limit: Limit) -> None:
        self._guard.count(limit)
        self.transport.abort()

    # Sending

    def on_response_complete(self) -> None:
        """Go on; the next request may have been here before this answer was, without its body."""
        super().on_response_complete()
        is_open = not self._is_upgraded and not self.transport.is_closing()
        if is_open and self.conn.their_state is h11.SEND_BODY:
            self._watch_body()

    def pause_writing(self) -> None:
        """The client does not read as fast as is written."""
        super().pause_writing()
        self._watch_answer()

    def resume_writing(self) -> None:
        """It has caught up."""
        self._stop_watching_answer()
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:
        """As inherited, with the headers that every answer has (HDR-1); counted, not logged."""
        self._guard.count(Limit.BAD_HEAD)
        headers = [
            *plain_headers(is_secure=self.scheme == "https"),
            (b"content-type", b"text/plain; charset=utf-8"),
            (b"connection", b"close"),
        ]
        body = msg.encode("ascii")
        for event in (
            h11.Response(status_code=400, headers=headers, reason=b"Bad Request"),
            h11.Data(data=body),
            h11.EndOfMessage(),
        ):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    # Becoming a WebSocket

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        """Hand over the transport, and the place with it."""
        self._is_upgraded = True
        self._stop_watching()
        self._stop_watching_answer()
        super().handle_websocket_upgrade(event)
        place, self._place = self._place, None
        if place is None:
            return
        protocol = self.transport.get_protocol()
        if isinstance(protocol, DirectProtocol):
            protocol.place = place
        else:
            place.leave()  # nobody would say when it is gone
