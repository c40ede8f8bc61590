"""Which pages may use this server: those of its own origin, and those of origins that are named.

- ORG-1: a WebSocket that a page of another origin opens is closed with 4403, whose reason names
  the setting. The handshake is accepted for that: a browser shows its developers nothing of an
  upgrade that was refused, and nothing is lost by it, because no cookie makes a socket anybody's.
- ORG-2: who sends no `Origin` is no page of a browser, and passes.
- ORG-3: answers of REST may be read by pages of allowed origins, and by no others (CORS).
"""

from __future__ import annotations

from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from crdt_docs.messages import CloseCode
from server.counters import Counters
from server.limits.names import Limit
from server.limits.refusing import accept_and_close
from server.settings import WEB_PORTS, is_loopback

ANY = "*"
REFUSED = "pages of this origin may not use this server: its operator allows them (ALLOWED_ORIGINS)"

_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
_SENT = (
    "Authorization",
    "Content-Type",
    "Idempotency-Key",
    "If-Match",
    "If-None-Match",
    "X-Acting-User",
    "X-Identity-ID",
    "X-Request-ID",
)
_EXPOSED = ("ETag", "Idempotency-Replayed", "Location", "Retry-After", "X-Request-ID")
_THIS_MACHINE = r"https?://(localhost|127\.\d+\.\d+\.\d+|\[::1\])(:\d+)?"


class Origins:
    """The origins whose pages may use this server."""

    def __init__(self, allowed: Collection[str], *, with_this_machine: bool = False) -> None:
        """
        Args:
            allowed: as browsers send them, in lower case; or `*`.
            with_this_machine: also every port of this machine.
        """
        self._allowed = frozenset(allowed)
        self._with_this_machine = with_this_machine

    def allow(self, origin: str, host: str) -> bool:
        """Whether a page of this origin may open a socket at this host (the `Host` header).

        The schemes need not be the same: a proxy in front may end TLS and not say so.
        """
        if ANY in self._allowed or origin.lower() in self._allowed:
            return True
        page = _address(origin)
        if page is None:
            return False
        scheme, name, _ = page
        if self._with_this_machine and is_loopback(name):
            return True
        return page == _address(f"//{host}", scheme)

    def around(self, app: ASGIApp) -> ASGIApp:
        """The application, with answers that pages of other origins may read (ORG-3)."""
        if not self._allowed and not self._with_this_machine:
            return app
        return CORSMiddleware(
            app,
            allow_origins=tuple(self._allowed),
            allow_origin_regex=_THIS_MACHINE if self._with_this_machine else None,
            allow_methods=_METHODS,
            allow_headers=_SENT,
            expose_headers=_EXPOSED,
        )


def _address(url: str, scheme: str = "") -> tuple[str, str, int | None] | None:
    """Scheme, host and port, the scheme's where none is given; None if it names no host.

    Args:
        scheme: of a URL that has none.
    """
    try:
        parts = urlsplit(url, scheme)
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    return None if host is None else (parts.scheme, host, port or WEB_PORTS.get(parts.scheme))


class OriginCheck:
    """ASGI middleware: sockets of pages that may not open them are closed (ORG-1, ORG-2)."""

    def __init__(self, app: ASGIApp, origins: Origins, counters: Counters) -> None:
        self._app = app
        self._origins = origins
        self._counters = counters

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "websocket" or self._may_come(Headers(scope=scope)):
            await self._app(scope, receive, send)
            return
        self._counters.count_limited(Limit.ORIGIN)
        self._counters.count_close(CloseCode.FORBIDDEN)
        await accept_and_close(scope, receive, send, CloseCode.FORBIDDEN, REFUSED)

    def _may_come(self, headers: Headers) -> bool:
        given = headers.getlist("origin")
        if not given:
            return True
        return len(given) == 1 and self._origins.allow(given[0], headers.get("host", ""))
