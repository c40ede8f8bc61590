"""Headers that keep browsers from doing more with an answer than it is for; on every answer.

- HDR-1: every answer forbids guessing its type, being framed, being embedded by other origins,
  and telling others where one came from; what is no page may load and run nothing.
- HDR-2: what an endpoint says itself stands.
- HDR-3: under TLS, browsers are told to come back with TLS only.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

SECURITY_HEADERS: Final = MappingProxyType(
    {
        "Content-Security-Policy": (
            "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        ),
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": (
            "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()"
        ),
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
    }
)

TRANSPORT_SECURITY = "max-age=31536000"  # a year; for subdomains only their owner can speak

_ENCODED = tuple(
    (name.lower().encode(), value.encode()) for name, value in SECURITY_HEADERS.items()
)
_ENCODED_TRANSPORT = (b"strict-transport-security", TRANSPORT_SECURITY.encode())
_STARTS = ("http.response.start", "websocket.http.response.start")


class SecurityHeaders:
    """ASGI middleware, outermost: also around what answers for faults."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return

        async def dressed(message: Message) -> None:
            if message["type"] in _STARTS:
                message = {**message, "headers": _with_headers(message, scope)}
            await send(message)

        await self._app(scope, receive, dressed)


def _with_headers(message: Message, scope: Scope) -> list[tuple[bytes, bytes]]:
    headers = list(message.get("headers", ()))
    said = {name.lower() for name, _ in headers}
    # Asked now and not before: a proxy that is believed may have changed it.
    ours = plain_headers(is_secure=scope["scheme"] in ("https", "wss"))
    headers.extend(each for each in ours if each[0] not in said)
    return headers


def plain_headers(*, is_secure: bool) -> list[tuple[bytes, bytes]]:
    """The same for answers that no application makes."""
    return [*_ENCODED, _ENCODED_TRANSPORT] if is_secure else list(_ENCODED)
