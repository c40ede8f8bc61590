"""uvicorn, stopped in the order that suits this server, and configured for it.

uvicorn's own stop closes the sockets first and tells the application last. Here the application
goes first: it stores what it has, acknowledges it and says goodbye; then the rest is closed.
"""

from __future__ import annotations

import asyncio
import signal
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.config import STARTUP_FAILURE, Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import Server

from server.counters import Counters
from server.http_protocol import GuardedHttpProtocol
from server.limits.connections import ConnectionGuard, GuardedState
from server.listener import BACKLOG
from server.settings import Settings
from server.tls import Certificate

_log = structlog.get_logger(__name__)

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)

_LOOK = 0.02  # seconds between looks at connections that are ending
_SHARE_OF_REQUESTS = 0.25  # of the time to stop, at most so much for requests in progress
_SHARE_OF_APPLICATION = 0.9  # of the time to stop, until when the application must have ended

FAREWELL_SECONDS = 1.0
"""How long last words may take to go out once the application has ended. Everything is stored and
said by then, and who reads nothing would hold up the stop for all of its time."""


class LifespanWitness:
    """The application, and why its lifespan failed: uvicorn logs that but does not hand it on."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.fault: BaseException | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything through."""
        if scope["type"] != "lifespan":
            await self._app(scope, receive, send)
            return

        async def send_without_traceback(message: Message) -> None:
            if message["type"] == "lifespan.startup.failed":
                message = {"type": message["type"]}  # whoever started us tells why, in one line
            await send(message)

        try:
            await self._app(scope, receive, send_without_traceback)
        except BaseException as error:
            self.fault = error
            raise


def uvicorn_config(
    settings: Settings,
    app: ASGIApp,
    ws: type[asyncio.Protocol] | str,
    certificate: Certificate | None = None,
) -> Config:
    """How uvicorn serves `app`.

    Args:
        ws: the WebSocket protocol class, or uvicorn's name of one.
        certificate: None serves without TLS.
    """
    return Config(
        app,
        interface="asgi3",
        lifespan="on",
        http=GuardedHttpProtocol,  # as `GracefulServer` makes them
        ws=ws,
        # A step 2 may be as large as a document; smaller frames are the endpoint's to judge.
        ws_max_size=settings.max_document_bytes + 64,
        ws_ping_interval=20.0,
        ws_ping_timeout=20.0,
        ws_per_message_deflate=False,  # it multiplies the cost of fan-out by about five
        backlog=BACKLOG,
        timeout_keep_alive=settings.keep_alive_seconds,
        # The application's edge does it, for those that a setting names.
        proxy_headers=False,
        ssl_context_factory=None if certificate is None else lambda *_: certificate.context,
        server_header=False,
        log_config=None,
        # Above info: there uvicorn logs each WebSocket's target, with the token in its query.
        # Above warning: there it logs every request that is none, for whoever likes to send them.
        log_level="error",
        access_log=False,
    )


class GracefulServer(Server):
    """Serves until `stop`, or a signal, and ends within `stop_seconds`."""

    def __init__(
        self,
        config: Config,
        *,
        stop_seconds: float,
        on_ready: Callable[[], None],
        guard: ConnectionGuard | None = None,
        farewell_seconds: float = FAREWELL_SECONDS,
    ) -> None:
        """`guard`: of its connections; one with the usual limits if none is given."""
        super().__init__(config)
        self._guard = guard or ConnectionGuard(Counters())
        self.server_state = GuardedState(self._guard)
        self._stop_seconds = stop_seconds
        self._farewell_seconds = farewell_seconds
        self._on_ready = on_ready
        self.is_clean = True
        """False once the application could not end in time or failed while ending."""

    def stop(self) -> None:
        """Begin to end; a second call changes nothing."""
        self.should_exit = True

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop at a signal.

        The method replaced raises the signal once more after everything has ended, which would
        turn every clean exit into a death by signal.
        """
        loop = asyncio.get_running_loop()
        for number in STOP_SIGNALS:
            loop.add_signal_handler(number, self.stop)
        try:
            yield
        finally:
            for number in STOP_SIGNALS:
                loop.remove_signal_handler(number)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start the application, accept on these sockets, say so.

        The method replaced gives nobody a time for the handshake of TLS (CON-2).

        Raises:
            SystemExit: the application did not start.
        """
        await self.lifespan.startup()
        if self.lifespan.should_exit:
            raise SystemExit(STARTUP_FAILURE)
        loop = asyncio.get_running_loop()
        seconds = None if self.config.ssl is None else self._guard.patience.head
        self.servers = [
            await loop.create_server(
                self._connection,
                sock=listener,
                ssl=self.config.ssl,
                backlog=self.config.backlog,
                ssl_handshake_timeout=seconds,
            )
            for listener in sockets or ()
        ]
        self.started = True
        self._on_ready()

    def _connection(self) -> asyncio.Protocol:
        return GuardedHttpProtocol(self.config, self.server_state, self.lifespan.state)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept no more; finish requests; end the application; close what is left with 1012."""
        begun = time.monotonic()
        for server in self.servers:
            server.close()
        for listener in sockets or ():
            listener.close()
        requests = [each for each in self.server_state.connections if isinstance(each, H11Protocol)]
        for request in requests:
            request.shutdown()  # an idle one closes, a busy one does so after its answer
        share = self._stop_seconds * _SHARE_OF_REQUESTS
        await self._until_ended(requests, begun + share)
        await self._end_application(begun + self._stop_seconds * _SHARE_OF_APPLICATION)
        rest = list(self.server_state.connections)
        for connection in rest:
            connection.shutdown()
        farewell = time.monotonic() + self._farewell_seconds
        await self._until_ended(rest, min(farewell, begun + self._stop_seconds))

    async def _until_ended(self, connections: Sequence[asyncio.Protocol], deadline: float) -> None:
        alive = self.server_state.connections
        while not alive.isdisjoint(connections) and time.monotonic() < deadline:  # noqa: ASYNC110 - they tell nobody
            await asyncio.sleep(_LOOK)

    async def _end_application(self, deadline: float) -> None:
        try:
            async with asyncio.timeout(max(0.0, deadline - time.monotonic())):
                await self.lifespan.shutdown()
        except TimeoutError:
            _log.exception("application_does_not_end", waited=self._stop_seconds)
            self.is_clean = False
        else:
            self.is_clean = not (self.lifespan.should_exit or self.lifespan.error_occurred)
