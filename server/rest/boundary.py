"""The edge of the REST API: request ids, the body limit, and an envelope around every failure."""

from __future__ import annotations

import re
import time
from collections.abc import Awaitable, Callable, Mapping
from uuid import uuid4

import structlog
from fastapi.exceptions import RequestValidationError
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from crdt_docs.document import DocumentBroken
from crdt_docs.errors import LimitExceeded, NotNow
from persistence.ports import StorageUnavailable
from server.clock import Clock
from server.limits.requests import TooManyRequests
from server.rest import callers
from server.rest.envelope import REQUEST_ID_KEY, failure
from server.rest.errors import (
    BACKLOG_FULL,
    DOCUMENT_FULL,
    DOCUMENT_UNAVAILABLE,
    INTERNAL,
    KEYS_UNAVAILABLE,
    METHOD_NOT_ALLOWED,
    NOT_FOUND,
    STORAGE_UNAVAILABLE,
    ApiError,
    body_too_large,
    invalid_request,
    rate_limited,
    unavailable,
)
from server.signing_keys import KeysUnavailable

log = structlog.get_logger(__name__)

_REQUEST_ID = re.compile(r"[!-~]{1,128}")
_HEALTH_PATH = "/api/health"
_ALWAYS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}

_LATER = (
    (StorageUnavailable, STORAGE_UNAVAILABLE),
    (DocumentBroken, DOCUMENT_UNAVAILABLE),
    (KeysUnavailable, KEYS_UNAVAILABLE),
    (NotNow, BACKLOG_FULL),
)

Handler = Callable[[Request, Exception], Awaitable[Response]]


def outside(clock: Clock) -> Handler:
    """What answers, in the same envelope, for paths that are none of the API's."""

    async def answer(request: Request, error: Exception) -> Response:
        request_id = _request_id(request.headers)
        scope = {**request.scope, REQUEST_ID_KEY: request_id}
        response = failure(scope, clock, _problem(error))
        response.headers.update({"X-Request-ID": request_id, **_ALWAYS})
        return response

    return answer


class Boundary:
    """ASGI middleware around the REST routes; does nothing to anything but HTTP."""

    def __init__(self, app: ASGIApp, *, clock: Clock, max_body_bytes: int) -> None:
        self._app = app
        self._clock = clock
        self._max_body_bytes = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        request_id = _request_id(headers)
        inner = {
            **scope,
            REQUEST_ID_KEY: request_id,
            # Failures are answered here, not by the handlers of the application around us.
            "starlette.exception_handlers": ({}, {}),
        }
        answer = _Answer(send, request_id)
        began = time.perf_counter()
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            await self._answer(inner, _limited(receive, headers, self._max_body_bytes), answer)
            seconds = time.perf_counter() - began
            _log_request(scope, answer.status, seconds, callers.acting(inner))

    async def _answer(self, scope: Scope, receive: Receive, answer: _Answer) -> None:
        try:
            await self._app(scope, receive, answer.send)
        except ClientDisconnect:
            return  # nobody is left to answer
        except Exception as error:
            problem = _problem(error)
            if problem.status == 500:
                log.exception("a request failed")
            if answer.status is not None:
                raise  # half an answer is out: the server below must cut the connection
            await failure(scope, self._clock, problem)(scope, receive, answer.send)


class _Answer:
    """Sends an answer with the headers that every answer has; remembers its status."""

    def __init__(self, send: Send, request_id: str) -> None:
        self._send = send
        self._request_id = request_id
        self.status: int | None = None

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            headers["X-Request-ID"] = self._request_id
            headers.update(_ALWAYS)
        await self._send(message)


def _request_id(headers: Headers) -> str:
    """The caller's id for the request if it is usable, else a new one."""
    given = headers.get("x-request-id", "")
    return given if _REQUEST_ID.fullmatch(given) else str(uuid4())


def _limited(receive: Receive, headers: Headers, limit: int) -> Receive:
    """Refuse to read more than `limit` bytes of body, and to begin with one announced longer."""
    announced = headers.get("content-length", "")
    is_announced_longer = announced.isdecimal() and int(announced[:18]) > limit
    received = 0

    async def limited() -> Message:
        nonlocal received
        if is_announced_longer:
            raise body_too_large(limit)
        message = await receive()
        received += len(message.get("body", b""))
        if received > limit:
            raise body_too_large(limit)
        return message

    return limited


def _problem(error: Exception) -> ApiError:
    """What an exception means to the caller."""
    for later, kind in _LATER:
        if isinstance(error, later):
            return unavailable(kind)
    match error:
        case ApiError():
            return error
        case RequestValidationError():
            return invalid_request(error.errors())
        case TooManyRequests() | LimitExceeded():
            return _past_a_limit(error)
        case HTTPException(status_code=404 | 405):
            return _not_routed(error)
        case _:
            return ApiError(INTERNAL)


def _past_a_limit(error: TooManyRequests | LimitExceeded) -> ApiError:
    if isinstance(error, LimitExceeded):
        return ApiError(DOCUMENT_FULL, str(error))
    return rate_limited(error.limit, error.most, error.retry_after)


def _not_routed(error: HTTPException) -> ApiError:
    if error.status_code == 404:
        return ApiError(NOT_FOUND)
    allowed = ", ".join(sorted((error.headers or {}).get("Allow", "").split(", ")))
    return ApiError(METHOD_NOT_ALLOWED, f"this path takes {allowed}", headers={"Allow": allowed})


def _log_request(
    scope: Scope, status: int | None, seconds: float, acting: Mapping[str, str]
) -> None:
    """One line a request; the query string stays out of it. It says who acts for whom."""
    write = log.debug if scope["path"].startswith(_HEALTH_PATH) else log.info
    write(
        "request",
        method=scope["method"],
        path=scope["path"][:256],
        status=status,
        milliseconds=round(seconds * 1000, 1),
        **acting,
    )
